"""Cross-validation by several processes, sweeps and the refit, as a user runs them."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import Chain
from shell import environment, eyecli_process, hear_ctrl_c

from eyecli.mlprogram import read_coreml
from eyecli.workspace.references import resolve
from eyecli.workspace.runs import Listed, list_runs
from eyecli.workspace.store import versions


def start(*words: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "eyecli", *map(str, words)], cwd=cwd, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_ctrl_c,
    )  # fmt: skip


def wait_for(root: Path, child: subprocess.Popen[str], fits: Callable[[Listed], bool]) -> Listed:
    """Wait until a run is as it should be."""
    while True:
        assert child.poll() is None, child.communicate()
        for listed in list_runs(root):
            if fits(listed):
                return listed
        time.sleep(0.02)


def test_folds_by_two_jobs_at_once_make_the_model_of_one_job(copy: Chain) -> None:
    assert eyecli_process("preprocess", "gaze", "--split", "kfold:2", cwd=copy.folder).code == 0
    words = ("train", "gaze", "--epochs", "2", "--seed", "9")
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(eyecli_process, *words, "--fold", fold, cwd=copy.folder) for fold in (1, 0)
        ]
        done = [job.result() for job in jobs]
    refs = {job.ref for job in done}
    # The last one has made the model; both say so if they ended together.
    assert "model/gaze@v2" in refs and refs <= {"model/gaze@v2", "fold/gaze@v5", "fold/gaze@v6"}
    assert versions(copy.root, "model/gaze") == [1, 2]
    alone = eyecli_process(*words, "--force", cwd=copy.folder)
    assert alone.ref == "model/gaze@v3"
    digests = [resolve(copy.root, f"model/gaze@v{n}").manifest.digest for n in (2, 3)]
    assert digests[0] == digests[1]


def test_after_a_kill_only_what_is_missing_is_trained(copy: Chain) -> None:
    words = ("train", "gaze", "--epochs", "2", "--seed", "9")
    child = start(*words, cwd=copy.folder)
    listed = wait_for(
        copy.root, child, lambda r: r.name.endswith("fold-002") and r.state == "running"
    )
    child.kill()
    child.communicate()
    shown = eyecli_process("runs", "show", listed.name, "--json", cwd=copy.folder)
    (document,) = json.loads(shown.out)
    assert document["state"] == "dead" and "--seed 9" in document["command"]
    named = eyecli_process("evaluate", "fold/gaze@v5", cwd=copy.folder)
    assert named.code == 3 and "folds 2, 3 of split/gaze@v1 are missing" in named.err
    plan = eyecli_process(*words, "--dry-run", cwd=copy.folder)
    assert plan.out.splitlines()[-1] == "folds 2, 3 of 4 to train"
    again = eyecli_process(*words, cwd=copy.folder)
    assert again.ref == "model/gaze@v2"
    for fold in (0, 1):
        assert f"already there (train, fold {fold})" in again.err
    assert versions(copy.root, "fold/gaze") == list(range(1, 9))
    mine = [r for r in list_runs(copy.root) if r.name.split("/")[0] == listed.name.split("/")[0]]
    assert [r.state for r in mine] == ["done"] * 4


def test_a_run_is_followed_and_stopped(copy: Chain) -> None:
    words = ("train", "gaze", "--epochs", "100000", "--seed", "9")
    child = start(*words, cwd=copy.folder)
    listed = wait_for(
        copy.root, child, lambda r: r.heartbeat is not None and r.state == "running"
        and r.run.command.endswith(f"--seed 9 --workspace {copy.root}"),
    )  # fmt: skip
    name = listed.name.partition("/")[0]
    row = eyecli_process("runs", "ls", name, cwd=copy.folder).ref
    assert row.startswith(f"{name}/fold-000  running") and " of 100000 " in row and " left" in row
    follower = start("runs", "tail", name, "--follow", "-n", "1", cwd=copy.folder)
    assert follower.stdout
    first, second = (json.loads(follower.stdout.readline())["epoch"] for _ in range(2))
    assert second == first + 1
    busy = eyecli_process(*words, "--fold", "0", cwd=copy.folder)
    assert busy.code == 75 and f"pid {child.pid}, heartbeat" in busy.err
    stopped = eyecli_process("runs", "stop", name, cwd=copy.folder)
    assert stopped.ref == f"{name}/fold-000  interrupted"
    out, err = child.communicate()
    assert (child.returncode, out) == (75, "") and "checkpoint saved" in err
    rest, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0 and rest.endswith("}\n")
    last = json.loads(eyecli_process("runs", "tail", name, "-n", "1", cwd=copy.folder).ref)
    assert last["epoch"] > second
    line = eyecli_process("runs", "show", name, cwd=copy.folder).out
    assert f"resume     {listed.run.command}" in line
    assert eyecli_process("runs", "stop", name, cwd=copy.folder).code == 0


def test_ctrl_c_leaves_an_interrupted_run(copy: Chain) -> None:
    child = start("train", "gaze", "--epochs", "100000", "--seed", "9", cwd=copy.folder)
    listed = wait_for(copy.root, child, lambda r: r.heartbeat is not None and r.state == "running")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=120) == 130
    (ended,) = [r for r in list_runs(copy.root) if r.name == listed.name]
    assert (ended.state, ended.run.error) == ("interrupted", None)
    assert (ended.folder / "checkpoint").is_file()


def test_a_sweep_prints_a_model_a_line_and_names_what_failed(copy: Chain) -> None:
    words = ("train", "gaze", "--epochs", "1", "--sweep", "accumulate=1,1000", "--seeds", "1..2")
    done = eyecli_process(*words, cwd=copy.folder)
    assert (done.code, done.out) == (2, "model/gaze@v2\nmodel/gaze@v3\n"), done.err
    assert "FAILED --accumulate 1000 --seed 1: " in done.err
    seeds = [resolve(copy.root, ref).manifest for ref in done.out.split()]
    assert [manifest.seed for manifest in seeds] == [1, 2]
    first, second = ({**m.params, "seed": None} for m in seeds)
    assert first == second and seeds[0].inputs == seeds[1].inputs
    plan = eyecli_process(*words, "--dry-run", cwd=copy.folder)
    assert plan.out.splitlines()[1:] == [
        "--accumulate 1 --seed 1: there: model/gaze@v2",
        "--accumulate 1 --seed 2: there: model/gaze@v3",
        "--accumulate 1000 --seed 1: folds 0, 1, 2, 3 of 4 to train",
        "--accumulate 1000 --seed 2: folds 0, 1, 2, 3 of 4 to train",
    ]
    # What can be known before is refused before anything is trained.
    early = eyecli_process("train", "gaze", "--sweep", "inputs=eyes,face", cwd=copy.folder)
    assert (early.code, early.out) == (2, "") and "'face' was not prepared" in early.err
    unknown = eyecli_process("train", "gaze", "--sweep", "epoch=1", cwd=copy.folder)
    assert unknown.code == 2 and "did you mean 'epochs'?" in unknown.err


def test_a_fold_alone_says_what_trains_the_others(copy: Chain) -> None:
    words = ("train", "gaze", "--epochs", "1", "--seed", "9")
    first = eyecli_process(*words, "--fold", "2", cwd=copy.folder)
    line = (
        "to train: eyecli train gaze prepared/gaze@v1 --split split/gaze@v1 --epochs 1 --seed 9 "
        f"--workspace {copy.root}"
    )
    assert first.ref == "fold/gaze@v5"
    assert f"{line}  # or one a job: --fold 0\n" in first.err


def test_a_damaged_model_is_made_again_by_the_line_that_is_named(copy: Chain) -> None:
    weights = copy.root / "model/gaze/v0001/fold-000/model.weights.h5"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = eyecli_process("export", "coreml", "--fold", "0", "--force", cwd=copy.folder)
    assert done.code == 3 and "content changed" in done.complaint[0]
    line = done.complaint[1].partition("make it again, ")[2]
    assert line.startswith("eyecli train gaze --force")
    again = eyecli_process(*shlex.split(line)[1:], cwd=copy.folder)
    assert again.ref == "model/gaze@v2"
    first, second = (resolve(copy.root, f"model/gaze@v{n}").manifest for n in (1, 2))
    assert first.params == second.params and first.inputs == second.inputs


def test_a_refit_on_all_groups_is_exported_and_not_evaluated(copy: Chain) -> None:
    several = eyecli_process("export", "coreml", cwd=copy.folder)
    assert several.code == 2 and "--fold" in several.err and "--refit-all" in several.err
    words = ("export", "coreml", "--refit-all")
    # Before anything is trained.
    headless = eyecli_process(*words, "--combine", "pipeline", cwd=copy.folder)
    assert headless.code == 2 and not versions(copy.root, "model/gaze/refit")
    package = resolve(copy.root, eyecli_process(*words, cwd=copy.folder).ref)
    model = resolve(copy.root, "model/gaze/refit@v1")
    assert model.ref in {entry.ref for entry in package.manifest.inputs}
    metadata = read_coreml(package.path / "model.mlpackage").description.metadata.userDefined
    assert metadata["refit_of"] == resolve(copy.root, "model/gaze@v1").manifest.digest
    again = eyecli_process(*words, cwd=copy.folder, options=("-X", "importtime"))
    assert again.ref == package.ref
    assert not again.imported & {"tensorflow", "keras", "coremltools", "pandas"}
    refused = eyecli_process("evaluate", model.ref, cwd=copy.folder)
    assert refused.code == 3 and "eyecli evaluate model/gaze@v1" in refused.err
    assert eyecli_process("evaluate", cwd=copy.folder).ref == "report/gaze@v1"
    both = eyecli_process(*words, "--fold", "0", cwd=copy.folder)
    assert both.code == 2
