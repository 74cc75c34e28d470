"""What cards and reports say of a training is what was done."""

from __future__ import annotations

from typing import Any

import pytest

from eyecli.tasks.dr.about import idle, training


@pytest.mark.parametrize(
    ("settings", "said", "unsaid"),
    [
        ({}, "fitted in closed form", "Adam"),
        ({"trainable": "last4", "loss": "corn"}, "Adam (Kingma and Ba 2015) by CORN", "closed"),
        ({"trainable": "all"}, "by the mean log loss", "other eye"),
        ({"trainable": "all", "progressive": True}, "half the resolution", "symmetries"),
        ({"test_views": 4}, "means over 4 symmetries", "half the resolution"),
        ({"fusion": "both-eyes"}, "the other eye of the same patient", "Adam"),
        ({"trainable": "all", "balance": "resampling"}, "equally frequent", "weighed"),
    ],
)
def test_methods_say_what_was_done(settings: dict[str, Any], said: str, unsaid: str) -> None:
    told = training(settings)
    assert said in told and unsaid not in told


def test_settings_that_did_nothing_are_not_listed() -> None:
    assert "epochs" in idle({}) and "views" not in idle({})
    assert "views" in idle({"trainable": "all"}) and "epochs" not in idle({"trainable": "all"})
