"""A user's head on disk: `head.json` says what it is, `head.npz` holds its arrays."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from eyecli.calibration.samples import ZIP_ERRORS, Floats, Samples, Unit
from eyecli.calibration.select import Selection
from eyecli.calibration.verdict import Verdict
from eyecli.coreml.heads.forms import Features, Head, Hidden, Kind, Quadratic, Rbf, apply
from eyecli.errors import DataError

FORMAT = 2
# Format 1 had the linear kinds only, and is the same for those.
FORMATS = (1, 2)
INFO = "head.json"
ARRAYS = "head.npz"
# The fields of head.json that a reader relies on.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "unit": str,
    "model": str,
    "dims": int,
    "points": int,
    "verdict": dict,
    "lopo": list,
    "alpha": (float, int, type(None)),
}
# Arrays of the features of a kind: D is the size of the embedding, k the number of features.
SHAPES: dict[str, dict[str, tuple[int | str, ...]]] = {
    "quadratic": {"centre": (2,), "scale": (2,)},
    "rbf": {"centre": ("D",), "scale": ("D",), "support": ("k", "D")},
    "mlp": {"centre": ("2 + D",), "layer": ("k", "2 + D"), "threshold": ("k",)},
}


@dataclass(frozen=True)
class StoredHead:
    """A head with what `head.json` says about it.

    Parameters
    ----------
    head
        The function.
    info
        ``kind``, ``unit``, ``user``, ``model`` (digest), ``inputs`` (the ones the head uses),
        ``dims`` (of the embedding), ``points``, ``alpha``, ``shrink``, ``verdict`` (``verdict``,
        ``points``, ``reasons``), ``reason``, ``before`` and ``after`` (mean leave-one-point-out
        error in the unit; None where no frame was usable) and the table ``lopo``.
    """

    head: Head
    info: dict[str, Any]


def save_head(folder: Path, samples: Samples, selection: Selection, verdict: Verdict) -> StoredHead:
    """Write `head.json` and `head.npz`; the same head makes the same bytes.

    Parameters
    ----------
    folder
        An existing folder.
    samples
        What the head was fitted on: its user, unit and model.
    selection, verdict
        Results of `select` and `judge`.

    Returns
    -------
    StoredHead
        What `load_head` will read.
    """
    head = selection.head
    info = {
        "format": FORMAT,
        "kind": head.kind,
        "unit": samples.unit,
        "user": samples.user,
        "model": samples.model,
        "inputs": ["base", "embedding"] if _uses_embedding(head) else ["base"],
        "dims": head.dims,
        "points": len(selection.points),
        "alpha": head.alpha,
        "shrink": selection.shrink,
        "verdict": {
            "verdict": verdict.verdict,
            "points": list(verdict.points),
            "reasons": list(verdict.reasons),
        },
        "reason": selection.reason,
        "before": _number(selection.before),
        "after": _number(selection.after),
        "lopo": [
            {"kind": c.kind, "error": c.error, "se": c.se, "p_value": c.p_value, "alpha": c.alpha}
            for c in selection.candidates
        ],
    }
    (folder / INFO).write_text(json.dumps(info, indent=2, allow_nan=False) + "\n", "utf-8")
    own = {name: getattr(head.features, name) for name in SHAPES.get(head.kind, ())}
    np.savez(folder / ARRAYS, weight=head.weight, bias=head.bias, **own)
    return StoredHead(head, info)


def load_head(folder: Path, model: str | None = None) -> StoredHead:
    """Read a head; nothing is unpickled.

    Parameters
    ----------
    folder
        Where `save_head` wrote it.
    model
        Digest of the model it is to be used with; None does not check.

    Returns
    -------
    StoredHead

    Raises
    ------
    DataError
        If a file is missing or damaged, a shape disagrees with `head.json`, a value is not
        finite, or the head belongs to another model.
    """
    info = _read_info(folder / INFO)
    if model is not None and info["model"] != model:
        raise DataError(
            f"{folder}: the head is for model {info['model'][:12] or '(unknown)'}, "
            f"not for {model[:12]}",
            "calibrate this user with this model",
        )
    arrays = _read_arrays(folder / ARRAYS, info)
    weight, bias = arrays.pop("weight"), arrays.pop("bias")
    features: Features | None = None
    if info["kind"] == "quadratic":
        features = Quadratic(info["dims"], **arrays)
    elif arrays:
        features = Rbf(**arrays) if info["kind"] == "rbf" else Hidden(**arrays)
    return StoredHead(Head(info["kind"], weight, bias, info["alpha"], features), info)


def apply_head(head: Head, base: ArrayLike, embedding: ArrayLike) -> Floats:
    """Calibrated gaze of many frames.

    Parameters
    ----------
    head
        The user's head.
    base, embedding
        (n, 2) prediction and (n, D) embedding of the frozen model.

    Returns
    -------
    ndarray
        (n, 2), in the unit of `base`.

    Raises
    ------
    DataError
        If the shapes do not fit the head.
    """
    base, embedding = np.asarray(base, np.float64), np.asarray(embedding, np.float64)
    n, dims = len(base), head.dims
    if base.shape != (n, 2) or embedding.shape != (n, dims):
        raise DataError(
            f"base {base.shape} and embedding {embedding.shape} do not fit a head for "
            f"(n, 2) and (n, {dims})",
            "use the outputs of the model that the head was made for",
        )
    return apply(head, base, embedding)


def _uses_embedding(head: Head) -> bool:
    if head.features is None:
        return bool(head.weight[:, 2:].any())
    return head.kind != "quadratic"


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", "name the folder of a head") from error
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(info, dict) or info.get("format") not in FORMATS:
        raise DataError(f"{path}: not a head of format {FORMAT}", "calibrate again")
    for name, kind in FIELDS.items():
        if name not in info or not isinstance(info[name], kind):
            raise DataError(f"{path}: the field {name!r} is missing or of the wrong type")
    for name, known in (("kind", get_args(Kind)), ("unit", get_args(Unit))):
        if info[name] not in known:
            raise DataError(f"{path}: {name} is {info[name]!r}, known: {', '.join(known)}")
    return info


def _read_arrays(path: Path, info: dict[str, Any]) -> dict[str, Floats]:
    """Read what a kind needs, each array of its shape."""
    shapes = {"weight": (2, "2 + k"), "bias": (2,), **SHAPES.get(info["kind"], {})}
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in shapes}
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (ValueError, KeyError, TypeError, OSError, EOFError, RuntimeError, *ZIP_ERRORS) as error:
        names = ", ".join(shapes)
        raise DataError(f"{path}: no sound arrays {names}", "calibrate again") from error
    dims = info["dims"]
    count = {"quadratic": 5, "rbf": _rows(arrays, "support"), "mlp": _rows(arrays, "layer")}
    k = count.get(info["kind"], dims)
    sizes: dict[int | str, int] = {2: 2, "D": dims, "2 + D": 2 + dims, "k": k, "2 + k": 2 + k}
    for name, values in arrays.items():
        shape = tuple(sizes[size] for size in shapes[name])
        if values.shape != shape or values.dtype != np.float64:
            raise DataError(
                f"{path}: {name} is {values.dtype} {values.shape}, needed: float64 {shape}"
            )
        if not np.isfinite(values).all():
            raise DataError(f"{path}: {name} has values that are not finite", "calibrate again")
        if name == "scale" and not (values > 0).all():
            raise DataError(f"{path}: {name} has values that are not positive", "calibrate again")
    return arrays


def _rows(arrays: dict[str, Floats], name: str) -> int:
    return len(arrays[name]) if name in arrays and arrays[name].ndim else 0
