"""The stored head: exact, the same bytes twice, every damage named, another model refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulated_users as sim

from eyecli.calibration.head import StoredHead, apply_head, load_head, save_head
from eyecli.calibration.samples import Samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import judge
from eyecli.coreml.heads.forms import Kind
from eyecli.errors import DataError

MODEL = "0123456789abcdef0123"


def poor_base() -> Samples:
    """Samples that end in a ridge, so that every part of a head is used."""
    rng = np.random.default_rng(1)
    samples = sim.calibration(rng, sim.network(rng), sim.user(rng, 1, 0.05), sim.anywhere(rng, 60))
    base = np.repeat(rng.normal(0, 5, (60, 2)), sim.FRAMES, axis=0)
    return replace(samples, base=base, model=MODEL, user="eve")


def store(folder: Path, samples: Samples) -> StoredHead:
    selection = select(samples)
    return save_head(folder, samples, selection, judge(selection))


def test_a_head_is_read_back_exactly(tmp_path: Path) -> None:
    samples = poor_base()
    saved = store(tmp_path, samples)
    loaded = load_head(tmp_path, MODEL)
    assert loaded.info == saved.info
    np.testing.assert_array_equal(loaded.head.weight, saved.head.weight)
    np.testing.assert_array_equal(loaded.head.bias, saved.head.bias)
    assert (loaded.head.kind, loaded.head.alpha) == ("ridge", saved.head.alpha)
    info = loaded.info
    assert (info["user"], info["unit"], info["model"]) == ("eve", "cm", MODEL)
    assert (info["dims"], info["points"]) == (sim.DIMS, 60)
    assert info["inputs"] == ["base", "embedding"]
    assert info["verdict"]["verdict"] in ("accept", "repeat")
    assert [row["kind"] for row in info["lopo"]] == ["identity", "bias", "affine", "ridge"]
    assert info["after"] < info["before"]


@pytest.mark.parametrize("kind", ["quadratic", "rbf", "mlp"])
def test_a_head_of_every_kind_is_read_back_exactly(tmp_path: Path, kind: Kind) -> None:
    samples = poor_base()
    selection = select(samples, kind)
    save_head(tmp_path, samples, selection, judge(selection))
    loaded = load_head(tmp_path, MODEL)
    assert (loaded.head.kind, loaded.info["dims"]) == (kind, sim.DIMS)
    assert loaded.info["inputs"] == (["base"] if kind == "quadratic" else ["base", "embedding"])
    assert [row["kind"] for row in loaded.info["lopo"]][-1] == kind
    rng = np.random.default_rng(0)
    base, embedding = rng.normal(size=(5, 2)), rng.normal(size=(5, sim.DIMS))
    expected = apply_head(selection.head, base, embedding)
    np.testing.assert_array_equal(apply_head(loaded.head, base, embedding), expected)
    with pytest.raises(DataError, match="do not fit"):
        apply_head(loaded.head, base, embedding[:, 1:])
    arrays = dict(np.load(tmp_path / "head.npz"))
    for name, values in arrays.items():
        np.savez(tmp_path / "head.npz", **arrays | {name: values[:-1]})
        with pytest.raises(DataError, match=r"head\.npz: \w+ is float64"):
            load_head(tmp_path)
        np.savez(tmp_path / "head.npz", **{n: a for n, a in arrays.items() if n != name})
        with pytest.raises(DataError, match=f"no sound arrays .*{name}"):
            load_head(tmp_path)
    if "scale" in arrays:
        np.savez(tmp_path / "head.npz", **arrays | {"scale": 0 * arrays["scale"]})
        with pytest.raises(DataError, match="scale has values that are not positive"):
            load_head(tmp_path)


def test_a_head_of_format_1_is_still_read() -> None:
    """Written by the version before other kinds came."""
    stored = load_head(Path(__file__).parent / "head_format_1", MODEL)
    assert (stored.info["format"], stored.head.kind, stored.head.alpha) == (1, "ridge", 0.01)
    gaze = apply_head(stored.head, [[1, 2], [3, 4]], np.arange(8).reshape(2, 4))
    expected = [[-19.73345907, -2.97216832], [-22.73219496, 28.69998469]]
    np.testing.assert_allclose(gaze, expected, rtol=1e-8)


def test_the_same_head_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store(tmp_path / name, poor_base())
    for name in ("head.json", "head.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_rejected_calibration_is_stored_without_nan(tmp_path: Path) -> None:
    samples = poor_base()
    info = store(tmp_path, replace(samples, quality=np.zeros(len(samples)))).info
    assert load_head(tmp_path).info == info
    assert (info["verdict"]["verdict"], info["inputs"]) == ("reject", ["base"])
    assert info["before"] is None


def test_a_head_of_another_model_is_refused(tmp_path: Path) -> None:
    store(tmp_path, poor_base())
    with pytest.raises(DataError) as caught:
        load_head(tmp_path, "f" * 20)
    assert MODEL[:12] in caught.value.message and "f" * 12 in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, "not a head of format 2"),
        ({"kind": "forest"}, "kind is 'forest'"),
        ({"unit": "mm"}, "unit is 'mm'"),
        ({"dims": 3}, r"weight is float64 \(2, 66\), needed: float64 \(2, 5\)"),
        ({"dims": "64"}, "the field 'dims'"),
        ({"verdict": None}, "the field 'verdict'"),
    ],
)
def test_a_changed_description_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    info = store(tmp_path, poor_base()).info
    (tmp_path / "head.json").write_text(json.dumps(info | change))
    with pytest.raises(DataError, match=message):
        load_head(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"weight": np.zeros((2, 66))}, "no sound arrays"),
        ({"weight": np.zeros((2, 66)), "bias": np.zeros(3)}, r"bias is float64 \(3,\)"),
        ({"weight": np.full((2, 66), np.nan), "bias": np.zeros(2)}, "weight has values"),
        ({"weight": np.zeros((2, 66), complex), "bias": np.zeros(2)}, "weight is complex128"),
        ({"weight": np.array([None]), "bias": np.zeros(2)}, "no sound arrays"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    store(tmp_path, poor_base())
    np.savez(tmp_path / "head.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_head(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    store(tmp_path, poor_base())
    whole = (tmp_path / "head.npz").read_bytes()
    for content in (b"", b"text", whole[:100]):
        (tmp_path / "head.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"head\.npz: no sound arrays"):
            load_head(tmp_path)
    (tmp_path / "head.npz").unlink()
    with pytest.raises(DataError, match=r"head\.npz: no such file"):
        load_head(tmp_path)
    for text in ("", "[]", "{"):
        (tmp_path / "head.json").write_text(text)
        with pytest.raises(DataError, match=r"head\.json"):
            load_head(tmp_path)
    (tmp_path / "head.json").unlink()
    with pytest.raises(DataError, match=r"head\.json: no such file"):
        load_head(tmp_path)


def test_a_head_is_applied_to_fitting_shapes_only() -> None:
    head = select(poor_base()).head
    rng = np.random.default_rng(0)
    base, embedding = rng.normal(size=(5, 2)), rng.normal(size=(5, sim.DIMS))
    expected = [head.weight @ np.concatenate([b, e]) + head.bias for b, e in zip(base, embedding)]  # noqa: B905
    np.testing.assert_allclose(apply_head(head, base, embedding), expected)
    for bad in (embedding[:4], embedding[:, 1:], embedding[0]):
        with pytest.raises(DataError, match="do not fit"):
            apply_head(head, base, bad)
