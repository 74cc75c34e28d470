"""The model card says first what must not be missed, and holds no test figure."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from gaze_chain import Chain

from eyecli.data.prepared import read_split
from eyecli.evaluation.study import study_of
from eyecli.tasks.gaze.about import ABOUT
from eyecli.training.card import card_page, model_card

pytest_plugins = ["trained_gaze"]

CURVES = {
    0: [{"epoch": 1, "loss": 2.0, "val_loss": 0.5}, {"epoch": 2, "loss": 1.0, "val_loss": 0.75}],
    2: [{"epoch": 1, "loss": 3.0}],
}


def test_the_card_is_published_with_the_model(chain: Chain) -> None:
    text = (chain.model.path / "card.md").read_text()
    assert text.splitlines()[0] == "**SYNTHETIC DATA.**"
    for shown in (
        f"prepared/gaze (sha256 {chain.prepared.manifest.digest[:12]})", "72 samples of 6 subjects",
        "3-fold cross-validation", "epochs 2", "not stated", "no medical device",
        f"{chain.model.manifest.summary['parameters']:,}",
    ):  # fmt: skip
        assert shown in text, shown
    rows = [line for line in text.splitlines() if line[:3] in ("| 0", "| 1", "| 2")]
    assert len(rows) == 3
    journal = (chain.model.path / "fold-001/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["val_loss"] for line in journal]
    assert rows[1].startswith(f"| 1 | 2 | {min(losses):.4g} | ")
    assert "card.md" in chain.model.manifest.files


def test_warnings_come_first_and_only_if_there_are_any(chain: Chain) -> None:
    study = study_of(chain.root, ABOUT, chain.prepared, chain.split, {"epochs": 2}, 99)
    plain = replace(study, synthetic=False)
    assert model_card(plain, CURVES).splitlines()[0] == "# Model card: gaze"
    bad = replace(study, subject_independent=False, reason="one lamp")
    first = model_card(bad, CURVES).splitlines()[0]
    assert first == "**NOT SUBJECT-INDEPENDENT (one lamp).** **SYNTHETIC DATA.**"


def test_the_best_epoch_of_every_fold_is_told(chain: Chain) -> None:
    study = study_of(chain.root, ABOUT, chain.prepared, chain.split, {}, None)
    text = model_card(study, CURVES)
    assert "| 0 | 2 | 0.5 | 1 | 0.75 | 1 |" in text
    assert "| 2 | 1 | - | - | - | 3 |" in text
    assert "parameters." not in text


def test_a_study_is_what_lineage_says(chain: Chain) -> None:
    study = study_of(chain.root, ABOUT, chain.prepared, chain.split, {"seed": 4}, 99)
    assert (study.samples, study.subjects, study.parameters) == (72, 6, 99)
    assert study.plan == read_split(chain.split) and study.synthetic and study.subject_independent
    (source,) = study.sources
    assert source.startswith(f"source/gaze (sha256 {chain.source.manifest.digest[:12]}")
    assert "layout image-table" in source


def test_a_source_that_is_gone_is_named_by_its_digest(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eyecli.errors import DataError
    from eyecli.evaluation import study

    def gone(*_: object) -> None:
        raise DataError("gone")

    monkeypatch.setattr(study, "resolve", gone)
    (line,) = study.source_lines(chain.root, chain.prepared)
    assert line == (
        f"source/gaze (sha256 {chain.source.manifest.digest[:12]}, no longer in the workspace)"
    )


def test_the_card_is_a_page_too(chain: Chain) -> None:
    page = (chain.model.path / "card.html").read_text()
    assert "card.html" in chain.model.manifest.files
    body = page[page.index("<body>") :]
    assert body.splitlines()[1] == "<p><strong>SYNTHETIC DATA.</strong></p>"
    assert "<h2>Intended use</h2>" in body and "<td>" in body and "no medical device" in body


def test_nothing_in_a_card_becomes_markup(chain: Chain) -> None:
    study = study_of(chain.root, ABOUT, chain.prepared, chain.split, {}, None)
    reason = "<script>alert(1)</script> ![p](http://example.org/p.png) [a](http://example.org)"
    text = model_card(replace(study, subject_independent=False, reason=reason), CURVES)
    page = card_page(text)
    assert "&lt;script&gt;" in page and "<script" not in page
    assert "<img" not in page and "<a " not in page


def test_figures_of_held_out_rows_are_told_with_their_price(chain: Chain) -> None:
    study = study_of(chain.root, ABOUT, chain.prepared, chain.split, {}, None)
    text = model_card(study, {0: [], 1: []}, {0: {"kappa": 0.81234}, 1: {"kappa": 0.7, "auc": 0.9}})
    assert "| fold | auc | kappa |" in text and "| 0 | - | 0.8123 |" in text
    assert "| 1 | 0.9 | 0.7 |" in text and "test figures may be lower" in text
    assert "best validation loss" not in text
    assert "test figures may be lower" not in model_card(study, CURVES)
