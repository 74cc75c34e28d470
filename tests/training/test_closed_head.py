"""The closed-form last layer: what it says of samples that it has not seen is what refits say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.metrics.roc import auc
from eyecli.training import closed_head
from eyecli.training.closed_head import fit_closed


def _drawn(
    seed: int, n: int, p: int, views: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    direction = rng.normal(size=p)
    seen = [truth[:, None] * direction + rng.normal(size=(n, p)) + 3.0 for _ in range(views)]
    yes = truth[:, None] > np.array([-0.5, 0.5])
    return seen, yes, rng.integers(0, max(2, n // 3), n).astype(str)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(12, 30), st.sampled_from([3, 8, 60]), st.integers(1, 3))
def test_held_out_is_what_fits_without_the_group_say(seed: int, n: int, p: int, views: int) -> None:
    seen, yes, groups = _drawn(seed, n, p, views)
    if len(np.unique(groups)) == 1 or not (yes.sum(axis=0) > 0).all() or yes.all(axis=0).any():
        return
    found = fit_closed(seen, yes, groups)
    x = np.concatenate(seen)
    mean = x.mean(axis=0)
    z = (x - mean) / closed_head._units(x, mean, ())
    target, owner = np.tile(yes, (views, 1)).astype(float), np.tile(groups, views)
    expected = np.empty(yes.shape)
    for group in np.unique(groups):
        kept = owner != group
        design = np.column_stack([z[kept], np.ones(kept.sum())])
        ridge = np.diag([*np.full(p, found.penalty * len(x)), 0.0])
        weight = np.linalg.solve(design.T @ design + ridge, design.T @ target[kept])
        own = np.flatnonzero(groups == group)
        expected[own] = np.column_stack([z[own], np.ones(len(own))]) @ weight
    for column in range(yes.shape[1]):
        slope, shift = closed_head._platt(expected[:, column], yes[:, column])
        np.testing.assert_allclose(
            found.held_out[:, column], slope * expected[:, column] + shift, atol=2e-2, rtol=2e-2
        )


def test_learns_on_few_samples_of_many_features_and_on_many_of_few() -> None:
    for n, p in ((60, 400), (600, 20)):
        seen, yes, groups = _drawn(3, n, p, 2)
        fitted = fit_closed(seen, yes, groups)
        new, truth, _ = _drawn(3, n, p, 1)
        for column in range(2):
            logits = new[0] @ fitted.weight + fitted.bias
            assert auc(logits[:, column], truth[:, column]) > 0.95
            assert auc(fitted.held_out[:, column], yes[:, column]) > 0.9


def test_held_out_of_noise_is_no_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    x, yes = rng.normal(size=(200, 500)), rng.random((200, 1)) < 0.4
    fitted = fit_closed([x, x], yes, np.arange(200).astype(str))
    # The two views of a sample are left out together, or the second would give the first away.
    assert abs(auc(fitted.held_out[:, 0], yes[:, 0]) - 0.5) < 0.15
    assert np.ptp(fitted.held_out) < 3


def test_logits_are_calibrated_on_what_was_held_out() -> None:
    seen, yes, groups = _drawn(11, 400, 50, 1)
    held_out = fit_closed(seen, yes, groups).held_out
    chance = 1 / (1 + np.exp(-held_out))
    np.testing.assert_allclose(chance.mean(axis=0), yes.mean(axis=0), atol=0.01)
    for column in range(2):
        sure = chance[:, column] > 0.8
        assert abs(yes[sure, column].mean() - chance[sure, column].mean()) < 0.08


@pytest.mark.parametrize("answer", [False, True])
def test_a_question_with_one_answer_gets_a_finite_logit(answer: bool) -> None:
    seen, yes, groups = _drawn(5, 40, 10, 1)
    yes[:, 0] = answer
    fitted = fit_closed(seen, yes, groups)
    assert np.isfinite(fitted.held_out).all() and np.isfinite(fitted.weight).all()
    assert ((fitted.held_out[:, 0] > 2) == answer).all()


def test_one_group_only_counts_its_samples_as_groups() -> None:
    seen, yes, _ = _drawn(8, 50, 20, 2)
    alone = fit_closed(seen, yes, np.full(50, "p1"))
    each = fit_closed(seen, yes, np.arange(50).astype(str))
    np.testing.assert_allclose(alone.held_out, each.held_out)


def test_a_feature_that_hardly_varies_gets_no_weight_of_its_own() -> None:
    seen, yes, groups = _drawn(2, 80, 10, 1)
    # 6.0 but for rounding, as the maximum of a rectified map that saturates.
    tiny = 6 + 1e-4 * (yes[:, :1] + np.random.default_rng(1).normal(size=(80, 1)))
    fitted = fit_closed([np.column_stack([seen[0], tiny])], yes, groups)
    assert np.abs(fitted.weight[-1] * 1e-3).max() < 1e-3 * np.abs(fitted.weight[:-1]).max()


def test_blocks_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random((120, 1)) < 0.5
    few = yes + rng.normal(size=(120, 2))
    many = rng.normal(size=(120, 500))
    x = np.column_stack([few, many])
    groups = np.arange(120).astype(str)
    blocked = auc(fit_closed([x], yes, groups, [2, 500]).held_out[:, 0], yes[:, 0])
    assert blocked > auc(fit_closed([x], yes, groups).held_out[:, 0], yes[:, 0]) + 0.05
