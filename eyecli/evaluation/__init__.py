"""Intervals, baselines, verdicts and reports."""
