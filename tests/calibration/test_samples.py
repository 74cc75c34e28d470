"""The embeddings file: round trips, and every fault named with file, row and column."""

from __future__ import annotations

import dataclasses
import string
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eyecli.calibration.samples import Samples, read_samples, require_model, write_samples
from eyecli.errors import DataError

COLUMNS = ["embedding_0", "embedding_1", "base_x", "base_y", "target_x", "target_y", "point"]
ROWS = [["0.5", "1", "10", "20", "12", "18", "a"], ["0.25", "2", "30", "40", "33", "44", "b"]]

FINITE = st.floats(-3e38, 3e38)
NAMES = st.text(string.ascii_letters + string.digits + " ,;\"'\n\r-_é", min_size=1, max_size=8)


@st.composite
def samples(draw: st.DrawFn, dims: int, rest: dict[str, Any], extra: tuple[bool, bool]) -> Samples:
    n = draw(st.integers(1, 6))
    point = draw(st.lists(NAMES, min_size=n, max_size=n))
    places = {name: draw(hnp.arrays(float, 2, elements=FINITE)) for name in sorted(set(point))}
    unit_interval = st.floats(0, 1)
    return Samples(
        embedding=draw(hnp.arrays(float, (n, dims), elements=FINITE)),
        base=draw(hnp.arrays(float, (n, 2), elements=FINITE)),
        target=np.array([places[name] for name in point]),
        point=np.array(point),
        time=draw(hnp.arrays(float, n, elements=FINITE)) if extra[0] else None,
        quality=draw(hnp.arrays(float, n, elements=unit_interval)) if extra[1] else None,
        **rest,
    )


@st.composite
def files(draw: st.DrawFn) -> list[Samples]:
    dims = draw(st.integers(1, 3))
    rest = {"unit": draw(st.sampled_from(["px", "cm"])), "model": draw(st.sampled_from(["", "ab"]))}
    extra = draw(st.tuples(st.booleans(), st.booleans()))
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    users: list[str | None] = [*names] or [None]
    return [draw(samples(dims, rest | {"user": user}, extra)) for user in users]


@settings(max_examples=60, deadline=None)
@given(users=files(), suffix=st.sampled_from([".csv", ".npz"]))
def test_written_samples_are_read_back_exactly(users: list[Samples], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"samples{suffix}"
        write_samples(path, users)
        back = read_samples(path)
    assert len(back) == len(users)
    for old, new in zip(users, back, strict=True):
        for field in dataclasses.fields(Samples):
            a, b = getattr(old, field.name), getattr(new, field.name)
            if isinstance(a, np.ndarray):
                np.testing.assert_array_equal(a, b)
            else:
                assert a == b, field.name


def table(
    path: Path, columns: list[str] = COLUMNS, rows: list[list[str]] = ROWS, head: str = ""
) -> Path:
    path.write_text(head + "\n".join(",".join(row) for row in [columns, *rows]) + "\n")
    return path


def with_cell(row: int, column: str, text: str) -> list[list[str]]:
    rows = [list(cells) for cells in ROWS]
    rows[row][COLUMNS.index(column)] = text
    return rows


def test_a_plain_table_is_read(tmp_path: Path) -> None:
    [read] = read_samples(table(tmp_path / "a.csv", head="\ufeff"), unit="cm")
    np.testing.assert_array_equal(read.embedding, [[0.5, 1], [0.25, 2]])
    np.testing.assert_array_equal(read.base, [[10, 20], [30, 40]])
    np.testing.assert_array_equal(read.target, [[12, 18], [33, 44]])
    assert read.point.tolist() == ["a", "b"]
    assert (read.unit, read.model, read.user, read.time, read.quality) == (
        "cm",
        "",
        None,
        None,
        None,
    )


def test_users_of_one_file_are_separated_in_order(tmp_path: Path) -> None:
    rows = [[*row, user] for user in ("zoe", "adam", "zoe") for row in ROWS]
    users = read_samples(table(tmp_path / "a.csv", [*COLUMNS, "user"], rows))
    assert [(s.user, len(s)) for s in users] == [("zoe", 4), ("adam", 2)]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    at = COLUMNS.index(column)
    rows = [row[:at] + row[at + 1 :] for row in ROWS]
    names = COLUMNS[:at] + COLUMNS[at + 1 :]
    # Without embedding_1 the table is a sound one of dimension 1.
    if column == "embedding_1":
        assert read_samples(table(tmp_path / "a.csv", names, rows))[0].embedding.shape == (2, 1)
        return
    with pytest.raises(DataError, match=rf"a\.csv: no column '{column}'"):
        read_samples(table(tmp_path / "a.csv", names, rows))


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (1, "base_y", "abc", "line 3, column base_y: 'abc' is not a number"),
        (0, "embedding_1", "", "line 2, column embedding_1: '' is not a number"),
        (1, "target_x", "nan", "line 3, column target_x: nan is not a finite number"),
        (0, "embedding_0", "-inf", "line 2, column embedding_0: -inf is not a finite number"),
        (1, "point", "", "line 3, column point: it is empty"),
        (1, "point", "a", "line 3: point 'a' has another target than before"),
    ],
)
def test_a_bad_cell_is_named(
    tmp_path: Path, row: int, column: str, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_samples(table(tmp_path / "a.csv", rows=with_cell(row, column, text)))
    assert "a.csv" in caught.value.message


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("user", ("eve", ""), "line 3, column user: it is empty"),
        ("time", ("1", "1e39"), "line 3, column time: 1e\\+39 is not a finite number"),
        ("quality", ("0.5", "1.5"), "line 3, column quality: 1.5 is outside 0..1"),
        ("time", ("inf", "1"), "line 2, column time: inf is not a finite number"),
        ("model", ("aaa", "bbb"), "line 3, column model: 'bbb' after 'aaa'"),
        ("unit", ("cm", "px"), "line 3, column unit: 'px' after 'cm'"),
        ("unit", ("mm", "mm"), "unit is 'mm'"),
        ("point", ("a", "b"), "line 1: the column 'point' is there twice"),
    ],
)
def test_a_bad_optional_column_is_named(
    tmp_path: Path, column: str, cells: tuple[str, str], message: str
) -> None:
    rows = [[*row, cell] for row, cell in zip(ROWS, cells, strict=True)]
    with pytest.raises(DataError, match=message):
        read_samples(table(tmp_path / "a.csv", [*COLUMNS, column], rows))


