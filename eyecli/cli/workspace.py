"""``eyecli workspace``: look after artifacts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, artifact_document, command, group
from eyecli.errors import UsageError
from eyecli.workspace.aliases import alias_history, list_aliases, set_alias
from eyecli.workspace.lineage import lineage
from eyecli.workspace.references import check_name, resolve
from eyecli.workspace.store import artifacts, versions
from eyecli.workspace.verify import damages

log = logging.getLogger(__name__)

app = group("List, show, verify and name artifacts.")
Needed = Annotated[str, typer.Argument(help="Reference, digest prefix or path.")]


@command(app, "ls", makes=False)
def ls(
    shell: Shell,
    prefix: Annotated[str, typer.Argument(help="Only references that start so.")] = "",
) -> Result:
    """List artifacts, a line each: reference, digest, end, size, aliases."""
    root = shell.open()
    rows: list[dict[str, Any]] = []
    for artifact in artifacts(root):
        if not artifact.ref.startswith(prefix):
            continue
        family, version = artifact.ref.rsplit("@v", 1)
        names = [name for name, v in list_aliases(root, family).items() if v == int(version)]
        if int(version) == versions(root, family)[-1]:
            names.append("latest")
        manifest = artifact.manifest
        rows.append(
            {
                "ref": artifact.ref,
                "digest": manifest.digest[:12],
                "ended": manifest.ended,
                "bytes": sum(entry.size for entry in manifest.files.values()),
                "aliases": names,
            }
        )
    width = max((len(row["ref"]) for row in rows), default=0)
    lines = [
        f"{row['ref']:<{width}}  {row['digest']}  {row['ended']}  {row['bytes']:>12}  "
        f"{','.join(row['aliases'])}".rstrip()
        for row in rows
    ]
    return Result(lines, rows)


@command(app, "show", makes=False)
def show(shell: Shell, reference: Needed) -> Result:
    """Print the manifest of an artifact as JSON."""
    import json

    document = artifact_document(resolve(shell.open(), reference))
    return Result([json.dumps(document, indent=2, ensure_ascii=False)], document)


@command(app, "path", makes=False)
def path(shell: Shell, reference: Needed) -> Result:
    """Print the folder of an artifact."""
    artifact = resolve(shell.open(), reference)
    return Result([str(artifact.path)], {"ref": artifact.ref, "path": str(artifact.path)})


@command(app, "lineage", makes=False)
def show_lineage(shell: Shell, reference: Needed) -> Result:
    """Print what an artifact was made from, and that from what."""
    root = shell.open()
    tree = lineage(root, resolve(root, reference))
    return Result(list(_branches(tree, 0, set())), tree)


def _branches(tree: dict[str, Any], depth: int, shown: set[str]) -> Iterator[str]:
    """Yield a line an artifact; what was shown once is not unfolded again."""
    role = f"{tree['role']}: " if "role" in tree else ""
    again = tree["ref"] in shown and "inputs" in tree
    stage = "  (see above)" if again else f"  ({tree['stage']})" if "stage" in tree else ""
    yield f"{'  ' * depth}{role}{tree['ref']}  {tree['digest'][:12]}{stage}"
    shown.add(tree["ref"])
    for child in [] if again else tree.get("inputs", []):
        yield from _branches(child, depth + 1, shown)


@command(app, "verify", makes=False)
def verify(
    shell: Shell,
    reference: Annotated[
        str | None, typer.Argument(help="Reference; everything by default.")
    ] = None,
) -> Result:
    """Re-hash artifacts; every changed file is named. Exit code 3 if there is any."""
    from eyecli.errors import DataError
    from eyecli.workspace.store import artifact_folders

    root = shell.open()
    folders = [resolve(root, reference).path] if reference else list(artifact_folders(root))
    found = [line for folder in folders for line in damages(folder)]
    if found:
        for line in found[1:]:
            log.warning("%s", line)
        raise DataError(found[0], f"{len(found)} damaged files in {len(folders)} artifacts")
    return Result([f"{len(folders)} artifacts whole"], {"artifacts": len(folders), "damages": []})


@command(app, "alias", makes=False)
def alias(
    shell: Shell,
    reference: Needed,
    name: Annotated[str | None, typer.Argument(help="Alias, such as production.")] = None,
) -> Result:
    """Let a name stand for a version from now on; without a name list aliases and history."""
    root = shell.open()
    artifact = resolve(root, reference)
    if "@v" not in artifact.ref:
        raise UsageError(f"{artifact.ref} is not in this workspace")
    family, version = artifact.ref.rsplit("@v", 1)
    if name:
        set_alias(root, family, check_name(name, "alias"), int(version), artifact.manifest.digest)
        return Result([f"{family}@{name}"], {"alias": f"{family}@{name}", "ref": artifact.ref})
    history = {
        known: [
            {"ref": f"{family}@v{entry.version}", "at": entry.at}
            for entry in alias_history(root, family, known)
        ]
        for known in list_aliases(root, family)
    }
    lines = [
        f"{family}@{known}  {entry['ref']}  {entry['at']}"
        for known, entries in history.items()
        for entry in entries
    ]
    return Result(lines, history)
