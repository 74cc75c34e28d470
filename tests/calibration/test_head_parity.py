"""The Core ML model of a head against the head, on the user's own samples."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simulated_users as sim

from eyecli.calibration import parity
from eyecli.calibration.parity import check_parity
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.coreml.heads.forms import Kind
from eyecli.coreml.heads.template import write_head
from eyecli.coreml.package import read
from eyecli.errors import CheckError
from eyecli.mlprogram import WEIGHT_FILE, blobs

KINDS: tuple[Kind, ...] = ("affine", "ridge", "quadratic", "rbf", "mlp")


def person(seed: int = 3, scale: float = 1.0) -> Samples:
    rng = np.random.default_rng(seed)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1.5, 0.05), sim.grid())
    return replace(samples, embedding=samples.embedding * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_every_kind_is_exact_enough(tmp_path: Path, kind: Kind, scale: float) -> None:
    samples = person(scale=scale)
    selection = select(samples, kind)
    path = write_head(tmp_path / "head.mlpackage", selection.head)
    proven: set[parity.Template] = set()
    first = check_parity(path, samples, selection, proven)
    again = check_parity(path, samples, selection, proven)
    assert (first["by"], again["by"], len(proven)) == ("interpreter", "emulation", 1)
    assert 0 < first["mean"] <= first["max"] < 0.02 == first["tolerance"]
    # The order of the sums is free: one unit in the last place of 8 to 16 cm.
    assert again["max"] == pytest.approx(first["max"], abs=2**-7)
    assert first["samples"] == min(32, len(selection.points.kept))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_judged_by_the_size_of_the_screen(tmp_path: Path, kind: Kind) -> None:
    samples = person()
    scaled = {n: 100 * getattr(samples, n) + (1500.0, 900.0) for n in ("base", "target")}
    samples = replace(samples, unit="px", **scaled)
    selection = select(samples, kind)
    path = write_head(tmp_path / "head.mlpackage", selection.head)
    found = check_parity(path, samples, selection, set())
    assert found["tolerance"] == pytest.approx(0.002 * np.hypot(1600, 1120))
    assert 0.02 < found["max"] < found["tolerance"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_weight_is_refused(tmp_path: Path, kind: Kind) -> None:
    """A weight of the last blob, in weight.bin alone: no emulation would see it."""
    samples = person()
    selection = select(samples, kind)
    path = write_head(tmp_path / "head.mlpackage", selection.head)
    check_parity(path, samples, selection, set())
    file = path / "Data" / WEIGHT_FILE
    content = bytearray(file.read_bytes())
    (block,) = read(path).mlProgram.functions["main"].block_specializations.values()
    start = max(value.blobFileValue.offset for value in blobs(block)) + 64
    (value,) = struct.unpack_from("<e", content, start)
    struct.pack_into("<e", content, start, value + 0.25)
    file.write_bytes(content)
    with pytest.raises(CheckError, match=r"differs by .* cm in half precision, allowed is 0\.02"):
        check_parity(path, samples, selection, set())


def test_other_heads_of_a_proven_template_are_refused_all_the_same(tmp_path: Path) -> None:
    samples = person()
    selection = select(samples, "mlp")
    path = write_head(tmp_path / "head.mlpackage", selection.head)
    proven: set[parity.Template] = set()
    check_parity(path, samples, selection, proven)
    weight = selection.head.weight.copy()
    weight[:, 2:] *= np.where(np.arange(weight.shape[1] - 2) % 2, 3000, -3000)
    wild = replace(selection, head=replace(selection.head, weight=weight))
    with pytest.raises(CheckError, match="in half precision"):
        check_parity(path, samples, wild, proven)
