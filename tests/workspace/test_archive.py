"""Export and import: the same artifacts with their lineage elsewhere, and nothing else."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make, start

from eyecli.errors import DataError, UsageError
from eyecli.workspace.aliases import list_aliases, set_alias
from eyecli.workspace.archive import plan_export, write_export
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.lineage import closure, input_of, lineage
from eyecli.workspace.manifest import SUMS, canonical
from eyecli.workspace.references import resolve
from eyecli.workspace.restore import Arrival, restore
from eyecli.workspace.splits import choose_split, chosen_split
from eyecli.workspace.stage import Built
from eyecli.workspace.store import Artifact, artifact_folders, artifacts, open_workspace
from eyecli.workspace.verify import damages

Members = list[tuple[tarfile.TarInfo, bytes]]
HARD_NAMES = {"ä 'ö\".bin": b"1", "deep/目 x/$(y)": b"", "n" * 200: b"long"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "other place", create=True)


@pytest.fixture
def chain(root: Path) -> list[Artifact]:
    source = make(root, {"s": b"1"}, kind="source", inputs={"files": ("/data", "ab" * 32)}).artifact
    prepared = make(root, HARD_NAMES, kind="prepared", inputs={"source": source}).artifact
    split = make(root, {"n": b"1"}, kind="split", inputs={"prepared": prepared}).artifact
    choose_split(root, prepared, split)
    inputs = {"prepared": prepared, "split": split}
    model = make(root, {"m": b"1" * 3000}, inputs=inputs, built=Built(flags={"x": 1})).artifact
    set_alias(root, "model/gaze", "production", 1, model.manifest.digest)
    return [source, prepared, split, model]


def export(root: Path, path: Path, *chosen: Artifact, with_lineage: bool = True) -> Path:
    write_export(plan_export(root, chosen, with_lineage=with_lineage), path)
    return path


def refs(arrivals: list[Arrival]) -> list[str | None]:
    return [arrival.artifact.ref if arrival.artifact else None for arrival in arrivals]


def contents(root: Path) -> dict[str, bytes]:
    """Every published file."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in artifact_folders(root)
        for path in folder.rglob("*")
        if path.is_file()
    }


def is_clean(root: Path) -> bool:
    assert [line for folder in artifact_folders(root) for line in damages(folder)] == []
    return list((root / "tmp").iterdir()) == []


