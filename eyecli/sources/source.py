"""Source artifacts: which files, with which digests, in which layout; fetched by reference."""

from __future__ import annotations

import csv
import hashlib
import io
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from eyecli.errors import DataError, UsageError, suggest
from eyecli.sources.tree import hash_tree
from eyecli.workspace.manifest import canonical
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

FILES = "files.csv"
LAYOUT = "layout.json"
NOT_STATED = "not stated"
# Given a source's file names, says whether they are of a layout.
Recogniser = Callable[[Iterable[str]], bool]


@dataclass(frozen=True)
class Origin:
    """Where the files of a folder were downloaded from.

    Attributes
    ----------
    stage
        The command that did it, such as ``fetch kaggle``.
    facts
        What it says of them, for the manifest: slug or address, version, terms. No credential.
    again
        The words that fetch them again, such as ``("eyecli", "fetch", "kaggle", ...)``.
    """

    stage: str
    facts: Mapping[str, Any]
    again: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A source artifact, read: where its files are and what they must hash to.

    Attributes
    ----------
    folder
        Where the files are.
    layout
        Name of the layout, such as ``eye-crops``.
    digests
        Relative path to sha256, sorted.
    table
        Name of the table, where the user named one; absolute where it is not in the folder.
    columns
        Field to the table's own name of its column, where the user gave them.
    filename
        Pattern of fields in file names, where the user gave one.
    split_column
        Column of the table with a published split, which goes into the index as ``published``.
    again
        How to fetch it again; None where it was not fetched.
    """

    folder: Path
    layout: str
    digests: Mapping[str, str]
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    filename: str = ""
    split_column: str | None = None
    again: str | None = None

    def read(self, path: str) -> bytes:
        """Return the bytes of a file, checked against the digest it was fetched with.

        Raises
        ------
        DataError
            If the file is missing or not what was fetched.
        """
        if path not in self.digests:
            raise DataError(f"{self.folder / path} is not among the files of the source")
        again = self.again or "run the same command again"
        return read_checked(self.folder / path, self.digests[path], again)


def read_checked(path: Path, digest: str, again: str | None = None) -> bytes:
    """Return the bytes of a file, checked against its sha256.

    Raises
    ------
    DataError
        If the file is missing or another; `again` is then what to do.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{path} changed since it was fetched", again)
    return content


