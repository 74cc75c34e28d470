"""Face video of patients is processed here: nothing is told to anybody on any network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from face_videos import write_session
from shell import environment

# Anything that leaves the machine names an internet address; local sockets do not.
INET = re.compile(r"^.*\b(?:connect|sendto|sendmsg|bind)\(.*\bAF_INET6?\b.*$", re.MULTILINE)


def can_trace() -> bool:
    strace = shutil.which("strace")
    if not strace:
        return False
    done = subprocess.run(
        [strace, "-f", "-o", "/dev/null", "true"], capture_output=True, check=False
    )
    return done.returncode == 0


needs_strace = pytest.mark.skipif(not can_trace(), reason="strace is missing, or may not trace")


def traced(log: Path, *command: str, cwd: Path) -> list[str]:
    """Run a command and all its processes; return its calls that name an internet address."""
    words = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log), *command]
    done = subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True,
                          check=False, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return INET.findall(log.read_text(errors="replace"))


@needs_strace
def test_preprocessing_of_face_videos_opens_no_connection(tmp_path: Path) -> None:
    for subject in ("p01", "p02"):
        write_session(tmp_path / "data", subject)
    eyecli = (sys.executable, "-m", "eyecli")
    assert traced(tmp_path / "fetch.log", *eyecli, "fetch", "path", "data", cwd=tmp_path) == []
    words = ("preprocess", "gaze", "--group", "none", "--unsafe-split", "one face")
    assert traced(tmp_path / "preprocess.log", *eyecli, *words, cwd=tmp_path) == []
    # Workers were seen too: theirs is the mesh.
    assert len(list((tmp_path / "eyecli-workspace").glob("prepared/gaze/v0001/manifest.json"))) == 1


@needs_strace
def test_a_connection_would_be_seen(tmp_path: Path) -> None:
    call = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {call!r}])"
    found = traced(tmp_path / "log", sys.executable, "-c", script, cwd=tmp_path)
    assert len(found) == 1 and "connect" in found[0]
