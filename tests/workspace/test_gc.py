"""gc removes what nothing needs, and nothing else, whatever the clock says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import make, start

from eyecli.durations import parse_duration
from eyecli.errors import DataError, UsageError
from eyecli.progress import Beat
from eyecli.workspace import store
from eyecli.workspace.aliases import set_alias
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.lineage import closure
from eyecli.workspace.manifest import MANIFEST
from eyecli.workspace.memo import Work, recall
from eyecli.workspace.runs import Run, running
from eyecli.workspace.splits import choose_split, chosen_split
from eyecli.workspace.store import Artifact, artifact_folders, artifacts, open_workspace, staging
from eyecli.workspace.verify import damages

DAY = 86400.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


def age(path: Path, days: float) -> Path:
    """Let a path and everything below be that old."""
    when = time.time() - days * DAY
    for inner in (path, *path.rglob("*")):
        os.utime(inner, (when, when), follow_symlinks=False)
    return path


def leave(root: Path, name: str, days: float = 2) -> Path:
    """Leave unfinished work in tmp/."""
    folder = root / "tmp" / name
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/half.bin").write_bytes(bytes(1000))
    return age(folder, days)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def gc(root: Path, grace: float = DAY, keep: int | None = None) -> set[str]:
    removed, stayed = collect_garbage(root, grace, keep)
    assert stayed == []
    for folder in artifact_folders(root):
        assert damages(folder) == []
    return {waste.path.relative_to(root).as_posix() for waste in removed}


def refs(root: Path) -> set[str]:
    return {artifact.ref for artifact in artifacts(root)}


def test_unfinished_work_goes_when_it_is_old_and_nobody_is_at_it(root: Path) -> None:
    host, dead = socket.gethostname(), dead_process()
    gone = [leave(root, f"{host}-{dead}-00000000"), leave(root, "other.host-1-00000001"),
            leave(root, "what is this")]  # fmt: skip
    stays = [leave(root, f"{host}-{os.getpid()}-00000002"),
             leave(root, f"{host}-{dead}-00000003", days=0.5),
             leave(root, "other.host-1-00000004", days=0.5)]  # fmt: skip
    # One file written into an old folder makes it young.
    (stays[-1] / "deep/half.bin").touch()
    assert gc(root) == {path.relative_to(root).as_posix() for path in gone}
    assert {*(root / "tmp").iterdir()} == {*stays}
    assert gc(root, grace=0) == {path.relative_to(root).as_posix() for path in stays[1:]}


def test_a_dry_run_lists_the_same_and_removes_nothing(root: Path) -> None:
    for n in range(3):
        make(root, {"m": bytes([n]) * 10}, force=True, params={"n": n})
    leave(root, "x")
    before = {*root.rglob("*")}
    listed, _ = collect_garbage(root, 0, keep=1, dry_run=True)
    assert {*root.rglob("*")} == before
    removed, _ = collect_garbage(root, 0, keep=1)
    assert removed == listed
    assert {waste.why for waste in removed} == {"old version", "unfinished work", "result is gone"}
    assert sum(waste.bytes for waste in removed if waste.path.name == "x") == 1000


def test_a_time_in_the_future_is_young(root: Path) -> None:
    """A clock was ahead, and is right again."""
    leave(root, "a", days=-30)
    assert gc(root) == set()
    assert gc(root, grace=0) == set()


def test_ages_are_told_by_the_clock_of_the_file_system(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(root, "a", days=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * DAY)
    assert gc(root) == set()


GC = """
import sys
from pathlib import Path
from eyecli.workspace.gc import collect_garbage
removed, stayed = collect_garbage(Path(sys.argv[1]), 0.0, 1)
assert not stayed
print(len(removed))
"""


def gc_without_privileges(root: Path) -> None:
    """Run gc without root's right to write everywhere."""
    command = [sys.executable, "-c", GC, str(root)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to give up its privileges")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    subprocess.run(command, check=True)


def test_read_only_leftovers_go_too(root: Path, tmp_path: Path) -> None:
    leave(root, "a")
    (tmp_path / "outside").mkdir(mode=0o500)
    (root / "tmp/a/link").symlink_to(tmp_path / "outside")
    for path in (root / "tmp/a/deep/half.bin", root / "tmp/a/deep", root / "tmp/a"):
        path.chmod(0o000 if path.is_dir() else 0o444)
    gc_without_privileges(root)
    assert list((root / "tmp").iterdir()) == []
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o500


def test_read_only_artifacts_go_too(root: Path) -> None:
    first = make(root, {"deep/m": b"1"}, force=True).artifact
    make(root, {"m": b"2"}, force=True)
    for folder in (first.path / "deep", first.path):
        folder.chmod(0o555)
    gc_without_privileges(root)
    assert refs(root) == {"model/gaze@v2"}


def test_what_cannot_be_removed_is_named_and_the_rest_goes(root: Path) -> None:
    for n in range(3):
        make(root, {"m": bytes([n])}, kind="head", force=True)
        make(root, {"m": bytes([n])}, force=True)
    (root / "head/gaze").chmod(0o555)
    with pytest.raises(subprocess.CalledProcessError):
        gc_without_privileges(root)
    (root / "head/gaze").chmod(0o755)
    assert refs(root) == {*(f"head/gaze@v{n}" for n in (1, 2, 3)), "model/gaze@v3"}


def test_notes_on_what_is_gone_go(root: Path) -> None:
    kept, gone = (make(root, {"m": bytes([n])}, params={"n": n}).artifact for n in range(2))
    (memo,) = (p for p in (root / "memo").rglob("*") if p.is_file() and b'v2"' in p.read_bytes())
    damaged = root / "memo/ab/cd"
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_bytes(b"\xff")
    half = age_file(root / f"memo/ab/.cd.{dead_process()}.0123abcd")
    shutil.rmtree(gone.path)
    assert gc(root) == {p.relative_to(root).as_posix() for p in (memo, damaged, half)}
    assert recall(root, Work("test", "model", "gaze", params={"n": 0})) == kept


def age_file(path: Path) -> Path:
    path.write_bytes(b"")
    return age(path, 2)


def test_old_runs_go_but_not_those_that_can_go_on(root: Path) -> None:
    for name, file, days in (("old", "metrics.jsonl", 2), ("young", "metrics.jsonl", 0.1),
                             ("cut", "fold-000/checkpoint.npz", 2)):  # fmt: skip
        path = root / "runs" / name / "job" / file
        path.parent.mkdir(parents=True)
        path.touch()
        age(root / "runs" / name, days)
    assert gc(root) == {"runs/old"}


def test_features_that_can_be_computed_again_go(root: Path) -> None:
    folder = root / "cache/features"
    folder.mkdir(parents=True)
    for name in ("old.npy", "new.npy"):
        (folder / name).write_bytes(bytes(100))
    age(folder / "old.npy", 2)
    assert gc(root) == {"cache/features/old.npy"}
    assert [path.name for path in folder.iterdir()] == ["new.npy"]


def test_without_keep_no_artifact_goes(root: Path) -> None:
    made = {make(root, {"m": bytes([n])}, force=True).artifact.ref for n in range(4)}
    age(root, 400)
    assert gc(root, grace=0) == set()
    assert refs(root) == made


def chain(root: Path, n: int) -> Artifact:
    """Publish a source, prepared data with a split, and a model."""
    source = make(root, {"s": bytes([n])}, kind="source", force=True).artifact
    inputs = {"source": source}
    prepared = make(root, {"p": bytes([n])}, kind="prepared", inputs=inputs).artifact
    inputs = {"prepared": prepared}
    split = make(root, {"n": bytes([n])}, kind="split", inputs=inputs).artifact
    choose_split(root, prepared, split)
    return make(root, {"m": bytes([n])}, inputs=inputs | {"split": split}).artifact


def test_roots_and_their_whole_lineage_stay(root: Path) -> None:
    models = [chain(root, n) for n in range(5)]
    set_alias(root, "model/gaze", "production", 1, models[1].manifest.digest)
    set_alias(root, "model/gaze", "production", 2, models[1].manifest.digest)
    gc(root, grace=0, keep=1)
    kinds = ("source", "prepared", "split", "model")
    assert refs(root) == {f"{kind}/gaze@v{n}" for kind in kinds for n in (2, 5)}
    for artifact in artifacts(root):
        assert len(closure(root, [artifact])) == kinds.index(artifact.manifest.kind) + 1
        if artifact.manifest.kind == "prepared":
            assert chosen_split(root, artifact).ref == artifact.ref.replace("prepared", "split")


def test_what_was_made_goes_before_what_it_was_made_from(root: Path) -> None:
    """So that a crash in between leaves nothing without its lineage."""
    for n in range(3):
        chain(root, n)
    removed, _ = collect_garbage(root, 0, keep=1)
    order = [waste.path for waste in removed if waste.why == "old version"]
    for version in ("v0001", "v0002"):
        places = [
            order.index(root / kind / "gaze" / version)
            for kind in ("model", "split", "prepared", "source")
        ]
        assert places == sorted(places)


def test_the_chosen_split_of_data_that_stay_stays(root: Path) -> None:
    source = make(root, {"s": b"1"}, kind="source").artifact
    prepared = make(root, {"p": b"1"}, kind="prepared", inputs={"source": source}).artifact
    first, *_ = (make(root, {"n": bytes([n])}, kind="split", inputs={"prepared": prepared},
                      force=True).artifact for n in range(3))  # fmt: skip
    choose_split(root, prepared, first)
    gc(root, grace=0, keep=1)
    assert chosen_split(root, prepared) == first
    assert {r for r in refs(root) if r.startswith("split")} == {"split/gaze@v1", "split/gaze@v3"}


def test_young_versions_stay(root: Path) -> None:
    old, young, _ = (make(root, {"m": bytes([n])}, force=True).artifact for n in range(3))
    age(old.path, 2)
    assert gc(root, keep=1) == {"model/gaze/v0001"}
    assert refs(root) == {"model/gaze@v2", "model/gaze@v3"}
    assert young.path.is_dir()


def test_numbers_are_not_given_twice(root: Path) -> None:
    for n in range(4):
        make(root, {"m": bytes([n])}, force=True)
    gc(root, grace=0, keep=1)
    assert make(root, force=True).artifact.ref == "model/gaze@v5"
    with pytest.raises(UsageError, match="--keep 0 is below 1"):
        gc(root, grace=0, keep=0)


def test_what_a_damaged_artifact_needs_is_not_guessed(root: Path) -> None:
    for n in range(3):
        chain(root, n)
    path = root / "model/gaze/v0003" / MANIFEST
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(b"{}")
    before = refs(root)
    with pytest.raises(DataError, match=r"v0003/manifest\.json: .* is not known"):
        collect_garbage(root, 0, keep=1)
    assert refs(root) == before
    path.write_bytes(content)
    # One that nothing keeps stays as it is, and does not stop the others.
    other = root / "model/gaze/v0001" / MANIFEST
    other.chmod(0o644)
    other.write_bytes(b"{}")
    collect_garbage(root, 0, keep=1)
    assert {ref for ref in refs(root) if ref.startswith("model")} == {"model/gaze@v3"}
    assert other.is_file()


def test_work_shows_that_it_lives(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BEAT_SECONDS", 0.02)
    with staging(root) as folder:
        age(folder, 3)
        for _ in range(1000):
            if folder.stat().st_mtime > time.time() - DAY:
                break
            time.sleep(0.01)
        # As another host sees it, which cannot look for the process.
        moved = folder.rename(root / "tmp/other.host-1-00000000")
        assert gc(root) == set()
    assert moved.is_dir()


def test_two_at_once_do_not_trip_over_each_other(root: Path) -> None:
    for n in range(30):
        make(root, {"m": bytes([n]), "n": bytes(100)}, force=True)
    for n in range(30):
        leave(root, f"x{n}")
    processes = [start(GC, root) for _ in range(3)]
    counts = [int(process.communicate()[0]) for process in processes]
    assert refs(root) == {"model/gaze@v30"}
    assert sum(counts) >= 29 + 30
    assert list((root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("1.5d", 129600), ("0", 0)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text, "--grace") == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1w", "1h30m", "nan", "1e3s", "٣h"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match=r"--grace '.*' is no length of time"):
        parse_duration(text, "--grace")


def test_a_run_in_progress_stays_whatever_its_age(root: Path) -> None:
    run = Run(command="x", stage="train", task="gaze", key="k", inputs={}, fold=0, folds=1)
    folder = root / "runs/train-gaze-0/fold-000"
    with running(folder, run, "it") as beat:
        age(folder, 3)
        assert gc(root, grace=0) == set()
        beat(Beat(1, 1, 1, 1, 1.0))
    assert gc(root, grace=0) == {"runs/train-gaze-0"}


def make_fold(root: Path, partition: int, split: Artifact, content: bytes = b"") -> Artifact:
    name = f"fold-{partition:03d}/w"
    return make(root, {name: bytes([partition]) + content}, kind="fold", inputs={"split": split},
                params={"partition": partition}, force=True).artifact  # fmt: skip


def test_folds_that_wait_for_their_model_are_not_old_versions(root: Path) -> None:
    splits = [make(root, {"s": bytes([n])}, kind="split", force=True).artifact for n in range(2)]
    for partition in (0, 1):
        make_fold(root, partition, splits[0], b"old")
    for partition in (0, 1):
        for split in splits:
            make_fold(root, partition, split)
    names = [f"fold/gaze/v{n:04d}" for n in range(1, 7)]
    assert gc(root, grace=0, keep=2) == set()
    assert gc(root, keep=1) == set()
    assert names[:2] == sorted(name for name in gc(root, grace=0, keep=1) if name[0] == "f")


def test_folds_that_a_model_holds_go(root: Path) -> None:
    split = make(root, {"s": b"1"}, kind="split").artifact
    for partition in range(3):
        make_fold(root, partition, split)
    make(root, {f"fold-{n:03d}/w": bytes([n]) for n in range(2)}, inputs={"split": split})
    gc(root, grace=0, keep=1)
    assert {ref for ref in refs(root) if ref[0] == "f"} == {"fold/gaze@v3"}
