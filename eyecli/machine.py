"""What a machine gives a workspace: file system, disk, cores, memory, and how they behave."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

Status = Literal["ok", "warn", "fail"]
GIB = 2**30
ESCAPED = re.compile(rb"\\([0-7]{3})")
LITTLE_SPACE = 5 * GIB
FEW_INODES = 50_000
LITTLE_MEMORY = 4 * GIB
# A file's time and the clock may differ by what a coarse file system rounds.
SKEW = 3.0
# Where what is written does not stay.
FLEETING = {
    "tmpfs": "memory: gone after a restart, and counts as memory",
    "ramfs": "memory: gone after a restart, and counts as memory",
    "overlay": "a container's own layer: gone with the container",
    "squashfs": "an image that cannot be written",
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    status
        ``ok``, ``warn`` (something will not work, or slowly) or ``fail`` (nothing will).
    name, found
        What was checked, and what is there.
    fix
        A command to type or a thing to do, where there is a problem.
    """

    status: Status
    name: str
    found: str
    fix: str | None = None


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    folder = folder.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return folder


def mount_of(folder: Path, mounts: bytes) -> tuple[str, str, str]:
    r"""Return (mount point, type, options) of the file system that holds a folder.

    Parameters
    ----------
    folder
        An absolute path without links.
    mounts
        Content of ``/proc/mounts``: device, mount point, type, options; blanks as ``\040``.
    """
    found = ("/", "unknown", "")
    for line in mounts.split(b"\n"):
        if not line:
            continue
        _, point, kind, options, *_ = line.split(b" ")
        place = os.fsdecode(ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), point))
        if folder.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind.decode(), options.decode(errors="replace"))
    return found


def check_file_system(workspace: Path) -> Iterator[Finding]:
    """Check type, space and behaviour of the file system on which the workspace is, or would be."""
    folder = existing(workspace).resolve()
    mounts = Path("/proc/mounts")
    if mounts.is_file():
        point, kind, options = mount_of(folder, mounts.read_bytes())
        found, elsewhere = f"{kind} on {point}", "name a --workspace on a disk"
        if "ro" in options.split(","):
            yield Finding("warn", "file system", f"{found}, mounted read-only", elsewhere)
        elif kind in FLEETING:
            yield Finding("warn", "file system", f"{found}: {FLEETING[kind]}", elsewhere)
        else:
            yield Finding("ok", "file system", found)
    yield from _check_space(folder)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield Finding(
            "warn", "workspace", f"{folder} is mounted read-only: only reading will work",
            "mount it for writing, or name another --workspace",
        )  # fmt: skip
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            "warn", "workspace", f"no permission to write in {folder}: only reading will work",
            f"chmod u+wx '{folder}', or name another --workspace",
        )  # fmt: skip
        return
    try:
        with TemporaryDirectory(prefix=".eyecli-doctor-", dir=folder) as temporary:
            yield from _check_behaviour(Path(temporary))
    except OSError as error:
        yield Finding(
            "fail", "workspace", f"{folder}: {error.strerror}", "name another --workspace"
        )


