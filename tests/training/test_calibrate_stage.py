"""Calibration of a trained model: embeddings of its own network, and a verdict that counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gaze_chain import Chain

from eyecli.calibration.head import load_head
from eyecli.calibration.images import embed, load_network
from eyecli.calibration.samples import Samples, require_model, write_samples
from eyecli.calibration.stage import Origin, Wish, calibrate
from eyecli.cli.main import run
from eyecli.coreml.stage import export_head
from eyecli.data.prepared import read_table
from eyecli.errors import CheckError, DataError
from eyecli.sources.source import open_source
from eyecli.tasks.gaze import learning
from eyecli.tasks.gaze.layouts import read_raw
from eyecli.tasks.gaze.settings import GazePreprocess
from eyecli.training.model import network_digest
from eyecli.workspace.store import families, versions

pytest_plugins = ["trained_gaze"]

ORIGIN = Origin("samples", "0" * 64)


def person(points: int = 9, signal: bool = True, model: str = "m") -> Samples:
    """Somebody whose gaze is 100 px too far right, three frames a point."""
    rng = np.random.default_rng(points)
    target = np.repeat(rng.uniform((50, 50), (1300, 700), (points, 2)), 3, axis=0)
    seen = target if signal else rng.permutation(target)
    base = seen + np.array([100, 0]) + rng.normal(0, 15, target.shape)
    point = np.repeat([f"p{i}" for i in range(points)], 3)
    return Samples(
        rng.normal(size=(len(target), 128)), base, target, point, model=model, user="eve"
    )


def test_embeddings_of_images_are_those_of_the_predictions(chain: Chain) -> None:
    source = open_source(chain.root, chain.source)
    raw = read_raw(source, GazePreprocess(eye_size=32))
    users = embed(source, raw, load_network(chain.model, 1, lambda: learning))
    table = read_table(chain.predictions.path / "predictions.csv")
    stored = np.load(chain.predictions.path / "embedding.npy")
    assert [s.user for s in users] == [f"s{i:03d}" for i in range(1, 7)]
    compared = 0
    for samples in users:
        assert samples.model == network_digest(chain.model, 1) and samples.unit == "px"
        rows = np.flatnonzero((table["partition"] == 1) & (table["subject"] == samples.user))
        if not len(rows):
            continue
        compared += 1
        expected = table.iloc[rows]
        np.testing.assert_allclose(samples.target[:, 0], expected["target_x"])
        np.testing.assert_allclose(samples.base[:, 1], expected["pred_y"], atol=0.05)
        np.testing.assert_allclose(samples.embedding, stored[rows], atol=1e-3)
        assert samples.point.tolist() == [f"1/{point}" for point in expected["point"]]
    assert compared == 3, "two test people and one for validation"


def test_a_problem_in_the_images_stops_it(chain: Chain) -> None:
    source = open_source(chain.root, chain.source)
    raw = replace(read_raw(source, GazePreprocess(eye_size=32)), problems=["row 7: left is empty"])
    with pytest.raises(DataError, match="row 7: left is empty"):
        embed(source, raw, load_network(chain.model, 0, lambda: learning))


def test_an_accepted_calibration_is_published_with_its_model(chain: Chain) -> None:
    samples = person()
    made = calibrate(chain.root, "gaze", samples, ORIGIN, Wish(), force=False).artifact
    assert made.ref == "head/gaze/eve@v1"
    summary = made.manifest.summary
    assert (summary["verdict"], summary["kind"], summary["points"]) == ("accept", "bias", 9)
    assert summary["after"] < 0.5 * summary["before"]
    head = load_head(made.path, "m").head
    exact = samples.base[:4] @ head.weight[:, :2].T + samples.embedding[:4] @ head.weight[:, 2:].T
    assert np.abs(exact + head.bias - samples.target[:4]).max() < 60
    package = made.path / "head.mlpackage"
    assert (package / "Manifest.json").is_file()
    exported = export_head(chain.root, made).artifact
    for path in package.rglob("*"):
        if path.is_file():
            copy = exported.path / "model.mlpackage" / path.relative_to(package)
            assert copy.read_bytes() == path.read_bytes()
    assert calibrate(chain.root, "gaze", samples, ORIGIN, Wish(), force=False).cached


@pytest.mark.parametrize(
    ("samples", "reason"),
    [(person(points=4), "4 usable points"), (person(points=9, signal=False), "rejected")],
)
def test_a_rejected_calibration_publishes_nothing(
    chain: Chain, samples: Samples, reason: str
) -> None:
    before = families(chain.root)
    for _ in range(2):
        with pytest.raises(CheckError, match=f"calibration of mallory .*{reason}") as caught:
            calibrate(chain.root, "gaze", samples, ORIGIN, Wish(name="mallory"), force=False)
        assert caught.value.exit_code == 4 and "nothing was published" in str(caught.value.hint)
    assert families(chain.root) == before and not versions(chain.root, "head/gaze/mallory")
    assert not any((chain.root / "tmp").iterdir())


def test_embeddings_of_another_network_are_refused(
    chain: Chain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of another fold, for instance: its embedding means something else."""
    digests = [network_digest(chain.model, fold) for fold in (0, 1)]
    samples = person(model=digests[1])
    require_model(samples, digests[1])
    with pytest.raises(DataError, match=f"come from model {digests[1][:12]}"):
        require_model(samples, digests[0])
    path = tmp_path / "eve.npz"
    write_samples(path, [samples])
    words = ["calibrate", "user", str(path), "--user", "other-fold", "--json",
             "--model", chain.model.ref, "--workspace", str(chain.root)]  # fmt: skip
    assert run([*words, "--fold", "0"]) == 3
    error = json.loads(capfd.readouterr().out)["error"]
    assert digests[1][:12] in error["message"] and str(path) in error["message"]
    assert not versions(chain.root, "head/gaze/other-fold")
    assert run([*words, "--fold", "1"]) == 0
    assert versions(chain.root, "head/gaze/other-fold") == [1]
