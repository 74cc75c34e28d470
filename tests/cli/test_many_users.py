"""``calibrate user`` of a folder of users: a line each, nobody lost, nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shell import Done, eyecli_process

from eyecli.calibration.samples import Samples, write_samples
from eyecli.workspace.references import resolve

Call = Callable[..., Done]
ROOT = Path("ws")


def person(seed: int, points: int = 9, name: str | None = None) -> Samples:
    """Somebody whose gaze is 100 px too far right, three frames a point."""
    rng = np.random.default_rng(seed)
    target = np.repeat(rng.uniform((50, 50), (1300, 700), (points, 2)), 3, axis=0)
    base = target + np.array([100, 0]) + rng.normal(0, 15, target.shape)
    point = np.repeat([f"p{i}" for i in range(points)], 3)
    return Samples(
        rng.normal(size=(len(target), 8)), base, target, point, model="ab" * 32, user=name
    )


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Two users in files of their own, two in one file."""
    folder = tmp_path / "users"
    folder.mkdir()
    write_samples(folder / "ann.csv", [person(1)])
    write_samples(folder / "bob.npz", [person(2)])
    write_samples(folder / "more.csv", [person(3, name="cem"), person(4, name="dee")])
    return folder


def calibrate(eyecli: Call, *words: object) -> Done:
    return eyecli("calibrate", "user", *words, "--workspace", ROOT)


def test_a_line_a_user_and_what_is_there_is_found(users: Path, eyecli: Call) -> None:
    done = calibrate(eyecli, users)
    assert done.code == 0, done.err
    names = ["ann", "bob", "cem", "dee"]
    assert done.out.splitlines() == [f"head/gaze/{name}@v1" for name in names]
    assert "4 users: 4 accept, 0 repeat, 0 rejected; 4 bias; median error 10" in done.err
    source = resolve(ROOT, "head/gaze/bob").manifest.inputs[0]
    assert source.ref == str(users / "bob.npz")
    write_samples(users / "eve.npz", [person(5)])
    made = json.loads(calibrate(eyecli, users, "--json").out)
    assert {one["name"]: one["cached"] for one in made} == {
        **dict.fromkeys(names, True), "eve": False
    }  # fmt: skip
    # The same file by itself is the same data, but then nobody says who it is.
    assert calibrate(eyecli, users / "more.csv").out.split() == [
        "head/gaze/cem@v1", "head/gaze/dee@v1"
    ]  # fmt: skip
    assert calibrate(eyecli, users / "ann.csv").out == "head/gaze/user@v1\n"


@pytest.mark.parametrize(
    ("broken", "few", "code"), [(True, False, 3), (False, True, 4), (True, True, 3)]
)
def test_the_others_are_not_lost(
    users: Path, eyecli: Call, broken: bool, few: bool, code: int
) -> None:
    if broken:
        (users / "ann.csv").write_text("embedding_0,base_x\n1,nonsense\n")
    if few:
        write_samples(users / "bob.npz", [person(2, points=4)])
    done = calibrate(eyecli, users)
    lost = ["ann"] * broken + ["bob"] * few
    kept = [name for name in ("ann", "bob", "cem", "dee") if name not in lost]
    assert (done.code, done.out.split()) == (code, [f"head/gaze/{name}@v1" for name in kept])
    assert ("ann.csv: no column 'base_y'" in done.err) is broken
    assert ("calibration of bob rejected: 4 usable points" in done.err) is few
    assert f"{len(kept)} accept, 0 repeat, {int(few)} rejected" in done.err
    assert ("1 with bad data" in done.err) is broken
    again = calibrate(eyecli, users, "--json")
    assert again.code == code
    errors = [one["error"] for one in json.loads(again.out) if one.get("ok") is False]
    assert len(errors) == len(lost)


