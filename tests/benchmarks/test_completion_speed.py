"""A TAB in a workspace of 600 artifacts, in real shells, against starting Python for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "completions"
LINE = "eyecli evaluate model/gaze@"
SCRIPTS = {
    "bash": f"source {FOLDER}/eyecli.bash; COMP_LINE='{LINE}'; COMP_POINT=${{#COMP_LINE}}; "
    "COMP_WORDS=(eyecli evaluate model/gaze @); COMP_CWORD=3; TIMED; "
    "[[ ${#COMPREPLY[@]} == 201 ]]",
    "zsh": "autoload -U compinit; compinit -u -D; "
    f"source {FOLDER}/_eyecli; _describe() {{ : }}; _files() {{ : }}; "
    "compadd() { offered_=($@) }; words=(eyecli evaluate model/gaze@); CURRENT=3; TIMED; "
    "(( $#offered_ == 202 ))",
    "fish": f"source {FOLDER}/eyecli.fish; TIMED; "
    f"test (complete -C '{LINE}' | string match '*@*' | count) -eq 201",
}
CALL = {"bash": "_eyecli", "zsh": "_eyecli", "fish": f"complete -C '{LINE}' > /dev/null"}


def seconds(shell: str, times: int, folder: Path) -> float:
    """Seconds of a TAB: of fifty less those of one, without the shell's own start."""
    loop = "; ".join([CALL[shell]] * times)
    words = [shell, *(["--no-config"] if shell == "fish" else []), "-c"]
    started = time.perf_counter()
    subprocess.run([*words, SCRIPTS[shell].replace("TIMED", loop)], cwd=folder, check=True)
    return time.perf_counter() - started


@pytest.mark.benchmark
@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_tab_costs_less_than_starting_python(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for kind in ("model", "prepared", "report"):
        for version in range(1, 201):
            (tmp_path / f"eyecli-workspace/{kind}/gaze/v{version:04d}").mkdir(parents=True)
    seconds(shell, 1, tmp_path)
    tab = min((seconds(shell, 51, tmp_path) - seconds(shell, 1, tmp_path)) / 50 for _ in range(3))
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import typer"], check=True)
    python = time.perf_counter() - started
    print(f"\n{shell}: {tab * 1e3:.1f} ms a TAB, `import typer` {python * 1e3:.0f} ms")
    assert tab < python
