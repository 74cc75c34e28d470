"""What a device says of a package: the file that `measure.swift` writes, beside the verdicts.

Apple's `MLComputePlan` names for each operation the device that Core ML would choose. The file
names the model by the sha256 of each of its files, so that no other model's figures are taken.
"""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from eyecli.ane.report import Report
from eyecli.errors import DataError

Device = Literal["neural engine", "gpu", "cpu"]
# On one line, since it goes into reports.
Word = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operation on the device, known by its first output; `cost` is its share of the time."""

    output: str
    device: Device
    function: str = "main"
    part: str = ""
    operator: str = ""
    cost: Amount | None = None


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured, where, of which model.

    Attributes
    ----------
    device, os
        ``MacBookAir10,1`` and ``macOS 15.1``.
    files
        Path in the package to the sha256 of its content, hexadecimal.
    operations
        Those of the compute plan.
    load_seconds, predict_seconds
        Each load and each prediction, in seconds; none where only the plan was asked.
    """

    device: Word
    os: Word
    files: dict[str, str]
    operations: Annotated[list[Operation], msgspec.Meta(min_length=1)]
    load_seconds: list[Amount] = []
    predict_seconds: list[Amount] = []


def read_measured(path: Path) -> Measured:
    """Read what `measure.swift` wrote.

    Raises
    ------
    DataError
        If there is no such file, or it is another one.
    """
    try:
        measured = msgspec.json.decode(path.read_bytes(), type=Measured)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}", "name the file that measure.swift wrote"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no measurement: {error}", "measure again with measure.swift"
        ) from None
    (place, often), *_ = Counter(_place(o) for o in measured.operations).most_common(1)
    if often > 1:
        raise DataError(
            f"{path} has the operation {place[-1]} {often} times",
            "measure again with measure.swift",
        )
    return measured


def file_hashes(package: Path) -> dict[str, str]:
    """Hash each file of a package: path to sha256, hexadecimal."""
    return {
        file.relative_to(package).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(package.rglob("*"))
        if file.is_file()
    }


def require_same(measured: Measured, package: Path, where: str) -> None:
    """Refuse a measurement of another model, or one that says nothing of this one.

    Raises
    ------
    DataError
        Naming a file that differs.
    """
    own = file_hashes(package)
    for name in sorted(own.keys() | measured.files.keys()):
        if own.get(name) != measured.files.get(name):
            raise DataError(
                f"{where} was measured on another model than {package}: {name} differs",
                "measure this package, or check the one that was measured",
            )


def side_by_side(report: Report, measured: Measured) -> dict[str, Any]:
    """Put static verdicts and devices side by side.

    Parameters
    ----------
    report
        The static verdicts.
    measured
        What the device says.

    Returns
    -------
    dict
        ``device``, ``os``, medians of the times in seconds, ``devices`` (device to how many
        operations of the measurement), ``confusion`` (static status to device to how many
        operations), ``operations`` (part, function, name, static status, device, and whether they
        differ) and ``unmatched``: how many operations only one side knows, as where Core ML fused
        some.

    Raises
    ------
    DataError
        If the measurement knows none of the operations.
    """
    devices = {_place(o): o for o in measured.operations}
    confusion: dict[str, dict[str, int]] = {}
    rows = []
    for graph in report.graphs:
        for verdict in graph.verdicts:
            found = devices.pop((graph.part, graph.function, verdict.output), None)
            if found:
                counts = confusion.setdefault(verdict.status, {})
                counts[found.device] = counts.get(found.device, 0) + 1
            rows.append(
                {
                    "part": graph.part,
                    "function": graph.function,
                    "name": verdict.name,
                    "static": verdict.status,
                    "device": found.device if found else None,
                    "differs": found is not None and _differ(verdict.status, found.device),
                }
            )
    if not confusion:
        raise DataError(
            f"the measurement on {measured.device} knows no operation of this package",
            "measure again with measure.swift",
        )
    return {
        "device": measured.device,
        "os": measured.os,
        "load_seconds": _median(measured.load_seconds),
        "predict_seconds": _median(measured.predict_seconds),
        "devices": dict(Counter(o.device for o in measured.operations)),
        "confusion": confusion,
        "unmatched": len(devices) + sum(row["device"] is None for row in rows),
        "operations": rows,
    }


def _place(operation: Operation) -> tuple[str, str, str]:
    return operation.part, operation.function, operation.output


def _differ(status: str, device: Device) -> bool:
    """Say whether a device does what a verdict excludes; conditional and unknown exclude none."""
    return status == ("ineligible" if device == "neural engine" else "eligible")


def elsewhere(measured: Measured) -> bool:
    """Say whether an operation was measured off the Neural Engine."""
    return any(operation.device != "neural engine" for operation in measured.operations)


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