def test_a_moved_point_of_the_second_user_has_its_line(tmp_path: Path) -> None:
    moved = with_cell(1, "point", "a")
    rows = [[*row, "u"] for row in ROWS] + [[*row, "v"] for row in moved]
    with pytest.raises(DataError, match="user v, line 5: point 'a'"):
        read_samples(table(tmp_path / "a.csv", [*COLUMNS, "user"], rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (",".join(COLUMNS).encode() + b"\n", "no rows below the header"),
        (",".join(COLUMNS).encode() + b"\n1,2,3\n", "line 2: 3 cells, the header has 7"),
        (b"\xff\xfe\x00", "not a CSV file"),
        (b'"unclosed', "not a CSV file"),
    ],
)
def test_a_damaged_csv_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_samples(path)


ARRAYS: dict[str, Any] = {
    "embedding": np.ones((3, 4)),
    "base": np.ones((3, 2)),
    "target": np.ones((3, 2)),
    "point": np.array([0, 0, 0]),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": None}, "no array 'base'"),
        ({"embedding": np.ones((2, 4))}, r"embedding has shape \(2, 4\), needed: \(3, D\)"),
        ({"embedding": np.ones((3, 0))}, r"embedding has shape \(3, 0\)"),
        ({"embedding": np.ones(3)}, r"embedding has shape \(3,\)"),
        ({"base": np.ones((3, 3))}, r"base has shape \(3, 3\), needed: \(3, 2\)"),
        ({"base": np.array(1.0)}, r"base has shape \(\), needed: \(3, 2\)"),
        ({"point": np.zeros((3, 1), int)}, r"point has shape \(3, 1\), needed: \(n,\)"),
        ({"time": np.zeros(2)}, r"time has shape \(2,\), needed: \(3,\)"),
        ({"user": np.array(["a"])}, r"user has shape \(1,\), needed: \(3,\)"),
        ({"user": np.array("")}, "column user: it is empty"),
        ({"base": np.array([[1, 1], [1, np.nan], [1, 1]])}, "row 1, column base_y: nan"),
        ({"embedding": np.array([["a"]] * 3)}, "embedding holds <U1, not numbers"),
        ({"point": np.array([1, "x", None], object)}, "it holds Python objects"),
        ({name: value[:0] for name, value in ARRAYS.items()}, "no rows"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {name: value for name, value in (ARRAYS | change).items() if value is not None}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_samples(tmp_path / "a.npz")
    assert "a.npz" in caught.value.message


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    sound = tmp_path / "a.npz"
    np.savez(sound, **ARRAYS)
    whole = sound.read_bytes()
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    for content in (b"", b"text", whole[: len(whole) // 2], single.read_bytes()):
        sound.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: cannot be read as arrays"):
            read_samples(sound)


def test_a_missing_or_strange_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_samples(tmp_path / "none.csv")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="not an embeddings file"):
        read_samples(tmp_path / "a.txt")


def test_one_user_and_model_for_the_whole_npz(tmp_path: Path) -> None:
    arrays = ARRAYS | {"user": np.array("eve"), "model": np.array("beef"), "unit": np.array("cm")}
    np.savez(tmp_path / "a.npz", **arrays)
    [read] = read_samples(tmp_path / "a.npz")
    assert (read.user, read.model, read.unit, len(read)) == ("eve", "beef", "cm", 3)


def test_samples_in_memory_are_checked_too() -> None:
    with pytest.raises(DataError, match="samples, row 2, column embedding_3: inf"):
        embedding = np.ones((3, 4))
        embedding[2, 3] = np.inf
        Samples(**(ARRAYS | {"embedding": embedding}))
    with pytest.raises(DataError, match="unit is 'mm'"):
        Samples(**ARRAYS, unit="mm")  # type: ignore[arg-type]


def test_another_models_samples_are_refused() -> None:
    mine, other = "0123456789abcdef", "fedcba9876543210"
    samples = Samples(**ARRAYS, model=mine)
    require_model(samples, mine)
    with pytest.raises(DataError) as caught:
        require_model(samples, other, source="eve.csv")
    for part in ("eve.csv", mine[:12], other[:12]):
        assert part in caught.value.message
    assert mine[:13] not in caught.value.message
    with pytest.raises(DataError, match="name no model"):
        require_model(Samples(**ARRAYS), mine)


def test_users_that_do_not_fit_one_file_are_refused(tmp_path: Path) -> None:
    one = Samples(**ARRAYS, user="a")
    for other in (dataclasses.replace(one, unit="cm", user="b"), one, Samples(**ARRAYS)):
        with pytest.raises(DataError, match="do not fit into one file"):
            write_samples(tmp_path / "a.csv", [one, other])
