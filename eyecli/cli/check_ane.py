"""``eyecli check-ane``: Neural Engine verdict for every op."""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.logs import VARIABLE, log
from eyecli.cli.options import Reference
from eyecli.errors import UsageError
from eyecli.workspace.references import check_name, resolve

app = typer.Typer(add_completion=False)


@command(app, "check-ane")
def check_ane(
    shell: Shell,
    coreml: Reference = None,
    chip: Annotated[
        str,
        typer.Option(
            help="What the verdicts are for: a chip (A14, M2 Pro), a device (iPhone 12, "
            "MacBook Air M2) or a generation (h12 to h17; h13 is M1)."
        ),
    ] = "h13",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit code 4 on what is conditional or unknown, too."),
    ] = False,
    sarif: Annotated[
        Path | None,
        typer.Option(help="Write the findings to this file as SARIF 2.1.0, for code review."),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            help="What measure.swift wrote on a Mac or an iPhone; shown beside the verdicts."
        ),
    ] = None,
) -> Result:
    """Judge every operation of a Core ML package: eligible, conditional, ineligible or unknown.

    Takes a reference or any .mlpackage folder, pipelines and several functions included. Verdicts
    are static, with rule, confidence, sources and fix, until a measurement of this very package is
    given: no list of what the Neural Engine takes exists, and only a device knows. Publishes the
    report whatever the verdict; exit code 4 if something is ineligible.
    """
    from eyecli.ane.report import figures, summary
    from eyecli.ane.sarif import to_sarif
    from eyecli.ane.stage import REPORT, check_ane, measurement
    from eyecli.ane.tiers import target
    from eyecli.coreml.stage import PACKAGE

    wanted = target(chip)
    source = None
    if coreml and _is_package(coreml):
        package, task = Path(coreml).absolute(), "any"
        name: str | None = check_name(package.stem.replace(" ", "-"), "package name")
    else:
        source = resolve(shell.open(), coreml, "coreml")
        shell.say_input(coreml, source.ref)
        package = source.path / PACKAGE
        task, name = source.manifest.task, source.manifest.name
    if sarif and (sarif.is_dir() or not sarif.absolute().parent.is_dir()):
        raise UsageError(f"--sarif: {sarif} is no place for a file", "name a file in a folder")
    if shell.dry_run:
        line = f"would check {package} for {wanted}"
        return Result([line], {"package": str(package), "target": str(wanted)})
    outcome, report, beside = check_ane(
        shell.open(create=True),
        package,
        task,
        name,
        source,
        wanted=wanted,
        measured=measurement(package, measured),
        force=shell.force,
    )
    if sarif:
        _write_json(sarif, to_sarif(report, _uri(package)))
    shell.say(summary(report, beside))
    for line in figures(report):
        shell.say(line)
    _print_tables(report, beside)
    shell.say(f"table: {(outcome.artifact.path / REPORT).with_suffix('.md')}")
    refused = {"ineligible", "conditional", "unknown"} if strict else {"ineligible"}
    return published(outcome, exit_code=4 if report.worst in refused else 0)


def _is_package(text: str) -> bool:
    """Say whether a package is meant: by its ending, or something there that is no artifact."""
    path = Path(text)
    return path.suffix == ".mlpackage" or (path.exists() and not (path / "manifest.json").exists())


def _uri(package: Path) -> str:
    """Name a package as code review tools do: from the folder they run in, if it lies there."""
    here = Path.cwd()
    return package.relative_to(here).as_posix() if package.is_relative_to(here) else (
        package.as_uri()
    )  # fmt: skip


def _write_json(path: Path, content: Any) -> None:
    import msgspec

    from eyecli.workspace.store import write_atomic

    write_atomic(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def _print_tables(report: Any, beside: Any) -> None:
    """Show verdicts, and how they compare with a device, on stderr."""
    from eyecli.ane.report import HEADER, LEVELS, basis, rows

    # A table is no JSON; what is in it is in the artifact.
    if os.environ.get(VARIABLE) == "json" or not log.isEnabledFor(logging.INFO):
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Off a terminal every line is one of the log.
    text = None if sys.stderr.isatty() else io.StringIO()
    console = Console(file=text, width=160) if text else Console(stderr=True)
    styles = dict(zip(LEVELS, ("", "", "green", "yellow", "yellow", "red"), strict=True))
    table = Table(*HEADER)
    for op, level, *rest in rows(report):
        # Names come from the package: what looks like markup in them is text.
        table.add_row(Text(op), Text(level, styles[level]), *(Text(str(cell)) for cell in rest))
    console.print(table)
    if beside:
        devices = ("neural engine", "gpu", "cpu")
        table = Table("static", *devices, title=basis(beside))
        for status, found in beside["confusion"].items():
            table.add_row(status, *(str(found.get(device, 0)) for device in devices))
        console.print(table)
        console.print(f"operations that only one side knows: {beside['unmatched']}")
    for line in text.getvalue().splitlines() if text else ():
        log.info(line.rstrip())