def _check_space(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    status: Status = "ok" if free >= LITTLE_SPACE else "warn" if free >= 2**20 else "fail"
    fix = None if status == "ok" else "free some space, or name another --workspace"
    yield Finding(status, "disk space", f"{free / GIB:.1f} GiB free at {folder}", fix)
    usage = os.statvfs(folder)
    if usage.f_files:
        few = usage.f_favail < FEW_INODES
        fix = "delete small files, or name another --workspace" if few else None
        found = f"{usage.f_favail} files can be made"
        yield Finding("warn" if few else "ok", "inodes", found, fix)


def _check_behaviour(folder: Path) -> Iterator[Finding]:
    """Try what publishing an artifact relies on."""
    elsewhere = "name a --workspace on another file system"
    for name in ("new", "old"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    try:
        (folder / "new").rename(folder / "old")
        yield Finding("fail", "rename", "replaces a folder that has entries", elsewhere)
    except OSError:
        yield Finding("ok", "rename", "never replaces a folder that has entries")
    try:
        (folder / "link").hardlink_to(folder / "old/file")
        yield Finding("ok", "hard links", "work")
    except OSError as error:
        yield Finding("fail", "hard links", f"refused: {error.strerror}", elsewhere)
    try:
        for path in (folder / "old/file", folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        yield Finding("ok", "fsync", "works for files and folders")
    except OSError as error:
        found = f"refused: {error.strerror}; a power cut may lose artifacts"
        yield Finding("warn", "fsync", found, elsewhere)
    (folder / "clock").write_text("x")
    skew = (folder / "clock").stat().st_mtime - time.time()
    if abs(skew) > SKEW:
        found = f"the file server's is {skew:+.0f} s from this machine's"
        yield Finding("warn", "clock", found, "let both follow a time server (chronyc makestep)")
    else:
        yield Finding("ok", "clock", "file times agree with it")
    if (folder / "CLOCK").exists():
        found = "names that differ only in upper and lower case are one file"
        yield Finding("warn", "case", found, "keep such names apart, or name another --workspace")
    else:
        yield Finding("ok", "case", "upper and lower case are told apart")


def check_resources(root: Path = Path("/")) -> Iterator[Finding]:
    """Check cores and memory, and what the container or job may use of them.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are mounted.
    """
    cores, quota = _cores(), cpu_limit(root)
    if quota and quota < cores:
        whole = max(1, int(quota))
        fix = f"export OMP_NUM_THREADS={whole} TF_NUM_INTRAOP_THREADS={whole}"
        found = f"{quota:g} of {cores} by the limit of the control group"
        yield Finding("warn", "cores", found, fix)
    else:
        yield Finding("ok", "cores", f"{cores} of {os.cpu_count()}")
    memory, limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), memory_limit(root)
    usable = min(memory, limit or memory)
    found = f"{usable / GIB:.1f} GiB"
    if usable < memory:
        found += f" of {memory / GIB:.1f} by the limit of the control group"
    little = usable < LITTLE_MEMORY
    more = "ask for more (sbatch --mem=8G), or a smaller --batch-size" if little else None
    yield Finding("warn" if little else "ok", "memory", found, more)


def usable_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use, at least 1."""
    cores = _cores()
    return max(1, int(min(cores, cpu_limit(root) or cores)))


def _cores() -> int:
    return len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0))


def _limits(root: Path, controller: str, file_v2: str, file_v1: str) -> Iterator[str]:
    """Yield the text of a limit at every level of this process's control groups, v2 and v1."""
    listing = root / "proc/self/cgroup"
    if not listing.is_file():
        return
    for line in listing.read_text().splitlines():
        _, names, group = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top, name = root / "sys/fs/cgroup", file_v2
        if names:
            top, name = top / controller, file_v1
        # In a container the path may be that of the host; its own limits are then at the top.
        here = top / group.strip("/")
        for level in (here, *here.parents):
            if level.is_relative_to(top) and (level / name).is_file():
                yield (level / name).read_text().strip()


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the lowest memory limit of this process's control groups in bytes, if any."""
    texts = _limits(root, "memory", "memory.max", "memory.limit_in_bytes")
    # Without a limit v1 has the largest number of pages.
    return min((int(t) for t in texts if t.isdigit() and int(t) < 2**60), default=None)


def cpu_limit(root: Path = Path("/")) -> float | None:
    """Return the lowest limit of this process's control groups in cores, if any."""
    found = []
    for text in _limits(root, "cpu", "cpu.max", "cpu.cfs_quota_us"):
        quota, _, period = text.partition(" ")
        # v1 has the period in a file of its own, 100 ms unless somebody changed it.
        if quota.isdigit():
            found.append(int(quota) / int(period or 100_000))
    return min(found, default=None)
