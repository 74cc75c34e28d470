"""Small artifacts to test with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import eyecli
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage

CONTENT = {"data.bin": b"\x00\x01content", "deep/table.csv": b"a,b\n1,2\n"}


def make(
    root: Path,
    content: Mapping[str, bytes] = CONTENT,
    built: Built | None = None,
    force: bool = False,
    **work: Any,
) -> Outcome:
    """Run a stage that writes `content`; `work` overrides the fields of the work."""

    def build(folder: Path) -> Built:
        for name, data in content.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return built or Built()

    fields: dict[str, Any] = {"stage": "test", "kind": "model", "task": "gaze"}
    return run_stage(root, Work(**fields | work), build, force=force)


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run Python source in a process of its own, from which this module can be imported."""
    package, here = Path(eyecli.__file__).parents[1], Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{here}"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
