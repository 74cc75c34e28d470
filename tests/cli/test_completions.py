"""The completion files are those of the command tree, and real shells at a terminal use them."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from eyecli.ane.tiers import target
from eyecli.cli.completions import command_places, render

FOLDER = Path(__file__).parents[2] / "completions"
FILES = {"bash": "eyecli.bash", "zsh": "_eyecli", "fish": "eyecli.fish"}
SHELLS = [
    pytest.param(
        shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")
    )
    for shell in FILES
]
# What stands on the line, what must be offered, and what must not.
TRIED = [
    ("eyecli tr", {"train"}, {"preprocess"}),
    ("eyecli train ", {"gaze"}, {"fetch"}),
    ("eyecli train gaze --ep", {"--epochs"}, {"--eye-size"}),
    ("eyecli fetch path x --lay", {"--layout"}, {"--epochs"}),
    ("eyecli workspace li", {"lineage"}, {"ls"}),
    ("eyecli preprocess gaze --unit ", {"px", "cm"}, {"--unit", "table.csv"}),
    ("eyecli export coreml --deployment-target iOS1", {"iOS16", "iOS18"}, {"--fold"}),
    ("eyecli train gaze ", {"prepared/gaze@v1", "prepared/gaze@latest"}, {"model/gaze@v2"}),
    ("eyecli train gaze prep", {"prepared/gaze@v1"}, {"split/gaze@v1"}),
    ("eyecli evaluate model/gaze@", {"model/gaze@v12", "model/gaze@production"}, {"model/gaze@v3"}),
    ("eyecli export coreml head/gaze/e", {"head/gaze/eve@v1"}, {"model/gaze@v2"}),
    ("eyecli train gaze --split split/", {"split/gaze@v1"}, {"split/gaze@of-123"}),
    ("eyecli workspace show --workspace other ", {"model/gaze@v3"}, {"model/gaze@v2"}),
    ("eyecli export coreml ", {"head/gaze/eve@v1", "model/gaze@v2"}, {"prepared/gaze@v1"}),
    ("eyecli fetch sample ", {"gaze", "gaze-eyes"}, {"table.csv", "--points"}),
    ("eyecli fetch path ", {"table.csv"}, {"--layout"}),
    ("eyecli schema ", {"eye-crops", "image-table"}, {"table.csv"}),
    ("eyecli config show ", {"train", "doctor"}, {"table.csv"}),
    ("eyecli config show train ", {"gaze"}, {"doctor"}),
    ("eyecli config show train gaze --or", {"--origin"}, {"--epochs"}),
    ("eyecli calibrate user tab", {"table.csv"}, {"with space"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workspaces, as far as completion looks into them, and a file."""
    top = tmp_path_factory.mktemp("completion")
    for artifact in ("prepared/gaze/v0001", "split/gaze/v0001", "model/gaze/v0002",
                     "model/gaze/v0012", "head/gaze/eve/v0001"):  # fmt: skip
        (top / "eyecli-workspace" / artifact).mkdir(parents=True)
    (top / "other/model/gaze/v0003").mkdir(parents=True)
    for alias in ("model/gaze/production", "split/gaze/of-123"):
        (top / "eyecli-workspace/aliases" / alias).mkdir(parents=True)
        (top / "eyecli-workspace/aliases" / alias / "000001.json").touch()
    (top / "table.csv").touch()
    return top


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_fresh(shell: str) -> None:
    path = FOLDER / FILES[shell]
    assert path.read_text() == render(shell), f"eyecli completions {shell} > {path.name}"


def test_values_are_known_for_what_they_are() -> None:
    places = command_places()
    assert places["eyecli preprocess gaze"].takes["--unit"] == "one:px,cm"
    assert places["eyecli train gaze"].argument == "ref:prepared"
    assert places["eyecli calibrate user"].takes["--model"] == "ref:model"
    assert "--force" not in places["eyecli train gaze"].takes
    assert places["eyecli fetch path"].argument == "file"
    assert places["eyecli check-ane"].argument == "ref:coreml,head"


def test_what_is_offered_for_a_chip_is_known() -> None:
    words = command_places()["eyecli check-ane"].takes["--chip"].removeprefix("one:").split(",")
    assert {"h13", "A17-Pro", "M2-Max"} <= set(words)
    assert not any(" " in word for word in words)
    assert all(target(word) for word in words)


def complete(shell: str, line: str, folder: Path) -> str:
    """Type a line and TAB at a terminal of a real shell; return what it shows."""
    path = FOLDER / FILES[shell]
    if shell == "fish":
        # Fish says what its pager would show.
        script = f"source {path}; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", script], cwd=folder,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        assert not done.stderr
        return done.stdout
    start = {
        "bash": (["bash", "--norc", "--noprofile", "-i"], f"source {path}; bind 'set bell-style n'",
                 "; bind 'set completion-query-items 0'; bind 'set page-completions off'"),
        "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; LISTMAX=0; unsetopt "
                f"zle_bracketed_paste; setopt no_beep; source {path}", ""),
    }[shell]  # fmt: skip
    return type_at_terminal(start[0], start[1] + start[2], line, folder)


def type_at_terminal(words: list[str], setup: str, line: str, folder: Path) -> str:
    """Run a shell at a terminal, set it up, type a line, press TAB twice, return what follows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        os.execvpe(words[0], words, kept | {"TERM": "dumb", "PS1": "", "COLUMNS": "200"})
    try:
        send(terminal, f"{setup}; echo REA''DY\n", "READY")
        # The first TAB adds what all candidates share, the next lists them; zsh would then choose.
        return send(terminal, f"{line}\t\t" + ("\t" if words[0] == "bash" else ""), None)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def send(terminal: int, text: str, until: str | None) -> str:
    """Type, and read until a word appears or nothing has come for a while."""
    os.write(terminal, text.encode())
    found, last, started = b"", time.monotonic(), time.monotonic()
    while time.monotonic() - started < 30:
        if select.select([terminal], [], [], 0.1)[0]:
            found += os.read(terminal, 65536)
            last = time.monotonic()
        if until and until.encode() in found:
            break
        if not until and time.monotonic() - last > 1:
            break
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x07\r]", "", found.decode())


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("line", "wanted", "unwanted"), TRIED)
def test_shells_offer_the_words(
    shell: str, line: str, wanted: set[str], unwanted: set[str], folder: Path
) -> None:
    shown = complete(shell, line, folder)
    offered = set(re.split(r"[\s,]+", shown))
    for word in wanted:
        # Readline lists what stands after the last break of the word, here the @.
        assert word in shown or f"@{word.partition('@')[2]}" in offered
    assert not unwanted & offered - set(line.split())
