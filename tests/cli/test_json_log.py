"""``--log-format json``: nothing but events on stderr, whoever prints, and the result on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import CHAIN, Chain
from hypothesis import given
from hypothesis import strategies as st
from shell import environment, eyecli_process

from eyecli.cli.ndjson import event, wrap

NOISY = """
import ctypes, logging, os, subprocess, sys, warnings
import typer
from eyecli.cli import tree
from eyecli.cli.contract import Result, command
from eyecli.cli.main import main
app = typer.Typer()
sys.modules["noisy"] = sys.modules["__main__"]
tree.COMMANDS["noisy"] = ("noisy", "Noisy.", "x")

@command(app, "noisy", makes=False)
def noisy(shell) -> Result:
    print("python")
    sys.stderr.write("unfinished")
    shell.say("own")
    os.write(1, b"descriptor\\n")
    os.write(2, b"not utf-8 \\xff\\n\\x1b[31mred\\n")
    libc = ctypes.CDLL(None)
    libc.printf(b"printf %d\\n", 7)
    subprocess.run(["sh", "-c", "echo child; echo complaint >&2"])
    warnings.warn("warned")
    logging.getLogger("other").warning("logged")
    for n in range(5):
        sys.stderr.write(f"\\r{n} of 4")
    sys.stderr.write("\\n")
    # More than a pipe holds, in one go, from C, which does not let other threads run meanwhile.
    ctypes.PyDLL(None).write(2, b"x" * 300_000 + b"\\n", 300_001)
    sys.__stdout__.write("late\\n")
    return Result(["the/result"], {"result": True})

main(["noisy", *sys.argv[1:]])
"""


def events(text: str) -> list[dict[str, Any]]:
    """Return the events of a stderr, each checked for what all have."""
    found = [json.loads(line) for line in text.splitlines()]
    for entry in found:
        time = datetime.fromisoformat(entry["time"])
        assert time.utcoffset() == timedelta(0) and abs(datetime.now(UTC) - time).days == 0
        assert entry["level"] in ("debug", "info", "warning", "error")
        assert isinstance(entry["message"], str)
    return found


@pytest.mark.parametrize(
    ("flags", "variable", "closed"),
    [(["--log-format", "json"], "text", ""), ([], "json", ""), (["--json"], "json", ""),
     ([], "json", ">&-")],
)  # fmt: skip
def test_everything_on_stderr_is_an_event(flags: list[str], variable: str, closed: str) -> None:
    line = f'"$0" -c "$1" "${{@:2}}" {closed}'
    done = subprocess.run(["bash", "-c", line, sys.executable, NOISY, *flags], text=True,
                          env=environment({"EYECLI_LOG_FORMAT": variable}), timeout=60,
                          capture_output=True)  # fmt: skip
    expected = '{\n  "result": true\n}\n' if "--json" in flags else "the/result\n"
    assert (done.returncode, done.stdout) == (0, "" if closed else expected)
    found = events(done.stderr)
    others = [entry["message"] for entry in found if entry.get("source") == "other"]
    for word in ("python", "unfinished", "descriptor", "printf 7", "child", "complaint", "logged",
                 "4 of 4", "late", r"not utf-8 \xff", "\x1b[31mred"):  # fmt: skip
        assert word in others
    assert any(message.endswith("UserWarning: warned") for message in others)
    assert sum(message.count("x") for message in others) >= 300_000
    (own,) = [entry for entry in found if entry["message"] == "own"]
    assert own.keys() == {"time", "level", "message"}


@pytest.mark.parametrize("stage", CHAIN)
def test_every_stage_speaks_json(copy: Chain, stage: str) -> None:
    again = eyecli_process(*CHAIN[stage].split(), "--force", "--log-format", "json",
                           cwd=copy.folder)  # fmt: skip
    assert again.code == 0, again.err
    assert again.out.partition("@")[0] == copy.done[stage].out.partition("@")[0]
    assert len(events(again.err)) >= (stage != "fetch")


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["trian"], 2, "usage"),
        (["train", "gaze", "--epochs", "x"], 2, "usage"),
        (["train", "gaze"], 3, "data"),
        (["workspace", "ls", "--config", "nowhere"], 2, "usage"),
        (["fetch", "path", "a\nb\x1b[31m\u00e9"], 3, "data"),
    ],
)
def test_an_error_is_one_event(tmp_path: Path, words: list[str], code: int, kind: str) -> None:
    env = {"EYECLI_LOG_FORMAT": "json", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = eyecli_process(*words, cwd=tmp_path, env=env)
    (error,) = events(done.err)
    assert (done.code, error["exit_code"], error["kind"], error["level"]) == (
        code, code, kind, "error"
    )  # fmt: skip
    assert error["hint"]
    if "path" in words:
        assert error["message"].endswith(f"/{words[2]}: no such folder")


def test_a_traceback_is_part_of_its_event(copy: Chain) -> None:
    path = copy.root / "source/gaze/v0001/manifest.json"
    path.chmod(0o644)
    manifest = json.loads(path.read_text())
    manifest["params"]["folder"] = 3
    path.write_text(json.dumps(manifest))
    for flags, there in (((), False), (("--debug",), True)):
        done = eyecli_process("preprocess", "gaze", "--log-format", "json", *flags,
                              cwd=copy.folder)  # fmt: skip
        error = events(done.err)[-1]
        assert (done.code, "TypeError" in error.get("traceback", "")) == (1, there)


def test_progress_has_its_figures(tmp_path: Path) -> None:
    script = """
import time
from eyecli import progress
from eyecli.cli.logs import setup_logging
progress.SECONDS = 0.005
setup_logging(False, False, "json")
for _ in progress.track(range(4), "prepare"):
    time.sleep(0.01)
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True,
                          text=True)  # fmt: skip
    found = events(done.stderr)
    assert [(e["done"], e["total"]) for e in found] == [(n, 4) for n in (1, 2, 3)]
    assert all(e["seconds_left"] >= 0 for e in found)


def test_a_reader_that_has_gone_stops_nothing(chain: Chain) -> None:
    line = f"{sys.executable} -m eyecli workspace ls --verbose --log-format json 2>&1 >out | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], cwd=chain.folder,
                          env=environment(), timeout=60)  # fmt: skip
    assert done.returncode == 0
    assert "model/gaze@v1" in (chain.folder / "out").read_text()


def test_a_child_that_stays_does_not_hold_the_command(tmp_path: Path) -> None:
    script = NOISY.replace(
        "    return Result", '    subprocess.Popen(["sleep", "30"])\n    return Result'
    )
    line = '"$0" -c "$1" --log-format json 2>log'
    command = ["bash", "-c", line, sys.executable, script]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
                          timeout=20, text=True)  # fmt: skip
    assert done.stdout == "the/result\n"
    assert events((tmp_path / "log").read_text())[-1]["message"] == "printf 7"


@given(st.text())
def test_a_line_stays_a_line(text: str) -> None:
    for line in text.splitlines():
        wrapped = wrap(line)
        assert "\n" not in wrapped
        if wrapped:
            assert json.loads(wrapped)["message"] in line
    own = event("info", text, more=text)
    assert wrap(own) == own and json.loads(own)["more"] == text
