from __future__ import annotations

import pytest

from eyecli.ane.tiers import CHIPS, DEVICES, IDENTIFIERS, TIERS, before, limit, of_device, target
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
        ("iPhone 16e", "h17", "low"),
        ("iPad mini 7", "h16", "low"),
        ("iPhone13,2", "h13", "low"),
        ("iPhone14,8", "h14", "low"),
        ("iPhone15,2", "h15", "low"),
        ("iPhone16,1", "h16", "low"),
        ("iPhone17,3", "h17", "low"),
        ("MacBookAir10,1", "h13", "medium"),
    ],
)
def test_names(name: str, tier: str, confidence: str) -> None:
    found = target(name)
    assert (found.tier, found.confidence) == (tier, confidence)
    assert ("assumption" in str(found)) == (confidence == "low")


def test_every_chip_and_device_is_found() -> None:
    for name in (*TIERS, *CHIPS, *DEVICES):
        assert target(name).tier in TIERS
    assert set(DEVICES.values()) | set(IDENTIFIERS.values()) <= set(CHIPS)


@pytest.mark.parametrize("name", ["A19", "a19-pro", "iPhone 17", "iPhone Air", "iPhone18,3"])
def test_what_is_newer_than_the_sources_is_said_to_be(name: str) -> None:
    found = target(name)
    assert (found.tier, found.confidence) == (TIERS[-1], "none")
    assert str(found).endswith("(h17, the newest generation known: nothing is known of its own)")


@pytest.mark.parametrize("name", ["iPhone 12", "iPhone15,2", "M2", "h13", "iPhone 17", "a17"])
def test_a_name_from_a_manifest_is_a_name(name: str) -> None:
    assert target(target(name).name) == target(name)


def test_the_device_that_measured() -> None:
    assert str(of_device("iPhone15,2")).startswith("iPhone15,2, A16 (h15")
    assert of_device("iPhone99,1") is None
    assert of_device("my-mac.local") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("iPhon 12", "did you mean 'iPhone 12'?"),
        ("M22", "did you mean 'M2'?"),
        ("Pixel", "known: A12, A12X, A12Z, A13, A14"),
        ("Pixel", "A17 Pro, A18, A18 Pro"),
        ("Pixel", "`eyecli check-ane --chips` lists all"),
        ("A11", "known: A12, A12X"),
        ("iPhone99,1", "--chips"),
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
