"""Files of weights are read as PyTorch reads them, and nothing in them is ever run."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch_files import Part, Raw, Stored, _Pickle, tensor, write_legacy, write_zip

from eyecli.errors import DataError
from eyecli.weights.checkpoint import read_checkpoint

DATA = Path(__file__).parent / "data"
WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])
REAL = pytest.mark.parametrize("container", ["zip", "legacy"])


def values(*size: int) -> np.ndarray:
    return (np.arange(np.prod(size)) * 0.5 - 3).reshape(size).astype(np.float32)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_checkpoint(path)
    assert str(path) in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("file", ["types.zip.pth", "types.legacy.pth", "types.safetensors"])
def test_every_type_that_torch_saved(file: str) -> None:
    found = read_checkpoint(DATA / file)
    assert len(found) == 14
    for name, array in found.items():
        wanted = "float32" if name == "bfloat16" else name
        assert array.dtype == np.dtype(wanted)
        assert np.array_equal(array, (values(2, 3) + 3).astype(wanted)), name


@pytest.mark.parametrize("file", ["views.zip.pth", "views.legacy.pth", "views.protocol4.pth"])
def test_views_and_shared_storages_that_torch_saved(file: str) -> None:
    found, base = read_checkpoint(DATA / file), values(6, 5)
    wanted = {
        "base": base, "transposed": base.T, "row": base[2], "steps": base[::2, 1::2],
        "diagonal": base.diagonal(), "expanded": np.broadcast_to(base[0], (4, 5)),
        "scalar": base[1, 1], "empty": np.zeros((0, 7), np.float32), "parameter": values(2),
        "bfloat16": values(4, 4)[1:, 2:], "channels_last": values(2, 3, 2, 2),
    }  # fmt: skip
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array), name
        assert not found[name].size or not found[name].flags.writeable
    assert np.shares_memory(found["base"], found["transposed"])


@REAL
def test_of_a_training_the_weights_are_taken(container: str) -> None:
    found = read_checkpoint(DATA / f"training.{container}.pth")
    assert list(found) == ["0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                           "1.num_batches_tracked"]  # fmt: skip
    assert (found["0.weight"] == 0.25).all()
    assert found["1.num_batches_tracked"].shape == ()


def test_a_pickled_network_is_refused_by_name() -> None:
    assert "torch.nn.modules.container.Sequential" in refusal(DATA / "whole.zip.pth")


@WRITERS
@pytest.mark.parametrize(
    "opcodes",
    [
        b"cposix\nsystem\n(X%sctR",
        b"\x8c\x05posix\x8c\x06system\x93(X%sctR",
        b"(X%scposix\nsystem\ni",
        b"(cposix\nsystem\nX%sco",
        b"cposix\nsystem\n(X%sct\x81",
        b"cbuiltins\ngetattr\n(X%sctR",
        b"(iposix\nsystem\nX%sct",
        b"ctorch._utils\n_rebuild_tensor_v2\n(cposix\nsystem\nX%sctR",
    ],
)
def test_what_would_run_code_is_refused_and_does_not(
    write: Any, opcodes: bytes, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    command = f"touch {planted}".encode()
    text = struct.pack("<I", len(command)) + command
    opcodes = opcodes.replace(b"%sc", text)
    path = write(tmp_path / "bad.pth", {"weight": values(2), "b": Raw(opcodes)})
    message = refusal(path)
    assert not planted.exists()
    assert (
        "posix.system" in message
        or "builtins.getattr" in message
        or "INST" in message
        or ("OBJ" in message or "damaged" in message)
    )


@WRITERS
def test_os_system_is_named(write: Any, tmp_path: Path) -> None:
    bad = Raw(b"cos\nsystem\n(X\x04\x00\x00\x00truetR")
    message = refusal(write(tmp_path / "bad.pth", {"a": values(1), "b": bad}))
    assert "'os.system'" in message
    assert "nothing of it was run" in message


@WRITERS
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_arrays_come_back(write: Any, data: st.DataObject, tmp_path: Path) -> None:
    dtypes = st.sampled_from(["float64", "float32", "float16", "int64", "int32", "int16", "int8",
                              "uint8", "bool"])  # fmt: skip
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    arrays = data.draw(
        st.dictionaries(
            st.text(max_size=8).filter(lambda key: "." not in key),
            dtypes.flatmap(lambda dtype: hnp.arrays(dtype, shapes)),
            min_size=1,
            max_size=5,
        )
    )
    found = read_checkpoint(write(tmp_path / "x.pth", arrays))
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        assert np.array_equal(found[key], array, equal_nan=array.dtype.kind == "f")


@WRITERS
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_view_is_numpys(write: Any, data: st.DataObject, tmp_path: Path) -> None:
    base = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    view = base.transpose(data.draw(st.permutations(range(4))))
    # With the ellipsis one element is an array too, not a copy.
    index = data.draw(hnp.basic_indices(view.shape, allow_ellipsis=False))
    view = view[(*(index if isinstance(index, tuple) else (index,)), ...)]
    if any(step < 0 for step in view.strides):
        return
    offset = (view.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // 4
    storage = Stored(base.reshape(-1))
    part = Part(storage, offset if view.size else 0, view.shape,
                tuple(step // 4 for step in view.strides))  # fmt: skip
    found = read_checkpoint(write(tmp_path / "x.pth", [part, Part(storage, 0, (120,), (1,))]))
    assert np.array_equal(found["0"], view)
    assert np.array_equal(found["1"], base.reshape(-1))


@WRITERS
@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"state_dict": {"w": 1.0}, "model": {"w": values(1)}}, ["w"]),
        ({"state_dict": {"w": values(1)}, "ema": {"w": values(1)}, "step": values(1)}, ["w"]),
        ({"model": {"state_dict": {"w": values(1)}}, "epoch": 3}, ["w"]),
        ({"G": {"w": values(1)}, "D": [values(1), (values(1),)]}, ["G.w", "D.0", "D.1.0"]),
        ({"module.conv1.weight": values(1), "lr": 0.1}, ["module.conv1.weight"]),
        (values(2), [""]),
    ],
)
def test_names(write: Any, content: Any, names: list[str], tmp_path: Path) -> None:
    assert list(read_checkpoint(write(tmp_path / "x.pth", content))) == names


def part(size: Any, stride: Any, offset: int = 0) -> dict[str, Part]:
    return {"w": Part(Stored(values(10)), offset, size, stride)}


@WRITERS
@pytest.mark.parametrize(
    ("content", "word"),
    [
        (part((11,), (1,)), "beyond"),
        (part((3,), (1,), 8), "beyond"),
        (part((2, 2), (9, 1), 1), "beyond"),
        (part((2,), (1,), -1), "no possible shape"),
        (part((2,), (-1,), 5), "no possible shape"),
        (part((-2,), (1,)), "no possible shape"),
        (part((2**70,), (0,)), "no possible shape"),
        (part((2,), (1, 1)), "no possible shape"),
        (part((1,) * 40, (1,) * 40), "no possible shape"),
        (part((0, 2**50, 2**50), (1, 1, 1)), "no possible shape"),
        (part((2**40,), (0,)), "absurd size"),
        (part((2**14, 2**14), (0, 0)), "absurd size"),
        ({"w": part((4,), (1,))["w"], "lr": 3}, ""),
        ({"epoch": 3, "name": "x"}, "no tensors"),
        ({"a": {"b": values(1)}, "a.b": values(1)}, "two tensors are named"),
        ({"w": Part(Stored(values(2), elements=2**50), 0, (2,), (1,))}, "damaged"),
        ({"w": Part(Stored(values(2), elements=-1), 0, (2,), (1,))}, "absurd length"),
    ],
)
def test_tensors_that_cannot_be(write: Any, content: Any, word: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", content)
    if not word:
        assert len(read_checkpoint(path)) == 1
        return
    tracemalloc.start()
    assert word in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    tracemalloc.stop()


def nested(levels: int) -> Raw:
    """Tuples of tuples: each holds the one before twice, so that walking them never ends."""
    return Raw(b")q\x000" + b"h\x00h\x00\x86q\x000" * levels + b"h\x00")


@WRITERS
@pytest.mark.parametrize(
    "value",
    [
        nested(5_000),
        Raw(b"(" * 10_000),
        Raw(b"]" * 10_000 + b"a" * 9_999),
        Raw(b"}" + nested(100).opcodes + b"Ns"),
        Raw(b"ctorch\nSize\n" + nested(100).opcodes + b"\x85R"),
        Raw(b"ctorch\ndevice\n" + nested(100).opcodes + b"\x85R"),
        Raw(b"]q\x000" + (b"](" + b"h\x00" * 100 + b"eq\x000") * 15 + b"h\x00"),
        Raw(b"]q\x00h\x00a"),
        Raw(b"}q\x00X\x01\x00\x00\x00ah\x00s"),
        Raw(b"\x8b" + struct.pack("<I", 2**31 - 1)),
        Raw(b"X" + struct.pack("<I", 2**32 - 1)),
        Raw(b"\x8b" + struct.pack("<I", 1000) + b"\x7f" * 1000),
        Raw(b"r" + struct.pack("<I", 2**32 - 1)),
        Raw(b"Nr" + struct.pack("<I", 2**32 - 1)),
    ],
    ids=range(14),
)
def test_bombs_neither_hang_nor_fill_the_memory(write: Any, value: Raw, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", {"a": value})
    tracemalloc.start()
    refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    tracemalloc.stop()


def repeated(key: str, opcodes: bytes) -> Raw:
    """A tensor (memo 1) and a key (memo 0) that stand in a file once and are named often."""
    part = _Pickle(legacy=True).encode(tensor(values(1)))
    named = b"X" + struct.pack("<I", len(key)) + key.encode()
    return Raw(part + b"q\x010" + named + b"q\x000" + opcodes)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (repeated("k" * 10**6, b"](" + b"}h\x00h\x01s" * 1500 + b"e"), "more than 1000 char"),
        (repeated("n" * 900, b"}h\x00](" + b"h\x01" * 150_000 + b"es"), "more than 100000 tens"),
    ],
    ids=["long names", "many tensors"],
)
def test_what_is_repeated_is_refused_early(value: Raw, word: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    storage = b"\0" * 4
    tracemalloc.start()
    write_zip(path, value, **{"data/0": storage})
    assert word in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 128 * 2**20
    tracemalloc.stop()


def test_many_bfloat16_tensors_bfloat16_tensors_widen_their_storage_once(tmp_path: Path) -> None:
    storage = Stored(np.zeros(2**18, np.uint16), "bfloat16")
    many = [Part(storage, 0, (2**18,), (1,)) for _ in range(1000)]
    path = write_zip(tmp_path / "x.pth", many)
    tracemalloc.start()
    assert len(read_checkpoint(path)) == 1000
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()


def test_a_large_file_is_mapped_not_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {"w": np.zeros(2**24, np.float32)})
    tracemalloc.start()
    assert read_checkpoint(path)["w"].shape == (2**24,)
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


def test_other_byte_orders_are_refused(tmp_path: Path) -> None:
    assert "byte order" in refusal(write_zip(tmp_path / "a.pth", values(1), byteorder=b"big"))
    assert "byte order" in refusal(write_legacy(tmp_path / "b.pth", values(1), little_endian=False))


def test_zips_that_are_not_whole_weights(tmp_path: Path) -> None:
    import zipfile

    path = write_zip(tmp_path / "x.pth", {"w": values(100)})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    assert "compressed" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", b"no weights")
    assert "data.pkl" in refusal(path)
    # Two entries of the directory that lead to the same bytes.
    overlapping = whole.replace(b"archive/data/0", b"archive/data/1", 1)
    at = overlapping.rindex(b"PK\x01\x02")
    first = overlapping.index(b"PK\x01\x02")
    offset = overlapping[first + 42 : first + 46]
    path.write_bytes(overlapping[: at + 42] + offset + overlapping[at + 46 :])
    assert "damaged" in refusal(path)


def test_torchscript_is_told_from_weights(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pt", values(1), **{"constants.pkl": b"\x80\x02)."})
    assert "TorchScript" in refusal(path)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"<!DOCTYPE html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"PNG" * 50, "no known file"),
        (b"\x80\x04N.", "no known file"),
    ],
)
def test_files_taken_for_weights(content: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    assert word in refusal(path)
    assert "No such file" in refusal(tmp_path / "none.pth")


def safetensors(path: Path, header: str, data: bytes) -> Path:
    text = header.encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


ENTRY = '"dtype":"F32","shape":[2],"data_offsets":[0,8]'


@pytest.mark.parametrize(
    ("header", "data", "word"),
    [
        (f'{{"w":{{{ENTRY}}}}}', bytes(4), "cut"),
        (f'{{"w":{{{ENTRY}}}}}', bytes(9), "longer"),
        (f'{{"w":{{{ENTRY}}},"v":{{{ENTRY}}}}}', bytes(8), "not where it should be"),
        ('{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}', bytes(8), "not where"),
        ('{"w":{"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]}}', bytes(8), "not where"),
        ('{"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}', bytes(12), "not where"),
        ('{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}', bytes(2), "F8_E4M3"),
        ('{"w":{"dtype":"F32"}}', b"", "damaged header"),
        ("{" * 100_000, b"", "damaged header"),
        ("{}", b"", "no tensors"),
    ],
)
def test_safetensors_that_are_damaged(header: str, data: bytes, word: str, tmp_path: Path) -> None:
    assert word in refusal(safetensors(tmp_path / "x.safetensors", header, data))


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ('{"a":[' + "[]," * 4_000_000 + "[]]}", "damaged header"),
        ('{"a":[' + "[]," * 9_000_000 + "[]]}", "a header of 27000010 bytes"),
        ("{" + ",".join(f'"{n}":0' for n in range(200_000)) + "}", "more than 100000 tensors"),
        (f'{{"{"w" * 1001}":{{{ENTRY}}}}}', "more than 1000 characters"),
    ],
    ids=["lists", "long", "many", "name"],
)
def test_headers_of_safetensors_that_fill_the_memory(
    header: str, word: str, tmp_path: Path
) -> None:
    path = safetensors(tmp_path / "x.safetensors", header, bytes(8))
    tracemalloc.start()
    assert word in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 384 * 2**20
    tracemalloc.stop()


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Return a file with one to four faults: bytes, numbers, cuts, and parts in other places."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(len(changed) + 1))
        match random.integers(5):
            case 0:
                changed[at : at + 1] = random.bytes(1)
            case 1:
                numbers = [0, 1, 2**31 - 1, 2**32 - 1, 2**62, 2**64 - 1]
                number = numbers[random.integers(len(numbers))]
                width = int(random.choice([1, 2, 4, 8]))
                changed[at : at + width] = number.to_bytes(8, "little")[:width]
            case 2:
                del changed[at : at + int(random.integers(1, 64))]
            case 3:
                other = int(random.integers(len(changed) + 1))
                changed[at:at] = changed[other : other + int(random.integers(1, 64))]
            case 4:
                opcodes = (
                    b"(.0123FIJKLMNRSTUVXabcd}egihjlospqrtu\x80\x81\x85\x88\x8a\x8b\x8c\x93\x94Q"
                )
                changed[at : at + 1] = bytes([random.choice(list(opcodes))])
    return bytes(changed)


def fuzz(count: int, seed: int, folder: Path) -> tuple[int, int]:
    """Return how many mutated files were read, and how many refused; anything else raises."""
    random = np.random.default_rng(seed)
    files = sorted([*DATA.glob("*.pth"), *DATA.glob("*.safetensors")])
    contents = [file.read_bytes() for file in files]
    contents += [write(folder / "x.pth", {"w": values(3, 2), "n": [1, 2.5, "x"]}).read_bytes()
                 for write in (write_zip, write_legacy)]  # fmt: skip
    path, read = folder / "fuzz.pth", 0
    for _ in range(count):
        path.unlink(missing_ok=True)
        path.write_bytes(mutate(contents[random.integers(len(contents))], random))
        try:
            for array in read_checkpoint(path).values():
                array.sum()  # Every element lies in the file.
            read += 1
        except DataError:
            pass
    return read, count - read


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damaged_files_give_clean_errors(tmp_path: Path) -> None:
    read, refused = fuzz(1000, 0, tmp_path)
    assert read > 50
    assert refused > 300


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ten_thousand_damaged_files_give_clean_errors(tmp_path: Path) -> None:
    read, refused = fuzz(10_000, 1, tmp_path)
    assert read + refused == 10_000


def test_a_part_of_a_storage_is_a_tensor() -> None:
    assert tensor(values(2, 3)).stride == (3, 1)
