"""Gaze over time: whose it is, what for, and how it goes on."""
