"""The portrait is taken apart, and people made of it differ."""

from dataclasses import replace

import numpy as np
import pytest
from faces import plain_looks

from eyecli.synthesis.eyes import Side
from eyecli.synthesis.looks import draw_looks
from eyecli.synthesis.portrait import INTEROCULAR, LID_PLANE, load_portrait
from eyecli.synthesis.sheet import CELL, Sheet, brightness, eyeball_centre, make_sheet

SIDES: tuple[Side, Side] = ("left", "right")


def at(sheet: Sheet, x: float, y: float) -> tuple[int, int]:
    return (round(sheet.origin[1] - y * sheet.per_cm), round(sheet.origin[0] + x * sheet.per_cm))


def test_the_portrait_is_level_and_its_parts_are_where_they_should_be() -> None:
    portrait = load_portrait()
    assert load_portrait() is portrait
    left, right = (portrait.lids[side][0, [0, -1]].mean(axis=0) for side in SIDES)
    assert (left - right)[0] / portrait.per_cm == pytest.approx(INTEROCULAR, abs=0.3)
    assert abs((left - right)[1]) < 1.5
    column = round((left + right)[0] / 2)
    cheek, crown = (round(portrait.chin) - 45, column + 20), (30, column)
    assert portrait.skin[cheek] > 0.95 and portrait.hair[cheek] < 0.05
    assert portrait.hair[crown] > 0.95 and portrait.skin[crown] < 0.05
    assert portrait.person[cheek] > 0.95 and portrait.person[crown] > 0.95
    assert portrait.person[:100, :100].max() == 0, "the flag is not a person"
    corners = np.rint([portrait.lids[side][0, 0] for side in SIDES]).astype(int)
    assert portrait.depth[corners[:, 1], corners[:, 0]] == pytest.approx(LID_PLANE, abs=0.8)
    nose = portrait.depth[round(portrait.chin) - 50 : round(portrait.chin) - 30, column].max()
    assert nose > 2.5


def test_the_middle_between_the_eyeballs_is_the_origin() -> None:
    for seed in range(3):
        sheet = make_sheet(load_portrait(), draw_looks(np.random.default_rng(seed)))
        centres = np.array([eyeball_centre(sheet.lids[side]) for side in SIDES])
        np.testing.assert_allclose(centres.mean(axis=0), 0, atol=1e-9)
        assert centres[0, 0] > 2 > -2 > centres[1, 0], "the owner's left is the image's right"
        assert np.shape(sheet.depth) == tuple(n // CELL for n in sheet.image.shape[:2])


def test_a_flipped_portrait_is_its_mirror_image() -> None:
    one = make_sheet(load_portrait(), plain_looks())
    other = make_sheet(load_portrait(), plain_looks(flipped=True))
    np.testing.assert_allclose(one.lids["left"] * (-1, 1), other.lids["right"], atol=1e-6)
    for x, y in ((3.0, -5.0), (-2.0, 4.0), (0.5, -7.0)):
        a, b = one.depth[tuple(n // CELL for n in at(one, x, y))], other.depth[
            tuple(n // CELL for n in at(other, -x, y))
        ]  # fmt: skip
        assert a == pytest.approx(b, abs=0.35)


def test_stretch_and_bumps_move_the_lids_with_the_picture() -> None:
    bumps = np.array([[3.0, 0.0, 3.0, 0.4, 0.3]])
    shapes = {}, {"stretch": (1.1, 0.9)}, {"stretch": (1.1, 0.9), "bumps": bumps}  # type: ignore[var-annotated]
    plain, wide, bent = (make_sheet(load_portrait(), plain_looks(**shape)) for shape in shapes)
    width, wider = (np.ptp(sheet.lids["right"][0, [0, -1], 0]) for sheet in (plain, wide))
    assert wider / width == pytest.approx(1.1, abs=1e-3)
    low, high = (np.diff([sheet.lids[s][0, 0, 1] for s in SIDES])[0] for sheet in (wide, bent))
    assert abs(high - low) > 0.1, "the bump lifts one eye against the other"
    moved = make_sheet(load_portrait(), plain_looks(bumps=np.array([[0.0, 0.0, 30.0, 1.0, 0.5]])))
    # The dark of an iris of the photograph lies between the lids in all.
    for sheet in (plain, wide, bent, moved):
        for side in SIDES:
            row, column = at(sheet, *eyeball_centre(sheet.lids[side])[:2])
            around = sheet.image[row - 12 : row + 12, column - 12 : column + 12]
            assert around.mean() < 110


def test_light_comes_from_the_lamps_side() -> None:
    looks = plain_looks(lamp=(0.8, 0.0, 0.6), shading=0.6)
    sheet = make_sheet(load_portrait(), looks)
    towards, away = (brightness(sheet, looks, (x, -4.0)).mean() for x in (4.5, -4.5))
    assert towards > away + 0.15
    plain = make_sheet(load_portrait(), plain_looks())
    ratio = [
        float(sheet.image[at(sheet, x, -4.0)].mean() / plain.image[at(plain, x, -4.0)].mean())
        for x in (4.5, -4.5)
    ]
    assert ratio == pytest.approx([towards, away], rel=0.05)


def test_skin_and_hair_have_the_persons_colours() -> None:
    looks = plain_looks()
    dark = replace(looks, eyes=replace(looks.eyes, skin=(0.4, 0.28, 0.2), hair=(0.5, 0.5, 0.5)))
    sheet = make_sheet(load_portrait(), dark)
    row, column = at(sheet, 3.0, -4.5)
    cheek = sheet.image[row - 20 : row + 20, column - 20 : column + 20].mean(axis=(0, 1)) / 255
    assert cheek == pytest.approx((0.4, 0.28, 0.2), rel=0.3)
    row, column = at(sheet, 0.0, 9.0)
    crown = sheet.image[row - 20 : row + 20, column - 20 : column + 20].mean(axis=(0, 1))
    assert np.ptp(crown) < 3, "grey"


def test_people_differ_and_seeds_repeat_them() -> None:
    one, same, other = (draw_looks(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (one.eyes, one.kappa, one.lamp) == (same.eyes, same.kappa, same.lamp)
    assert one.kappa["left"] != one.kappa["right"]
    assert one.kappa != other.kappa and one.eyes != other.eyes
