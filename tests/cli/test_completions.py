"""The completion files are those of the command tree, and real shells understand them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from eyecli.cli.completions import render

FOLDER = Path(__file__).parents[2] / "completions"
FILES = {"bash": "eyecli.bash", "zsh": "_eyecli", "fish": "eyecli.fish"}
TRIED = [
    ("eyecli tr", "train"),
    ("eyecli train ", "gaze"),
    ("eyecli train gaze --ep", "--epochs"),
    ("eyecli fetch path x --lay", "--layout"),
    ("eyecli workspace li", "lineage"),
]


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_fresh(shell: str) -> None:
    path = FOLDER / FILES[shell]
    assert path.read_text() == render(shell), f"eyecli completions {shell} > {path.name}"


def complete(shell: str, line: str) -> list[str]:
    """Ask a real shell what it would offer at the end of a line."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    path = FOLDER / FILES[shell]
    script = {
        "bash": f"source {path}; read -ra COMP_WORDS <<< '{line}'; "
        f"[[ '{line}' == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        "_eyecli; printf '%s\\n' \"${COMPREPLY[@]}\"",
        # The two functions are zsh's own and need a terminal; what they are given is tested.
        "zsh": f"_describe() {{ print -rl -- ${{found%%:*}} }}; _files() {{ : }}; "
        f"words=(${{(s: :)${{:-'{line}'}}}}); [[ '{line}' == *' ' ]] && words+=(''); "
        f"CURRENT=$#words; source {path}",
        "fish": f"source {path}; complete -C '{line}'",
    }[shell]
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", FILES)
@pytest.mark.parametrize(("line", "wanted"), TRIED)
def test_shells_offer_the_words(shell: str, line: str, wanted: str) -> None:
    offered = complete(shell, line)
    assert wanted in offered
    # A command is offered its own flags only.
    assert ("--epochs" in offered) == (line == "eyecli train gaze --ep") or shell == "zsh"
