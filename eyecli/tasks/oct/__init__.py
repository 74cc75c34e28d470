"""Findings in B-scans of the retina, by optical coherence tomography."""
