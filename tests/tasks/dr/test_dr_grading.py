"""What the outputs of each loss mean, and what is settled on them."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.metrics.agreement import confusion, quadratic_weighted_kappa
from eyecli.metrics.calibration import softmax
from eyecli.tasks.dr import exporting
from eyecli.tasks.dr.explanation import questions
from eyecli.tasks.dr.grading import Loss, columns, exceedance, probabilities, settle
from eyecli.training.ordinal import corn_probabilities

LOSSES: tuple[Loss, ...] = get_args(Loss)
WIDTH: dict[Loss, int] = {"cumulative": 4, "cross-entropy": 5, "mse": 1, "corn": 4}
LEVELS = [0.4, 1.5, 2.5, 3.5]


def drawn(loss: Loss, seed: int, n: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4, (n, WIDTH[loss]))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(LOSSES), st.integers(0, 99), st.floats(0.05, 20))
def test_chances_fall_from_boundary_to_boundary_and_those_of_classes_sum_to_one(
    loss: Loss, seed: int, temperature: float
) -> None:
    levels = LEVELS if loss == "mse" else [0.0]
    above = exceedance(drawn(loss, seed), temperature, loss, levels)
    assert above.shape == (30, 4) and (above >= 0).all() and (above <= 1).all()
    assert (np.diff(above, axis=1) <= 1e-12).all()
    np.testing.assert_allclose(probabilities(above).sum(axis=1), 1)


def test_each_loss_has_its_own_meaning() -> None:
    logits = drawn("cross-entropy", 0)
    classes = softmax(logits / 2)
    by_hand = np.stack([classes[:, k:].sum(axis=1) for k in (1, 2, 3, 4)], axis=1)
    np.testing.assert_allclose(exceedance(logits, 2, "cross-entropy"), by_hand)
    logits = drawn("corn", 0)
    np.testing.assert_allclose(
        probabilities(exceedance(logits, 2, "corn")), corn_probabilities(logits / 2), atol=1e-12
    )
    np.testing.assert_allclose(
        exceedance(logits, 2, "corn"), np.cumprod(1 / (1 + np.exp(-logits / 2)), axis=1)
    )
    score = drawn("mse", 0)
    np.testing.assert_allclose(
        exceedance(score, 2, "mse", LEVELS), 1 / (1 + np.exp((np.array(LEVELS) - score) / 2))
    )


def told(loss: Loss, n: int, scale: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of a network that is right about its chances, but for a factor, and the grades."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, WIDTH[loss])) + (2 if loss == "mse" else 0)
    if loss == "cumulative":
        # One question with an offset for each boundary: rising ones contradict each other.
        logits = logits[:, :1] - np.array([-2.0, 0.0, 1.0, 3.0])
    levels = LEVELS if loss == "mse" else [0.0]
    below = 1 - exceedance(logits, 1, loss, levels)
    grades = (rng.random(n)[:, None] > below[:, :]).sum(axis=1)
    # A score that is stretched about its middle has the same levels, stretched.
    return logits * scale, grades


@pytest.mark.parametrize("loss", LOSSES)
def test_the_temperature_is_that_of_the_outputs_own_likelihood(loss: Loss) -> None:
    logits, grades = told(loss, 8000, 2.5)
    facts = settle(logits, grades, "grade", loss)
    assert facts["temperature"] == pytest.approx(2.5, rel=0.06)
    if loss == "mse":
        np.testing.assert_allclose(facts["levels"], 2.5 * np.array(LEVELS), atol=0.25)
    above = exceedance(logits, facts["temperature"], loss, facts["levels"])
    for k in range(4):
        assert above[:, k].mean() == pytest.approx((grades > k).mean(), abs=0.02)


@pytest.mark.parametrize("loss", LOSSES)
def test_decisions_follow_what_was_settled(loss: Loss) -> None:
    logits, grades = told(loss, 3000, 4.0)
    facts = {"target": "grade", "loss": loss} | settle(logits, grades, "grade", loss)
    made = columns(logits, facts)
    # Sharp outputs: nearly all of what can be known is.
    sure = quadratic_weighted_kappa(confusion(grades, made["grade_predicted"], 5))
    assert sure > 0.4
    referable = grades >= 2
    assert made["sensitive"][referable].mean() == pytest.approx(0.9, abs=0.01)
    assert 1 - made["specific"][~referable].mean() == pytest.approx(0.9, abs=0.01)
    assert (made["p_ge2"] >= made["p_ge3"]).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_one_boundary_is_a_question_like_any_other(loss: Loss) -> None:
    width = {"cross-entropy": 2}.get(loss, 1)
    logits = np.random.default_rng(0).normal(size=(200, width))
    grades = np.where(logits[:, -1] + np.random.default_rng(1).normal(size=200) > 0, 3, 1)
    facts = {"target": "referable", "loss": loss} | settle(logits, grades, "referable", loss)
    made = columns(logits, facts)
    assert set(made["grade_predicted"]) == {0, 2} and "p_ge1" not in made
    order = np.argsort(logits[:, -1] - (logits[:, 0] if width == 2 else 0))
    assert (np.diff(made["p_ge2"][order]) >= 0).all()


def test_a_fold_that_knows_no_loss_asks_a_question_a_boundary() -> None:
    logits, grades = told("cumulative", 200, 1.0)
    facts = settle(logits, grades, "grade")
    del facts["levels"]
    found = columns(logits, facts | {"target": "grade"})
    expected = exceedance(logits, facts["temperature"])
    np.testing.assert_array_equal(found["p_ge3"], expected[:, 2])


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_explained_raises_the_chance_that_it_speaks_for(loss: Loss) -> None:
    levels = LEVELS if loss == "mse" else [0.0]
    # A question's own chance falls from boundary to boundary.
    logits = -np.sort(-drawn(loss, 3), axis=1)
    before = exceedance(logits, 1, loss, levels)
    facts = {"boundaries": [1, 2, 3, 4], "target": "grade", "loss": loss}
    for grade in range(5):
        (_, reach), (_, own) = questions(facts, grade)
        assert reach.shape == own.shape == (WIDTH[loss],)
        above = exceedance(logits + 1e-4 * reach, 1, loss, levels)
        assert (above[:, 1] > before[:, 1]).all()
        if loss == "mse" and grade:
            continue
        raised = probabilities(exceedance(logits + 1e-4 * own, 1, loss, levels))
        assert (raised[:, grade] > probabilities(before)[:, grade]).mean() > 0.95
    (_, more), (_, less) = questions(facts | {"boundaries": [2], "target": "referable"}, 2)
    np.testing.assert_array_equal(more, -less)
    assert len(more) == {"cross-entropy": 2}.get(loss, 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_contract_says_what_the_outputs_are(loss: Loss) -> None:
    logits, grades = told(loss, 200, 1.0)
    facts: dict[str, Any] = {
        "target": "grade", "boundaries": [1, 2, 3, 4], "stem": "pixel_units", "loss": loss,
        "test_views": 4, **settle(logits, grades, "grade", loss),
    }  # fmt: skip
    setup = {"size": 512, "enhance": "none"}
    made = exporting.contract(facts, setup)
    word = {"cumulative": "sigmoid", "cross-entropy": "softmax", "mse": "levels",
            "corn": "multiply"}  # fmt: skip
    assert word[loss] in made.meanings["logits"] and made.metadata["loss"] == loss
    assert made.metadata["views"].startswith("one; ") and "4 symmetries" in made.metadata["views"]
    assert ("levels" in made.metadata) == (loss == "mse")
    if loss == "cross-entropy":
        assert "grades 0, 1, 2, 3, 4;" in made.meanings["logits"]
        assert made.outputs["logits"].unit == "class logits"
        binary = exporting.contract(facts | {"boundaries": [2]}, setup)
        assert "grades 0 to 1, 2 to 4;" in binary.meanings["logits"]
