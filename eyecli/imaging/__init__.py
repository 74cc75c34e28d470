"""Decoding, geometry and photometry of images."""
