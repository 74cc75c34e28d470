"""The dataset card: counts, drops, targets and samples, and nobody's name or face."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.data.card import GRID, encode_grid, write_dataset_card
from eyecli.data.prepared import write_table
from eyecli.workspace.manifest import Manifest
from eyecli.workspace.store import Artifact

SUBJECTS = ["zoe"] * 30 + ["max"] * 9 + [""]


def source(synthetic: bool = False) -> Artifact:
    manifest = Manifest(
        schema=1, kind="source", task="gaze", name=None, digest="ab" * 32, files={}, inputs=[],
        stage="fetch path", params={"folder": "/secret/place"}, seed=None, code={}, libraries={},
        started="", ended="", summary={"layout": "a|b", "files": 80},
        flags={"synthetic": synthetic}, licences=["CC BY 4.0"],
    )  # fmt: skip
    return Artifact("source/gaze@v1", Path("/secret/place"), manifest)


def build(folder: Path, synthetic: bool = False, **card: object) -> str:
    """Forty samples of two known people: an image, a face, a vector; write the card."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = np.random.default_rng(0)
    n = len(SUBJECTS)
    write_table(
        folder / "index.csv",
        pd.DataFrame({
            "sample": [f"row{i}" for i in range(n)], "subject": SUBJECTS,
            "grade": [i % 3 for i in range(n)], "target_x": np.arange(n) / 2,
            "iop": rng.normal(15, 3, n), "files": ["00"] * n,
        }),
    )  # fmt: skip
    specs = {
        "eye": ArraySpec((20, 30, 3), "uint8"),
        "face": ArraySpec((16, 16, 3), "uint8"),
        "map": ArraySpec((8, 8, 1), "float32"),
        "boxes": ArraySpec((1, 1, 12), "float32"),
    }
    writer = ArrayWriter(folder / "arrays", specs)
    for i in range(n):
        writer.append({
            "eye": np.full((20, 30, 3), i, np.uint8), "face": np.zeros((16, 16, 3), np.uint8),
            "map": rng.normal(size=(8, 8, 1)).astype(np.float32),
            "boxes": np.zeros((1, 1, 12), np.float32),
        })  # fmt: skip
    writer.close()
    write_dataset_card(folder, "gaze", [source(synthetic)], **card)  # type: ignore[arg-type]
    return (folder / "card.md").read_text()


def test_counts_by_class_and_subject(tmp_path: Path) -> None:
    text = build(tmp_path / "p")
    for line in (
        "- samples: 40", "- subjects: 2", "- samples a subject: 9 to 30, median 19.5",
        "- samples of unknown subjects: 1", "| 0 | 14 | 2 |", "| 1 | 13 | 2 |",
        "| eye | 20 x 30 x 3 | uint8 | 40 |",
        "| source/gaze | a\\|b | 80 | abababababab | CC BY 4.0 |",
    ):  # fmt: skip
        assert line in text.splitlines(), line
    assert text.startswith("# Dataset card") and "SYNTHETIC" not in text


def test_nobody_is_named_and_no_path_is_told(tmp_path: Path) -> None:
    text = build(tmp_path / "p")
    assert not any(word in text for word in ("zoe", "max", "row1", "secret"))


def test_drops_are_listed_with_their_reasons(tmp_path: Path) -> None:
    text = build(tmp_path / "p", dropped={"too dark": 3, "no eye found": 12})
    assert "- 12: no eye found\n- 3: too dark\n" in text
    assert "None. What cannot be read" in build(tmp_path / "p")


def test_faces_are_not_shown(tmp_path: Path) -> None:
    text = build(tmp_path / "p", identifying=["face"])
    pictures = {path.name for path in (tmp_path / "p").glob("*.png")}
    assert pictures == {"card-eye.png", "card-map.png"}
    assert "Not shown in this card: face. These images could show who somebody is" in text
    assert "card-face.png" not in text
    build(tmp_path / "p", synthetic=True, identifying=["face"])
    assert (tmp_path / "p/card-face.png").is_file(), "a rendered face is nobody's"
    assert (tmp_path / "p/card.md").read_text().startswith("**SYNTHETIC DATA**\n")


def test_at_most_24_samples_by_a_fixed_rule(tmp_path: Path) -> None:
    text = build(tmp_path / "p")
    assert f"eye: {GRID} of 40, evenly over the index." in text
    grid = cv2.imread(str(tmp_path / "p/card-eye.png"))
    assert grid is not None and grid.shape == (3 * 20, 8 * 30, 3)
    tiles = grid.reshape(3, 20, 8, 30, 3)[:, 10, :, 15, 0].ravel()
    assert tiles.tolist() == np.linspace(0, 39, 24).astype(int).tolist()


def test_colours_and_sizes_of_a_grid() -> None:
    images = np.zeros((3, 200, 100, 3), np.uint8)
    images[..., 0] = 255
    grid = cv2.imdecode(np.frombuffer(encode_grid(images), np.uint8), cv2.IMREAD_COLOR)
    assert grid is not None and grid.shape == (96, 3 * 48, 3)
    assert grid[50, 20].tolist() == [0, 0, 255], "red, as OpenCV orders it"
    nine = cv2.imdecode(
        np.frombuffer(encode_grid(np.zeros((9, 8, 8, 1), np.float32)), np.uint8), cv2.IMREAD_COLOR
    )
    assert nine is not None and nine.shape == (16, 64, 3) and nine[12, 60].min() == 255


def test_targets_are_summarised_and_drawn(tmp_path: Path) -> None:
    text = build(tmp_path / "p", targets=("target_x", "iop"))
    assert "| target_x | 0 | 0.975 | 9.75 | 18.52 | 19.5 |" in text
    svg = (tmp_path / "p/card-targets.svg").read_text()
    assert ">iop<" in svg and ">target_x<" in svg
    assert not list(tmp_path.glob("q")) and "## Targets" not in build(tmp_path / "q")


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_same_data_make_the_same_bytes(tmp_path: Path, synthetic: bool) -> None:
    for name in ("a", "b"):
        build(tmp_path / name, synthetic, targets=("target_x", "iop"), identifying=["face"])
    files = sorted(path.name for path in (tmp_path / "a").glob("card*"))
    assert len(files) == (5 if synthetic else 4)
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
