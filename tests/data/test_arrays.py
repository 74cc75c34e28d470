from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.data.arrays import Arrays, ArraySpec, ArrayWriter, shard_name
from eyecli.errors import DataError

SPECS = {"left": ArraySpec((2, 3), "uint8"), "boxes": ArraySpec((1, 4), "float32")}


def write(folder: Path, rows: int, shard_bytes: int = 64) -> dict[str, np.ndarray]:
    """Write random rows; a shard holds 10 rows of ``left`` and 4 of ``boxes``."""
    rng = np.random.default_rng(rows)
    values: dict[str, np.ndarray] = {
        "left": rng.integers(0, 256, (rows, 2, 3), dtype=np.uint8),
        "boxes": rng.normal(size=(rows, 1, 4)).astype(np.float32),
    }
    writer = ArrayWriter(folder, SPECS, shard_bytes)
    for i in range(rows):
        writer.append({name: array[i] for name, array in values.items()})
    writer.close()
    return values


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 5, 8, 20, 23])
@pytest.mark.parametrize("shard_bytes", [1, 64, 10**6])
def test_rows_come_back(tmp_path: Path, rows: int, shard_bytes: int) -> None:
    values = write(tmp_path, rows, shard_bytes)
    arrays = Arrays(tmp_path)
    assert arrays.names == ["boxes", "left"]
    rng = np.random.default_rng(0)
    for name, array in values.items():
        assert (arrays.rows(name), arrays.spec(name)) == (rows, SPECS[name])
        for wanted in (np.arange(rows), rng.permutation(rows), [], [rows - 1, 0] * (rows > 0)):
            taken = arrays.take(name, wanted)
            assert taken.dtype == array.dtype
            np.testing.assert_array_equal(taken, array[np.asarray(wanted, int)])


def test_shards_are_as_small_as_asked(tmp_path: Path) -> None:
    write(tmp_path, 21)
    found = sorted(path.name for path in tmp_path.glob("*.npy"))
    assert found == [shard_name("boxes", i) for i in range(6)] + [
        shard_name("left", i) for i in range(3)
    ]
    assert all(np.load(path).nbytes <= 64 for path in tmp_path.glob("*.npy"))


@pytest.mark.parametrize("rows", [1, 9, 10, 123])
def test_shards_are_what_numpy_saves(tmp_path: Path, rows: int) -> None:
    """Rows are counted at the end only; the header has room for the number."""
    values = write(tmp_path, rows, shard_bytes=10 * 6)
    np.save(tmp_path / "expected", values["left"][-((rows - 1) % 10 + 1) :])
    last = tmp_path / shard_name("left", (rows - 1) // 10)
    assert last.read_bytes() == (tmp_path / "expected.npy").read_bytes()


def test_rows_are_on_disk_before_their_shard_is_full(tmp_path: Path) -> None:
    writer = ArrayWriter(tmp_path, {"image": ArraySpec((256, 256, 3), "uint8")})
    for _ in range(3):
        writer.append({"image": np.zeros((256, 256, 3), np.uint8)})
    assert (tmp_path / shard_name("image", 0)).stat().st_size > 2 * 256 * 256 * 3
    writer.close()


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, 9)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(
    "row",
    [
        np.zeros((3, 2), np.uint8),
        np.zeros((1, 2, 3), np.uint8),
        np.zeros((2, 3)),
        np.zeros((2, 3), np.int8),
    ],
)
def test_another_shape_or_type_is_refused(tmp_path: Path, row: np.ndarray) -> None:
    writer = ArrayWriter(tmp_path, {"left": SPECS["left"]})
    with pytest.raises(ValueError, match="array left"):
        writer.append({"left": row})


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path, 9)
    (tmp_path / shard_name("boxes", 1)).unlink()
    arrays = Arrays(tmp_path)
    arrays.take("left", [0])
    with pytest.raises(DataError, match=r"boxes-00001\.npy: damaged array"):
        arrays.take("boxes", [0])


@given(st.integers(0, 220), st.binary(max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_damaged_header_is_named(
    tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes
) -> None:
    """Cut off, or overwritten in its first bytes: a clear error, or the right shape."""
    folder = tmp_path_factory.mktemp("shards")
    write(folder, 3)
    path = folder / shard_name("boxes", 0)
    whole = path.read_bytes()
    for content in (whole[:at], whole[:at] + junk + whole[at + len(junk) :]):
        path.write_bytes(content)
        try:
            assert Arrays(folder).take("boxes", range(3)).shape == (3, 1, 4)
        except DataError as error:
            assert path.name in error.message


@pytest.mark.parametrize(
    "other",
    [np.zeros((3, 1, 1), np.float32), np.zeros((2, 1, 4), np.float32), np.zeros((3, 1, 4))],
)
def test_a_shard_of_another_shape_is_not_broadcast(tmp_path: Path, other: np.ndarray) -> None:
    write(tmp_path, 3)
    np.save(tmp_path / shard_name("boxes", 0), other)
    with pytest.raises(DataError, match="expected"):
        Arrays(tmp_path).take("boxes", [0])


def test_an_archive_is_no_shard(tmp_path: Path) -> None:
    write(tmp_path, 3)
    with (tmp_path / shard_name("boxes", 0)).open("wb") as stream:
        np.savez(stream, a=np.zeros((3, 1, 4), np.float32))
    with pytest.raises(DataError, match="damaged array"):
        Arrays(tmp_path).take("boxes", [0])


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["object array", "bare pickle"])
def test_nothing_is_unpickled(tmp_path: Path, form: str) -> None:
    mark, shard = tmp_path / "executed", tmp_path / shard_name("boxes", 0)
    write(tmp_path, 3)
    if form == "bare pickle":
        shard.write_bytes(pickle.dumps(Bomb(mark)))
    else:
        np.save(shard, np.array([Bomb(mark)] * 3, object), allow_pickle=True)
    with pytest.raises(DataError, match="damaged array"):
        Arrays(tmp_path).take("boxes", [0])
    assert not mark.exists()
    # The bomb is real: numpy would have set it off.
    with shard.open("rb") as stream:
        np.load(stream, allow_pickle=True)
    assert mark.exists()


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"left": 1}', b"\xff"])
def test_a_damaged_index_is_named(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path, 3)
    if content is None:
        (tmp_path / "arrays.json").unlink()
    else:
        (tmp_path / "arrays.json").write_bytes(content)
    with pytest.raises(DataError, match=r"arrays\.json: no array index"):
        Arrays(tmp_path)
