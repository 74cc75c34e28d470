"""Source artifacts: which files, with which digests, in which layout; fetched by reference."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from eyecli.errors import DataError
from eyecli.sources.contents import Packed, check_place, copy_it, hash_contents, read_packed
from eyecli.sources.layouts import Layouts, find_layout
from eyecli.workspace.manifest import canonical
from eyecli.workspace.memo import Work
from eyecli.workspace.stage import Built, Outcome, run_stage
from eyecli.workspace.store import Artifact

log = logging.getLogger(__name__)

FILES = "files.csv"
LAYOUT = "layout.json"
NOT_STATED = "not stated"


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
        Where the files are; it may be an archive.
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
    packed
        How the files lie in archives; None where they do not.
    """

    folder: Path
    layout: str
    digests: Mapping[str, str]
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    filename: str = ""
    split_column: str | None = None
    again: str | None = None
    packed: Packed | None = None

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
        content = read_packed(self.folder, self.packed, path) if self.packed else None
        if content is None:
            return read_checked(self.folder / path, self.digests[path], again)
        return _checked(content, self.folder / path, self.digests[path], again)

    def path(self, path: str) -> Path:
        """Return where a file is on disk, for those that cannot take its bytes.

        Raises
        ------
        DataError
            If the files lie in an archive.
        """
        if self.packed:
            raise DataError(
                f"{self.folder / path} is opened on disk, not in an archive", copy_it(self.folder)
            )
        return self.folder / path


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
    return _checked(content, path, digest, again)


def _checked(content: bytes, path: Path, digest: str, again: str | None) -> bytes:
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{path} changed since it was fetched", again)
    return content


def fetch_path(
    root: Path,
    folder: Path,
    layouts: Layouts,
    *,
    layout: str | None = None,
    name: str | None = None,
    licence: str = NOT_STATED,
    synthetic: bool = False,
    origin: Origin | None = None,
    copy_of: Path | None = None,
    force: bool = False,
) -> Outcome:
    """Make a source artifact of a local folder or archive: hashed, not copied.

    Parameters
    ----------
    root
        The workspace.
    folder
        The folder with the data, or an archive, or a part of one.
    layouts
        Layout name to (task, layout).
    layout
        A layout's name, recognised from the files by default.
    name
        Optional third part of the reference.
    licence
        Licence or terms, recorded and inherited by all that is made of it.
    synthetic
        Whether the data are rendered, not recorded.
    origin
        Where the files were downloaded from, None where they are the user's own.
    copy_of
        What the folder is a copy of, if it is one.

    Raises
    ------
    DataError, UsageError
        If the folder is missing, empty or of no known layout, or an archive cannot be read.
    """
    folder = check_place(folder)
    found = find_layout(folder, layouts, root, layout)
    if found.unused:
        log.warning(
            "%d files are not part of layout %s, such as %s",
            len(found.unused), found.layout, found.unused[0],
        )  # fmt: skip
    files, _ = hash_contents(root, folder, found.depth)
    table = io.StringIO()
    # A carriage return in a name would end the row, were it not quoted.
    writer = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["path", "size", "sha256"])
    writer.writerows([path, entry.size, entry.sha256] for path, entry in files.items())
    content = table.getvalue().encode()
    params = {"folder": str(folder), "layout": found.layout, "licence": licence,
              "synthetic": synthetic}  # fmt: skip
    if found.depth:
        params["packed"] = found.depth
    if copy_of:
        params["copy_of"] = str(copy_of)
    if origin:
        params["origin"] = {**origin.facts, "again": shlex.join(origin.again)}

    def build(staged: Path) -> Built:
        (staged / FILES).write_bytes(content)
        (staged / LAYOUT).write_bytes(canonical({"layout": found.layout}) + b"\n")
        size = sum(entry.size for entry in files.values())
        return Built(
            summary={"files": len(files), "bytes": size, "layout": found.layout},
            flags={"synthetic": synthetic},
            licences=[licence],
        )

    digest = hashlib.sha256(content).hexdigest()
    stage = origin.stage if origin else "fetch path"
    work = Work(stage, "source", found.task, name, params, {"files": (str(folder), digest)})
    return run_stage(root, work, build, force=force)


def open_source(root: Path, artifact: Artifact) -> Source:
    """Read a source artifact and check that its folder still holds what was fetched.

    An unchanged folder costs one walk, an unchanged archive a look at its list.

    Raises
    ------
    DataError
        If the folder is gone, or files were changed, added or removed; the first is named.
    """
    params = artifact.manifest.params
    folder = Path(params["folder"])
    layout = msgspec.json.decode((artifact.path / LAYOUT).read_bytes(), type=dict[str, str])
    with (artifact.path / FILES).open(newline="", encoding="utf-8") as stream:
        digests = {row["path"]: row["sha256"] for row in csv.DictReader(stream)}
    again = f"fetch it again: {_fetch_again(artifact, str(folder))}"
    if params["synthetic"]:
        again = f"if it is a sample: remove {folder} and run `eyecli fetch sample` again"
    if "copy_of" in params:
        again = f"remove {folder}, then {again}"
    if not folder.exists():
        raise DataError(
            f"{artifact.ref}: its folder {folder} is gone",
            f"fetch it from where it is now: {_fetch_again(artifact, 'FOLDER')}",
        )
    files, packed = hash_contents(root, folder, params.get("packed", 0))
    now = {path: entry.sha256 for path, entry in files.items()}
    changed = sorted(
        path for path in now.keys() | digests.keys() if now.get(path) != digests.get(path)
    )
    if changed:
        raise DataError(
            f"{artifact.ref} no longer matches {folder}: {len(changed)} files changed, "
            f"first {changed[0]}",
            again,
        )
    return Source(folder, layout["layout"], digests, again=again, packed=packed)


def _fetch_again(artifact: Artifact, folder: str) -> str:
    """Return the line that fetches a folder as before."""
    params = artifact.manifest.params
    if "origin" in params:
        return str(params["origin"]["again"])
    words = ["eyecli", "fetch", "path", params.get("copy_of", folder), "--layout", params["layout"]]
    words += ["--copy"] if "copy_of" in params else []
    words += ["--name", artifact.manifest.name] if artifact.manifest.name else []
    words += ["--licence", params["licence"]] if params["licence"] != NOT_STATED else []
    return shlex.join(words)
