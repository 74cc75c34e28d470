from __future__ import annotations

import pytest

from eyecli.ane.tiers import CHIPS, DEVICES, TIERS, before, limit, target
from eyecli.errors import UsageError


@pytest.mark.parametrize(
    ("name", "tier", "confidence"),
    [
        ("h13", "h13", "medium"),
        ("H17", "h17", "medium"),
        ("M1", "h13", "medium"),
        ("m2 pro", "h14", "medium"),
        ("M5", "h17", "medium"),
        ("MacBook Air M2", "h14", "medium"),
        ("Mac mini (M4 Pro)", "h16", "medium"),
        ("iPad Pro M4", "h16", "medium"),
        ("iPad Air 5", "h13", "medium"),
        ("A13", "h12", "low"),
        ("A14", "h13", "low"),
        ("A15", "h14", "low"),
        ("A17", "h16", "low"),
        ("A18 Pro", "h17", "low"),
        ("iPhone 12", "h13", "low"),
        ("iphone-14-pro", "h15", "low"),
        ("iPad Air 4", "h13", "low"),
        ("iPad 9", "h12", "low"),
    ],
)
def test_names(name: str, tier: str, confidence: str) -> None:
    found = target(name)
    assert (found.tier, found.confidence) == (tier, confidence)
    assert ("assumption" in str(found)) == (confidence == "low")


def test_every_chip_and_device_is_found() -> None:
    for name in (*TIERS, *CHIPS, *DEVICES):
        assert target(name).tier in TIERS
    assert set(DEVICES.values()) <= set(CHIPS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("iPhon 12", "did you mean 'iPhone 12'?"),
        ("h31", "did you mean 'h13'?"),
        ("Pixel", "known: A12, A13, A14"),
    ],
)
def test_what_is_not_known_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="is no chip or device") as caught:
        target(name)
    assert hint in str(caught.value.hint)


def test_limits_only_grow() -> None:
    for what in ("kernel width", "kernel height", "pool window", "width", "depth", "channels"):
        sizes = [limit(what, tier) for tier in TIERS]
        assert sizes == sorted(sizes)
    assert limit("kernel width", "h13") == 13
    assert before("h13", "h14") and not before("h14", "h14")
