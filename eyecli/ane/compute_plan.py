"""Apple's own answer, on macOS 14.4 or later: `MLComputePlan` through coremltools.

No test reaches this on Linux; what it gives is a `Measured` like one from a file.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eyecli.ane.measured import Device, Measured, Operation, file_hashes

_DEVICES: dict[str, Device] = {
    "MLNeuralEngineComputeDevice": "neural engine",
    "MLGPUComputeDevice": "gpu",
    "MLCPUComputeDevice": "cpu",
}


def available() -> bool:
    """Say whether this is macOS 14.4 or later."""
    if sys.platform != "darwin":
        return False
    major, minor = (*map(int, platform.mac_ver()[0].split(".")[:2]), 0)[:2]
    return (major, minor) >= (14, 4)


def ask(package: Path) -> Measured:
    """Ask Core ML on this Mac where it would run each operation.

    Parameters
    ----------
    package
        The ``.mlpackage`` folder.
    """
    from eyecli.lazy import coremltools

    coremltools()
    from coremltools.models.compute_plan import MLComputePlan
    from coremltools.models.utils import compile_model

    plan = MLComputePlan.load_from_path(str(compile_model(str(package))))
    return Measured(
        device=platform.node() or "Mac",
        os=f"macOS {platform.mac_ver()[0]}",
        files=file_hashes(package),
        operations=list(operations(plan, plan.model_structure)),
    )


def operations(plan: Any, structure: Any, part: str = "") -> Iterator[Operation]:
    """Walk a compute plan: yield every operation that has a device.

    Parameters
    ----------
    plan
        The `MLComputePlan`.
    structure
        Its model structure, or that of a part.
    part
        Name of the part.
    """
    if structure.pipeline is not None:
        for n, (_, inner) in enumerate(structure.pipeline.sub_models):
            yield from operations(plan, inner, str(n))
    if structure.program is None:
        return
    for name, function in structure.program.functions.items():
        waiting = [function.block]
        while waiting:
            for op in waiting.pop().operations:
                waiting.extend(op.blocks)
                usage = plan.get_compute_device_usage_for_mlprogram_operation(op)
                if usage is None or not op.outputs:
                    continue
                cost = plan.get_estimated_cost_for_mlprogram_operation(op)
                yield Operation(
                    output=op.outputs[0].name,
                    device=_DEVICES[type(usage.preferred_compute_device).__name__],
                    function=name,
                    part=part,
                    operator=op.operator_name,
                    cost=cost.weight if cost else None,
                )
