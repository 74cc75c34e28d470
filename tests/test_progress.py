"""Progress counts what people count: items, though they are worked on in piles."""

from __future__ import annotations

import time

import pytest

from eyecli import progress


@pytest.mark.parametrize(
    ("number", "piles"),
    [(0, []), (3, [range(3)]), (4, [range(4)]), (9, [range(4), range(4, 8), range(8, 9)])],
)
def test_piles_hold_every_item_once(number: int, piles: list[range]) -> None:
    assert [*progress.track_piles(number, 4, "eyes")] == piles


def test_items_are_counted_not_piles(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(progress, "SECONDS", 0.2)
    for _ in progress.track_piles(9, 4, "eyes"):
        time.sleep(0.25)
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "eyes: 4 of 9", "eyes: 8 of 9",
    ]  # fmt: skip
