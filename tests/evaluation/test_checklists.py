"""The checklists are whole, filled only with what is known, and open for the rest."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from studies import STUDY

from eyecli.evaluation.answers import CHECKLISTS, answers
from eyecli.evaluation.checklists import Checklist, Item, fill
from eyecli.evaluation.claim import CLAIM
from eyecli.evaluation.findings import Metric
from eyecli.evaluation.study import Study
from eyecli.evaluation.tripod_ai import TRIPOD_AI

METRICS = [
    Metric("model", "error_mean_px", "frames", 20.5, 18.0, 22.0, 60),
    Metric("constant", "error_mean_px", "frames", 99.0, None, None, 60),
]


def known(study: Study = STUDY, external: str | None = None) -> dict[str, str]:
    return answers(
        study, "model/gaze@v1", METRICS, judged="By 60 rows.",
        baselines=["constant, the median"], external=external, intervals="Bootstrap.",
        software=["eyecli 1"],
    )  # fmt: skip


def answer(text: str, number: str) -> str:
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {number} |")]
    return row.split(" | ")[3]


def test_every_item_is_there_once() -> None:
    numbers = [item.number for item in TRIPOD_AI.items]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(int(re.sub(r"\D", "", n)) for n in numbers)) == list(range(1, 28))
    assert [item.number for item in CLAIM.items] == [str(n) for n in range(1, 45)]


@pytest.mark.parametrize("checklist", CHECKLISTS.values(), ids=list(CHECKLISTS))
def test_items_ask_for_facts_that_exist(checklist: Checklist) -> None:
    facts = known(external="prepared/gaze@v9") | known()
    for item in checklist.items:
        assert item.asks and item.section
        assert not item.known or item.known in facts, item.number
        assert item.known or not item.remains, "without a fact all remains"


def test_what_is_unknown_is_marked() -> None:
    items = (
        Item("1", "A", "asked", "fact", "more"), Item("2", "B", "open"),
        Item("3", "C", "gone", "nothing"), Item("4", "D", "done", "fact"),
    )  # fmt: skip
    text = fill(Checklist("T", "S", items), {"fact": "a | b", "nothing": ""})
    rows = text.splitlines()[-4:]
    assert rows[0] == r"| 1 | A | asked | a \| b **TODO**: more |"
    assert rows[1] == "| 2 | B | open | **TODO**: open |"
    assert rows[2] == "| 3 | C | gone | **TODO**: gone |"
    assert rows[3] == r"| 4 | D | done | a \| b |"
    assert "answers 1, and 1 in part; 2 are open" in text


def test_nothing_is_claimed_that_is_not_so() -> None:
    text = fill(CLAIM, known())
    assert "There was no external validation" in answer(text, "33")
    assert answer(text, "20") == "Parts are disjoint at the level of subjects. |"
    external = fill(CLAIM, known(external="prepared/gaze@v9"))
    assert "prepared/gaze@v9" in answer(external, "33")
    assert answer(external, "32").startswith("**TODO**")
    leaky = replace(STUDY, subject_independent=False, reason="one lamp")
    text = fill(CLAIM, known(leaky))
    assert answer(text, "20").startswith("**TODO**")
    assert "NOT SUBJECT-INDEPENDENT (one lamp)" in answer(text, "40")
    assert "one lamp" in answer(text, "19")
    pretrained = replace(STUDY, settings={"pretrained": True, "seed": 0})
    assert answer(fill(CLAIM, known(pretrained)), "24").startswith("**TODO**")
    for settings, said in (
        ({"keep": "last", "patience": 0}, "last epoch"), ({"keep": "best"}, "best validation"),
        ({"keep": "last", "patience": 5}, "best validation"), ({}, "**TODO**"),
    ):  # fmt: skip
        assert said in answer(fill(CLAIM, known(replace(STUDY, settings=settings))), "26")
    assert "at random (seed 3)" in answer(fill(CLAIM, known()), "24")


def test_figures_are_those_of_the_model() -> None:
    text = answer(fill(TRIPOD_AI, known()), "23a")
    assert "20.5 (18 to 22, n 60)" in text and "99" not in text


def test_training_and_baselines_are_told_with_what_is_missing() -> None:
    for checklist, number in ((CLAIM, "25"), (TRIPOD_AI, "12e")):
        text = answer(fill(checklist, known()), number)
        told, todo = text.split("**TODO**")
        assert "compared with: constant, the median." in told and "models" in todo
    told = answer(fill(CLAIM, known()), "25")
    assert "6 networks, one a partition, were trained with Adam" in told
    assert "The loss is a square." in told and "Nothing is augmented." in told


def test_what_asks_for_classes_does_not_apply_to_a_regression() -> None:
    classes = replace(STUDY, about=replace(STUDY.about, outcome="classification"))
    for checklist, number in ((CLAIM, "38"), (TRIPOD_AI, "13")):
        assert answer(fill(checklist, known()), number).startswith("Does not apply: a regression.")
        assert answer(fill(checklist, known(classes)), number).startswith("**TODO**")
