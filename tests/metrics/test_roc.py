from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.metrics.roc import auc, auc_interval, midranks

SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=4, max_size=40).filter(
    lambda rows: 2 <= sum(positive for _, positive in rows) <= len(rows) - 2
)


def delong_by_pairs(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Area and its standard error, from every pair of a positive and a negative (DeLong 1988)."""
    x, y = score[positive], score[~positive]
    psi = (x[:, None] > y).astype(float) + 0.5 * (x[:, None] == y)
    variance = psi.mean(axis=1).var(ddof=1) / len(x) + psi.mean(axis=0).var(ddof=1) / len(y)
    return float(psi.mean()), float(np.sqrt(variance))


@given(SAMPLES)
def test_area_and_interval_are_delongs(rows: list[tuple[int, bool]]) -> None:
    score, positive = np.array([s for s, _ in rows], float), np.array([p for _, p in rows])
    area, error = delong_by_pairs(score, positive)
    found, low, high = auc_interval(score, positive)
    assert found == pytest.approx(area, abs=1e-12)
    assert auc(score, positive) == found
    assert low == pytest.approx(max(0, area - 1.959963984540054 * error), abs=1e-9)
    assert high == pytest.approx(min(1, area + 1.959963984540054 * error), abs=1e-9)


def obuchowski_by_loops(
    score: np.ndarray, positive: np.ndarray, groups: np.ndarray
) -> tuple[float, float]:
    """Variance of the clustered area, equation 4 of Obuchowski 1997, cluster by cluster."""
    x, y = score[positive], score[~positive]

    def above(a: float, b: np.ndarray) -> float:
        return float(np.mean((a > b) + 0.5 * (a == b)))

    v10 = {i: above(score[i], y) for i in np.flatnonzero(positive)}
    v01 = {i: 1 - above(score[i], x) for i in np.flatnonzero(~positive)}
    area = float(np.mean(list(v10.values())))
    names = np.unique(groups)
    diseased = [g for g in names if positive[groups == g].any()]
    healthy = [g for g in names if (~positive[groups == g]).any()]
    s10 = s01 = s11 = 0.0
    for g in names:
        rows = np.flatnonzero(groups == g)
        a = sum(v10[i] - area for i in rows if positive[i])
        b = sum(v01[i] - area for i in rows if not positive[i])
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    m, n, count = len(x), len(y), len(names)
    return area, (
        len(diseased) / ((len(diseased) - 1) * m * m) * s10
        + len(healthy) / ((len(healthy) - 1) * n * n) * s01
        + 2 * count / ((count - 1) * m * n) * s11
    )


def clustered(rng: np.random.Generator, people: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two eyes a person, alike in disease and score."""
    sick = rng.random(people) < 0.4
    positive = np.stack([sick, sick ^ (rng.random(people) < 0.15)], axis=1)
    score = positive + rng.normal(size=(people, 1)) + 0.5 * rng.normal(size=(people, 2))
    return score.ravel(), positive.ravel(), np.repeat(np.arange(people), 2)


def test_two_eyes_of_a_person_count_as_related() -> None:
    score, positive, groups = clustered(np.random.default_rng(3), 60)
    area, variance = obuchowski_by_loops(score, positive, groups)
    found, low, high = auc_interval(score, positive, groups)
    assert found == pytest.approx(area)
    assert high - low == pytest.approx(2 * 1.959963984540054 * np.sqrt(variance))
    alone = auc_interval(score, positive)
    assert high - low > 1.2 * (alone[2] - alone[1])


def test_the_clustered_interval_covers_and_the_plain_one_does_not() -> None:
    rng = np.random.default_rng(11)
    truth = auc(*clustered(rng, 40_000)[:2])
    held = np.zeros(2)
    for _ in range(300):
        score, positive, groups = clustered(rng, 80)
        for kind, labels in enumerate((groups, None)):
            _, low, high = auc_interval(score, positive, labels)
            held[kind] += low <= truth <= high
    assert 0.91 <= held[0] / 300 <= 0.98
    assert held[1] / 300 < 0.90


def test_ties_share_their_rank() -> None:
    assert midranks(np.array([3.0, 1, 3, 2])).tolist() == [3.5, 1, 3.5, 2]


def test_what_has_no_area_is_refused() -> None:
    with pytest.raises(ValueError, match="positives and negatives"):
        auc(np.array([0.1, 0.2]), np.array([True, True]))
    with pytest.raises(ValueError, match="no number"):
        auc(np.array([0.1, np.nan]), np.array([True, False]))


def test_one_sick_person_gives_no_interval() -> None:
    area, low, high = auc_interval(
        np.array([3.0, 2, 1, 0]), np.array([True, True, False, False]), list("aabc")
    )
    assert area == 1
    assert np.isnan(low)
    assert np.isnan(high)
