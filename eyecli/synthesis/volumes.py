"""A sample of OCT volumes of the optic nerve head under known pressures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eyecli.synthesis.samples import begin, smooth_noise, write_table

# Slow scan, fast scan, depth.
SHAPE = (32, 32, 64)
IOP_MMHG, ICP_MMHG = (8.0, 40.0), (0.0, 30.0)
EYES = ("OD", "OS")


def write_volumes(folder: Path, subjects: int, scans: int, seed: int) -> None:
    """Write volumes in which the cup is the deeper, the more the pressures differ.

    A phantom, not anatomy: a surface with a cup, and a lamina below it that bows by 0.3 voxel a
    mmHg of intraocular minus intracranial pressure, from where each eye has it at rest. Writes
    ``volumes/*.npy`` (32, 32, 64; slow, fast, depth; uint8) and ``table.csv``.

    Parameters
    ----------
    folder
        Where to write; new or empty.
    subjects, scans
        Animals, and pressure settings of each; the eye alternates.
    seed
        Start of all random streams.

    Raises
    ------
    UsageError
        If a number is out of range.
    DataError
        If the folder already holds something.
    """
    begin(folder, {"subjects": subjects, "scans": scans}, seed, __name__)
    (folder / "volumes").mkdir()
    rows = []
    for subject in range(1, subjects + 1):
        rng = np.random.default_rng([seed, subject])
        look = {
            "rest": rng.normal(0, 1.5), "width": rng.uniform(0.3, 0.45),
            "gain": rng.uniform(0.8, 1.1),
        }  # fmt: skip
        for scan in range(1, scans + 1):
            iop, icp = (round(rng.uniform(*span), 1) for span in (IOP_MMHG, ICP_MMHG))
            path = f"volumes/m{subject:02d}_{scan:03d}.npy"
            np.save(folder / path, _volume(0.3 * (iop - icp) + look["rest"], look, rng))
            rows.append((path, f"m{subject:02d}", EYES[scan % 2], iop, icp))
    columns = ("path", "subject", "laterality", "iop_mmhg", "icp_mmhg")
    write_table(folder / "table.csv", columns, rows)


def _volume(bow: float, look: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Draw a volume whose cup and lamina are `bow` voxels deeper than at rest."""
    slow, fast = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE[:2]), indexing="ij")
    shift = rng.normal(0, 0.04, 2)
    dip = np.exp(-((slow - shift[0]) ** 2 + (fast - shift[1]) ** 2) / look["width"] ** 2)
    surface = 16 + rng.uniform(-1, 1) + rng.uniform(-3, 3) * fast + (10 + 0.6 * bow) * dip
    lamina = 40 + rng.uniform(-1, 1) + bow * dip
    depth = np.arange(SHAPE[2])
    inside = depth - surface[..., None]
    tissue = np.where(inside >= 0, 0.7 * np.exp(-np.maximum(inside, 0) / 18), 0.05)
    band = 0.5 * np.exp(-(((depth - lamina[..., None]) / 2.5) ** 2)) * dip[..., None]
    texture = 1 + 0.15 * smooth_noise(rng, SHAPE, 1.5)
    values = look["gain"] * (tissue + band) * texture * rng.gamma(8, 1 / 8, SHAPE)
    return np.asarray((255 * np.clip(values, 0, 1)).astype(np.uint8))
