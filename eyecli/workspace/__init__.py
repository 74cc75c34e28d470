"""Versioned, immutable artifacts in a local folder, safe on shared file systems."""
