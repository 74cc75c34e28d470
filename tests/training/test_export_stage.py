"""Export of a trained model: verified against Keras, or nothing is published."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gaze_chain import Chain

from eyecli.ane.check import check
from eyecli.coreml.figures import parity_lines
from eyecli.coreml.heads.forms import Head
from eyecli.coreml.heads.template import write_head
from eyecli.coreml.interpreter import run
from eyecli.coreml.judgement import VALUES, refusal
from eyecli.coreml.parity import Agreement, compare
from eyecli.coreml.personal import Personal, require_one
from eyecli.coreml.settings import ExportSettings, check_settings
from eyecli.coreml.stage import check_export, export_model
from eyecli.data.prepared import open_prepared, read_table
from eyecli.errors import CheckError, DataError, UsageError
from eyecli.mlprogram import WEIGHT_FILE, read_coreml
from eyecli.tasks.gaze import exporting, learning
from eyecli.tasks.gaze.settings import GazeTrain
from eyecli.training.model import (
    MODEL,
    fold_folder,
    load_fold,
    network_digest,
    read_facts,
    read_model,
    save_fold,
)
from eyecli.training.stage import train
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, run_stage
from eyecli.workspace.store import Artifact, versions

pytest_plugins = ["trained_gaze"]

FOLD = 0


def export(chain: Chain, model: Artifact, fold: int = FOLD) -> Artifact:
    return export_model(
        chain.root, lambda: exporting, model, chain.prepared, chain.split, ExportSettings(fold=fold)
    ).artifact


@pytest.fixture(scope="module")
def exported(chain: Chain) -> Artifact:
    return export(chain, chain.model)


def samples(chain: Chain, count: int = 8) -> dict[str, np.ndarray]:
    arrays = open_prepared(chain.prepared).arrays
    rows = np.linspace(0, arrays.rows("left") - 1, count).astype(int)
    return {name: arrays.take(name, rows).astype(np.float32) for name in ("left", "right")}


def parity(chain: Chain, package: Path) -> dict[str, Agreement]:
    """Parity of a package with the trained network."""
    facts = read_facts(chain.model, FOLD)
    contract = exporting.contract(facts, read_model(chain.model).setup)
    return compare(load_fold(chain.model, FOLD), package, contract, samples(chain), half=True)


def test_what_is_published_was_verified(chain: Chain, exported: Artifact) -> None:
    content = json.loads((exported.path / "parity.json").read_text())
    assert content["samples"] >= 8 and set(content["outputs"]) == {"gaze", "embedding"}
    assert content["verdict"] == exported.manifest.summary["parity"] == "passed"
    for entry in content["outputs"].values():
        assert 0 < entry["max"] <= entry["limit"]
    assert content["outputs"]["gaze"]["unit"] == "px"
    summary = exported.manifest.summary
    assert (summary["fold"], summary["package"]) == (FOLD, "model.mlpackage")
    assert summary["model_digest"] == network_digest(chain.model, FOLD)
    assert exported.manifest.flags["synthetic"] is True
    assert refusal(parity(chain, exported.path / "model.mlpackage"), "fp16") is None
    swift = (exported.path / "measure.swift").read_text()
    assert "MLComputePlan" in swift


def test_the_package_gives_the_stored_predictions(chain: Chain, exported: Artifact) -> None:
    """Pixels in, screen coordinates out: as in predictions.csv, to a thousandth of the screen."""
    table = read_table(chain.predictions.path / "predictions.csv")
    table = table[table["partition"] == FOLD].iloc[:6]
    prepared = open_prepared(chain.prepared)
    rows = [list(prepared.index["sample"]).index(sample) for sample in table["sample"]]
    feed = {
        name: np.moveaxis(prepared.arrays.take(name, rows), -1, 1).astype(np.float32)
        for name in ("left", "right")
    }
    gaze = run(exported.path / "model.mlpackage", feed)["gaze"].reshape(-1, 2)
    np.testing.assert_allclose(gaze, table[["pred_x", "pred_y"]].to_numpy(), atol=2)


def test_a_changed_weight_is_refused(chain: Chain, exported: Artifact, tmp_path: Path) -> None:
    package = tmp_path / "model.mlpackage"
    shutil.copytree(exported.path / "model.mlpackage", package)
    file = package / "Data" / WEIGHT_FILE
    content = np.fromfile(file, np.uint8)
    # The signs of a few hundred weights of the first convolution.
    content[128 + 1 : 128 + 1001 : 2] ^= 0x80
    file.chmod(0o644)
    content.tofile(file)
    reason = refusal(parity(chain, package), "fp16") or ""
    assert reason.startswith("Core ML and Keras differ on output gaze")


Change = Callable[[Any], None]


def changed_model(chain: Chain, name: str, change: Change) -> Artifact:
    """Publish the trained fold with other weights."""

    def build(folder: Path) -> Built:
        network = load_fold(chain.model, FOLD)
        change(network)
        save_fold(fold_folder(folder, FOLD), network, read_facts(chain.model, FOLD))
        shutil.copy(chain.model.path / MODEL, folder / MODEL)
        return Built()

    return run_stage(chain.root, Work("train", "model", "gaze", name), build).artifact


def beyond_half(network: Any) -> None:
    """Two features that differ by less than float16 can tell, and a head that lives on that."""
    kernel, bias = network.get_layer("embedding").get_weights()
    kernel[..., 0], bias[0] = kernel[..., 0] * 50, bias[0] * 50
    kernel[..., 1], bias[1] = kernel[..., 0] * 1.0002, bias[0] * 1.0002
    network.get_layer("embedding").set_weights([kernel, bias])
    kernel, bias = network.get_layer("gaze").get_weights()
    kernel[:, :, 0], kernel[:, :, 1] = 50, -50
    network.get_layer("gaze").set_weights([kernel, bias])


def overflowing(network: Any) -> None:
    kernel, bias = network.get_layer("embedding").get_weights()
    network.get_layer("embedding").set_weights([kernel, bias + 6e4])
    kernel, bias = network.get_layer("gaze").get_weights()
    network.get_layer("gaze").set_weights([np.abs(kernel) + 1, bias])


def constant(network: Any) -> None:
    kernel, bias = network.get_layer("gaze").get_weights()
    network.get_layer("gaze").set_weights([0 * kernel, bias])


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (beyond_half, "differ on output gaze"),
        (overflowing, "output gaze is not finite"),
        (constant, "not discriminating: output gaze"),
    ],
)
def test_a_refused_export_publishes_nothing(chain: Chain, change: Change, message: str) -> None:
    model = changed_model(chain, change.__name__, change)
    before = versions(chain.root, "coreml/gaze")
    for _ in range(2):
        with pytest.raises(CheckError, match=message) as caught:
            export(chain, model)
        assert caught.value.exit_code == 4
    assert versions(chain.root, "coreml/gaze") == before
    assert not any((chain.root / "tmp").iterdir())


def test_what_parity_refused_is_published_only_when_that_is_asked_for(chain: Chain) -> None:
    model = changed_model(chain, "allowed", beyond_half)
    settings = ExportSettings(fold=FOLD, allow_parity_failure=True)
    made = export_model(
        chain.root, lambda: exporting, model, chain.prepared, chain.split, settings
    ).artifact
    assert "differ on output gaze" in made.manifest.summary["parity"]
    assert any("FAILED" in line for line in parity_lines(made))


def personal(
    chain: Chain, folder: Path, name: str, shift: float = 0.0, scale: float = 1.0
) -> Personal:
    """A user whose head moves the gaze by 40 px; a `shift` makes it differ from its package."""
    head = Head("affine", scale * np.eye(2, 130), np.array([40.0, -25.0]))
    network = {"model_digest": network_digest(chain.model, FOLD)}
    package = write_head(folder / f"{name}.mlpackage", head, network)

    def apply(base: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        return np.c_[base, embedding] @ head.weight.T + head.bias + shift

    return Personal(name, chain.model, package, apply)


@pytest.mark.parametrize("combine", ["functions", "pipeline"])
def test_heads_in_the_package_of_their_model(chain: Chain, tmp_path: Path, combine: Any) -> None:
    users = ["ann b", "2nd"] if combine == "functions" else ["ann b"]
    heads = [personal(chain, tmp_path, user) for user in users]
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
        ExportSettings(fold=FOLD), heads, combine,
    ).artifact  # fmt: skip
    content = json.loads((made.path / "parity.json").read_text())
    assert set(content["heads"]) == set(users)
    assert all(0 < e["max"] <= e["limit"] for e in content["heads"].values())
    feed = {k: np.moveaxis(v, -1, 1) for k, v in samples(chain).items()}
    function = "ann_b" if combine == "functions" else "main"
    out = run(made.path / "model.mlpackage", feed, function=function)
    plain = run(made.path / "model.mlpackage", feed)["gaze"] if combine == "functions" else None
    if plain is not None:
        moved = (out["gaze_calibrated"] - plain)[:, :, 0, 0]
        np.testing.assert_allclose(moved, np.tile([40, -25], (len(moved), 1)), atol=0.5)
    assert not any(p.name.startswith("trunk") for p in made.path.iterdir())


def test_a_head_that_is_not_its_package_is_refused(chain: Chain, tmp_path: Path) -> None:
    heads = [personal(chain, tmp_path, "wrong", shift=30.0)]
    with pytest.raises(CheckError, match="differ on output wrong"):
        export_model(
            chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
            ExportSettings(fold=FOLD), heads,
        )  # fmt: skip


def test_a_head_that_overflows_is_refused_and_may_be_allowed(chain: Chain, tmp_path: Path) -> None:
    heads = [personal(chain, tmp_path, "large", scale=6e4)]
    with pytest.raises(CheckError, match="calibrated gaze of large is not finite"):
        export_model(
            chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
            ExportSettings(fold=FOLD), heads,
        )  # fmt: skip
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
        ExportSettings(fold=FOLD, allow_parity_failure=True), heads,
    ).artifact  # fmt: skip
    assert "not finite" in made.manifest.summary["parity"]
    assert any("FAILED" in line for line in parity_lines(made))


def test_one_pipeline_one_head_and_one_user_once(chain: Chain, tmp_path: Path) -> None:
    ann, bob = (personal(chain, tmp_path, name) for name in ("ann", "bob"))
    with pytest.raises(UsageError, match="a pipeline takes one head"):
        require_one([ann, bob], "pipeline")
    with pytest.raises(UsageError, match="two heads of ann"):
        require_one([ann, bob, ann], "functions")
    with pytest.raises(UsageError, match="--combine pipeline is for a user's head"):
        require_one([], "pipeline")


def test_what_cannot_be_exported_is_known_before_the_work(chain: Chain, tmp_path: Path) -> None:
    """Nothing is converted, and no temporary folder is named."""
    ann = personal(chain, tmp_path, "ann")

    def ask(fold: int = FOLD, heads: tuple[Personal, ...] = (ann,), **form: Any) -> None:
        check_export(lambda: exporting, chain.model, ExportSettings(fold=fold, **form), heads)

    ask()
    with pytest.raises(DataError, match=r"another network than model/gaze@v\d+, fold 1"):
        ask(fold=1)
    with pytest.raises(UsageError, match="--deployment-target iOS16: a package of several"):
        ask(deployment_target="iOS16")
    with pytest.raises(UsageError, match="--labels output: model/gaze@v1 names no classes"):
        ask(heads=(), labels="output")
    twins = tuple(replace(ann, name=name) for name in ("c-1", "c_1"))
    with pytest.raises(UsageError, match="would both have the function c_1"):
        ask(heads=twins)


def test_users_functions_raise_the_target_and_the_manifest_says_so(
    chain: Chain, tmp_path: Path
) -> None:
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
        ExportSettings(fold=FOLD, compress="palettize8"), [personal(chain, tmp_path, "ann")],
    ).artifact  # fmt: skip
    assert made.manifest.params["deployment_target"] == "iOS18"
    assert made.manifest.summary["users"] == ["ann"]
    spec = read_coreml(made.path / "model.mlpackage")
    assert spec.specificationVersion == 9
    about = spec.description.metadata
    assert about.userDefined["compression"] == "palettize8"
    assert about.userDefined["synthetic"] == "true" and about.license == "not stated"
    content = json.loads((made.path / "parity.json").read_text())
    worst = max(e["relative"] for key in ("outputs", "heads") for e in content[key].values())
    assert made.manifest.summary["parity_worst_relative"] == worst
    lines = parity_lines(made)
    assert any(", compressed: at most" in line for line in lines)
    assert any("emulated: at most" in line for line in lines)


def test_inputs_and_outputs_are_described(exported: Artifact) -> None:
    description = read_coreml(exported.path / "model.mlpackage").description
    said = {f.name: f.shortDescription for f in (*description.input, *description.output)}
    assert set(said) == {"left", "right", "gaze", "embedding"} and all(said.values())
    assert "x, y in px" in said["gaze"] and "32 x 32" in said["left"]


def test_a_kernel_that_the_engine_takes_no_table_for_stays_as_it_is(chain: Chain) -> None:
    """The stem has a stride of 4; see rule C06."""
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
        ExportSettings(fold=FOLD, compress="palettize8"),
    ).artifact  # fmt: skip
    found = check(made.path / "model.mlpackage")
    assert not any(f.rule == "C06" for verdict in found.verdicts for f in verdict.findings)
    content = json.loads((made.path / "parity.json").read_text())
    assert len(content["compression"]["skipped"]) == 1


def test_a_rewrite_that_finds_nothing_says_so(chain: Chain) -> None:
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split,
        ExportSettings(fold=FOLD, ane_rewrite=True, allow_retrain=True),
    ).artifact  # fmt: skip
    assert "rewritten: nothing, no layer needs it" in parity_lines(made)
    assert not (made.path / "rewritten.keras").exists()


FORMS: list[dict[str, Any]] = [
    {"precision": "fp32"},
    {"inputs": "tensor"},
    {"deployment_target": "iOS18"},
    {"ane_rewrite": True},
    {"parity_samples": 2},
    {"compress": "int8"},
    {"compress": "palettize6"},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_forms(chain: Chain, exported: Artifact, form: dict[str, Any]) -> None:
    settings = ExportSettings(fold=FOLD, **form)
    made = export_model(
        chain.root, lambda: exporting, chain.model, chain.prepared, chain.split, settings
    ).artifact
    content = json.loads((made.path / "parity.json").read_text())
    assert content["verdict"] == "passed"
    if "parity_samples" in form:
        assert content["samples"] == 2
    size = sum(f.size for f in made.manifest.files.values() if f.size > 10_000)
    plain = sum(f.size for f in exported.manifest.files.values() if f.size > 10_000)
    if "compress" in form:
        assert size < 0.65 * plain
        assert content["compression"]["scheme"] == form["compress"]
        worse = content["outputs"]["gaze"]["max"]
        assert worse > content["before_compression"]["gaze"]["max"]
    if form.get("precision") == "fp32":
        assert size > 1.8 * plain
        assert content["outputs"]["gaze"]["relative"] < 1e-4


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"parity_samples": 1}, "--parity-samples is 1"),
        ({"allow_retrain": True}, "--allow-retrain is for --ane-rewrite"),
        ({"precision": "fp32", "compress": "int8"}, "--compress int8 is for float16"),
    ],
)
def test_settings_that_do_not_go_together(chain: Chain, form: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_settings(ExportSettings(**form))


def test_one_of_several_folds_must_be_named(chain: Chain) -> None:
    for fold in (-1, 3):
        with pytest.raises(UsageError, match="3 folds: 0 to 2"):
            export(chain, chain.model, fold)


@pytest.mark.slow
def test_what_was_trained_in_mixed_precision_is_exported_as_ever(
    chain: Chain, tmp_path: Path
) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(chain.root, root)
    settings = GazeTrain(
        epochs=1, batch_size=16, precision="mixed_bfloat16", ema=0.9, accumulate=2
    )  # fmt: skip
    model, _ = train(root, "gaze", lambda: learning, chain.prepared, chain.split, settings)
    made = export_model(
        root, lambda: exporting, model.artifact, chain.prepared, chain.split,
        ExportSettings(fold=FOLD),
    ).artifact  # fmt: skip
    content = json.loads((made.path / "parity.json").read_text())
    assert all(0 < e["relative"] <= VALUES["fp16"] for e in content["outputs"].values())
