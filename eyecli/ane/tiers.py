"""Generations of the Neural Engine, which chip and device has which, and limits that differ.

The names are those of the compiler's targets: M1 is h13, M5 is h17 (ane-guide, chapter 34). That
an A14 is an h13 and so on is an assumption from the names of the chips, written down in no source,
so that a verdict for a phone carries the lower confidence of its target.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from eyecli.ane.vocabulary import Confidence
from eyecli.errors import UsageError, suggest

TIERS = ("h12", "h13", "h14", "h15", "h16", "h17")
# The strictest generation that somebody measured: M1, and by assumption A14.
DEFAULT = "h13"

_MACS = {"M1": "h13", "M2": "h14", "M3": "h15", "M4": "h16", "M5": "h17"}
_PHONES = {
    "A12": "h12", "A12X": "h12", "A12Z": "h12", "A13": "h12", "A14": "h13", "A15": "h14",
    "A16": "h15", "A17 Pro": "h16", "A18": "h17", "A18 Pro": "h17", "A19": "h17",
    "A19 Pro": "h17",
}  # fmt: skip
# Of these nobody wrote anything down: they are judged as the newest generation that is known.
_NEWER = frozenset({"A19", "A19 Pro"})
CHIPS: dict[str, str] = {
    **{f"{m}{kind}": t for m, t in _MACS.items() for kind in ("", " Pro", " Max", " Ultra")},
    **_PHONES,
}
# Devices by chip, after the table of hollance/neural-engine; those of several chips are named with
# their chip: MacBook Air M2.
_DEVICES = {
    "A12": "iPhone XS, iPhone XS Max, iPhone XR, iPad 8, iPad Air 3, iPad mini 5",
    "A12X": "iPad Pro 11-inch 1, iPad Pro 12.9-inch 3",
    "A12Z": "iPad Pro 11-inch 2, iPad Pro 12.9-inch 4",
    "A13": "iPhone 11, iPhone 11 Pro, iPhone 11 Pro Max, iPhone SE 2, iPad 9",
    "A14": "iPhone 12, iPhone 12 mini, iPhone 12 Pro, iPhone 12 Pro Max, iPad Air 4, iPad 10",
    "A15": "iPhone 13, iPhone 13 mini, iPhone 13 Pro, iPhone 13 Pro Max, iPhone 14, "
    "iPhone 14 Plus, iPhone SE 3, iPad mini 6",
    "A16": "iPhone 14 Pro, iPhone 14 Pro Max, iPhone 15, iPhone 15 Plus, iPad 11",
    "A17 Pro": "iPhone 15 Pro, iPhone 15 Pro Max, iPad mini 7",
    "A18": "iPhone 16, iPhone 16 Plus, iPhone 16e",
    "A18 Pro": "iPhone 16 Pro, iPhone 16 Pro Max",
    "A19": "iPhone 17",
    "A19 Pro": "iPhone 17 Pro, iPhone 17 Pro Max, iPhone Air",
    "M1": "iPad Air 5, iPad Pro 11-inch 3, iPad Pro 12.9-inch 5",
    "M2": "iPad Pro 11-inch 4, iPad Pro 12.9-inch 6, Vision Pro",
}
DEVICES: dict[str, str] = {
    name: chip for chip, names in _DEVICES.items() for name in names.split(", ")
}
# Identifiers as `hw.machine` and `hw.model` give them, by chip; without a comma, a whole row.
_IDENTIFIERS = {
    "A12": "iPhone11 iPad11",
    "A13": "iPhone12 iPad12",
    "A14": "iPhone13 iPad13,1 iPad13,2 iPad13,18 iPad13,19",
    "A15": "iPhone14 iPad14,1 iPad14,2",
    "A16": "iPhone15 iPad15,7 iPad15,8",
    "A17 Pro": "iPhone16 iPad16,1 iPad16,2",
    "A18": "iPhone17,3 iPhone17,4 iPhone17,5",
    "A18 Pro": "iPhone17,1 iPhone17,2",
    "A19": "iPhone18,3",
    "A19 Pro": "iPhone18,1 iPhone18,2 iPhone18,4",
    "M1": "MacBookAir10,1 MacBookPro17,1 Macmini9,1 iMac21,1 iMac21,2 iPad13,16 iPad13,17 "
    + " ".join(f"iPad13,{n}" for n in range(4, 12)),
    "M2": "Mac14,2 Mac14,3 Mac14,7 Mac14,15 iPad14,3 iPad14,4 iPad14,5 iPad14,6",
    "M3": "Mac15,3 Mac15,4 Mac15,5 Mac15,12 Mac15,13",
    "M4": "Mac16,1 Mac16,2 Mac16,3 Mac16,10 Mac16,12 Mac16,13 iPad16,3 iPad16,4 iPad16,5 iPad16,6",
}
IDENTIFIERS: dict[str, str] = {
    name: chip for chip, names in _IDENTIFIERS.items() for name in names.split()
}
_PRODUCTS = ("MacBook Air", "MacBook Pro", "Mac mini", "Mac Studio", "Mac Pro", "iMac", "iPad Air",
             "iPad Pro", "Vision Pro")  # fmt: skip

# Limits by generation, in the order of `TIERS`; sources are those of the rules that use them.
_LIMITS: dict[str, tuple[int, ...]] = {
    "kernel width": (13, 13, 16, 16, 16, 16),
    "kernel height": (29, 29, 32, 32, 32, 32),
    "pool window": (13, 29, 31, 31, 31, 31),
    "pool stride": (2, 4, 4, 4, 4, 4),
    "width": (16384, 16384, 16384, 16384, 65536, 65536),
    "channels": (65536,) * 6,
    "batch": (4096, 65536, 65536, 65536, 65536, 65536),
    "depth": (1, 16384, 16384, 16384, 65536, 65536),
    "reduced axis": (192, 192, 192, 384, 384, 384),
}


@dataclass(frozen=True)
class Target:
    """What the verdicts are for.

    Attributes
    ----------
    tier
        Generation, one of `TIERS`.
    name
        As the user called it.
    confidence
        How sure it is that this chip is of this generation.
    """

    tier: str
    name: str
    confidence: Confidence = "medium"

    def __str__(self) -> str:
        """Say what it is, and how sure that is."""
        if self.name == self.tier:
            return self.tier
        if self.confidence == "none":
            sure = ", the newest generation known: nothing is known of its own"
        else:
            sure = ", an assumption from names, low confidence" if self.confidence == "low" else ""
        return f"{self.name} ({self.tier}{sure})"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


_KNOWN: dict[str, tuple[str, str]] = {
    **{_plain(tier): (tier, tier) for tier in TIERS},
    **{_plain(chip): (chip, tier) for chip, tier in CHIPS.items()},
    **{_plain(name): (f"{name}, {chip}", CHIPS[chip]) for name, chip in DEVICES.items()},
    **{
        _plain(f"{product} {chip}"): (f"{product} {chip}", tier)
        for chip, tier in CHIPS.items()
        for product in _PRODUCTS
        if chip not in _PHONES
    },
    "a17": ("A17 Pro", "h16"),
}
# A title stands in manifests, which are read as settings.
_TITLES = {_plain(title): (title, tier) for title, tier in _KNOWN.values()}


def target(name: str = DEFAULT) -> Target:
    """Find the generation of a chip or device.

    Parameters
    ----------
    name
        ``h13``, ``A14``, ``M2 Pro``, ``iPhone 12``, ``MacBook Air M2``, where case, spaces and
        hyphens do not matter, or an identifier such as ``iPhone13,2``.

    Raises
    ------
    UsageError
        If it is not known, with the nearest that is.
    """
    found = _identified(name) or _KNOWN.get(_plain(name)) or _TITLES.get(_plain(name))
    if found is None:
        raise UsageError(f"--chip: '{name}' is no chip or device that is known here", _hint(name))
    title, tier = found
    chip = next((c for c in sorted(_PHONES, key=len, reverse=True) if title.endswith(c)), None)
    confidence: Confidence = "none" if chip in _NEWER else "low" if chip else "medium"
    return Target(tier, title, confidence)


def _identified(name: str) -> tuple[str, str] | None:
    """Find an identifier, which ``iPhone15,2, A16`` in a manifest begins with."""
    found = re.match(r"\s*([A-Za-z]+\d+),(\d+)(?:$|,)", name)
    if not found:
        return None
    row, number = found.groups()
    chip = IDENTIFIERS.get(f"{row},{number}") or IDENTIFIERS.get(row)
    return (f"{row},{number}, {chip}", CHIPS[chip]) if chip else None


def of_device(identifier: str) -> Target | None:
    """Find the generation of the device that measured, None where it is not known."""
    return target(identifier) if _identified(identifier) else None


def _hint(name: str) -> str:
    """Name the nearest known name; among numbers of chips and rows none is nearer than another."""
    near = suggest(name, [*TIERS, *CHIPS, *DEVICES]) or ""
    if near.startswith("did") and not re.match(r"a\d|\w+,", name, re.IGNORECASE):
        return near
    plain = [*TIERS, *(c for c in CHIPS if c in _PHONES or " " not in c)]
    return f"{suggest('', plain)}, and devices: `eyecli check-ane --chips` lists all"


def limit(what: str, tier: str) -> int:
    """Give a limit of a generation, in elements of an axis or of a kernel."""
    return _LIMITS[what][TIERS.index(tier)]


def before(tier: str, other: str) -> bool:
    """Say whether a generation is older than another."""
    return TIERS.index(tier) < TIERS.index(other)
