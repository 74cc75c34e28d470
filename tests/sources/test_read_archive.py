"""Archives: what is in them is read, and what should not be is refused by name."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PureWindowsPath

import pytest
from archives import TAR_MODES, split, write_tar, write_zip
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.errors import DataError
from eyecli.sources import archive as module
from eyecli.sources.archive import (
    Archive,
    archive_of,
    extract,
    find_archives,
    kind_of,
    list_members,
    open_member,
    reading,
    safe_name,
)
from eyecli.sources.tree import parts_of

FILES = {
    "train/b c.png": b"b" * 5000, "train/ä'\"目.png": b"", "a.csv": b"x,y\n1,2\n",
    "deep/er/x.bin": bytes(range(256)) * 40, "new\nline": b"n",
}  # fmt: skip
HIDDEN = {".DS_Store": b"x", "train/._b c.png": b"x", "__MACOSX/train/._b c.png": b"x",
          "__MACOSX/a.csv": b"x"}  # fmt: skip


def opened(path: Path) -> Archive:
    return archive_of(path.parent, parts_of(path))


def read(archive: Archive) -> dict[str, bytes]:
    found = {}
    for name in list_members(archive):
        with reading(archive, name), open_member(archive, name) as stream:
            found[name] = stream.read()
    return found


def unpacked(archive: Archive, folder: Path) -> dict[str, bytes]:
    extract(archive, folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_is_read_where_it_lies_and_unpacked(tmp_path: Path, method: int) -> None:
    archive = opened(write_zip(tmp_path / "x.zip", {**FILES, **HIDDEN, "empty/": b""}, method))
    assert list_members(archive) == {name: len(content) for name, content in FILES.items()}
    assert read(archive) == FILES
    assert unpacked(archive, tmp_path / "out") == FILES


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("first", [0, 1])
def test_a_zip_in_parts_is_read_where_they_lie(tmp_path: Path, count: int, first: int) -> None:
    path = write_zip(tmp_path / "x.zip", FILES)
    parts = split(path, count, first)
    for part in (parts[0], parts[-1]):
        assert read(opened(part)) == FILES
    assert unpacked(opened(parts[0]), tmp_path / "out") == FILES


@pytest.mark.parametrize("suffix", TAR_MODES)
def test_a_tar_is_read_where_it_lies_unless_it_is_compressed(tmp_path: Path, suffix: str) -> None:
    files = {f"./{name}": content for name, content in {**FILES, **HIDDEN}.items()}
    archive = opened(write_tar(tmp_path / f"x{suffix}", files))
    assert archive.kind == ("tar" if suffix == ".tar" else "compressed tar")
    assert list_members(archive) == {name: len(content) for name, content in FILES.items()}
    if archive.kind == "tar":
        assert read(archive) == FILES
    assert unpacked(archive, tmp_path / "out") == FILES


def test_archives_are_told_by_their_names() -> None:
    for name in ("x.zip", "X.ZIP", "x.zip.001", "d/x.y.tar", "x.tar.gz", "x.tgz", "x.tar.xz"):
        assert kind_of(name), name
    for name in ("x.npz", "x.nii.gz", ".zip", "x.zip.01", "x.zip.001.part", "x.gz", "zip", "x.7z"):
        assert kind_of(name) is None, name
    names = ["b.zip", "a.zip.002", "a.csv", "a.zip.001", "d/a.zip.000", "d/a.zip.001", "a.zip"]
    assert find_archives(names) == {
        "b.zip": ["b.zip"], "a.zip.001": ["a.zip.001", "a.zip.002"], "a.zip": ["a.zip"],
        "d/a.zip.000": ["d/a.zip.000", "d/a.zip.001"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("there", "missing"), [((1, 3), "002"), ((2, 3), "001"), ((0, 2), "001"), ((1, 2, 5), "003")]
)
def test_a_missing_part_is_named(there: tuple[int, ...], missing: str) -> None:
    with pytest.raises(DataError, match=f"t.zip.{missing} is missing beside t.zip.00"):
        find_archives(f"t.zip.{number:03d}" for number in there)


def test_the_digits_of_parts_are_those_of_ascii(tmp_path: Path) -> None:
    parts = split(write_zip(tmp_path / "x.zip", FILES), 2)
    (tmp_path / "x.zip.\u0660\u0660\u0661").touch()
    assert read(opened(parts[1])) == FILES
    assert kind_of("x.zip.\u0660\u0660\u0661") is None


def test_a_missing_last_part_is_a_cut_archive(tmp_path: Path) -> None:
    parts = split(write_zip(tmp_path / "x.zip", FILES), 3)
    parts[-1].unlink()
    with pytest.raises(DataError, match=r"x\.zip\.001: damaged or cut off"):
        list_members(opened(parts[0]))


def zip_with(path: Path, change: Callable[[zipfile.ZipInfo], None], name: str = "a/evil") -> Path:
    with zipfile.ZipFile(path, "w") as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.writestr("good.txt", b"good")
        member = zipfile.ZipInfo(name)
        change(member)
        target.writestr(member, b"content")
    return path


def patched(path: Path, offset: int, value: bytes) -> Path:
    """Change a field of the last entry of a zip's central directory."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\1\2") + offset
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


