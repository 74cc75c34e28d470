"""Each check finds the fault it is for, and says what to do."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from eyecli import doctor
from eyecli.doctor import (
    CHECKS,
    Check,
    check_import,
    check_kaggle,
    check_libraries,
    check_opencv,
    check_rclone,
    check_slurm,
    check_versions,
    diagnose,
    requeues,
    requirements,
)
from eyecli.machine import Finding

SOON = 60.0


def run(probe: Callable[[Path, float], Iterable[Finding]]) -> dict[str, Finding]:
    return {f.name: f for f in probe(Path("nowhere"), time.monotonic() + SOON)}


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH beside /usr/bin's shell."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [n for n in os.environ if n.startswith(("KAGGLE_", "SLURM_", "XDG_CONFIG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_what_is_asked_for_is_what_pyproject_says() -> None:
    # Installed, the bounds stand in another order than in pyproject.toml.
    names = {Requirement(text).name for text in requirements()}
    assert {"tensorflow", "keras", "typer", "opencv-python"} <= names


def test_versions_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["numpy>=99", "msgspec>=0.1", "no-such-package>=1,<2", 'typer>=99; extra == "x"']
    monkeypatch.setattr(doctor, "requirements", lambda: asked)
    found = run(check_versions)
    assert (found["numpy"].status, found["numpy"].fix) == ("fail", "pip install 'numpy>=99'")
    assert found["msgspec"].status == "ok"
    assert (found["no-such-package"].status, found["no-such-package"].found) == (
        "fail", "not installed"
    )  # fmt: skip
    assert "typer" not in found


def test_opencv_wheels_of_two_versions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def wheel(name: str, version: str) -> importlib.metadata.Distribution:
        class Wheel(importlib.metadata.Distribution):
            def read_text(self, filename: str) -> str | None:
                text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
                return text if filename == "METADATA" else None

            def locate_file(self, path: object) -> Path:
                return Path(str(path))

        return Wheel()

    pair = [wheel("opencv-python", "4.11.0.86"), wheel("opencv-contrib-python", "5.0.0.93")]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: pair)
    finding = run(check_opencv)["opencv wheels"]
    assert finding.status == "fail"
    assert "opencv-contrib-python 5.0.0.93" in finding.found
    assert "pip uninstall -y opencv-contrib-python opencv-python" in str(finding.fix)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: pair[:1])
    assert run(check_opencv)["opencv wheels"].status == "ok"


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", {"libnowhere.so.1": "libnowhere1"})
    finding = run(check_libraries)["libnowhere.so.1"]
    assert (finding.status, finding.fix) == ("fail", "apt-get install libnowhere1")


BROKEN = {
    "raises": ("raise ImportError('libGL.so.1: cannot open shared object file')", "fail",
               "libGL.so.1: cannot open", "apt-get install libgl1"),
    "dies": ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "fail", "SIGILL", "pip"),
    "leaves": ("import sys; sys.exit(3)", "fail", "", "pip"),
    "prints": ("print('chatter'); import atexit; atexit.register(print, 'more')", "fail", "", ""),
    "hangs": ("import time; time.sleep(60)", "warn", "not done in the time", "compileall"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_package_that_does_not_import_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    body, status, found, fix = BROKEN[name]
    (tmp_path / f"{name}.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    deadline = time.monotonic() + (1.0 if name == "hangs" else SOON)
    (finding,) = check_import(name, None, None, deadline)
    if name == "prints":
        assert finding.status == "ok"
        return
    assert (finding.status, finding.name) == (status, f"import {name}")
    assert found in finding.found and fix in str(finding.fix)


def test_credentials_are_not_there_when_kaggle_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    (home / ".kaggle").mkdir()
    (home / ".kaggle/access_token").write_text("secret")
    (tmp_path / "kaggle.py").write_text(
        "import os\nfrom pathlib import Path\n"
        "assert not (Path.home() / '.kaggle').exists()\n"
        "assert 'KAGGLE_API_TOKEN' not in os.environ\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    (finding,) = check_import("kaggle", None, None, time.monotonic() + SOON)
    assert finding.status == "ok", finding


def test_credentials_are_found_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = run(check_kaggle)["kaggle credentials"]
    assert finding.status == "warn" and "kaggle.com/settings" in str(finding.fix)
    (home / ".kaggle").mkdir()
    path = home / ".kaggle/kaggle.json"
    path.write_text('{"username": "eve", "key": "secret"}')
    path.chmod(0o644)
    finding = run(check_kaggle)["kaggle credentials"]
    assert (finding.status, finding.fix) == ("warn", f"chmod 600 {path}")
    path.chmod(0o600)
    finding = run(check_kaggle)["kaggle credentials"]
    assert finding.status == "ok" and "secret" not in repr(finding)
    path.unlink()
    monkeypatch.setenv("KAGGLE_USERNAME", "eve")
    assert run(check_kaggle)["kaggle credentials"].status == "warn"
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    assert run(check_kaggle)["kaggle credentials"] == Finding(
        "ok", "kaggle credentials", "in the environment"
    )


def test_rclone_is_run_and_not_only_looked_for(path: Path) -> None:
    assert run(check_rclone)["rclone"].status == "warn"
    program(path, "rclone", "echo rclone v1.75.2; echo more")
    finding = run(check_rclone)["rclone"]
    assert (finding.status, finding.found) == ("ok", f"rclone v1.75.2 at {path}/rclone")
    program(path, "rclone", "exit 126")
    assert "does not run" in run(check_rclone)["rclone"].found


@pytest.mark.parametrize(
    ("text", "yes"),
    [("75", True), ("70-80,3", True), ("3,75", True), ("(null)", False), ("7", False), ("", False)],
)
def test_the_exit_codes_that_requeue_are_understood(text: str, yes: bool) -> None:
    assert requeues(text) is yes


def test_slurm_is_asked_what_it_does_with_75(home: Path, path: Path) -> None:
    assert run(check_slurm)["slurm"].found == "not here"
    program(path, "sbatch", "echo slurm 23.11.4")
    assert "squeue, scontrol not found" in run(check_slurm)["slurm"].found
    program(path, "squeue", "")
    for config, status in (("RequeueExit             = 75", "ok"),
                           ("RequeueExitHold = 75\nRequeueExit = (null)", "warn")):  # fmt: skip
        program(path, "scontrol", f"echo '{config}'")
        found = run(check_slurm)
        assert found["slurm"].found == "slurm 23.11.4, not in a job"
        assert found["slurm requeue"].status == status
    program(path, "scontrol", "exit 1")
    assert run(check_slurm)["slurm controller"].fix == "scontrol ping"


def test_a_check_that_fails_does_not_end_the_others() -> None:
    def fail(workspace: Path, deadline: float) -> list[Finding]:
        raise ValueError("a bug")

    good = Finding("ok", "good", "fine")
    findings = diagnose(
        Path(), [Check("bad", fail), Check("good", lambda workspace, deadline: [good])]
    )
    assert [f.status for f in findings] == ["warn", "ok"]
    assert "ValueError: a bug" in findings[0].found
    assert findings[1] == good


def test_every_check_of_the_table_answers_here(tmp_path: Path) -> None:
    light = [check for check in CHECKS if not check.name.startswith("import")]
    findings = diagnose(tmp_path / "none", light)
    assert not [f for f in findings if "the check itself failed" in f.found]
    assert all(f.fix for f in findings if f.status != "ok")
    assert not (tmp_path / "none").exists()


def test_heavy_libraries_are_imported_in_processes_of_their_own(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom eyecli import doctor\n"
        "found = list(doctor.check_import('cv2', None, None, time.monotonic() + 60))\n"
        "assert found[0].status == 'ok', found\nassert 'cv2' not in sys.modules\n"
    )
    root = Path(doctor.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
