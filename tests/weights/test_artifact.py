"""Weights come into the workspace whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from archives import write_zip as write_archive
from drive_server import QUOTA, DriveFile, driving, identity
from torch_files import Raw, write_zip

from eyecli.cli.main import run
from eyecli.errors import DataError, MissingError, RetryError, UsageError
from eyecli.sources import remote
from eyecli.weights import registry
from eyecli.weights.artifact import check_file, fetch_weights, open_weights
from eyecli.weights.registry import Entry, Source
from eyecli.weights.sources import Expected, _extract, _reason
from eyecli.workspace.store import open_workspace

CONTENT = bytes(range(256)) * 40
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
FILE = "tiny-0001.pth"


def entry(*sources: Source, **fields: object) -> Entry:
    known = {"name": "tiny", "net": "Tiny", "file": FILE, "format": "torch", "licence": "MIT",
             "citation": "A. Body", "digest_from": "a test"}  # fmt: skip
    return msgspec.convert({**known, "sources": sources, **fields}, Entry, from_attributes=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return open_workspace(tmp_path / "ws", create=True)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Return a folder and the address it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy_and_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("EYECLI_WEIGHTS_MIRROR", raising=False)
    monkeypatch.setattr(remote, "PAUSE", 0.0)


def fetch(root: Path, wanted: Entry, mirror: Path | None = None, force: bool = False) -> str:
    said: list[str] = []
    outcome = fetch_weights(root, wanted, mirror=mirror, force=force, say=said.append)
    assert outcome.cached == (not said)
    return outcome.artifact.ref


def flipped(content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]


def wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """Make the wheel ``tiny-model`` 1.0 with the file as a member."""
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"tiny_model/models/{FILE}", content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


WHEEL = Source(wheel="tiny-model==1.0", member=f"tiny_model/models/{FILE}")


def use_index(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let pip know one index and nothing else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", address)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


def index(folder: Path) -> None:
    """Write the page of a simple index."""
    page = folder / "simple" / "tiny-model"
    page.mkdir(parents=True)
    name = wheel(page).name
    (page / "index.html").write_text(f'<a href="{name}">{name}</a>')


def test_a_member_of_a_wheel_through_the_index_of_pip(
    root: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    index(folder)
    use_index(monkeypatch, f"{address}/simple")
    wanted = entry(WHEEL, sha256=SHA256, size=len(CONTENT))
    assert fetch(root, wanted) == "weights/tiny@v1"
    artifact, path = open_weights(root, "tiny")
    assert path.name == FILE
    assert path.read_bytes() == CONTENT
    manifest = artifact.manifest
    assert manifest.stage == "fetch weights"
    assert manifest.licences == ["MIT"]
    assert manifest.summary["sha256"] == SHA256
    assert manifest.summary["trust"] == "sha256"
    assert "tiny-model==1.0" in manifest.summary["source"]
    # The same again finds it, without pip.
    use_index(monkeypatch, "http://127.0.0.1:9/simple")
    assert fetch(root, wanted) == "weights/tiny@v1"
    assert not [path for path in (root / "downloads").rglob("*") if path.is_file()]


def test_what_pip_says_is_told_without_passwords(
    root: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "simple").mkdir()
    use_index(monkeypatch, f"{address.replace('//', '//me:secret@')}/simple")
    with pytest.raises(MissingError) as caught:
        fetch(root, entry(WHEEL, sha256=SHA256))
    assert "No matching distribution found for tiny-model==1.0" in caught.value.message
    assert "secret" not in caught.value.message
    said = "note\nERROR: HTTP 403 for https://me:secret@pypi.test/simple\n"
    assert _reason(said) == "HTTP 403 for https://pypi.test/simple"


def test_a_wheel_without_the_member_and_one_with_another(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_index(monkeypatch, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wheel(tmp_path)
    absent = Source(wheel="tiny-model==1.0", member="tiny_model/other.pth")
    with pytest.raises(DataError, match=r"has 0 files tiny_model/other.pth"):
        fetch(root, entry(absent, sha256=SHA256))
    wheel(tmp_path, flipped(CONTENT))
    with pytest.raises(DataError, match=rf"sha256 \w+, not {SHA256}"):
        fetch(root, entry(WHEEL, sha256=SHA256))
    wheel(tmp_path, CONTENT + b"more")
    with pytest.raises(DataError, match=f"{len(CONTENT) + 4} bytes, not {len(CONTENT)}"):
        fetch(root, entry(WHEEL, size=len(CONTENT)))
    assert not list((root / "tmp").iterdir())
    assert not (root / "weights").exists()


@pytest.mark.parametrize("digest", [{"sha256": SHA256}, {"md5": MD5}])
def test_https_with_a_digest(root: Path, served: tuple[Path, str], digest: dict[str, str]) -> None:
    folder, address = served
    wanted = entry(Source(https=f"{address}/{FILE}"), **digest)
    (folder / FILE).write_bytes(flipped(CONTENT))
    with pytest.raises(DataError, match=next(iter(digest))):
        fetch(root, wanted)
    (folder / FILE).write_bytes(CONTENT)
    assert fetch(root, wanted) == "weights/tiny@v1"
    assert open_weights(root, "tiny")[0].manifest.summary["trust"] == next(iter(digest))


def test_sources_are_tried_in_order(root: Path, served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / FILE).write_bytes(CONTENT)
    mirror = tmp_path / "mirror"
    wanted = entry(Source(https=f"{address}/gone"), Source(https=f"{address}/{FILE}"), md5=MD5)
    fetch(root, wanted, mirror)
    assert open_weights(root, "tiny")[0].manifest.summary["source"] == f"{address}/{FILE}"
    mirror.mkdir()
    (mirror / FILE).write_bytes(CONTENT)
    assert fetch(root, wanted, mirror, force=True) == "weights/tiny@v2"
    artifact, path = open_weights(root, "weights/tiny@v2")
    assert artifact.manifest.summary["source"] == f"mirror {mirror}"
    # What changes in the mirror later does not change the artifact.
    (mirror / FILE).write_bytes(b"")
    assert path.read_bytes() == CONTENT
    # The same content is the same artifact, wherever it came from.
    assert artifact.manifest.digest == open_weights(root, "tiny@v1")[0].manifest.digest


def test_all_that_failed_is_listed(root: Path, served: tuple[Path, str], tmp_path: Path) -> None:
    _, address = served
    wanted = entry(Source(https=f"{address}/gone"), Source(https="http://127.0.0.1:9/x"), md5=MD5)
    with pytest.raises(MissingError) as caught:
        fetch(root, wanted, tmp_path / "mirror")
    for words in (f"mirror {tmp_path}/mirror: no such folder", f"{address}/gone: there is no such",
                  "http://127.0.0.1:9/x: the connection"):  # fmt: skip
        assert words in caught.value.message
    assert caught.value.hint and FILE in caught.value.hint


def test_what_was_cut_goes_on_with_the_same_command(root: Path) -> None:
    content, asked = CONTENT * 300, list[str | None]()
    busy = True

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Range"])
            begin = int((self.headers["Range"] or "bytes=0-")[6:-1])
            self.send_response((503 if busy else 206) if begin else 200)
            if begin and not busy:
                self.send_header(
                    "Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}"
                )
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin : 2500000 if busy else None])

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = entry(
        Source(https=f"http://127.0.0.1:{server.server_port}/x"),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    try:
        with pytest.raises(RetryError, match="5 times"):
            fetch(root, wanted)
        busy = False
        assert fetch(root, wanted) == "weights/tiny@v1"
    finally:
        server.shutdown()
        server.server_close()
    assert asked.count(None) == 1
    assert int((asked[-1] or "bytes=0-")[6:-1]) >= 2**20


def test_a_member_of_a_zip_on_drive(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(f"files/pretrain/{FILE}", CONTENT)
        made.writestr("files/pretrain/other.pth", b"other")
    content, key = archive.getvalue(), identity("zip")
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with driving(tmp_path) as drive:
        for name, value in drive.environment().items():
            monkeypatch.setenv(name, value)
        drive.files[key] = DriveFile(flipped(content), name="files.zip")
        wanted = entry(
            Source(drive=key, member=FILE, sha256=digest, size=len(content)), sha256=SHA256
        )
        with pytest.raises(DataError, match=f"sha256 .*, not {digest}"):
            fetch(root, wanted)
        drive.files[key] = DriveFile(content, name="files.zip")
        assert fetch(root, wanted) == "weights/tiny@v1"
        alone = identity("file")
        drive.files[alone] = DriveFile(CONTENT, name="any.pth")
        assert fetch(root, entry(Source(drive=alone), sha256=SHA256), force=True)
        assert not [path for path in (root / "downloads").rglob("*") if path.is_file()]
        drive.files[alone] = DriveFile(CONTENT, says=QUOTA)
        with pytest.raises(MissingError, match="Google Drive"):
            fetch(root, entry(Source(drive=alone), sha256=SHA256), force=True)
    assert open_weights(root, "tiny@v2")[1].read_bytes() == CONTENT


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_cannot_be_unpacked_is_not_kept(tmp_path: Path, method: int) -> None:
    whole = write_archive(tmp_path / "x.whl", {FILE: CONTENT * 20}, method).read_bytes()
    encrypted = bytearray(whole)
    for at in (6, whole.index(b"PK\1\2") + 8):
        encrypted[at] |= 1
    for content in (whole[:50] + b"\xff" * 25 + whole[75:], bytes(encrypted)):
        (tmp_path / "x.whl").write_bytes(content)
        with pytest.raises(DataError, match=r"x\.whl: damaged"):
            _extract(tmp_path / "x.whl", FILE, tmp_path / FILE, Expected(None, None, None))
        assert [path.name for path in tmp_path.iterdir()] == ["x.whl"]


def test_without_a_digest_the_first_is_trusted_and_recorded(
    root: Path, served: tuple[Path, str]
) -> None:
    folder, address = served
    wanted = entry(Source(https=f"{address}/{FILE}"))
    (folder / FILE).write_bytes(CONTENT)
    said: list[str] = []
    fetch_weights(root, wanted, mirror=None, force=False, say=said.append)
    assert any("trusted on first use" in line for line in said)
    summary = open_weights(root, "tiny")[0].manifest.summary
    assert (summary["trust"], summary["sha256"]) == ("first use", SHA256)
    (folder / FILE).write_bytes(flipped(CONTENT))
    with pytest.raises(DataError, match=f"not {SHA256}"):
        fetch(root, wanted, force=True)
    (folder / FILE).write_bytes(CONTENT)
    assert fetch(root, wanted, force=True) == "weights/tiny@v2"


def test_one_flipped_byte_in_the_workspace_is_found(root: Path, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    wanted = entry(sha256=SHA256)
    fetch(root, wanted, tmp_path)
    _, path = open_weights(root, "tiny")
    path.chmod(0o644)
    path.write_bytes(flipped(CONTENT))
    with pytest.raises(DataError, match="content changed") as caught:
        open_weights(root, "tiny")
    assert caught.value.hint and "eyecli fetch weights tiny" in caught.value.hint
    assert fetch(root, wanted, tmp_path) == "weights/tiny@v2"
    assert open_weights(root, "tiny")[1].read_bytes() == CONTENT


def test_two_at_once_fetch_it_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    refs: list[str] = []
    said: list[str] = []

    def work() -> None:
        outcome = fetch_weights(
            root, entry(sha256=SHA256), mirror=tmp_path, force=False, say=said.append
        )
        refs.append(outcome.artifact.ref)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refs == ["weights/tiny@v1"] * 4


def test_what_is_not_there_names_the_command(root: Path) -> None:
    with pytest.raises(MissingError) as caught:
        open_weights(root, "efficientnet-lite0")
    assert caught.value.hint and caught.value.hint.startswith(
        "eyecli fetch weights efficientnet-lite0"
    )


def test_the_registry_is_complete() -> None:
    known = registry.registry()
    for name in ("xception", "resnet50", "mobilenetv2", "densenet121",
                 *(f"efficientnetb{n}" for n in range(4))):  # fmt: skip
        assert {name, f"{name}-notop"} <= known.keys()
    assert {f"efficientnet-lite{n}" for n in range(3)} <= known.keys()
    assert {f"medicalnet-resnet{n}" for n in (10, 18, 34, 50, 101, 152, 200)} <= known.keys()
    assert {f"medicalnet-resnet{n}-23datasets" for n in (10, 18, 34, 50)} <= known.keys()
    assert "face-landmarker" in known
    files = [each.file for each in known.values()]
    assert len({*files}) == len(files), "a mirror holds them side by side"
    for each in known.values():
        assert not each.sha256 or len(bytes.fromhex(each.sha256)) == 32
        assert not each.md5 or len(bytes.fromhex(each.md5)) == 16
        assert each.trust != "first use" or "first use" in each.digest_from
        for source in each.sources:
            assert sum(map(bool, (source.https, source.drive, source.wheel))) == 1
            assert not source.https or source.https.startswith("https://")
            assert not source.wheel or source.member


def test_digests_of_keras_are_those_in_its_source() -> None:
    from importlib.metadata import distribution

    folder = Path(str(distribution("keras").locate_file("keras/src/applications")))
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    checked = [each.md5 for each in registry.registry().values() if each.format == "keras-h5"]
    assert sum(md5 is not None and f'"{md5}"' in text for md5 in checked) == 14
    assert checked.count(None) == 2


# The command.


def command(capfd: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = run(list(map(str, words)))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_and_a_dry_run(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = command(capfd, "fetch", "weights", "--list")
    assert code == 0
    assert len(out.splitlines()) == len(registry.registry())
    assert command(capfd, "fetch", "weights")[1] == out
    code, out, _ = command(capfd, "fetch", "weights", "mobilenetv2", "--dry-run", "--mirror", "m")
    assert code == 0
    assert "14.5 MB, licence Apache-2.0" in out
    assert "checked against: first use" in out
    assert "source 1: mirror m\nsource 2: https://" in out
    code, out, _ = command(capfd, "fetch", "weights", "resnet50", "--dry-run", "--json")
    assert json.loads(out)["md5"] == "2cb95161c43110f7111970584f804107"
    assert not list(here.iterdir())


def test_an_unknown_name_suggests(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = command(capfd, "fetch", "weights", "efficientnet-lite-0")
    assert (code, out) == (2, "")
    assert "did you mean 'efficientnet-lite0'?" in err


def test_a_mirror_by_its_variable(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYECLI_WEIGHTS_MIRROR", str(here / "mirror"))
    wanted = entry(sha256=SHA256, name="face-landmarker")
    monkeypatch.setattr(registry, "registry", lambda: {"face-landmarker": wanted})
    (here / "mirror").mkdir()
    (here / "mirror" / FILE).write_bytes(flipped(CONTENT))
    code, out, err = command(capfd, "fetch", "weights", "face-landmarker")
    assert (code, out) == (3, "")
    assert SHA256 in err
    (here / "mirror" / FILE).unlink()
    assert command(capfd, "fetch", "weights", "face-landmarker")[0] == 5
    (here / "mirror" / FILE).write_bytes(CONTENT)
    code, out, _ = command(capfd, "fetch", "weights", "face-landmarker")
    assert (code, out) == (0, "weights/face-landmarker@v1\n")


def test_weights_of_ones_own(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_zip(here / "My.best.pth", {"w": np.zeros(3, np.float32)})
    code, out, err = command(capfd, "fetch", "weights", "./My.best.pth", "--licence", "ours")
    assert (code, out) == (0, "weights/my@v1\n"), err
    artifact, path = open_weights(here / "eyecli-workspace", "my")
    assert artifact.manifest.licences == ["ours"]
    assert artifact.manifest.summary["trust"] == "own file"
    assert path.stat().st_ino != (here / "My.best.pth").stat().st_ino
    assert command(capfd, "fetch", "weights", "./My.best.pth")[1] == "weights/my@v1\n"
    write_zip(here / "My.best.pth", {"w": np.ones(3, np.float32)})
    assert command(capfd, "fetch", "weights", "My.best.pth")[1] == "weights/my@v2\n"
    write_zip(here / "bad.pth", Raw(b"cos\nsystem\n(X\x05\x00\x00\x00falsetR"))
    code, _, err = command(capfd, "fetch", "weights", "./bad.pth")
    assert code == 3
    assert "os.system" in err
    for words in (["./My.best.pth", "--name", "resnet50"], ["./My.best.pth", "--name", "A b"],
                  ["resnet50", "--name", "mine"]):  # fmt: skip
        assert command(capfd, "fetch", "weights", *words)[0] == 2
    assert command(capfd, "fetch", "weights", "./none.pth")[0] == 3


def test_unknown_entries_are_a_usage_error() -> None:
    with pytest.raises(UsageError):
        registry.entry("nothing")


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path / "pipe.pth", Path("/dev/zero"), tmp_path):
        with pytest.raises(DataError, match=f"{path.name}: not a regular file"):
            check_file(path)


def test_a_damaged_file_of_keras_is_refused(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["layer"] = np.zeros(1000, np.float32)
    assert check_file(path) == "keras-h5"
    content = path.read_bytes()
    for damaged in (content[:1000], content[:8] + bytes(200)):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"x\.h5: damaged"):
            check_file(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(DataError, match="nothing in it"):
        check_file(path)
