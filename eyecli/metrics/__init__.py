"""Metrics: pure functions on arrays, each with its definition and source."""
