"""``eyecli demo``: the whole chain on synthesised people, each command as it would be typed."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from eyecli.cli.contract import Result, Shell, command
from eyecli.cli.signals import INTERRUPTED
from eyecli.errors import EyecliError

app = typer.Typer(add_completion=False)

# Few people and few epochs: a demonstration of the chain, not of what the model can do.
STEPS = (
    ("synthesize", "gaze"),
    ("preprocess", "gaze", "source/gaze", "--split", "kfold:4"),
    ("train", "gaze", "--epochs", "20"),
    ("evaluate",),
    ("export", "coreml", "--fold", "0"),
    ("check-ane",),
    ("synthesize", "gaze", "--subjects", "2", "--seed", "1", "--name", "new-users"),
    ("calibrate", "user", "source/gaze/new-users", "--fold", "0"),
    ("export", "coreml", "head/gaze/s001-1"),
)
METRIC = "error_mean_cm"
PREDICTORS = ("constant", "ridge on pixels", "model", "before calibration", "after calibration")


@command(app, "demo", makes=False)
def demo(shell: Shell) -> Result:
    """Run synthesize, preprocess, train, evaluate, export, check-ane and calibrate.

    Ten people on video, rendered from one portrait, so few that it takes some minutes; no network
    is needed. Prints the reference of the report; every command is shown as you would type it, and
    at the end the errors before and after calibration.
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
    for line in error_table(report.path / "metrics.csv"):
        shell.say(line)
    shell.say(f"open {report.path / 'report.html'}")
    return Result([report.ref], {"report": report.ref, "path": str(report.path / "report.html")})


def error_table(metrics: Path) -> Sequence[str]:
    """Return the errors of a report as lines: baselines, model, before and after calibration."""
    with metrics.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == METRIC]
    found = {row["predictor"]: row for row in rows if row["group"] == "frames"}
    lines = [f"{'mean error in cm, people not seen in training':<58}{'95 % interval':>16}"]
    for name in PREDICTORS:
        value, low, high = (float(found[name][key]) for key in ("value", "lo", "hi"))
        points = " (the same people, other points)" if "calibration" in name else ""
        lines.append(f"{name + points:<50}{value:>8.2f}{f'{low:.2f} to {high:.2f}':>16}")
    return lines