def link(member: zipfile.ZipInfo) -> None:
    member.external_attr = (stat.S_IFLNK | 0o777) << 16


def nothing(member: zipfile.ZipInfo) -> None: ...


OUTSIDE = ("../evil", "/etc/evil", "a/../../evil", "C:\\evil", "c:evil", "..\\evil", "\\evil",
           "a/..", "../.hidden", "__MACOSX/../../evil")  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for path in (
        zip_with(tmp_path / "x.zip", nothing, name),
        write_tar(tmp_path / "x.tar", {"good": b"", name: b"x"}),
        write_tar(tmp_path / "x.tgz", {"good": b"", name: b"x"}),
    ):
        with pytest.raises(DataError, match="leads out of the folder") as caught:
            extract(opened(path), tmp_path / "out")
        assert str(path) in caught.value.message
        assert repr(name) in caught.value.message
        assert not (tmp_path / "out").exists()


def test_what_a_zip_should_not_hold_is_refused(tmp_path: Path) -> None:
    cases = {
        "is a link or a device": zip_with(tmp_path / "link.zip", link),
        "is in it twice": zip_with(tmp_path / "twice.zip", nothing, "./good.txt"),
        "is a file and a folder": zip_with(tmp_path / "folder.zip", nothing, "good.txt/evil"),
        "is encrypted": patched(zip_with(tmp_path / "secret.zip", nothing), 8, b"\1\0"),
        "in a way that is not known (9)": patched(
            zip_with(tmp_path / "deflate64.zip", nothing), 10, b"\x09\0"
        ),
        "makes more than 200 times its size": patched(
            zip_with(tmp_path / "bomb.zip", nothing), 24, struct.pack("<L", 0xF0000000)
        ),
    }
    for said, path in cases.items():
        with pytest.raises(DataError) as caught:
            list_members(opened(path))
        assert said in caught.value.message and str(path) in caught.value.message
        assert "good.txt" in caught.value.message or "a/evil" in caught.value.message


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("suffix", [".tar", ".tgz"])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with tarfile.open(path, TAR_MODES[suffix]) as target:  # type: ignore[call-overload]
        member = tarfile.TarInfo("data/evil")
        member.type, member.linkname = kind, "../../etc/passwd"
        target.addfile(member)
    with pytest.raises(DataError, match=r"x\.t.*'data/evil' is a link, a device"):
        list_members(opened(path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("é" * 2049, "is a name of more than 4096 bytes"),
        ("d/" * 65_000 + "x", "is a name of more than 4096 bytes"),
        ("d/" * 200 + "x", "lies in more than 200 folders"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str, said: str) -> None:
    paths = [write_tar(tmp_path / f"x{suffix}", {name: b"x"}) for suffix in (".tar", ".tgz")]
    if len(name) < 2**16:
        paths.append(write_zip(tmp_path / "x.zip", {name: b"x"}))
    for path in paths:
        with pytest.raises(DataError, match=said) as caught:
            list_members(opened(path))
        assert str(path) in caught.value.message and len(caught.value.message) < 600


def test_a_tar_with_a_file_twice_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x.tar", {"a": b"1", "./a": b"2"})
    with pytest.raises(DataError, match=r"'\./a' is in it twice"):
        list_members(opened(path))


def test_a_compressed_flood_is_refused_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as target:
        member = tarfile.TarInfo("zeros")
        member.size = 2 * 10**9
        # Only the header: what it says is refused before anything is read.
        target.fileobj.write(member.tobuf())
    with pytest.raises(DataError, match="'zeros' makes more than 200 times its size"):
        extract(opened(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def header(kind: bytes, size: int, more: dict[str, str] | None = None) -> bytes:
    """Return a header of a tar; before it, one of pax with what more is said of the member."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    if more is None:
        return member.tobuf(tarfile.GNU_FORMAT)
    member.pax_headers = more
    return member.tobuf(tarfile.PAX_FORMAT)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}


@pytest.mark.parametrize(
    ("start", "more"),
    [
        *((header(kind, 2**25), bytes(2**20)) for kind in (b"x", b"g", b"X", b"L", b"K")),
        # A map of a sparse file that goes on and on, in both ways to write one.
        # The map goes on after the first; "w" for "x" leaves the checksum right.
        (
            b"w" + header(b"S", 0)[1:482] + b"\1" + bytes(29),
            (b"0" * 11 + b"1") * 42 + b"\1" + bytes(7),
        ),
        (header(b"0", 2**25, SPARSE) + b"99999999\n", (b"0" * 63 + b"\n") * 2**14),
    ],
    ids=["x", "g", "X", "L", "K", "S", "sparse"],
)
def test_headers_without_end_are_not_read(tmp_path: Path, start: bytes, more: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(start + more * (2**25 // len(more)), 1))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"x\.tar\.gz: damaged or cut off: a header of absurd size"):
        list_members(opened(path))
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()


def test_members_without_number_are_a_flood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUSPICIOUS", 10**4)
    monkeypatch.setattr(module, "LARGEST_RATIO", 20)
    for name in (".hidden", "__MACOSX/x", "folder/"):
        members = {f"{n}/{name}": b"" for n in range(300)}
        path = write_tar(tmp_path / "x.tar.xz", members)
        with pytest.raises(DataError, match="makes more than 20 times its size"):
            list_members(opened(path))


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.bz2", ".tar.xz"])
def test_what_is_behind_the_end_of_a_tar_is_not_ignored(tmp_path: Path, suffix: str) -> None:
    path = write_tar(tmp_path / f"x{suffix}", {"a": b"1"})
    content = path.read_bytes()
    path.write_bytes(content + write_tar(tmp_path / f"y{suffix}", {"b": b"2"}).read_bytes())
    with pytest.raises(DataError, match="more behind its end, such as a second archive"):
        list_members(opened(path))
    if suffix == ".tar":
        path.write_bytes(content + bytes(2**20))
        assert list_members(opened(path)) == {"a": 1}
    elif suffix == ".tgz":
        path.write_bytes(content + gzip.compress(bytes(2**25)))
        with pytest.raises(DataError, match="no end to the zeros"):
            list_members(opened(path))


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_what_is_no_archive_is_damaged(tmp_path: Path, name: str) -> None:
    for content in (b"", b"<html>sign in</html>" * 100, b"\0" * 2000):
        (tmp_path / name).write_bytes(content)
        if content[:1] == b"\0" and name == "x.tar":
            continue  # an empty tar, that is
        with pytest.raises(DataError, match=f"{name}: damaged"):
            list_members(opened(tmp_path / name))


@settings(deadline=None, max_examples=80)
@given(share=st.floats(0, 0.999), name=st.sampled_from(["x.zip", "x.tar", "x.tgz", "x.tar.xz"]))
def test_an_archive_that_was_cut_off_is_never_read_as_whole(
    tmp_path_factory: pytest.TempPathFactory, share: float, name: str
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    write = write_zip if name == "x.zip" else write_tar
    path = write(folder / name, FILES)
    content = path.read_bytes()
    if name == "x.tar":
        # Behind its two blocks of zeros there is only padding.
        content = content.rstrip(b"\0")
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=name):
        extract(opened(path), folder / "out")


@settings(deadline=None, max_examples=150)
@given(at=st.floats(0, 0.9999), value=st.integers(1, 255), name=st.sampled_from(["x.zip", "x.tar"]))
def test_a_changed_byte_gives_data_or_a_clean_error(
    tmp_path_factory: pytest.TempPathFactory, at: float, value: int, name: str
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = (write_zip if name == "x.zip" else write_tar)(folder / name, FILES)
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= value
    path.write_bytes(content)
    try:
        found = unpacked(opened(path), folder / "out")
    except DataError as error:
        assert name in error.message
        return
    if name == "x.zip":
        # Names may have changed, contents not: there are checksums.
        assert set(found.values()) <= set(FILES.values())


PARTS = st.sampled_from(["..", ".", "", "a", "b.txt", "C:", "\\", "..\\x", "~", " ", "\0", "é"])


@settings(deadline=None, max_examples=200)
@given(parts=st.lists(PARTS, min_size=1, max_size=6), slash=st.booleans())
def test_no_name_leads_out_of_the_folder(parts: list[str], slash: bool) -> None:
    name = ("/" if slash else "") + "/".join(parts)
    safe = safe_name(name)
    if ".." in name.replace("\\", "/").split("/") or slash or "\0" in name:
        assert safe is None
    if safe:
        folder = Path("/nowhere/folder")
        assert (folder / safe).resolve().is_relative_to(folder)
        there = PureWindowsPath("C:/nowhere/folder")
        assert (there / safe).is_relative_to(there) and ".." not in (there / safe).parts
        assert safe_name(safe) == safe


@settings(deadline=None, max_examples=60)
@given(names=st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), max_size=3))
def test_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("outer")
    path = folder / "x.tar"
    with tarfile.open(path, "w") as target:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            target.addfile(member, io.BytesIO(b"x"))
    try:
        extract(opened(path), folder / "deep/er/out")
    except DataError:
        assert not (folder / "deep/er/out").exists()
    written = {p for p in folder.rglob("*") if p.is_file()} - {path}
    assert all(p.is_relative_to(folder / "deep/er/out") for p in written)


def test_threads_read_3000_members_of_one_archive(tmp_path: Path) -> None:
    files = {f"{n % 7}/{n}.bin": n.to_bytes(4, "big") * (n % 50) for n in range(3000)}
    archive = opened(split(write_zip(tmp_path / "x.zip", files), 4)[0])

    def read_one(name: str) -> bytes:
        with open_member(archive, name) as stream:
            return stream.read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read_one, files)) == list(files.values())


def test_members_beyond_four_gigabytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with path.open("wb") as stream:
        # A hole: takes no room on the disk.
        stream.truncate(2**32 + 2**20)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as target:
        for name, content in FILES.items():
            target.writestr(name, content)
    archive = opened(path)
    assert read(archive) == FILES


@pytest.mark.slow
def test_a_member_of_five_gigabytes_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    block = bytes(range(256)) * 2**16
    with (
        zipfile.ZipFile(path, "w") as target,
        target.open("big.bin", "w", force_zip64=True) as stream,
    ):
        for _ in range(320):
            stream.write(block)
    archive = opened(path)
    assert list_members(archive) == {"big.bin": 320 * len(block)}
    extract(archive, tmp_path / "out")
    assert (tmp_path / "out/big.bin").stat().st_size == 320 * len(block)
