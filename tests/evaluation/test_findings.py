from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eyecli.evaluation.bootstrap import mean_interval
from eyecli.evaluation.findings import Difference, Findings, claim, paired, verdict

GROUPS = np.repeat(list("abcdefgh"), 5)


def found(**others: tuple[float, tuple[float, float] | None]) -> Findings:
    """Findings of a model with a mean error of 50 px against (error, interval) of others."""
    differences = [
        Difference(name.replace("_", " "), 50.0, other, 50.0 - other, interval)
        for name, (other, interval) in others.items()
    ]
    return Findings([], differences, "px", [], {})


BEATS = found(constant=(200, (-180, -120)), ridge_on_pixels=(60, (-15, -5)))
INDEPENDENT = {"subject_independent": True, "synthetic": False}


def test_the_nearest_baseline_is_named_with_figures() -> None:
    line = verdict(BEATS, INDEPENDENT, None)
    assert line == (
        "The model beats every baseline; nearest is ridge on pixels: mean error 50 against 60 px, "
        "difference -10 px (95 % interval -15 to -5)."
    )
    assert verdict(BEATS, {}, None) == line


@pytest.mark.parametrize(
    ("other", "interval", "claim"),
    [
        (40, (5, 15), "does NOT beat ridge on pixels"),
        (50, (-5, 5), "does NOT beat ridge on pixels"),
        (55, (-12, 2), "is NOT shown to beat ridge on pixels"),
        (55, (-12, 0), "is NOT shown to beat ridge on pixels"),
    ],
)
def test_an_interval_that_reaches_zero_is_no_win(
    other: float, interval: tuple[float, float], claim: str
) -> None:
    findings = found(constant=(200, (-180, -120)), ridge_on_pixels=(other, interval))
    line = verdict(findings, INDEPENDENT, None)
    assert claim in line and "beats every" not in line
    assert f"{interval[1]:+.3g}" in line


def test_of_several_lost_the_worst_is_named() -> None:
    findings = found(
        constant=(48, (1, 3)), ridge_on_pixels=(30, (15, 25)), duration=(90, (-50, -30))
    )
    line = verdict(findings, INDEPENDENT, None)
    assert "does NOT beat ridge on pixels and constant: against ridge on pixels, mean error" in line
    assert "duration" not in line


def test_an_error_that_is_no_number_beats_nothing() -> None:
    nan = float("nan")
    lost = Difference("constant", nan, 200, nan, (nan, nan))
    line = verdict(replace(BEATS, differences=[lost]), INDEPENDENT, None)
    assert "does NOT beat constant" in line


def test_one_group_is_no_evidence() -> None:
    findings = found(constant=(200, None), ridge_on_pixels=(60, None))
    line = verdict(findings, INDEPENDENT, None)
    assert line.startswith("No evidence: one test group only") and "beats" not in line
    assert "ridge on pixels" in line and "50 against 60 px" in line and "no interval" in line


def test_what_is_not_subject_independent_says_so_first() -> None:
    flags = {"subject_independent": False}
    for findings in (BEATS, found(constant=(10, (30, 50))), found(constant=(10, None))):
        line = verdict(findings, flags, "--group none: no subjects are kept apart")
        assert line.startswith(
            "NOT SUBJECT-INDEPENDENT (--group none: no subjects are kept apart)."
        )
        assert len(line.splitlines()) == 1
    assert verdict(BEATS, flags, None).startswith("NOT SUBJECT-INDEPENDENT (accepted by the user).")
    assert "SUBJECT" not in verdict(BEATS, INDEPENDENT, None)


def test_synthetic_data_are_called_so() -> None:
    line = verdict(BEATS, {"subject_independent": False, "synthetic": True}, "x")
    assert line.startswith("NOT SUBJECT-INDEPENDENT (x). SYNTHETIC DATA. The model beats")
    assert "SYNTHETIC" not in verdict(BEATS, INDEPENDENT, None)


def test_differences_are_paired_by_sample() -> None:
    """Large errors of people, shared by both predictors, drop out of the difference."""
    rng = np.random.default_rng(0)
    shared = 100 * np.repeat(rng.gamma(2, 1, 8), 5)
    model, other = shared + rng.normal(0, 1, 40), shared + 3 + rng.normal(0, 1, 40)
    (one, two) = paired({"ridge": other, "model": model, "constant": 2 * other}, GROUPS)
    assert (one.against, two.against) == ("ridge", "constant")
    assert one.model == two.model == pytest.approx(model.mean())
    assert one.other == pytest.approx(other.mean()) and two.other == pytest.approx(2 * other.mean())
    assert one.value == pytest.approx((model - other).mean())
    assert one.interval == mean_interval(model - other, GROUPS)
    assert one.interval is not None and -4 < one.interval[0] < one.interval[1] < -2
    # Unpaired, the spread of the people would swallow it.
    alone = mean_interval(model, GROUPS)
    assert alone is not None and alone[1] - alone[0] > 50


def test_paired_differences_resample_groups() -> None:
    errors = {"model": np.zeros(40), "constant": np.repeat(np.arange(8.0), 5)}
    assert paired(errors, ["one"] * 40)[0].interval is None
    by_group, by_frame = (paired(errors, groups)[0].interval for groups in (GROUPS, np.arange(40)))
    assert by_group is not None and by_frame is not None
    assert by_group[1] - by_group[0] > 1.5 * (by_frame[1] - by_frame[0])


@pytest.mark.parametrize(
    ("other", "interval", "lower", "said"),
    [
        (40, (5, 15), True, "does NOT beat b"),
        (40, (5, 15), False, "beats every baseline"),
        (60, (-15, -5), True, "beats every baseline"),
        (60, (-15, -5), False, "does NOT beat b"),
        (45, (-1, 11), False, "is NOT shown to beat b"),
    ],
)
def test_a_claim_knows_whether_less_is_better(
    other: float, interval: tuple[float, float], lower: bool, said: str
) -> None:
    words, decisive = claim("model/a@v1", [Difference("b", 50, other, 50 - other, interval, lower)])
    assert words.startswith(f"model/a@v1 {said}") and decisive.against == "b"


def test_both_words_are_used_where_both_hold() -> None:
    findings = found(constant=(55, (-12, 2)), ridge_on_pixels=(30, (15, 25)))
    line = verdict(findings, INDEPENDENT, None)
    assert "does NOT beat ridge on pixels and is NOT shown to beat constant" in line
