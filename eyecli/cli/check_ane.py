"""``eyecli check-ane``: Neural Engine verdict for every op."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.options import Reference
from eyecli.cli.places import require_place
from eyecli.errors import EyecliError
from eyecli.workspace.references import resolve
from eyecli.workspace.store import Artifact

app = typer.Typer(add_completion=False)
# Kinds of artifacts that hold a package, and its name there.
PACKAGES = {"coreml": "model.mlpackage", "head": "head.mlpackage"}


@command(app, "check-ane")
def check_ane(
    shell: Shell,
    coreml: Reference = None,
    chip: Annotated[
        str | None,
        typer.Option(
            help="What the verdicts are for: a chip (A14, M2 Pro), a device (iPhone 12, "
            "iPhone13,2, MacBook Air M2) or a generation (h12 to h17). By default the device that "
            "measured, else h13, which is M1."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit code 4 on what is conditional, unknown or measured off the Neural Engine.",
        ),
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
    rules: Annotated[
        bool, typer.Option("--rules", help="Explain every rule, with its sources, and end.")
    ] = False,
    chips: Annotated[
        bool, typer.Option("--chips", help="List what --chip knows, and end.")
    ] = False,
) -> Result:
    """Judge every operation of a Core ML package: eligible, conditional, ineligible or unknown.

    Takes a reference, a head's too, or any .mlpackage folder, pipelines and several functions
    included. Verdicts are static, with rule, confidence, sources and fix; a measurement of this
    very package stands beside them: no list of what the Neural Engine takes exists, and only a
    device knows. Publishes the report whatever the verdict; exit code 4 if something is ineligible.
    """
    from eyecli.ane import catalogue

    if rules:
        return Result(catalogue.rule_lines(), catalogue.rules())
    if chips:
        return Result(catalogue.chip_lines(), catalogue.chips())
    from eyecli.ane.measured import elsewhere
    from eyecli.ane.report import findings
    from eyecli.ane.sarif import to_sarif
    from eyecli.ane.stage import REPORT, check_ane, measurement
    from eyecli.ane.text import figures, grouped, measured_lines, summary
    from eyecli.ane.tiers import of_device, target

    wanted = target(chip) if chip else None
    source = None
    if coreml and _is_package(coreml):
        package, task = Path(coreml).absolute(), "any"
        name: str | None = _name_of(package)
    else:
        source = _artifact(shell, coreml)
        package = source.path / PACKAGES[source.manifest.kind]
        task, name = source.manifest.task, source.manifest.name
    if sarif:
        require_place("--sarif", sarif, (package, shell.workspace))
    # To ask this Mac takes a compilation, which a dry run spares.
    found = measurement(package, measured) if measured or not shell.dry_run else None
    if found and not wanted and not (wanted := of_device(found.device)):
        shell.say(f"the chip of {found.device} is not known here: name it with --chip")
    wanted = wanted or target()
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
        measured=found,
        force=shell.force,
    )
    if sarif:
        _write_json(sarif, to_sarif(report, _uri(package)))
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    said = [summary(report), *figures(report), *(measured_lines(beside) if beside else ())]
    for line in (*said, *grouped(report, width)):
        shell.say(line)
    shell.say(f"table: {(outcome.artifact.path / REPORT).with_suffix('.md')}")
    refused = {"ineligible", "conditional", "unknown"} if strict else {"ineligible"}
    off = strict and found is not None and elsewhere(found)
    result = published(outcome, exit_code=4 if off or report.worst in refused else 0)
    return replace(result, document=result.document | {"findings": findings(report)})


def _artifact(shell: Shell, coreml: str | None) -> Artifact:
    """Find the artifact of a package, a head's included."""
    # What is named is found whatever its kind; what a version alone means needs the kind.
    named = coreml and not coreml.startswith("@")
    source = resolve(shell.open(), coreml, None if named else "coreml")
    if source.manifest.kind not in PACKAGES:
        resolve(shell.open(), coreml, "coreml")  # says what is needed
    shell.say_input(coreml, source.ref)
    return source


def _is_package(text: str) -> bool:
    """Say whether a package is meant: by its ending, or something there that is no artifact."""
    path = Path(text)
    return path.suffix == ".mlpackage" or (path.exists() and not (path / "manifest.json").exists())


def _name_of(package: Path) -> str:
    """Make a name for a reference of a package's own, in ASCII."""
    plain = unicodedata.normalize("NFKD", package.stem).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-_.")[:56]
    return f"package-{name}" if not name or re.fullmatch(r"v\d+", name) else name


def _uri(package: Path) -> str:
    """Name a package as code review tools do: from the folder they run in, if it lies there."""
    here = Path.cwd()
    return package.relative_to(here).as_posix() if package.is_relative_to(here) else (
        package.as_uri()
    )  # fmt: skip


def _write_json(path: Path, content: Any) -> None:
    import msgspec

    from eyecli.workspace.store import write_atomic

    text = msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
    try:
        write_atomic(path.resolve(), text)
    except OSError as error:
        raise EyecliError(
            f"--sarif: {path} could not be written: {error.strerror}",
            "the report is published; name another place and run the command again",
        ) from error
