"""How crops are changed in training: one constant for the learner and for what is said of it."""

from __future__ import annotations

from eyecli.imaging.affine import Jitter

JITTER = Jitter(shift=0.04, rotation=3.0, zoom=0.05, gain=0.10, offset=0.05, noise=0.02)
