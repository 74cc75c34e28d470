"""Real rclone servers on loopback, and a meter between them and the client."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from eyecli.errors import MissingError
from eyecli.sources.rclone_run import Binary, find_rclone

KEY, SECRET = "loopback-key", "loopback-secret-Zk7"
# What a shell, an option parser or a file system might take for something else.
ODD_NAMES = (
    "$(touch X).txt", "`touch X`;touch X.txt", "-rf.txt", "a b & c|d.txt", "ä眼 'q' \"Q\".txt",
    "deep/--dry-run/x*.txt", "deep/{a,b}[0].txt",
)  # fmt: skip

try:
    BINARY = find_rclone()
    WHY = ""
except MissingError as error:
    BINARY, WHY = Binary("rclone", "0"), str(error)
needs_rclone = pytest.mark.skipif(bool(WHY), reason=WHY)


def alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Keep the user's remotes and proxies away; return an empty configuration of rclone."""
    config = folder / "rclone.conf"
    config.touch()
    monkeypatch.setenv("RCLONE_CONFIG", str(config))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # rclone's S3 client of some versions refuses to start with it.
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    return config


def fill(folder: Path, names: tuple[str, ...] = ODD_NAMES) -> dict[str, bytes]:
    """Write a small file of each name; return their contents."""
    contents = {name: f"content of {name}\n".encode() for name in names}
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return contents


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that are not hidden, by relative path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {path: content for path, content in found.items() if "/." not in f"/{path}"}


@dataclass
class Meter:
    """A relay to a server that counts requests and bytes, and can cut connections.

    Attributes
    ----------
    port
        Where it listens.
    gets
        Paths of the GET requests of files, as they came.
    sent
        Bytes that went to clients.
    received
        Bytes that came from them.
    cut_after, cut_up_after
        Bytes sent or received after which every connection is cut; None for never.
    """

    port: int = 0
    gets: list[str] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    cut_after: int | None = None
    cut_up_after: int | None = None

    def reset(self) -> None:
        self.gets.clear()
        self.sent = 0

    def relay(self, client: socket.socket, server: socket.socket, *, down: bool) -> None:
        """Pass on what one side says until it ends."""
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if down:
                    self.sent += len(data)
                    if self.cut_after is not None and self.sent > self.cut_after:
                        break
                else:
                    self.received += len(data)
                    if self.cut_up_after is not None and self.received > self.cut_up_after:
                        break
                    lines = re.findall(rb"^GET (\S+) HTTP", data, re.MULTILINE)
                    self.gets += [line.decode() for line in lines if b"list-type" not in line]
                server.sendall(data)
        for side in (client, server):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@contextmanager
def metered(port: int) -> Iterator[Meter]:
    """Put a meter before a server."""
    meter = Meter()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        meter.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    try:
                        server = socket.create_connection(("127.0.0.1", port))
                    except ConnectionRefusedError:
                        # The server has ended: a client that waits would hide it for minutes.
                        client.close()
                        continue
                    for one, other, down in ((client, server, False), (server, client, True)):
                        threading.Thread(
                            target=meter.relay, args=(one, other), kwargs={"down": down},
                            daemon=True,
                        ).start()  # fmt: skip

        threading.Thread(target=accept, daemon=True).start()
        yield meter
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(kind: str, folder: Path, cached: str = "20ms") -> Iterator[Meter]:
    """Let ``rclone serve webdav|s3`` serve a folder; its folders are the buckets of S3.

    What is written into the folder behind its back is seen after `cached`. With 0 its S3 server
    locks up, and a short time is long work in a folder of thousands.
    """
    options = ["--auth-key", f"{KEY},{SECRET}"] if kind == "s3" else []
    command = [BINARY.path, "serve", kind, "--addr=127.0.0.1:0", "--use-json-log", "-v",
               f"--dir-cache-time={cached}", *options, "--", str(folder)]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    try:
        assert process.stderr
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", json.loads(line)["msg"]):
                break
        else:
            raise AssertionError(f"rclone serve {kind} ended")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with metered(int(found[1])) as meter:
            yield meter
    finally:
        process.kill()
        process.wait()


def webdav(meter: Meter, path: str = "") -> str:
    """Return the connection string of a WebDAV server."""
    return f":webdav,url='http://127.0.0.1:{meter.port}',vendor=other:{path}"


def s3(meter: Meter, path: str, secret: str = SECRET) -> str:
    """Return the connection string of an S3 server."""
    return (
        f":s3,provider=Rclone,access_key_id={KEY},secret_access_key={secret},"
        f"endpoint='http://127.0.0.1:{meter.port}':{path}"
    )


ADDRESSES: dict[str, Callable[[Meter, str], str]] = {"webdav": webdav, "s3": s3}
