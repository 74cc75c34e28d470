from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.roc import auc
from eyecli.metrics.selective import (
    SHARES,
    ReferralCurve,
    accuracy_curve,
    auc_curve,
    entropy,
    kappa_curve,
    referral_curve,
)

RNG = np.random.default_rng(3)
TRUTH = RNG.integers(0, 5, 200)
UNSURE = RNG.permutation(200) / 200
# The surer, the less is wrong.
SAID = np.where(RNG.random(200) < UNSURE, RNG.integers(0, 5, 200), TRUTH)


def test_entropy_is_scipys() -> None:
    p = RNG.dirichlet(np.ones(5), (3, 40))
    p[0, 0] = [0, 1, 0, 0, 0]
    np.testing.assert_allclose(entropy(p), scipy_entropy(p, axis=-1))
    assert str(entropy(p)[0, 0]) == "0.0"


def test_curves_are_those_of_the_samples_kept() -> None:
    score = TRUTH + RNG.normal(size=200)
    found = (
        accuracy_curve(TRUTH, SAID, UNSURE),
        kappa_curve(TRUTH, SAID, 5, UNSURE),
        auc_curve(score, TRUTH > 1, UNSURE),
    )
    for number, share in enumerate(SHARES):
        kept = np.flatnonzero(np.argsort(np.argsort(UNSURE)) < round(share * 200))
        expected = (
            (TRUTH == SAID)[kept].mean(),
            float(quadratic_weighted_kappa(confusion(TRUTH[kept], SAID[kept], 5))),
            auc(score[kept], TRUTH[kept] > 1),
        )
        assert [curve.value[number] for curve in found] == pytest.approx(expected)
        assert [curve.kept[number] for curve in found] == pytest.approx([share] * 3)
    accuracy = found[0]
    assert accuracy.value[0] > accuracy.value[-1] + 0.2
    assert accuracy.area > accuracy.value[-1] + 0.1


def test_a_share_that_rounding_lifts_keeps_no_more() -> None:
    # 0.55 * 100 is 55.000000000000007.
    curve = referral_curve(np.arange(100), lambda rows: float(len(rows)), np.array([0.55]))
    assert curve.value.tolist() == [55]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_ties_stay_together_in_any_order(rows: list[tuple[int, bool]], random: object) -> None:
    def curve() -> ReferralCurve:
        unsure, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
        return accuracy_curve(right, np.ones(len(rows), bool), unsure)

    first = curve()
    random.shuffle(rows)  # type: ignore[attr-defined]
    np.testing.assert_allclose(curve().value, first.value)
    assert (first.kept >= first.share - 1e-9).all() and first.kept[-1] == 1


def test_who_knows_no_uncertainty_has_a_flat_curve() -> None:
    order = np.argsort(TRUTH)
    curve = accuracy_curve(TRUTH[order], np.zeros(200, int), np.ones(200))
    assert set(curve.kept) == {1} and len(set(curve.value)) == 1
    assert curve.area == pytest.approx((TRUTH == 0).mean())


def test_the_area_leaves_out_what_has_no_value() -> None:
    share = np.array([0.25, 0.5, 1.0])
    assert ReferralCurve(share, share, np.array([1.0, 0.8, 0.6])).area == pytest.approx(
        (0.25 * 0.9 + 0.5 * 0.7) / 0.75
    )
    assert ReferralCurve(share, share, np.array([np.nan, 0.8, 0.6])).area == pytest.approx(0.7)
    assert ReferralCurve(share, share, np.array([np.nan, np.nan, 0.6])).area == 0.6
    assert np.isnan(ReferralCurve(share, share, np.full(3, np.nan)).area)
    sure = np.arange(10.0)
    one_class = auc_curve(sure, sure > 7, sure)
    assert np.isnan(one_class.value[0]) and one_class.value[-1] == 1 and one_class.area == 1


def test_an_uncertainty_that_is_no_number_is_refused() -> None:
    for unsure in ([], [0.1, np.nan]):
        with pytest.raises(ValueError, match="referral curve"):
            referral_curve(np.array(unsure), lambda rows: 0.0)
