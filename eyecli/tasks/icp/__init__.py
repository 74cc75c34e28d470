"""Intracranial pressure from OCT volumes of the optic nerve head."""
