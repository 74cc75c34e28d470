"""The whole chain: what each stage prints and publishes, and that the second run is a look-up."""

from __future__ import annotations

import json

import pytest
from conftest import CHAIN, Chain
from shell import eyecli_process

from eyecli.workspace.references import resolve
from eyecli.workspace.store import artifact_folders, artifacts
from eyecli.workspace.verify import damages

REFS = {
    "fetch": "source/gaze@v1",
    "preprocess": "prepared/gaze@v1",
    "train": "model/gaze@v1",
    "evaluate": "report/gaze@v1",
    "compare": "comparison/gaze@v1",
    "export": "coreml/gaze@v1",
    "check-ane": "ane/gaze@v1",
    "calibrate": "head/gaze/eve@v1",
}
HEAVY = {"tensorflow", "keras", "coremltools", "mediapipe", "cv2", "pandas", "jax", "matplotlib",
         "scipy", "skimage"}  # fmt: skip


@pytest.mark.parametrize("stage", CHAIN)
def test_stdout_has_the_reference_and_nothing_else(chain: Chain, stage: str) -> None:
    assert chain.done[stage].out == REFS[stage] + "\n"
    assert chain.done[stage].complaint == []


def test_everything_that_was_made_is_whole(chain: Chain) -> None:
    assert {a.ref for a in artifacts(chain.root)} >= {
        *REFS.values(), "split/gaze@v1", "predictions/gaze@v1"
    }  # fmt: skip
    assert [line for folder in artifact_folders(chain.root) for line in damages(folder)] == []


@pytest.mark.parametrize("stage", CHAIN)
def test_the_second_run_finds_the_first_without_anything_heavy(chain: Chain, stage: str) -> None:
    before = {a.ref for a in artifacts(chain.root)}
    again = chain.run(stage, "-X", "importtime")
    assert (again.code, again.out) == (0, chain.done[stage].out)
    assert {a.ref for a in artifacts(chain.root)} == before
    assert again.imported & HEAVY == set()


def test_rendered_data_are_marked_down_to_the_report(chain: Chain) -> None:
    for ref in REFS.values():
        manifest = resolve(chain.root, ref).manifest
        assert manifest.flags["synthetic"] is True, ref
        assert manifest.licences == ["CC0-1.0"], ref
    report = resolve(chain.root, "report/gaze").path / "report.md"
    lines = [line for line in report.read_text().splitlines() if line.strip()]
    assert any("SYNTHETIC" in line for line in lines[:2])


def test_references_chain_as_a_shell_would(copy: Chain) -> None:
    prepared = eyecli_process("preprocess", "gaze", "source/gaze@v1", "--split", "kfold:4",
                              cwd=copy.folder).ref  # fmt: skip
    model = eyecli_process("train", "gaze", prepared, "--epochs", "1", cwd=copy.folder).ref
    coreml = eyecli_process("export", "coreml", model, "--fold", "0", cwd=copy.folder).ref
    assert eyecli_process("check-ane", coreml, cwd=copy.folder).ref == "ane/gaze@v1"
    assert eyecli_process("evaluate", model, cwd=copy.folder).ref == "report/gaze@v1"


def test_force_does_a_stage_again_with_the_same_digest(copy: Chain) -> None:
    again = eyecli_process(*CHAIN["preprocess"].split(), "--force", cwd=copy.folder)
    assert again.ref == "prepared/gaze@v2"
    digests = [resolve(copy.root, f"prepared/gaze@v{n}").manifest.digest for n in (1, 2)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("stage", ["evaluate", "compare", "check-ane", "calibrate"])
def test_what_needs_no_network_never_imports_tensorflow(copy: Chain, stage: str) -> None:
    done = eyecli_process(*CHAIN[stage].split(), "--force", cwd=copy.folder,
                          options=("-X", "importtime"))  # fmt: skip
    assert done.ref == REFS[stage].replace("@v1", "@v2")
    # calibrate executes the head by coremltools, which looks for TensorFlow (absl comes with it)
    # and does not find it.
    more = {"absl"} if stage == "calibrate" else {"tensorflow", "coremltools"}
    assert done.imported & ({"keras", "mediapipe", "jax"} | more) == set()


@pytest.mark.parametrize("stage", CHAIN)
def test_a_dry_run_writes_nothing(copy: Chain, stage: str) -> None:
    def content() -> set[str]:
        return {str(p) for p in copy.folder.rglob("*") if "/runs/" not in str(p)}

    before = content()
    more = ["--split", "kfold:2"] if stage == "train" else []
    words = [*CHAIN[stage].split(), *more, "--force", "--dry-run"]
    done = eyecli_process(*words, cwd=copy.folder)
    assert done.code == 0, done.err
    assert done.out
    assert content() == before


def test_a_dry_run_of_a_users_export_writes_nothing(copy: Chain) -> None:
    words = ("export", "coreml", "head/gaze/eve")
    assert eyecli_process(*words, "--dry-run", cwd=copy.folder).code == 0
    assert not (copy.root / "coreml/gaze/eve").exists()
    assert eyecli_process(*words, cwd=copy.folder).ref == "coreml/gaze/eve@v1"


@pytest.mark.parametrize("stage", CHAIN)
def test_json_is_the_manifest(chain: Chain, stage: str) -> None:
    done = eyecli_process(*CHAIN[stage].split(), "--json", cwd=chain.folder)
    document = json.loads(done.out)
    assert (document["ref"], document["cached"]) == (REFS[stage], True)
    assert document["digest"] == resolve(chain.root, REFS[stage]).manifest.digest
    assert {"files", "inputs", "params", "seed", "code", "licences", "path"} <= document.keys()


def test_calibration_from_images_is_found_again_without_the_model(copy: Chain) -> None:
    sample = copy.folder / "calibration"
    made = ("fetch", "sample", "gaze-eyes", "--subjects", "1", "--points", "12", "--seed", "3")
    assert eyecli_process(*made, "--folder", sample, "--name", "new", cwd=copy.folder).code == 0
    words = ("calibrate", "user", sample, "--fold", "0")
    first = eyecli_process(*words, cwd=copy.folder)
    assert first.ref == "head/gaze/s001@v1"
    again = eyecli_process(*words, cwd=copy.folder, options=("-X", "importtime"))
    assert (again.code, again.out) == (0, first.out)
    assert not again.imported & {"tensorflow", "keras", "cv2", "pandas"}
    # Another table of the same folder is other data.
    lines = (sample / "table.csv").read_text().splitlines(keepends=True)
    (sample / "other.csv").write_text("".join(lines[:1] + lines[1:][::-1]))
    other = eyecli_process("calibrate", "user", sample / "other.csv", "--fold", "0",
                           cwd=copy.folder)  # fmt: skip
    assert set(other.out.splitlines()).isdisjoint(first.out.splitlines())


def test_what_is_required_of_a_report_decides_the_exit_code(chain: Chain) -> None:
    bound = "error_mean_px/frames<=1e9"
    met = eyecli_process("evaluate", "--require", bound, cwd=chain.folder)
    assert (met.code, met.out) == (0, chain.done["evaluate"].out)
    both = ("--require", bound, "--require", "error_mean_px/frames<1")
    missed = eyecli_process("evaluate", *both, cwd=chain.folder)
    assert (missed.code, missed.out) == (4, chain.done["evaluate"].out)
    assert "NOT MET: error_mean_px/frames<1" in missed.err
