"""Lengths of time as people write them."""

from __future__ import annotations

import re

from eyecli.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str, field: str) -> float:
    """Return the seconds of ``90s``, ``30m``, ``24h``, ``7d`` or ``0``.

    Raises
    ------
    UsageError
        If it is written otherwise; `field` is named.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])|0", text)
    if not match:
        raise UsageError(f"{field} '{text}' is no length of time", "write 90s, 30m, 24h or 7d")
    return float(match[1]) * UNITS[match[2]] if match[1] else 0.0
