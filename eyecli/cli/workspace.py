"""``eyecli workspace``: look after artifacts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from eyecli.cli.contract import Result, Shell, artifact_document, command, group
from eyecli.cli.logs import printable
from eyecli.errors import UsageError
from eyecli.workspace.aliases import alias_history, list_aliases, set_alias
from eyecli.workspace.lineage import lineage
from eyecli.workspace.references import check_name, resolve
from eyecli.workspace.store import artifacts, versions
from eyecli.workspace.verify import damages, require_whole

log = logging.getLogger(__name__)

app = group("List, show, compare, move and clean up artifacts.")
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
    return Result(map(printable, lines), rows)


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
    return Result(map(printable, _branches(tree, 0, set())), tree)


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
    from eyecli.workspace.manifest import removal
    from eyecli.workspace.store import artifact_folders

    root = shell.open()
    folders = [resolve(root, reference).path] if reference else list(artifact_folders(root))
    damaged = {folder: lines for folder in folders if (lines := damages(folder))}
    found = [line for lines in damaged.values() for line in lines]
    if found:
        for line in found[1:]:
            log.warning("%s", line)
        raise DataError(
            found[0],
            f"{len(found)} damaged files in {len(damaged)} of {len(folders)} artifacts; make them "
            f"again with --force or import them, then: {removal(damaged)}",
        )
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


@command(app, "diff", makes=False)
def diff(
    shell: Shell,
    old: Needed,
    new: Needed,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 4 if they differ.")
    ] = False,
) -> Result:
    """What differs: parameters, inputs, files, code, libraries, flags, summary; a line each."""
    import msgspec

    from eyecli.workspace.diff import differences

    root = shell.open()
    first, second = resolve(root, old), resolve(root, new)
    for artifact in (first, second):
        require_whole(artifact)
    found = differences(first, second)
    document = {
        "old": first.ref,
        "new": second.ref,
        "same": not found,
        "differences": msgspec.to_builtins(found),
    }
    return Result([printable(str(one)) for one in found], document, 4 if found and exit_code else 0)


@command(app, "export")
def export(
    shell: Shell,
    references: Annotated[list[str], typer.Argument(help="References, digest prefixes or paths.")],
    file: Annotated[Path, typer.Argument(help="The tar to write, FILE.tar.")],
    lineage: Annotated[
        bool, typer.Option(help="With all that they were made from, and that from.")
    ] = True,
) -> Result:
    """Write artifacts with their lineage and aliases into one tar, for `workspace import`."""
    from eyecli.workspace.archive import check_target, plan_export, write_export

    root = shell.open()
    chosen = [resolve(root, reference) for reference in references]
    planned = plan_export(root, chosen, with_lineage=lineage)
    check_target(file, root, force=shell.force)
    for ref in planned.gone:
        log.warning("%s is gone from the workspace and will not be in the tar", ref)
    for artifact in planned.artifacts:
        if artifact.manifest.kind == "source":
            shell.say(f"{artifact.ref}: the list of its files, not the files themselves")
    refs = [artifact.ref for artifact in planned.artifacts]
    if shell.dry_run:
        return Result(refs, {"file": str(file), "artifacts": refs, "gone": planned.gone})
    write_export(planned, file, force=shell.force)
    size = file.stat().st_size
    shell.say(f"{len(refs)} artifacts, {size} bytes")
    document = {"file": str(file), "bytes": size, "artifacts": refs, "gone": planned.gone}
    return Result([str(file)], document)


@command(app, "import", makes=False, changes=True)
def import_tar(
    shell: Shell,
    file: Annotated[Path, typer.Argument(help="A tar that `workspace export` wrote.")],
) -> Result:
    """Take in the artifacts of a tar, checked; prints those that were asked for at the export."""
    from eyecli.workspace.restore import restore

    arrivals = restore(shell.open(create=not shell.dry_run), file, dry_run=shell.dry_run)
    rows: list[dict[str, Any]] = []
    for arrival in arrivals:
        ref = arrival.artifact.ref if arrival.artifact else None
        state = "new" if arrival.new else "already there"
        shell.say(f"{arrival.entry.ref} -> {ref or '(dry run)'}  {state}")
        for name in arrival.aliases:
            shell.say(f"{name} -> {ref}")
        for name in arrival.kept:
            log.warning("%s stands for another version here and was left so", name)
        rows.append(
            {
                "exported": arrival.entry.ref,
                "ref": ref,
                "digest": arrival.entry.digest,
                "new": arrival.new,
                "asked": arrival.entry.asked,
                "aliases": arrival.aliases,
                "aliases_left": arrival.kept,
            }
        )
    return Result([row["ref"] or row["exported"] for row in rows if row["asked"]], rows)


@command(app, "gc", makes=False, changes=True)
def gc(
    shell: Shell,
    grace: Annotated[str, typer.Option(help="What is younger stays: 90s, 30m, 24h, 7d.")] = "24h",
    keep: Annotated[
        int | None,
        typer.Option(help="Remove old versions too, but keep the newest N of each reference."),
    ] = None,
) -> Result:
    """Remove leftovers of crashes and old runs; with --keep also old versions nothing needs.

    What an alias names, and all that was used to make what stays, is never removed.
    """
    from eyecli.durations import parse_duration
    from eyecli.workspace.gc import collect_garbage

    root = shell.open()
    seconds = parse_duration(grace, "--grace")
    removed, stayed = collect_garbage(root, seconds, keep, dry_run=shell.dry_run)
    rows = [
        {"path": str(waste.path.relative_to(root)), "why": waste.why, "bytes": waste.bytes}
        for waste in removed
    ]
    total = sum(waste.bytes for waste in removed)
    shell.say(f"{total} bytes {'would be ' if shell.dry_run else ''}freed")
    lines = [f"{row['path']}  {row['why']}  {row['bytes']}" for row in rows]
    document = {"removed": rows, "bytes": total, "dry_run": shell.dry_run,
                "stayed": [str(waste.path.relative_to(root)) for waste in stayed]}  # fmt: skip
    return Result(lines, document, 1 if stayed else 0)


@command(app, "rehash", makes=False)
def rehash_folder(
    shell: Shell,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder or archive of raw data; all by default."),
    ] = None,
) -> Result:
    """Hash raw data anew; prints files that changed although their size and time did not."""
    from eyecli.sources.contents import check_place
    from eyecli.sources.tree import base_of, indexed_folders, rehash

    root = shell.open()
    rows: list[dict[str, Any]] = []
    for known in [check_place(folder)] if folder else indexed_folders(root):
        if not known.exists():
            log.warning("%s is gone", known)
            continue
        tree, changed = rehash(root, known)
        shell.say(
            f"{known}: {len(tree)} files, {len(changed)} changed under the same size and time"
        )
        rows.append({"folder": str(known), "files": len(tree), "changed": changed})
    lines = [f"{base_of(Path(row['folder']))}/{path}" for row in rows for path in row["changed"]]
    return Result(lines, rows)
