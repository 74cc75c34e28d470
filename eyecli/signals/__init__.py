"""Signals of gaze and eye movements: how good the recorded data are."""
