"""SIGTERM and SIGHUP: nothing half-made, one line, exit code 143, whatever a library does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import environment, eyecli_process

SAMPLE = [
    "fetch",
    "sample",
    "gaze-eyes",
    "--subjects",
    "300",
    "--frames",
    "9",
    "--folder",
    "data/x",
]
# A command that fills a staging folder and then hears, or swallows, what it is told.
COMMAND = """
import subprocess, sys, time
from pathlib import Path
from eyecli.cli import tree
from eyecli.cli.contract import Result, command
from eyecli.cli.main import main
from eyecli.workspace.store import staging
import typer
app = typer.Typer()
sys.modules["busy"] = sys.modules["__main__"]
tree.COMMANDS["busy"] = ("busy", "Busy.", "x")

@command(app, "busy", makes=False)
def busy(shell) -> Result:
    with staging(shell.open(create=True)) as folder:
        for n in range(300):
            (folder / str(n)).touch()
        Path("ready").touch()
        {body}
    return Result(["done"], None)

main(["busy", *sys.argv[1:]])
"""
BODIES = {
    "python": "while True: pass",
    "c": "while True: sorted(range(10**6), key=str)",
    "child": "subprocess.run(['sleep', '60'])",
    "swallowed": """
        for n in range(2):
            try:
                time.sleep(30)
            except BaseException:
                pass
        time.sleep(30)""",
    "another error": """
        try:
            time.sleep(60)
        except BaseException:
            raise ValueError('an internal error') from None""",
}


def hear() -> None:
    """Undo what the shell that runs the tests ignores."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def end(command: list[str], folder: Path, pattern: str, number: int) -> tuple[int, str, str]:
    """Start a command, send it a signal once a file is there, return code and streams."""
    process = subprocess.Popen(command, cwd=folder, env=environment(), text=True, preexec_fn=hear,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stage_ends_cleanly(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "eyecli", *SAMPLE]
    ended = end(command, tmp_path, "data/.sample-*/data/left/*", number)
    assert ended == (143, "", "terminated\n")
    assert list((tmp_path / "data").iterdir()) == []
    assert list((tmp_path / "eyecli-workspace/tmp").iterdir()) == []


@pytest.mark.parametrize("body", BODIES)
def test_nothing_is_left_whatever_is_being_done(tmp_path: Path, body: str) -> None:
    command = [sys.executable, "-c", COMMAND.replace("{body}", BODIES[body].strip())]
    ended = end(command, tmp_path, "ready", signal.SIGTERM)
    assert ended == (143, "", "terminated\n")
    assert list((tmp_path / "eyecli-workspace/tmp").iterdir()) == []


def test_the_end_is_an_event(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND.replace("{body}", BODIES["python"]),
               "--log-format", "json"]  # fmt: skip
    code, _, err = end(command, tmp_path, "ready", signal.SIGTERM)
    (event,) = map(json.loads, err.splitlines())
    assert (code, event["exit_code"], event["message"]) == (143, 143, "terminated")


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    script = COMMAND.replace("{body}", "time.sleep(1)")
    command = ["nohup", sys.executable, "-c", script]
    assert end(command, tmp_path, "ready", signal.SIGHUP)[:2] == (0, "done\n")


def test_workers_that_were_forked_die_as_usual(tmp_path: Path) -> None:
    body = """
        import multiprocessing
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        worker.start()
        time.sleep(0.2)
        worker.terminate()
        worker.join()
        assert worker.exitcode == -15, worker.exitcode"""
    command = [sys.executable, "-c", COMMAND.replace("{body}", body.strip())]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_demo_ends_with_its_step(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eyecli", "demo"]
    code, out, err = end(command, tmp_path, "eyecli-workspace/samples/.sample-*", signal.SIGTERM)
    assert (code, out, err.splitlines()[-1]) == (143, "", "terminated")
    assert eyecli_process("workspace", "ls", cwd=tmp_path).code == 0


def test_a_signal_in_a_callback_of_a_library_is_no_error_of_its_own(tmp_path: Path) -> None:
    body = """
        class Callback:
            def __init__(self, error):
                self.error = error
            def __del__(self):
                raise self.error
        for error in (KeyboardInterrupt(), Terminated(), ValueError("real")):
            Callback(error)"""
    script = COMMAND.replace("{body}", body.strip())
    script = f"from eyecli.cli.signals import Terminated\n{script}"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "ValueError: real" in done.stderr
    assert "KeyboardInterrupt" not in done.stderr and "Terminated" not in done.stderr
