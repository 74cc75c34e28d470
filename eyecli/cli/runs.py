"""``eyecli runs``: trainings in progress, and what became of them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import typer

from eyecli.cli.contract import Result, Shell, command, group
from eyecli.cli.logs import printable
from eyecli.errors import DataError, UsageError
from eyecli.workspace.runs import METRICS, Listed, find_runs, list_runs, metrics, new_metrics, stop

app = group("Trainings in progress: list, show, follow, stop.")
Needed = Annotated[
    str, typer.Argument(help="A run as `runs ls` names it, or the beginning of its name.")
]


@command(app, "ls", makes=False)
def ls(
    shell: Shell,
    prefix: Annotated[str, typer.Argument(help="Only runs whose names start so.")] = "",
) -> Result:
    """List runs, a line a fold: state, heartbeat, epoch, remaining time, last error."""
    found = list_runs(shell.open(), prefix)
    width = max((len(listed.name) for listed in found), default=0)
    lines = [
        f"{listed.name:<{width}}  {listed.state:<11}  {_duration(listed.age):>7} ago  "
        f"{_epoch(listed):>15}  {_left(listed):>12}  {listed.run.error or ''}".rstrip()
        for listed in found
    ]
    return Result(map(printable, lines), [_document(listed) for listed in found])


@command(app, "show", makes=False)
def show(shell: Shell, run: Needed) -> Result:
    """Print what is known of a run, with the line that resumes it."""
    found = find_runs(shell.open(), run)
    lines = []
    for listed in found:
        fine = listed.state in ("running", "done")
        facts = {
            "run": listed.name,
            "state": f"{listed.state} ({listed.run.host}, pid {listed.run.pid})",
            "started": listed.run.started,
            "heartbeat": f"{_duration(listed.age)} ago",
            "progress": ", ".join(part for part in (_epoch(listed), _left(listed)) if part),
            "inputs": ", ".join(listed.run.inputs.values()),
            "error": listed.run.error,
            "command" if fine else "resume": listed.run.command,
            "folder": str(listed.folder),
        }
        lines += [f"{name:<9}  {value}" for name, value in facts.items() if value]
    return Result(map(printable, lines), [_document(listed) for listed in found])


@command(app, "tail", makes=False)
def tail(
    shell: Shell,
    run: Needed,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines.")] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends.")
    ] = False,
) -> Result:
    """Print the last metrics of a run as JSON, a line an epoch."""
    found = find_runs(shell.open(), run)
    # Of several folds the one that was begun last.
    listed = found[-1]
    if len(found) > 1:
        shell.say(f"{run}: {listed.name}")
    if follow:
        if shell.json:
            raise UsageError("--follow has no end that --json could wait for", "leave one out")
        return Result(map(printable, new_metrics(listed, lines)), None)
    shown = metrics(listed, lines)
    if not shell.json:
        return Result(map(printable, shown), None)
    try:
        return Result([], [json.loads(line) for line in shown])
    except ValueError as error:
        raise DataError(
            f"{listed.folder / METRICS}: damaged: {error}", "leave out --json"
        ) from error


@command(app, "stop", makes=False)
def stop_run(shell: Shell, run: Needed) -> Result:
    """Let a run on this host save a checkpoint and end; waits until it has."""
    found = [stop(listed) for listed in find_runs(shell.open(), run)]
    for listed in found:
        if listed.state != "done":
            shell.say(f"resume: {listed.run.command}")
    return Result(
        [f"{listed.name}  {listed.state}" for listed in found],
        [_document(listed) for listed in found],
    )


def _document(listed: Listed) -> dict[str, Any]:
    beat = msgspec.to_builtins(listed.heartbeat) if listed.heartbeat else None
    return msgspec.to_builtins(listed.run) | {
        "name": listed.name,
        "folder": str(listed.folder),
        "state": listed.state,
        "heartbeat": beat,
        "heartbeat_age": listed.age,
    }


def _epoch(listed: Listed) -> str:
    beat = listed.heartbeat
    return f"epoch {beat.epoch} of {beat.epochs}" if beat else ""


def _left(listed: Listed) -> str:
    beat = listed.heartbeat
    if listed.state != "running" or beat is None:
        return ""
    return f"{_duration(beat.seconds_left)} left"


def _duration(seconds: float | None) -> str:
    """``12 s``, ``3.5 min``, ``2.0 h`` or ``4 d``."""
    if seconds is None:
        return "?"
    for limit, unit, size in ((100, "s", 1), (6000, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{max(0.0, seconds / size):.{0 if size == 1 else 1}f} {unit}"
    return f"{seconds / 86_400:.0f} d"