def recognise(
    names: Iterable[str], layouts: Mapping[str, tuple[str, Recogniser]], folder: Path
) -> tuple[str, str]:
    """Return (task, layout) of a folder from its file names.

    Raises
    ------
    DataError
        If no layout, or more than one, fits.
    """
    listing = list(names)
    fits = [(task, layout) for layout, (task, fit) in layouts.items() if fit(listing)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise DataError(
            f"{folder}: could be {', '.join(layout for _, layout in fits)}",
            "say which with --layout",
        )
    raise DataError(
        f"{folder}: none of the known layouts ({', '.join(layouts)}); "
        f"{len(listing)} files, such as {listing[0]}",
        "see `eyecli schema`, or say which with --layout; where file names hold the fields: "
        "--layout image-table, then `eyecli preprocess TASK --filename '{subject}_...'`",
    )


def check_folder(folder: Path) -> None:
    """Raise `DataError` if there is no such folder."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name a folder with data in it")


def find_layout(
    names: Iterable[str],
    layouts: Mapping[str, tuple[str, Recogniser]],
    folder: Path,
    layout: str | None = None,
) -> tuple[str, str]:
    """Return (task, layout) of a folder: the layout named, or the one recognised.

    Raises
    ------
    UsageError
        If there is no layout of that name.
    DataError
        If no layout, or more than one, fits.
    """
    if layout and layout not in layouts:
        raise UsageError(f"unknown layout '{layout}'", suggest(layout, layouts))
    return (layouts[layout][0], layout) if layout else recognise(names, layouts, folder)


def fetch_path(
    root: Path,
    folder: Path,
    layouts: Mapping[str, tuple[str, Recogniser]],
    *,
    layout: str | None = None,
    name: str | None = None,
    licence: str = NOT_STATED,
    synthetic: bool = False,
    origin: Origin | None = None,
    force: bool = False,
) -> Outcome:
    """Make a source artifact of a local folder: hashed, not copied.

    Parameters
    ----------
    root
        The workspace.
    folder
        The folder with the data.
    layouts
        Layout name to (task, recogniser).
    layout
        A layout's name, recognised from the file names by default.
    name
        Optional third part of the reference.
    licence
        Licence or terms, recorded and inherited by all that is made of it.
    synthetic
        Whether the data are rendered, not recorded.
    origin
        Where the files were downloaded from, None where they are the user's own.

    Raises
    ------
    DataError, UsageError
        If the folder is missing, empty or of no known layout.
    """
    folder = folder.absolute()
    check_folder(folder)
    tree = hash_tree(root, folder)
    task, layout = find_layout(tree, layouts, folder, layout)
    table = io.StringIO()
    # A carriage return in a name would end the row, were it not quoted.
    writer = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["path", "size", "sha256"])
    writer.writerows([path, state.size, state.sha256] for path, state in tree.items())
    content = table.getvalue().encode()
    params = {"folder": str(folder), "layout": layout, "licence": licence,
              "synthetic": synthetic}  # fmt: skip
    if origin:
        params["origin"] = {**origin.facts, "again": shlex.join(origin.again)}

    def build(staged: Path) -> Built:
        (staged / FILES).write_bytes(content)
        (staged / LAYOUT).write_bytes(canonical({"layout": layout}) + b"\n")
        size = sum(state.size for state in tree.values())
        return Built(
            summary={"files": len(tree), "bytes": size, "layout": layout},
            flags={"synthetic": synthetic},
            licences=[licence],
        )

    digest = hashlib.sha256(content).hexdigest()
    stage = origin.stage if origin else "fetch path"
    work = Work(stage, "source", task, name, params, {"files": (str(folder), digest)})
    return run_stage(root, work, build, force=force)


def open_source(root: Path, artifact: Artifact) -> Source:
    """Read a source artifact and check that its folder still holds what was fetched.

    An unchanged folder costs one walk.

    Raises
    ------
    DataError
        If the folder is gone, or files were changed, added or removed; the first is named.
    """
    folder = Path(artifact.manifest.params["folder"])
    layout = msgspec.json.decode((artifact.path / LAYOUT).read_bytes(), type=dict[str, str])
    with (artifact.path / FILES).open(newline="", encoding="utf-8") as stream:
        digests = {row["path"]: row["sha256"] for row in csv.DictReader(stream)}
    again = f"fetch it again: {_fetch_again(artifact, str(folder))}"
    if artifact.manifest.params["synthetic"]:
        again = f"if it is a sample: remove {folder} and run `eyecli fetch sample` again"
    if not folder.is_dir():
        raise DataError(
            f"{artifact.ref}: its folder {folder} is gone",
            f"fetch it from where it is now: {_fetch_again(artifact, 'FOLDER')}",
        )
    now = {path: state.sha256 for path, state in hash_tree(root, folder).items()}
    changed = sorted(
        path for path in now.keys() | digests.keys() if now.get(path) != digests.get(path)
    )
    if changed:
        raise DataError(
            f"{artifact.ref} no longer matches {folder}: {len(changed)} files changed, "
            f"first {changed[0]}",
            again,
        )
    return Source(folder, layout["layout"], digests, again=again)


def _fetch_again(artifact: Artifact, folder: str) -> str:
    """Return the line that fetches a folder as before."""
    params = artifact.manifest.params
    if "origin" in params:
        return str(params["origin"]["again"])
    words = ["eyecli", "fetch", "path", folder, "--layout", params["layout"]]
    words += ["--name", artifact.manifest.name] if artifact.manifest.name else []
    words += ["--licence", params["licence"]] if params["licence"] != NOT_STATED else []
    return shlex.join(words)
