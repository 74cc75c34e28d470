"""``eyecli doctor``: what is wrong with the installation and the machine, and what to do."""

from __future__ import annotations

import dataclasses

import typer

from eyecli.cli.contract import Result, Shell, command
from eyecli.errors import MissingError

app = typer.Typer(add_completion=False)


@command(app, "doctor", makes=False)
def doctor(shell: Shell) -> Result:
    """Check versions, imports, libraries, credentials, file system, GPU, Slurm, disk and memory.

    A line a finding: ok, warn or fail, what was found, and the fix. Nothing is sent anywhere.
    Exit code 5 if something that eyecli needs is missing or broken.
    """
    from eyecli.doctor import diagnose

    findings = diagnose(shell.workspace)
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<4}  {finding.name:<{width}}  {finding.found}")
        if finding.fix:
            lines.append(f"{'':<{width + 8}}fix: {finding.fix}")
    failed = any(finding.status == "fail" for finding in findings)
    document = [dataclasses.asdict(finding) for finding in findings]
    return Result(lines, document, MissingError.exit_code if failed else 0)
