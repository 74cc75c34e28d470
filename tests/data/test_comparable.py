from __future__ import annotations

import numpy as np

from eyecli.data.arrays import ArraySpec
from eyecli.data.comparable import (
    all_images,
    audited,
    judged_images,
    not_judged,
    thumbnail_specs,
    thumbnails,
)

SPECS = {
    "face": ArraySpec((160, 160, 3), "uint8"), "left": ArraySpec((48, 40, 3), "uint8"),
    "right": ArraySpec((48, 40, 3), "uint8"), "box": ArraySpec((3,), "float32"),
    "flags": ArraySpec((9, 9, 2), "uint8"),
}  # fmt: skip


def some(*names: str) -> dict[str, ArraySpec]:
    return {name: SPECS[name] for name in names}


def test_it_says_what_is_audited_and_what_is_too_small() -> None:
    always = ["group", "byte-identical file"]
    assert all_images(SPECS) == ["face", "left", "right"] and judged_images(SPECS) == ["face"]
    assert audited(SPECS) == [*always, "pixel-identical image", "near-duplicate image"]
    assert audited(some("left")) == [*always, "pixel-identical image"]
    assert audited(some("box")) == always
    assert not_judged(some("face", "box")) is None
    assert not_judged(some("left")) == (
        "near-duplicate images were not looked for (images of 40 px)"
    )
    assert not_judged(SPECS) == (
        "near-duplicate images of left, right were not looked for (images of 40 px)"
    )


def test_thumbnails_keep_small_images_as_they_are() -> None:
    specs = thumbnail_specs(SPECS)
    assert {name: spec.shape for name, spec in specs.items()} == {
        "face": (128, 128, 1), "left": (48, 40, 1), "right": (48, 40, 1)
    }  # fmt: skip
    rng = np.random.default_rng(0)
    row = {name: rng.integers(0, 256, SPECS[name].shape, dtype=np.uint8) for name in specs}
    made = thumbnails(row, specs)
    assert {name: made[name].shape for name in made} == {n: s.shape for n, s in specs.items()}
    np.testing.assert_array_equal(made["left"][..., 0], row["left"][..., 1])