def test_everything_arrives_with_its_lineage_and_aliases(
    root: Path, other: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    path = export(root, tmp_path / "x.tar", chain[-1])
    arrivals = restore(other, path)
    assert refs(arrivals) == [artifact.ref for artifact in chain]
    assert [arrival.entry.asked for arrival in arrivals] == [False, False, False, True]
    assert contents(other) == contents(root)
    model = resolve(other, "model/gaze@production")
    assert lineage(other, model) == lineage(root, chain[-1])
    assert chosen_split(other, input_of(other, model, "prepared")).ref == chain[2].ref
    assert is_clean(other)
    # Once more: all is there.
    assert not any(arrival.new for arrival in restore(other, path))
    assert contents(other) == contents(root)
    assert len(list((other / "aliases").rglob("*.json"))) == 2


def test_tar_unpacks_to_folders_that_sha256sum_accepts(
    root: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    path = export(root, tmp_path / "x.tar", chain[-1])
    (tmp_path / "plain").mkdir()
    subprocess.run(["tar", "-xf", path, "-C", tmp_path / "plain"], check=True)
    folder = tmp_path / "plain/prepared/gaze/v0001"
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True)


def test_the_same_artifacts_give_the_same_bytes(
    root: Path, other: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    first = export(root, tmp_path / "1.tar", *chain)
    second = export(root, tmp_path / "2.tar", *chain)
    assert first.read_bytes() == second.read_bytes()
    restore(other, first)
    there = [resolve(other, artifact.ref) for artifact in chain]
    assert export(other, tmp_path / "3.tar", *there).read_bytes() == first.read_bytes()


def test_without_lineage_only_what_was_asked_for(
    root: Path, other: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    path = export(root, tmp_path / "x.tar", chain[-1], with_lineage=False)
    (model,) = [arrival.artifact for arrival in restore(other, path)]
    assert model
    assert [i.keys() for i in lineage(other, model)["inputs"]] == [{"role", "ref", "digest"}] * 2


def test_taken_numbers_change_and_lineage_still_resolves(
    root: Path, other: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    make(other, {"p": b"else"}, kind="prepared")
    mine = make(other, {"m": b"else"}).artifact
    set_alias(other, "model/gaze", "production", 1, mine.manifest.digest)
    arrivals = restore(other, export(root, tmp_path / "x.tar", chain[-1]))
    assert refs(arrivals) == ["source/gaze@v1", "prepared/gaze@v2", "split/gaze@v1",
                              "model/gaze@v2"]  # fmt: skip
    model = resolve(other, "model/gaze@v2")
    assert input_of(other, model, "prepared").ref == "prepared/gaze@v2"
    tree = lineage(other, model)["inputs"][0]
    assert (tree["ref"], tree["inputs"][0]["ref"]) == ("prepared/gaze@v2", "source/gaze@v1")
    # An alias of this workspace is not turned to what came in.
    assert arrivals[-1].kept == ["model/gaze@production"]
    assert list_aliases(other, "model/gaze") == {"production": 1}


def test_free_numbers_are_kept(root: Path, other: Path, tmp_path: Path) -> None:
    made = [make(root, {"m": bytes([n])}, force=True).artifact for n in range(5)]
    assert refs(restore(other, export(root, tmp_path / "5.tar", made[4]))) == ["model/gaze@v5"]
    assert refs(restore(other, export(root, tmp_path / "2.tar", made[1]))) == ["model/gaze@v2"]
    assert make(other, force=True).artifact.ref == "model/gaze@v6"


def test_a_number_that_gc_freed_is_not_given_to_something_else(
    root: Path, other: Path, tmp_path: Path
) -> None:
    own = [make(other, {"m": b"own%d" % n}, force=True).artifact for n in range(3)]
    back = export(other, tmp_path / "back.tar", own[0])
    collect_garbage(other, 0, keep=1)
    path = export(root, tmp_path / "x.tar", make(root, {"m": b"x"}).artifact)
    assert refs(restore(other, path)) == ["model/gaze@v4"]
    assert refs(restore(other, back)) == ["model/gaze@v1"]
    with pytest.raises(DataError, match="no version v2 of model/gaze: removed by `workspace gc`"):
        resolve(other, "model/gaze@v2")


def test_what_is_there_but_says_something_else_of_itself_is_not_the_same(
    root: Path, other: Path, tmp_path: Path
) -> None:
    made = make(root, built=Built(flags={"subject_independent": False})).artifact
    make(other, built=Built(flags={"subject_independent": True}))
    arrivals = restore(other, export(root, tmp_path / "x.tar", made))
    assert [arrival.new for arrival in arrivals] == [True]
    assert resolve(other, "model/gaze@v2").manifest.flags == {"subject_independent": False}


def test_a_damaged_twin_does_not_stand_in_the_way(root: Path, tmp_path: Path) -> None:
    made = make(root).artifact
    path = export(root, tmp_path / "x.tar", made)
    (made.path / "data.bin").chmod(0o644)
    (made.path / "data.bin").write_bytes(b"flipped")
    with pytest.raises(DataError, match="content changed"):
        export(root, tmp_path / "y.tar", made)
    assert not (tmp_path / "y.tar").exists()
    assert refs(restore(root, path)) == ["model/gaze@v2"]


def test_a_dry_run_checks_and_writes_nothing(
    root: Path, other: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    path = export(root, tmp_path / "x.tar", chain[-1])
    make(other, {"s": b"1"}, kind="source", inputs={"files": ("/data", "ab" * 32)})
    before = contents(other)
    arrivals = restore(other, path, dry_run=True)
    assert [arrival.new for arrival in arrivals] == [False, True, True, True]
    assert (contents(other), list((other / "tmp").iterdir())) == (before, [])


def test_what_is_gone_is_named(root: Path, chain: list[Artifact]) -> None:
    for path in sorted(chain[1].path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    chain[1].path.rmdir()
    planned = plan_export(root, [chain[-1]])
    assert planned.gone == ["prepared/gaze@v1"]
    assert [artifact.ref for artifact in planned.artifacts] == ["split/gaze@v1", "model/gaze@v1"]


def test_a_file_that_is_there_is_replaced_only_on_demand(
    root: Path, chain: list[Artifact], tmp_path: Path
) -> None:
    path = tmp_path / "thesis.tar"
    path.write_bytes(b"mine")
    planned = plan_export(root, chain)
    with pytest.raises(UsageError, match=r"thesis\.tar is there already"):
        write_export(planned, path)
    assert path.read_bytes() == b"mine"
    write_export(planned, path, force=True)
    assert tarfile.is_tarfile(path)
    with pytest.raises(UsageError, match="is a folder"):
        write_export(planned, tmp_path, force=True)
    with pytest.raises(UsageError, match="no such folder"):
        write_export(planned, tmp_path / "no/x.tar", force=True)


# Hostile tars: every one of them must leave the workspace as it was.


def read_members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def write_members(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w") as tar:
        for member, content in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def change(number: int, **fields: object) -> Callable[[Members], Members]:
    def changed(members: Members) -> Members:
        for name, value in fields.items():
            setattr(members[number][0], name, value)
        return members

    return changed


def replace(number: int, content: bytes) -> Callable[[Members], Members]:
    return lambda members: [(m, content if n == number else c) for n, (m, c) in enumerate(members)]


def say(old: str, new: str) -> Callable[[Members], Members]:
    """Change the table of contents."""
    return lambda members: [
        (members[0][0], members[0][1].replace(old.encode(), new.encode())),
        *members[1:],
    ]


def forge(file: str) -> Callable[[Members], Members]:
    """Give the only file another name, and make every digest fit."""
    from eyecli.workspace.manifest import Manifest, content_digest, sums

    def forged(members: Members) -> Members:
        manifest = msgspec.json.decode(members[1][1], type=Manifest)
        files = {file: next(iter(manifest.files.values()))}
        digest = content_digest(manifest.kind, manifest.task, files)
        text = canonical(msgspec.structs.replace(manifest, files=files, digest=digest)) + b"\n"
        listed = sums(files, hashlib.sha256(text).hexdigest())
        members[3][0].name = f"model/gaze/v0001/{file}"
        head = members[0][1].replace(manifest.digest.encode(), digest.encode())
        return [(m, c) for (m, _), c in zip(members, (head, text, listed, members[3][1]),
                                            strict=True)]  # fmt: skip

    return forged


HOSTILE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "absolute": (change(3, name="/etc/x"), "where 'model/gaze/v0001/data.bin' should be"),
    "upwards": (change(3, name="model/gaze/v0001/../../../x"), "should be"),
    "forged absolute": (forge("/etc/x"), "'/etc/x' is no name for a file"),
    "forged upwards": (forge("../../../../x"), "is no name for a file"),
    "forged dot": (forge("./x"), "is no name for a file"),
    "forged manifest": (forge("manifest.json"), "is no name for a file"),
    "forged long": (forge("x" * 300), "is no name for a file"),
    "symlink": (change(3, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is no regular file"),
    "hard link": (change(3, type=tarfile.LNKTYPE, linkname="x"), "is no regular file"),
    "device": (change(3, type=tarfile.CHRTYPE), "is no regular file"),
    "fifo": (change(3, type=tarfile.FIFOTYPE), "is no regular file"),
    "folder": (lambda m: [*m, (_folder("model/gaze/v0001/x"), b"")], "is no regular file"),
    "twice": (lambda m: [*m, m[3]], "is in it twice"),
    "changed": (replace(3, b"other"), "content changed"),
    "changed manifest": (
        lambda m: replace(1, m[1][1].replace(b'"seed":null', b'"seed":17'))(m),
        "SHA256SUMS: does not agree",
    ),
    "no manifest": (replace(1, b"{}"), "manifest.json: damaged"),
    "newer manifest": (
        lambda m: replace(1, m[1][1].replace(b'"schema":1', b'"schema":2'))(m),
        "schema 2 is newer",
    ),
    "another family": (
        lambda m: replace(1, m[1][1].replace(b'"kind":"model"', b'"kind":"head"'))(m),
        "is not of model/gaze",
    ),
    "a file more": (lambda m: [*m, (tarfile.TarInfo("more"), b"x")], "is of no artifact in it"),
    "a file less": (lambda m: m[:3], "cut off before 'model/gaze/v0001/data.bin'"),
    "no table": (lambda m: m[1:], "does not begin with"),
    "empty": (lambda _: [], "does not begin with"),
    "damaged table": (replace(0, b"\xff"), "damaged"),
    "newer format": (say('"format":1', '"format":2'), "format 2 is newer than this eyecli reads"),
    "unknown kind": (say("model/gaze", "aliases/gaze"), "is no reference"),
    "family upwards": (say("model/gaze", "model/.."), "is no reference"),
    "family like a version": (say("model/gaze", "model/gaze/v1"), "is no reference"),
    "version 0": (say('"version":1', '"version":0'), "is no reference"),
    "alias upwards": (say('"aliases":[]', '"aliases":["../../x"]'), "impossible alias"),
    "reserved alias": (say('"aliases":[]', '"aliases":["latest"]'), "impossible alias"),
    "other digest": (say('"digest":"', '"digest":"0'), "does not have the digest it states"),
}


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    return entry


@pytest.fixture
def small(root: Path, tmp_path: Path) -> Iterator[Path]:
    """Give a tar of one artifact of one file, and watch that nothing appears around it."""
    model = make(root, {"data.bin": b"12345" * 300}).artifact
    path = export(root, tmp_path / "small.tar", model)
    before = {*tmp_path.rglob("*")}
    yield path
    assert {p for p in tmp_path.rglob("*") if p.suffix != ".tar"} == {
        p for p in before if p.suffix != ".tar"
    }


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_tar_is_refused_and_leaves_nothing(small: Path, root: Path, how: str) -> None:
    spoil, complaint = HOSTILE[how]
    bad = write_members(small.with_name("bad.tar"), spoil(read_members(small)))
    before = contents(root)
    with pytest.raises(DataError) as caught:
        restore(root, bad)
    assert complaint in caught.value.message
    assert str(bad) in caught.value.message
    assert (contents(root), is_clean(root)) == (before, True)


def test_no_tar_is_refused(small: Path, root: Path) -> None:
    for content in (b"", b"\x1f\x8b" + bytes(600), b"x" * 5000):
        small.with_name("bad.tar").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.tar"):
            restore(root, small.with_name("bad.tar"))
    with pytest.raises(DataError, match="no such file"):
        restore(root, small.with_name("none.tar"))
    assert is_clean(root)


def test_what_follows_the_end_is_refused(small: Path, root: Path) -> None:
    content, before = small.read_bytes(), contents(root)
    for more in (b"x", bytes(512) + b"x", content, bytes(3) + b"PK"):
        small.write_bytes(content + more)
        with pytest.raises(DataError, match=r"something else follows"):
            restore(root, small)
    # Padding to whatever length a tape has.
    small.write_bytes(content + bytes(20_480))
    assert restore(root, small)
    assert contents(root) == before and is_clean(root)


def test_a_tar_that_was_cut_off_is_refused_wherever(small: Path, root: Path) -> None:
    whole, before = small.read_bytes(), contents(root)
    last = read_members(small)[-1][0]
    # Beyond the last file there is only padding.
    for end in [*range(0, last.offset_data + last.size, 97), last.offset_data + last.size - 1]:
        small.with_name("cut.tar").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"cut\.tar"):
            restore(root, small.with_name("cut.tar"))
        assert is_clean(root)
    assert contents(root) == before


def test_a_negative_size_ends(small: Path, root: Path) -> None:
    data = bytearray(small.read_bytes())
    at = read_members(small)[1][0].offset
    # A size in base 256: -512 leads a careless reader back to the same header for ever.
    data[at + 124 : at + 136] = (-512).to_bytes(12, "big", signed=True)
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    small.with_name("bad.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"bad\.tar: 'model.*': damaged header"):
        restore(root, small.with_name("bad.tar"))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_harmless(tmp_path_factory: pytest.TempPathFactory,
                                      data: st.DataObject) -> None:  # fmt: skip
    tmp = tmp_path_factory.getbasetemp() / "flip"
    path, root = tmp / "x.tar", tmp / "ws"
    if not path.exists():
        made = make(open_workspace(root, create=True), {"a": b"1", "b/c": b"2"}).artifact
        export(root, path, made)
    good = path.read_bytes()
    before = contents(root)
    spoilt = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    bad = path.with_name("bad.tar")
    bad.write_bytes(spoilt)
    try:
        restore(root, bad)
    except DataError as error:
        assert "bad.tar" in error.message
    assert (contents(root), is_clean(root)) == (before, True)


# kill -9 at random moments.

WORK = """
import sys, time
from pathlib import Path
from eyecli.workspace.archive import plan_export, write_export
from eyecli.workspace.gc import collect_garbage
from eyecli.workspace.restore import restore
from eyecli.workspace.store import artifacts
import eyecli.workspace.references
root, what, tar = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
print("ready", flush=True)
if what == "export":
    write_export(plan_export(root, list(artifacts(root))), tar, force=True)
elif what == "import":
    restore(root, tar)
else:
    collect_garbage(root, 0, keep=1)
"""


def fill(root: Path) -> None:
    """Publish chains of which gc keeps the last."""
    for n in range(12):
        content = {f"{i}.bin": bytes([n, i]) * 20_000 for i in range(15)}
        source = make(root, content, kind="source", force=True).artifact
        make(root, content, inputs={"source": source}, force=True)


def kill_at_random(rng: random.Random, longest: float, *arguments: object) -> bool:
    """Run `WORK`, kill it, and say whether it had been done."""
    process = start(WORK, *arguments)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    time.sleep(rng.uniform(0, longest))
    process.kill()
    process.communicate()
    assert process.returncode in (0, -9)
    return process.returncode == 0


@pytest.mark.parametrize("what", ["export", "import", "gc"])
def test_kill_9_leaves_the_workspace_clean_and_a_rerun_finishes(
    root: Path, other: Path, tmp_path: Path, what: str
) -> None:
    rng, path = random.Random(what), tmp_path / "x.tar"
    fill(root)
    export(root, path, *artifacts(root))
    good, whole = path.read_bytes(), contents(root)
    done = 0
    for _ in range(12):
        target = other if what == "import" else root
        done += kill_at_random(rng, 0.15, target, what, path)
        for folder in artifact_folders(target):
            assert damages(folder) == []
        assert path.read_bytes() == good
        # What is there has its whole lineage.
        for artifact in artifacts(target):
            expected = 2 if artifact.manifest.inputs else 1
            assert len(closure(target, [artifact])) == expected
    assert done < 12
    process = start(WORK, target, what, path)
    process.communicate()
    assert process.returncode == 0
    collect_garbage(target, 0)
    assert is_clean(target)
    assert path.read_bytes() == good
    if what == "gc":
        last = {"source/gaze@v12", "model/gaze@v12"}
        assert {artifact.ref for artifact in artifacts(root)} == last
    else:
        assert contents(target) == whole
    assert {p.name for p in tmp_path.iterdir()} == {"ws", "other place", "x.tar"}
