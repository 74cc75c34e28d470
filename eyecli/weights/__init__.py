"""Pretrained weights: the registry, the readers that run nothing, the artifacts they lie in."""
