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

    if coreml and coreml.rstrip("/").endswith(".mlpackage"):
        package = Path(coreml).absolute()
        name = check_name(package.stem.replace(" ", "-"), "package name")
        outcome = check_ane(shell.open(create=True), package, "any", name, None, force=shell.force)
    else:
        root = shell.open()
        source = resolve(root, coreml, "coreml")
        shell.say_input(coreml, source.ref)
        manifest = source.manifest
        outcome = check_ane(
            root, source.path / PACKAGE, manifest.task, manifest.name, source, force=shell.force
        )
    summary = outcome.artifact.manifest.summary
    for status, count in summary["counts"].items():
        if count:
            shell.say(f"{count} {status}")
    shell.say(f"table: {(outcome.artifact.path / REPORT).with_suffix('.md')}")
    return published(outcome, exit_code=4 if summary["counts"].get("ineligible") else 0)
