"""The real gdown against a Drive on this machine: folders, pages in place of files, resuming."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive_server import QUOTA, Drive, DriveFile, DriveFolder, driving, identity

from eyecli.errors import DataError, EyecliError, MissingError, RetryError, UsageError
from eyecli.sources import remote
from eyecli.sources.drive import Place, parse_drive
from eyecli.sources.drive_files import STATE, download_drive
from eyecli.sources.drive_list import Listing, list_drive

ROOT = identity("root")
CONTENT = bytes(range(256)) * 12_000
CHUNK = 512 * 1024
COOKIES = "# Netscape HTTP Cookie File\n.google.com\tTRUE\t/\tTRUE\t4102444800\tSID\tSECRET\n"


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    monkeypatch.setattr(remote, "PAUSE", 0.001)
    # Those of the user, which gdown would read and write, if it were let.
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(COOKIES)
    monkeypatch.setattr(sys.modules["gdown.download"], "DEFAULT_COOKIES_FILE", str(cookies))
    with driving(tmp_path) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
        assert not running.cookies and cookies.read_text() == COOKIES


def put(drive: Drive, *paths: str) -> None:
    """Put files, each of which holds its own path, and the folders above them into the root."""
    drive.folders.setdefault(ROOT, DriveFolder("my data"))
    for path in paths:
        above, parts = ROOT, path.split("/")
        for depth in range(1, len(parts)):
            key = identity("d" + "_".join(parts[:depth]))
            if key not in drive.folders:
                drive.folders[key] = DriveFolder(parts[depth - 1])
                drive.folders[above].children.append((key, parts[depth - 1], "folder"))
            above = key
        key = identity("f" + path)
        drive.files[key] = DriveFile(path.encode(), parts[-1])
        drive.folders[above].children.append((key, parts[-1], "file"))


def listed(place: str = ROOT) -> Listing:
    return list_drive(parse_drive(place), timeout=5, say=lambda line: None)


def fetched(folder: Path, place: str = ROOT, timeout: float = 5, **options: bool) -> list[str]:
    lines: list[str] = []
    found = listed(place)
    download_drive(found, folder, timeout=timeout, say=lines.append, **options)
    for entry in found.files:
        assert (folder / entry.path).read_bytes() == drive_content(entry.path), entry.path
    return lines


def drive_content(path: str) -> bytes:
    return path.encode()


def tree(folder: Path) -> set[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path for path in paths if not path.startswith(STATE)}


FILE, FOLDER = Place("1AbC-dEf_123", "file"), Place("1AbC-dEf_123", "folder")


@pytest.mark.parametrize(
    ("link", "place"),
    [
        ("1AbC-dEf_123", Place("1AbC-dEf_123", None)),
        ("https://drive.google.com/file/d/1AbC-dEf_123/view?usp=sharing", FILE),
        ("https://drive.google.com/file/d/1AbC-dEf_123", FILE),
        ("drive.google.com/file/u/0/d/1AbC-dEf_123/edit", FILE),
        ("https://drive.google.com/open?id=1AbC-dEf_123", Place("1AbC-dEf_123", None)),
        ("https://drive.google.com/uc?export=download&id=1AbC-dEf_123", FILE),
        ("https://docs.google.com/uc?id=1AbC-dEf_123", FILE),
        ("https://drive.usercontent.google.com/download?id=1AbC-dEf_123&confirm=t", FILE),
        ("https://drive.google.com/drive/folders/1AbC-dEf_123?resourcekey=0-x", FOLDER),
        ("https://drive.google.com/drive/u/0/folders/1AbC-dEf_123/", FOLDER),
        ("https://drive.google.com/drive/mobile/folders/1AbC-dEf_123", FOLDER),
        ("https://drive.google.com/folderview?id=1AbC-dEf_123", FOLDER),
        ("https://drive.google.com/embeddedfolderview?id=1AbC-dEf_123#list", FOLDER),
    ],
)
def test_every_shape_of_link_gives_its_id(link: str, place: Place) -> None:
    assert parse_drive(link) == place


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("data", "neither a link nor an id"),
        ("/", "'/': neither a link nor an id"),
        ("http://[bad/x", "neither a link nor an id"),
        ("https://example.org/file/d/1AbC-dEf_123/view", "not Google Drive"),
        ("https://drive.google.com.evil.org/file/d/1AbC-dEf_123", "not Google Drive"),
        ("https://drive.google.com/drive/my-drive", "without the id"),
        ("https://drive.google.com/open?id=../../x", "without the id"),
        ("https://drive.google.com/drive/folders", "without the id"),
        ("https://drive.google.com/", "without the id"),
        ("https://docs.google.com/spreadsheets/d/1AbC-dEf_123/edit", "a Google document"),
    ],
)
def test_other_links_are_refused(link: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_drive(link)


def test_a_folder_with_folders_in_it(drive: Drive, tmp_path: Path) -> None:
    put(drive, "labels.csv", "left/1 _1.bmp", "left/deep/x.bmp", "right/1_1.bmp")
    lines = fetched(tmp_path / "out")
    assert tree(tmp_path / "out") == {"labels.csv", "left/1 _1.bmp", "left/deep/x.bmp",
                                      "right/1_1.bmp"}  # fmt: skip
    assert lines[0] == "my data: 4 files to fetch" and lines[-1] == "my data: 4 files, 51 bytes"


def test_what_is_whole_is_not_fetched_again(drive: Drive, tmp_path: Path) -> None:
    put(drive, "a.csv", "b.csv")
    fetched(tmp_path / "out")
    drive.requests.clear()
    put(drive, "c.csv")
    assert fetched(tmp_path / "out")[0] == "my data: 1 files to fetch, 2 are there"
    assert [drive.bodies(identity(f"f{name}.csv")) for name in "abc"] == [0, 0, 1]
    (tmp_path / "out/a.csv").write_text("mine")
    assert fetched(tmp_path / "out")[0] == "my data: 1 files to fetch, 2 are there"
    assert fetched(tmp_path / "out", again=True)[0] == "my data: 3 files to fetch"


def test_a_folder_with_other_files_is_left_alone(drive: Drive, tmp_path: Path) -> None:
    put(drive, "a.csv")
    for name in ("a.csv", "other.csv"):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
        with pytest.raises(DataError, match=f"do not come from there, such as {name}"):
            download_drive(listed(), tmp_path / "out", timeout=5, say=print)
        assert (tmp_path / "out" / name).read_text() == "mine"
        (tmp_path / "out" / name).unlink()


def test_a_folder_of_1500_files_is_listed_whole(drive: Drive) -> None:
    put(drive, *(f"{n:04d}.jpg" for n in range(1500)))
    paths = [entry.path for entry in listed().files]
    assert paths == [f"{n:04d}.jpg" for n in range(1500)] and len(drive.requests) == 1


@pytest.mark.slow
def test_a_folder_of_1500_files_comes_whole(drive: Drive, tmp_path: Path) -> None:
    put(drive, *(f"{n:04d}.jpg" for n in range(1500)))
    fetched(tmp_path / "out")
    assert len(tree(tmp_path / "out")) == 1500


def test_odd_names_stay_inside_and_apart(drive: Drive, tmp_path: Path) -> None:
    names = ["../up.csv", "a/b.csv", "a_b.csv", "same.csv", "same.csv", "..", ".DS_Store",
             "über 'x'.csv", "n" * 300 + ".csv", "tab\there.csv"]  # fmt: skip
    ids = [identity(f"i{n}") for n in range(len(names))]
    drive.folders[ROOT] = DriveFolder(
        "odd", [(i, n, "file") for i, n in zip(ids, names, strict=True)]
    )
    drive.folders[ROOT].children += [
        (ids[0], "../up.csv", "file"),
        (identity("s"), "same.csv", "folder"),
    ]
    drive.folders[identity("s")] = DriveFolder("same.csv", [(identity("z"), "z", "file")])
    drive.files = {key: DriveFile(key.encode()) for key in (*ids, identity("z"))}
    listing = listed()
    found = {entry.id: entry.path for entry in listing.files}
    assert found == {
        ids[0]: "_up.csv", ids[1]: f"a_b-{ids[1]}.csv", ids[2]: f"a_b-{ids[2]}.csv",
        ids[3]: f"same-{ids[3]}.csv", ids[4]: f"same-{ids[4]}.csv", ids[7]: "über 'x'.csv",
        ids[8]: "n" * 196 + ".csv", ids[9]: "tab_here.csv",
        identity("z"): f"same-{identity('s')}.csv/z",
    }  # fmt: skip
    assert {"..: hidden: left out", ".DS_Store: hidden: left out"} < set(listing.remarks)
    drive.folders[ROOT].children.reverse()
    assert {entry.id: entry.path for entry in listed().files} == found
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert tree(tmp_path / "out") == set(found.values())
    assert all(
        (tmp_path / "out" / path).read_bytes() == key.encode() for key, path in found.items()
    )


def test_google_documents_have_no_file(drive: Drive) -> None:
    put(drive, "a.csv")
    for kind in ("spreadsheets", "document", "forms"):
        drive.folders[ROOT].children.append((identity(kind), f"my {kind}", kind))
    listing = listed()
    assert [entry.path for entry in listing.files] == ["a.csv"]
    assert listing.remarks == [
        "my spreadsheets: a Google spreadsheet has no file: left out",
        "my document: a Google document has no file: left out",
        "my forms: a Google form has no file: left out",
    ]


def test_a_folder_that_leads_back_up_ends(drive: Drive) -> None:
    put(drive, "deep/a.csv")
    drive.folders[identity("ddeep")].children.append((ROOT, "top", "folder"))
    assert [entry.path for entry in listed().files] == ["deep/a.csv"]


def test_one_file_with_and_without_a_page_before_it(drive: Drive, tmp_path: Path) -> None:
    for name, scanned in (("small.csv", True), ("large.csv", False)):
        drive.files[identity(name)] = DriveFile(name.encode(), name, scanned=scanned)
        fetched(tmp_path / name, f"https://drive.google.com/file/d/{identity(name)}/view")
        # A bare id may be that of a folder: it is asked for as one first.
        assert listed(identity(name)).place.kind == "file"
    assert any("confirm=t" in path for _, path, _ in drive.requests)


def refused(drive: Drive, tmp_path: Path) -> EyecliError:
    with pytest.raises(EyecliError) as caught:
        fetched(tmp_path / "out")
    return caught.value


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"says": QUOTA}, "b.csv: its download quota is used up", "make a copy"),
        ({"private": True}, "b.csv: not public", "fetch rclone"),
        ({"says": "Only the owner may download infected files."},
         "b.csv: Drive says: Only the owner may download infected files.", "fetch rclone"),
    ],
    ids=["quota", "private", "other"],
)  # fmt: skip
def test_a_refused_file_is_explained_and_the_others_are_kept(
    drive: Drive, tmp_path: Path, change: dict[str, object], message: str, hint: str
) -> None:
    put(drive, "a.csv", "b.csv", "c.csv")
    for name, value in change.items():
        setattr(drive.files[identity("fb.csv")], name, value)
    error = refused(drive, tmp_path)
    assert isinstance(error, MissingError) and message in error.message
    assert error.hint and hint in error.hint and "eyecli fetch rclone" in error.hint
    assert tree(tmp_path / "out") == {"a.csv", "c.csv"}
    drive.files[identity("fb.csv")] = DriveFile(b"b.csv", "b.csv")
    assert fetched(tmp_path / "out")[0] == "my data: 1 files to fetch, 2 are there"


def test_a_drive_that_refuses_everything_is_not_asked_for_all(drive: Drive, tmp_path: Path) -> None:
    put(drive, *(f"{n}.csv" for n in range(60)))
    for file in drive.files.values():
        file.says = QUOTA
    assert "so are 9 more" in refused(drive, tmp_path).message
    assert len([path for host, path, _ in drive.requests if path.startswith("/uc")]) < 40


@pytest.mark.parametrize("place", [ROOT, f"https://drive.google.com/drive/folders/{ROOT}"])
@pytest.mark.parametrize("how", ["private", "empty", "gone"])
def test_a_private_folder_names_the_other_way(drive: Drive, place: str, how: str) -> None:
    if how != "gone":
        drive.folders[ROOT] = DriveFolder("x", private=how == "private")
    with pytest.raises(MissingError) as caught:
        listed(place)
    if "/" in place:
        assert {"private": "Drive asks for a login", "empty": "no files to be seen",
                "gone": "there is no such file"}[how] in caught.value.message  # fmt: skip
    assert how == "gone" or "eyecli fetch rclone" in str(caught.value.hint)


def test_a_private_folder_in_a_public_one_is_not_left_out_silently(drive: Drive) -> None:
    put(drive, "a.csv", "deep/b.csv")
    drive.folders[identity("ddeep")].private = True
    with pytest.raises(MissingError, match="asks for a login"):
        listed()


def test_busy_is_waited_for(drive: Drive, tmp_path: Path) -> None:
    put(drive, "a.csv")
    drive.folders[ROOT].busy = [429, 503]
    drive.files[identity("fa.csv")].busy = [503, 429]
    fetched(tmp_path / "out")
    drive.folders[ROOT].busy = [429] * 5
    with pytest.raises(RetryError, match=r"busy \(status 429\), 5 times"):
        listed()


def test_cut_connections_go_on(drive: Drive, tmp_path: Path) -> None:
    key = identity("large")
    drive.files[key] = DriveFile(CONTENT, "large.bin", scanned=False, cuts=[CHUNK, -1, CHUNK, -1])
    listing = Listing(Place(key, "file"), "large.bin", listed(key).files)
    drive.files[key].cuts = [2 * CHUNK, -1]
    facts = download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT
    assert (facts["id"], facts["bytes"]) == (key, len(CONTENT))
    assert ranges(drive) == [f"bytes={2 * CHUNK}-"]


def left_half(drive: Drive, folder: Path) -> Listing:
    """Leave half a file behind, as a process does that was cut too often."""
    key = identity("large")
    drive.files[key] = DriveFile(CONTENT, "large.bin")
    listing = listed(key)
    drive.files[key].cuts = [2 * CHUNK, 0]
    with pytest.raises(RetryError, match="5 times"):
        download_drive(listing, folder, timeout=5, say=print)
    assert tree(folder) == set()
    assert [part.stat().st_size for part in (folder / STATE).glob("*.part")] == [2 * CHUNK]
    drive.requests.clear()
    drive.files[key].cuts = [-1]
    return listing


def ranges(drive: Drive) -> list[str]:
    """Parts that were asked for; the address that leads to the content is asked with them too."""
    return [part for host, _, part in drive.requests if part and "usercontent" in host]


def test_the_next_process_goes_on(drive: Drive, tmp_path: Path) -> None:
    listing = left_half(drive, tmp_path / "out")
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT
    assert ranges(drive) == [f"bytes={2 * CHUNK}-"]
    assert [path.name for path in (tmp_path / "out" / STATE).iterdir()] == ["done.jsonl"]


@pytest.mark.parametrize("how", ["same size", "longer", "no ranges", "shorter"])
def test_halves_of_two_versions_are_never_joined(drive: Drive, tmp_path: Path, how: str) -> None:
    listing = left_half(drive, tmp_path / "out")
    other = bytes(reversed(CONTENT))
    other = {"longer": other + b"more", "shorter": other[:CHUNK]}.get(how, other)
    drive.files[identity("large")] = DriveFile(
        other, "large.bin", modified="Wed, 01 Oct 2098 10:00:00 GMT", ranges=how != "no ranges"
    )
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == other


def test_what_was_received_but_not_yet_renamed_is_used(drive: Drive, tmp_path: Path) -> None:
    listing, state = left_half(drive, tmp_path / "out"), tmp_path / "out" / STATE
    (part,) = state.glob("*.part")
    key = part.name[: -len("12345678.part")]
    part.unlink()
    (state / key).write_bytes(CONTENT)
    (state / f"{key}.began").unlink()
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT and not drive.requests


def test_what_may_be_of_two_versions_is_not(drive: Drive, tmp_path: Path) -> None:
    listing, state = left_half(drive, tmp_path / "out"), tmp_path / "out" / STATE
    (part,) = state.glob("*.part")
    part.rename(state / part.name[: -len("12345678.part")])
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT


def test_without_a_time_a_half_is_gone_on_with(drive: Drive, tmp_path: Path) -> None:
    listing = left_half(drive, tmp_path / "out")
    drive.files[identity("large")].modified = None
    download_drive(listing, tmp_path / "out", timeout=5, say=print)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT
    # gdown asks for all, looks at the head, and then asks for the rest.
    assert len(ranges(drive)) == 1 and drive.bodies(identity("large")) == 2


def test_a_stalled_server_ends_with_a_clear_line(drive: Drive, tmp_path: Path) -> None:
    put(drive, "a.csv")
    drive.files[identity("fa.csv")].stalls = [0]
    with pytest.raises(RetryError, match=r"nothing came from drive.google.com for 0.2 s, 5 times"):
        download_drive(listed(), tmp_path / "out", timeout=0.2, say=print)


def test_killed_and_gone_on_with(drive: Drive, tmp_path: Path) -> None:
    put(drive, *(f"{n}.csv" for n in range(30)), "large.bin")
    drive.files[identity("flarge.bin")] = DriveFile(CONTENT, "large.bin", stalls=[2 * CHUNK, -1])
    call = (
        "import sys; from pathlib import Path; from eyecli.sources.drive import parse_drive\n"
        "from eyecli.sources.drive_files import download_drive\n"
        "from eyecli.sources.drive_list import list_drive\n"
        "listing = list_drive(parse_drive(sys.argv[1]), timeout=30, say=print)\n"
        "download_drive(listing, Path(sys.argv[2]), timeout=30, say=print)"
    )
    words = [sys.executable, "-c", call, ROOT, str(tmp_path / "out")]
    state = tmp_path / "out" / STATE
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        while process.poll() is None and not (
            len(tree(tmp_path / "out")) == 30
            and any(part.stat().st_size == 2 * CHUNK for part in state.glob("*.part"))
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    drive.requests.clear()
    subprocess.run(words, check=True, timeout=60, capture_output=True)
    assert (tmp_path / "out/large.bin").read_bytes() == CONTENT
    assert ranges(drive) == [f"bytes={2 * CHUNK}-"]
    assert (
        sum("/uc" in path for _, path, _ in drive.requests) == 2
        and len(tree(tmp_path / "out")) == 31
    )
