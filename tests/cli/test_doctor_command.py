"""``eyecli doctor``: exit codes, lines and fixes, here and where nothing can be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Done, environment, eyecli_process

from eyecli import doctor
from eyecli.doctor import CHECKS, Check
from eyecli.machine import Finding

Call = Callable[..., Done]


def test_here_all_that_is_needed_is_there(tmp_path: Path) -> None:
    done = eyecli_process("doctor", "--json", cwd=tmp_path)
    assert done.code == 0, done.out
    found = {finding["name"]: finding for finding in json.loads(done.out)}
    for name in doctor.IMPORTS:
        finding = found[f"import {name}"]
        # On a machine that is busy with other things the time may not do.
        assert finding["status"] == "ok" or "not done in the time" in finding["found"], finding
    assert found["eyecli"]["status"] == found["hard links"]["status"] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_lines_have_status_name_finding_and_fix(
    eyecli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [Finding("ok", "one", "fine"), Finding("warn", "three", "so so", "do this")]
    check = Check("made up", lambda workspace, deadline: findings)
    monkeypatch.setattr(doctor, "CHECKS", (check,))
    done = eyecli("doctor")
    assert done.out == "ok    one    fine\nwarn  three  so so\n             fix: do this\n"
    assert (done.code, done.err) == (0, "")
    findings.append(Finding("fail", "two", "broken", "do that"))
    assert eyecli("doctor").code == eyecli("doctor", "--json").code == 5


def test_without_the_right_to_write_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's read-only"
    folder.mkdir()
    folder.chmod(0o555)
    code = (
        "from eyecli import doctor; doctor.CHECKS = tuple(c for c in doctor.CHECKS "
        "if c.name == 'file system'); from eyecli.cli.main import main; main(['doctor'])"
    )
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root, and no setpriv to give up its privileges")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "no permission to write" in done.stdout
    assert shutil.which("chmod") and "fix: chmod u+wx" in done.stdout


def test_the_table_has_every_check_once() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
