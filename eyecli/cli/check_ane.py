"""``eyecli check-ane``: Neural Engine verdict for every op."""

from __future__ import annotations

from pathlib import Path

import typer

from eyecli.cli.contract import Result, Shell, command, published
from eyecli.cli.options import Reference
from eyecli.workspace.references import check_name, resolve

app = typer.Typer(add_completion=False)


@command(app, "check-ane")
def check_ane(shell: Shell, coreml: Reference = None) -> Result:
    """Judge every operation of a Core ML package: eligible, conditional, ineligible or unknown.

    Takes a reference or any .mlpackage folder. Static verdicts with rule, source and confidence:
    nothing was measured on a device. Publishes the report whatever the verdict; exit code 4 if an
    operation is ineligible.
    """
    from eyecli.ane.stage import REPORT, check_ane
    from eyecli.coreml.stage import PACKAGE

    source = None
    if coreml and coreml.rstrip("/").endswith(".mlpackage"):
        package, task = Path(coreml).absolute(), "any"
        name: str | None = check_name(package.stem.replace(" ", "-"), "package name")
    else:
        source = resolve(shell.open(), coreml, "coreml")
        shell.say_input(coreml, source.ref)
        package = source.path / PACKAGE
        task, name = source.manifest.task, source.manifest.name
    if shell.dry_run:
        return Result([f"would check {package}"], {"package": str(package)})
    outcome = check_ane(shell.open(create=True), package, task, name, source, force=shell.force)
    summary = outcome.artifact.manifest.summary
    for status, count in summary["counts"].items():
        if count:
            shell.say(f"{count} {status}")
    shell.say(f"table: {(outcome.artifact.path / REPORT).with_suffix('.md')}")
    return published(outcome, exit_code=4 if summary["counts"].get("ineligible") else 0)
