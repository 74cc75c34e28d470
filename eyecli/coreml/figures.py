"""``parity.json``: how a package compares with its original, the verdict, and both in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eyecli.coreml.judgement import Precision, limit, refusal
from eyecli.errors import CheckError
from eyecli.workspace.manifest import read_json
from eyecli.workspace.store import Artifact

if TYPE_CHECKING:
    from eyecli.coreml.parity import Agreement

PARITY = "parity.json"
PASSED = "passed"


def judged(
    comparison: Callable[[], Mapping[str, Agreement]], precision: Precision, loss: float | None
) -> tuple[dict[str, Any], str]:
    """Judge a comparison.

    Parameters
    ----------
    comparison
        Gives every output's figures, or raises `CheckError`.
    precision, loss
        As for `eyecli.coreml.judgement.limit`.

    Returns
    -------
    figures : dict
        Every output's, as data; empty if the comparison could not be made.
    verdict : str
        Why the package must not be published, or `PASSED`.
    """
    try:
        found = comparison()
    except CheckError as error:
        return {}, str(error.message)
    figures = {
        name: {**asdict(entry), "relative": entry.relative, "limit": limit(entry, precision, loss)}
        for name, entry in found.items()
    }
    return figures, refusal(found, precision, loss) or PASSED


def figures_of_head(parity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `parity.json` of a user's head, from what its calibration noted."""
    from eyecli.coreml.heads.programs import OUTPUT

    kept = {key: parity[key] for key in ("max", "mean", "unit")}
    entry = kept | {"limit": parity["tolerance"], "relative": None, "top1": None}
    return {
        "samples": parity["samples"],
        "arithmetic": "float16, emulated",
        "verdict": PASSED,
        "outputs": {OUTPUT: entry},
        "heads": {},
        "rewrites": [],
    }


def parity_lines(package: Artifact) -> list[str]:
    """Say how an exported model compared with Keras, a line an output."""
    content = read_json(package.path / PARITY, dict[str, Any], "parity")
    on = f"on {content['samples']} samples, {content['arithmetic']}"
    lines = [
        _line(f"parity of {k} {on}", v) for k, v in content.get("before_compression", {}).items()
    ]
    when = ", compressed" if "compression" in content else ""
    for name, entry in [*content["outputs"].items(), *content["heads"].items()]:
        lines.append(_line(f"parity of {name} {on}{when}", entry))
    if when:
        done = content["compression"]
        left = ", ".join(done["skipped"])
        rest = f"; left in float16: {left}" if left else ""
        lines.append(f"compressed: {done['compressed']} weights in {done['scheme']}{rest}")
    lines += [f"rewritten: {line}" for line in content["rewrites"]]
    if package.manifest.params.get("ane_rewrite") and not content["rewrites"]:
        why = content["rewrites_refused"]
        lines.append(f"rewritten: nothing{f', since {why}' if why else ', no layer needs it'}")
    if content["verdict"] != PASSED:
        lines.append(f"published although parity FAILED: {content['verdict']}")
    return lines


def _line(what: str, entry: Mapping[str, Any]) -> str:
    shares = [] if entry["relative"] is None else [f"{entry['relative']:.1e} of its scale"]
    shares += [] if entry["top1"] is None else [f"same class {entry['top1']:.1%}"]
    unit = f" {entry['unit']}" if entry["unit"] else ""
    return f"{what}: at most {entry['max']:.2g}{unit}" + (
        f" ({', '.join(shares)})" if shares else ""
    )
