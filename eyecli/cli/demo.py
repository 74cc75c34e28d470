"""``eyecli demo``: the whole chain on rendered eyes, each command as it would be typed."""

from __future__ import annotations

import shlex

import typer

from eyecli.cli.contract import Result, Shell, command
from eyecli.cli.signals import INTERRUPTED
from eyecli.errors import EyecliError

app = typer.Typer(add_completion=False)

SCREEN = ("--screen-px", "1366x768", "--screen-cm", "34.4x19.3", "--distance-cm", "60")
# Few people and few epochs: a demonstration of the chain, not of what the model can do.
STEPS = (
    ("fetch", "sample", "gaze-eyes"),
    ("preprocess", "gaze", "source/gaze", "--split", "kfold:4", *SCREEN),
    ("train", "gaze", "--epochs", "20"),
    ("evaluate",),
    ("export", "coreml", "--fold", "0"),
    ("check-ane",),
    ("fetch", "sample", "gaze-eyes", "--subjects", "1", "--points", "9", "--frames", "8",
     "--seed", "1", "--name", "new-user"),
    ("calibrate", "user", "source/gaze/new-user", "--fold", "0", "--user", "new-user"),
    ("export", "coreml", "head/gaze/new-user"),
)  # fmt: skip


@command(app, "demo", makes=False)
def demo(shell: Shell) -> Result:
    """Run fetch, preprocess, train, evaluate, export, check-ane and calibrate on rendered eyes.

    Eight rendered people, so small that it takes a minute or two and needs no network. Prints the
    reference of the report; every command is shown as you would type it.
    """
    from eyecli.cli.main import run
    from eyecli.workspace.references import resolve

    for step in STEPS:
        typed = shlex.join(["eyecli", *step])
        shell.say(f"$ {typed}")
        code = run([*step, "--workspace", str(shell.workspace)])
        if code >= INTERRUPTED:
            return Result([], None, code)
        if code:
            raise EyecliError(f"`{typed}` ended with exit code {code}")
    report = resolve(shell.open(), "report/gaze")
    shell.say(f"open {report.path / 'report.html'}")
    return Result([report.ref], {"report": report.ref, "path": str(report.path / "report.html")})