def test_a_folder_of_one_user_is_a_list_too(users: Path, eyecli: Call, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (users / "ann.csv").rename(tmp_path / "one/ann.csv")
    (made,) = json.loads(calibrate(eyecli, "one", "--json").out)
    assert made["name"] == "ann"
    done = calibrate(eyecli, "one", "--user", "bob")
    assert (done.code, done.out) == (3, "") and "one: no user 'bob' among 1" in done.err
    write_samples(tmp_path / "one/ann.csv", [person(1, points=3)])
    done = calibrate(eyecli, "one")
    assert (done.code, done.out) == (4, "") and "error: calibration of ann rejected" in done.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cem.npz", ("user 'cem' is both in", "cem.npz and in", "more.csv")),
        ("Ann.csv", ("users 'Ann' (", "Ann.csv) and 'ann' (", "differ only in case")),
    ],
)
def test_two_of_a_name_are_refused(
    users: Path, eyecli: Call, name: str, words: tuple[str, ...]
) -> None:
    write_samples(users / name, [person(6)])
    done = calibrate(eyecli, users)
    assert (done.code, done.out) == (3, "") and len(done.complaint) == 2
    for word in words:
        assert word in done.complaint[0]
    # Whoever is not meant does not stand in the way.
    assert calibrate(eyecli, users, "--user", "dee").ref == "head/gaze/dee@v1"


def test_one_of_them_is_picked(users: Path, eyecli: Call) -> None:
    (users / "ann.csv").write_text("embedding_0\n")
    assert calibrate(eyecli, users, "--user", "bob").ref == "head/gaze/bob@v1"
    done = calibrate(eyecli, users, "--user", "ann")
    assert done.code == 3
    assert "no user 'ann' among 3, and 1 could not be read" in done.complaint[0]


def test_a_dry_run_lists_them(users: Path, eyecli: Call, tmp_path: Path) -> None:
    assert calibrate(eyecli, users, "--dry-run").out.splitlines() == [
        f"{name}: 27 samples of 9 points" for name in ("ann", "bob", "cem", "dee")
    ]
    assert calibrate(eyecli, users, "--dry-run", "--user", "cem").out.startswith("cem: ")
    (users / "empty").mkdir()
    done = calibrate(eyecli, users, "--dry-run")
    assert (done.code, len(done.out.splitlines())) == (3, 4)
    assert "empty: nothing to calibrate from; no files" in done.err
    assert not (tmp_path / ROOT).exists()


def test_sub_folders_are_users_unless_their_data_say_another(eyecli: Call, tmp_path: Path) -> None:
    whole = person(1)
    columns = ("embedding", "base", "target", "point")
    halves = [
        replace(whole, **{name: getattr(whole, name)[start::2] for name in columns})
        for start in (0, 1)
    ]
    for name in ("p01", "p02", "p03"):
        (tmp_path / "users" / name).mkdir(parents=True)
    write_samples(tmp_path / "users/p01/a.csv", halves[:1])
    write_samples(tmp_path / "users/p01/b.npz", halves[1:])
    write_samples(tmp_path / "users/p02/a.npz", [person(2, name="eve")])
    # Points of one name in two places: which is meant?
    write_samples(tmp_path / "users/p03/a.npz", [person(3)])
    write_samples(tmp_path / "users/p03/b.npz", [person(4)])
    done = calibrate(eyecli, "users")
    assert (done.code, done.out.split()) == (3, ["head/gaze/p01@v1", "head/gaze/eve@v1"])
    assert "p02: its data say user eve" in done.err
    assert "p03: its files together" in done.err and "has another target than before" in done.err
    write_samples(tmp_path / "whole.npz", [whole])
    assert calibrate(eyecli, "whole.npz").code == 0
    joint, alone = (resolve(ROOT, f"head/gaze/{name}").manifest for name in ("p01", "user"))
    assert joint.summary["after"] == pytest.approx(alone.summary["after"])


