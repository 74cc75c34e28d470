"""Gaze estimation from images: where on the screen somebody looks."""
