"""What is said of file systems, limits and space, on trees and folders made for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli import machine
from eyecli.machine import (
    Finding,
    check_file_system,
    check_resources,
    cpu_limit,
    existing,
    memory_limit,
    mount_of,
    usable_cores,
)

MOUNTS = rb"""/dev/sda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
scratch@o2ib:/s /home/with\040blank lustre rw,flock 0 0
/dev/sr0 /home/cd iso9660 ro 0 0
tmpfs /home/cd/caf\303\251 tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/", "ext4"), ("/homes", "ext4"), ("/home/eve/x", "nfs4"), ("/home/with blank/y", "lustre"),
     ("/home/with", "nfs4"), ("/home/cd", "iso9660"), ("/home/cd/café/x", "tmpfs")],
)  # fmt: skip
def test_the_deepest_mount_counts(folder: str, kind: str) -> None:
    assert mount_of(Path(folder), MOUNTS)[1] == kind


def test_a_later_mount_hides_an_earlier_one() -> None:
    assert mount_of(Path("/home"), MOUNTS + b"none /home overlay rw 0 0\n")[1] == "overlay"


def found(findings: list[Finding], name: str) -> Finding:
    """Return the one finding of a name."""
    (one,) = [finding for finding in findings if finding.name == name]
    return one


def test_a_folder_of_this_machine_does_what_publishing_needs(tmp_path: Path) -> None:
    findings = list(check_file_system(tmp_path / "not/there/yet"))
    assert existing(tmp_path / "not/there/yet") == tmp_path
    for name in ("rename", "hard links", "fsync", "clock", "case"):
        assert found(findings, name).status == "ok", name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "status"), [(100 * 2**30, "ok"), (2**30, "warn"), (2**10, "fail")]
)
def test_little_space_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    finding = found(list(check_file_system(tmp_path)), "disk space")
    assert (finding.status, finding.fix is None) == (status, status == "ok")


def test_a_clock_that_is_not_the_servers_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = machine.time.time()
    monkeypatch.setattr(machine.time, "time", lambda: now + 3600)
    finding = found(list(check_file_system(tmp_path)), "clock")
    assert finding.status == "warn" and "-3600 s" in finding.found


def test_links_and_renames_that_do_not_work_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr(Path, "rename", lambda *_: None)
    findings = list(check_file_system(tmp_path))
    for name in ("hard links", "rename"):
        finding = found(findings, name)
        assert finding.status == "fail" and finding.fix


def control_groups(root: Path, listing: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(listing)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("listing", "files", "cores", "memory"),
    [
        ("0::/slurm/job\n", {"slurm/job/cpu.max": "max 100000", "slurm/cpu.max": "150000 100000",
                             "slurm/job/memory.max": "max", "memory.max": str(2**31)}, 1.5, 2**31),
        ("0::/host/path\n", {"cpu.max": "50000 50000", "memory.max": "max"}, 1.0, None),
        ("5:memory:/a\n4:cpu,cpuacct:/a\n", {"memory/a/memory.limit_in_bytes": str(2**30),
                                             "cpu/a/cpu.cfs_quota_us": "200000"}, 2.0, 2**30),
        ("5:memory:/\n4:cpu:/\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096),
                                   "cpu/cpu.cfs_quota_us": "-1"}, None, None),
    ],
)  # fmt: skip
def test_limits_of_control_groups_are_found(
    tmp_path: Path, listing: str, files: dict[str, str], cores: float, memory: int
) -> None:
    root = control_groups(tmp_path, listing, files)
    assert (cpu_limit(root), memory_limit(root)) == (cores, memory)


def test_a_limit_is_said_with_its_fix(tmp_path: Path) -> None:
    files = {"cpu.max": "50000 100000", "memory.max": str(2**30)}
    findings = list(check_resources(control_groups(tmp_path, "0::/\n", files)))
    assert usable_cores(tmp_path) == 1 <= usable_cores(tmp_path / "no-proc")
    assert "OMP_NUM_THREADS=1" in str(found(findings, "cores").fix)
    assert found(findings, "memory").found.startswith("1.0 GiB of ")
    assert found(findings, "memory").status == "warn"
    assert [f.status for f in check_resources(tmp_path / "no-proc")] == ["ok", "ok"]


@given(st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1))
def test_mount_points_are_read_as_the_kernel_writes_them(name: str) -> None:
    if name in (".", ".."):
        return
    raw = name.encode()
    spelt = b"".join(b"\\%03o" % b if b in b" \t\n\\#" else bytes([b]) for b in raw)
    text = b"none /mnt/%b xfs rw 0 0\n" % spelt
    assert mount_of(Path("/mnt", name, "x"), text)[1] == "xfs"


def test_a_read_only_mount_is_not_blamed_on_permissions(tmp_path: Path) -> None:
    """In a mount namespace of its own: nothing else sees the mount."""
    code = (
        "import sys; from pathlib import Path; from eyecli.machine import check_file_system; "
        "print(*[f'{f.found} / {f.fix}' for f in check_file_system(Path(sys.argv[1]))], sep='\\n')"
    )
    script = 'mount -t tmpfs -o ro none "$1" && exec "$2" -c "$3" "$1"'
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    if not shutil.which("unshare") or subprocess.run([*words[:3], "true"]).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run([*words, tmp_path, sys.executable, code], capture_output=True, text=True)
    assert f"{tmp_path} is mounted read-only: only reading will work" in done.stdout, done.stderr
    assert "chmod" not in done.stdout