@pytest.mark.parametrize("name", ["Eve Smith.csv", "v1.csv", "-x.csv"])
def test_a_name_that_is_none_of_a_reference_is_bad_data(
    users: Path, eyecli: Call, name: str
) -> None:
    (users / "ann.csv").rename(users / name)
    done = calibrate(eyecli, users)
    assert (done.code, len(done.out.splitlines())) == (3, 3)
    assert f"{name}: user '{name[:-4]}' cannot be used in a reference" in done.err
    # By itself it can be given one.
    assert calibrate(eyecli, users / name, "--user", "eve").ref == "head/gaze/eve@v1"


def test_an_empty_folder_is_told_what_it_may_hold(eyecli: Call, tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    done = calibrate(eyecli, "users")
    assert (done.code, done.out, len(done.complaint)) == (3, "", 2)
    assert "users: nothing to calibrate from; no files" in done.complaint[0]
    assert "sub-folders" in done.complaint[1]
    assert not (tmp_path / ROOT).exists()


def test_images_among_them_need_a_model(users: Path, eyecli: Call) -> None:
    for side in ("left", "right"):
        (users / "eve" / side).mkdir(parents=True)
        (users / "eve" / side / "1_2.bmp").touch()
    done = calibrate(eyecli, users)
    assert done.code == 5 and "images need a model" in done.complaint[0]


def test_embeddings_need_nothing_heavy_but_what_executes_the_head(
    users: Path, tmp_path: Path
) -> None:
    done = eyecli_process("calibrate", "user", users, "--workspace", ROOT, cwd=tmp_path,
                          options=("-X", "importtime"))  # fmt: skip
    assert (done.code, len(done.out.splitlines())) == (0, 4)
    # TensorFlow (absl) and scikit-learn (joblib) are looked for by coremltools, and hidden.
    assert not done.imported & {"absl", "joblib", "keras", "pandas", "cv2", "matplotlib"}


@pytest.mark.parametrize("kind", ["quadratic", "rbf", "mlp"])
def test_a_named_kind_is_fitted_whatever_the_ladder_says(
    users: Path, eyecli: Call, kind: str
) -> None:
    calibrate(eyecli, users / "more.csv")
    done = calibrate(eyecli, users / "more.csv", "--kind", kind)
    assert done.code == 0 and f"2 {kind}; median error" in done.err
    assert done.out.splitlines() == ["head/gaze/cem@v2", "head/gaze/dee@v2"], "not the old ones"
    heads = [resolve(ROOT, f"head/gaze/{name}") for name in ("cem", "dee")]
    first, other = (head.manifest.summary for head in heads)
    assert first["kind"] == kind and first["reason"].startswith(f"{kind}: named, ")
    assert "; otherwise bias: " in first["reason"]
    assert first["parity"]["program"] == kind
    assert (first["parity"]["by"], other["parity"]["by"]) == ("interpreter", "emulation")
    for summary in (first, other):
        assert 0 < summary["parity"]["max"] < summary["parity"]["tolerance"]
    size = sum(f.stat().st_size for f in (heads[0].path / "head.mlpackage").rglob("*")
               if f.is_file())  # fmt: skip
    assert size < 150_000
    again = calibrate(eyecli, users / "more.csv", "--kind", kind, "--json")
    assert all(one["cached"] for one in json.loads(again.out))


def test_a_named_kind_is_rejected_as_any_other(users: Path, eyecli: Call) -> None:
    write_samples(users.parent / "few.npz", [person(6, points=4)])
    done = calibrate(eyecli, users.parent / "few.npz", "--kind", "mlp")
    assert done.code == 4 and "4 usable points" in done.complaint[0]
    row = person(7)
    target = row.target * (1.0, 0.0)
    write_samples(users.parent / "row.npz", [replace(row, target=target)])
    done = calibrate(eyecli, users.parent / "row.npz", "--kind", "rbf")
    assert done.code == 4
    assert "do not determine a head of kind rbf" in done.complaint[0]
    assert calibrate(eyecli, "x.npz", "--kind", "forest").code == 2
