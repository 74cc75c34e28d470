"""The circle is found in every kind of photograph, and crops are cut where they say."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fundus_photographs import TEXTURE_CENTRE, Scene, overlap, photograph
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from eyecli.errors import DataError
from eyecli.imaging.fundus import (
    Fundus,
    crop_fundus,
    decode_factor,
    find_fundus,
    on_whole_pixels,
    read_fundus,
)
from eyecli.imaging.quality import quality

LEAST_OVERLAP = 0.98
PER_KIND = 12


def plain(rng: np.random.Generator) -> Scene:
    width = int(rng.integers(240, 420))
    height = int(width * rng.uniform(0.65, 1.0))
    radius = height * rng.uniform(0.4, 0.47)
    x, y = (n / 2 + rng.uniform(-0.02, 0.02) * height for n in (width, height))
    return Scene(width, height, x, y, radius, seed=int(rng.integers(1000)))


def cut_on_one_side(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, y=s.height - s.radius * rng.uniform(0.5, 0.95))


def cut_on_two_sides(s: Scene, rng: np.random.Generator) -> Scene:
    radius = s.height / 2 * rng.uniform(1.05, 1.3)
    width = max(s.width, int(2.1 * radius))
    return replace(s, radius=radius, width=width, x=width / 2)


def cut_on_four_sides(s: Scene, rng: np.random.Generator) -> Scene:
    side = s.height
    radius = side / 2 * rng.uniform(1.05, 1.25)
    return replace(s, width=side, x=side / 2, y=side / 2, radius=radius)


def dark(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, light=rng.uniform(0.06, 0.2), noise=1.5)


def tiny(s: Scene, rng: np.random.Generator) -> Scene:
    scale = rng.uniform(40, 90) / s.width
    width, height = round(scale * s.width), round(scale * s.height)
    return replace(s, width=width, height=height, x=width / 2, y=height / 2,
                   radius=scale * s.radius)  # fmt: skip


def portrait(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, width=s.height, height=s.width, x=s.y, y=s.x)


def notched(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, notch=rng.uniform(0.03, 0.3), notch_deg=rng.uniform(0, 360))


def marked(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, notch=-rng.uniform(0.03, 0.06), notch_deg=rng.uniform(0, 360))


def inverted(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, turned_deg=180.0)


def noisy(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, noise=rng.uniform(5, 15), background=8.0)


def off_centre(s: Scene, rng: np.random.Generator) -> Scene:
    radius = s.height * rng.uniform(0.2, 0.35)
    x, y = (rng.uniform(radius, n - radius) for n in (s.width, s.height))
    return replace(s, radius=radius, x=x, y=y)


def labelled(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, text="OD 12.03.2014 Visit 2 MRS X")


def lit_from_one_side(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, slope=rng.uniform(0.6, 0.98), slope_deg=rng.uniform(0, 360), vignette=0.5)


def half_in_the_dark(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, slope=1.0, slope_deg=rng.uniform(0, 360), light=0.5)


def between_bands(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, bands=rng.uniform(0.12, 0.2))


def hazy(s: Scene, rng: np.random.Generator) -> Scene:
    return replace(s, haze=rng.uniform(10, 40), slope_deg=rng.uniform(0, 360), light=0.5)


def everything(s: Scene, rng: np.random.Generator) -> Scene:
    worse = labelled(notched(cut_on_one_side(s, rng), rng), rng)
    return replace(worse, slope=rng.uniform(0.3, 0.8), slope_deg=rng.uniform(0, 360), noise=4.0,
                   light=rng.uniform(0.3, 1), vignette=0.4, background=5.0,
                   turned_deg=rng.uniform(0, 360))  # fmt: skip


KINDS = (cut_on_one_side, cut_on_two_sides, cut_on_four_sides, dark, tiny, portrait, notched,
         marked, inverted, noisy, off_centre, labelled, lit_from_one_side, half_in_the_dark,
         between_bands, hazy, everything)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_the_circle_is_found(kind) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(PER_KIND):
        scene = kind(plain(rng), rng)
        fundus = find_fundus(photograph(scene))
        assert fundus is not None, scene
        found = overlap(scene, fundus.x, fundus.y, fundus.radius)
        assert found >= LEAST_OVERLAP, (found, scene)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_plain_one_is_found_to_a_part_of_a_pixel(seed: int) -> None:
    scene = plain(np.random.default_rng(seed))
    fundus = find_fundus(photograph(scene))
    assert fundus is not None
    assert (fundus.x, fundus.y, fundus.radius) == pytest.approx(
        (scene.x, scene.y, scene.radius), abs=0.3
    )
    assert fundus.cut == () and not fundus.robust and fundus.residual < 0.005


def test_the_sides_that_cut_it_are_named() -> None:
    scene = Scene(400, 300, 230.0, 180.0, 200.0)
    fundus = find_fundus(photograph(scene))
    assert fundus is not None
    assert fundus.cut == ("top", "bottom", "right")


def test_jpeg_of_poor_quality_changes_little() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        scene = plain(rng)
        content = cv2.imencode(".jpg", photograph(scene)[..., ::-1], [1, 20])[1]
        found = find_fundus(cv2.imdecode(content, cv2.IMREAD_COLOR_RGB))
        assert found is not None
        assert overlap(scene, found.x, found.y, found.radius) > 0.99


def test_one_that_was_cut_before_is_the_whole_picture() -> None:
    from skimage import data

    inner = data.retina()[300:1100, 250:1150]
    fundus = find_fundus(inner)
    assert fundus is not None
    assert (fundus.x, fundus.y, fundus.radius) == (450, 400, 450)
    assert fundus.residual == 1
    whole = data.retina()
    circle = find_fundus(whole)
    assert circle is not None
    assert (circle.x, circle.y) == pytest.approx(TEXTURE_CENTRE, abs=5)


def no_fundi() -> dict[str, np.ndarray]:
    from skimage import data

    rng = np.random.default_rng(0)
    page = np.full((400, 300, 3), 255, np.uint8)
    for line in range(30, 400, 25):
        cv2.putText(page, "Visual acuity", (20, line), 0, 0.8, (0, 0, 0), 1)
    letterbox = np.zeros((300, 400, 3), np.uint8)
    letterbox[50:250, 40:360] = cv2.resize(data.astronaut(), (320, 200))
    square = np.zeros((300, 400, 3), np.uint8)
    square[50:250, 100:300] = (190, 90, 60)
    return {
        "black": np.zeros((300, 400, 3), np.uint8),
        "noise in the dark": rng.integers(0, 5, (300, 400, 3)).astype(np.uint8),
        "uniform": np.full((300, 400, 3), 128, np.uint8),
        "uniform, of a retina's colour": np.full((300, 400, 3), (200, 90, 40), np.uint8),
        "noise": rng.integers(0, 256, (300, 400, 3)).astype(np.uint8),
        "page": page, "white on black": 255 - page, "letterbox": letterbox, "square": square,
        "portrait": data.astronaut(), "coffee": data.coffee(), "cat": data.chelsea(),
        "rocket": data.rocket(), "one pixel": np.zeros((1, 1, 3), np.uint8),
        "a row": rng.integers(0, 256, (1, 50, 3)).astype(np.uint8),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(no_fundi()))
def test_there_is_none(name: str) -> None:
    assert find_fundus(no_fundi()[name]) is None


@settings(max_examples=60, deadline=None)
@given(st.floats(-20, 120), st.floats(-20, 100), st.floats(3, 90), st.sampled_from([16, 40, 64]))
def test_a_crop_is_what_the_circle_says(x: float, y: float, radius: float, size: int) -> None:
    """A crop's pixel is the mean of the part of the image that it covers; black beyond."""
    rows, columns = np.mgrid[:80, :100] + 0.5
    image = np.stack([2.0 * columns, 2.5 * rows, np.full(rows.shape, 90.0)], -1).astype(np.uint8)
    fundus = on_whole_pixels(Fundus(x, y, radius, (), 0.0, False))
    assert abs(fundus.radius - radius) <= 0.5
    assert max(abs(fundus.x - x), abs(fundus.y - y)) <= 0.5
    crop = crop_fundus(image, fundus, size)
    assert crop.shape == (size, size, 3)
    scale = 2 * fundus.radius / size
    place = (np.arange(size) + 0.5) * scale
    columns_of, rows_of = fundus.x - fundus.radius + place, fundus.y - fundus.radius + place
    reach = max(scale, 1) / 2 + 1
    inside = ((rows_of > reach) & (rows_of < 80 - reach))[:, None] & (
        (columns_of > reach) & (columns_of < 100 - reach)
    )
    outside = ((rows_of < -reach) | (rows_of > 80 + reach))[:, None] | (
        (columns_of < -reach) | (columns_of > 100 + reach)
    )
    assert (crop[outside] == 0).all()
    expected = np.stack(np.broadcast_arrays(2 * columns_of, 2.5 * rows_of[:, None]), -1)
    assert np.abs(crop[..., :2] - expected)[inside].max(initial=0) < 3.1
    assert np.abs(crop[..., 2][inside].astype(int) - 90).max(initial=0) <= 1


def test_only_the_circle() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    crop = crop_fundus(image, Fundus(50, 50, 40, (), 0.0, False), 64, only_circle=True)
    assert crop[0, 0].max() == 0 and crop[32, 0].min() == 200
    assert (crop[..., 0] > 0).mean() == pytest.approx(np.pi / 4, abs=0.01)


@pytest.mark.parametrize(
    ("width", "height", "size", "factor"),
    [
        (4288, 2848, 256, 4), (4288, 2848, 512, 4), (4288, 3072, 256, 8), (3000, 4000, 512, 4),
        (768, 800, 256, 2), (767, 800, 256, 1), (512, 512, 512, 1), (1024, 2000, 512, 2),
        (100, 100, 256, 1), (8000, 8000, 64, 8),
    ],
)  # fmt: skip
def test_the_factor(width: int, height: int, size: int, factor: int) -> None:
    assert decode_factor(width, height, size) == factor


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("radius", [270.0, 160.0, 70.0])
def test_a_reading_is_in_pixels_of_the_original(radius: float, suffix: str) -> None:
    """A small fundus in a large picture is decoded again, finer."""
    scene = Scene(701, 603, 340.0, 295.0, radius, noise=0.0)
    content = cv2.imencode(suffix, photograph(scene)[..., ::-1])[1].tobytes()
    reading = read_fundus(content, "a", 64)
    fundus = reading.fundus
    assert fundus is not None
    assert (reading.width, reading.height) == (701, 603)
    assert reading.factor == {270.0: 4, 160.0: 2, 70.0: 1}[radius]
    assert 2 * fundus.radius / reading.factor >= 1.5 * 64
    assert overlap(scene, fundus.x, fundus.y, fundus.radius) > 0.985
    # The crop is that of the whole picture, decoded in full, to what JPEG and averaging change.
    full = crop_fundus(photograph(scene), fundus, 64, only_circle=True)
    assert np.abs(reading.crop.astype(int) - full).mean() < 2


def test_a_reading_without_a_fundus_shows_the_picture() -> None:
    content = cv2.imencode(".png", no_fundi()["page"])[1].tobytes()
    reading = read_fundus(content, "a", 64)
    assert reading.fundus is None
    assert reading.crop.shape == (64, 64, 3)
    assert reading.crop[32, 32].max() > 100 and reading.crop[:, 0].max() == 0
    with pytest.raises(DataError, match=r"b\.jpg: not a picture"):
        read_fundus(b"nothing", "b.jpg", 64)


@pytest.mark.parametrize("shape", [(1, 300), (1000, 1), (3000, 5), (20, 10000), (5, 60000)])
def test_a_strip_shows_no_fundus(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 100, (*shape, 1))
    # The colours are those of a retina.
    strip = np.uint8(noise * [0.3, 0.5, 1] + [10, 40, 120])
    reading = read_fundus(cv2.imencode(".png", strip)[1].tobytes(), "a", 64)
    assert reading.fundus is None and (reading.width, reading.height) == shape[::-1]
    assert reading.crop.shape == (64, 64, 3) and reading.crop.any()
    assert quality(reading.crop, None).score == 0


@settings(deadline=None, max_examples=150)
@given(
    short=st.integers(1, 24),
    long=st.integers(1, 2000),
    turned=st.booleans(),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["noise", "dot", "orange", "step"]),
)
def test_no_size_is_too_odd(short: int, long: int, turned: bool, seed: int, kind: str) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (short, long, 3), np.uint8)
    if kind == "dot":
        pixels[:] = 0
        pixels[short // 2, long // 2] = 255
    elif kind == "orange":
        pixels = (pixels * [0.3, 0.1, 0.1] + [150, 60, 20]).astype(np.uint8)
    elif kind == "step":
        pixels[:, : long // 2], pixels[:, long // 2 :] = (200, 90, 40), 0
    content = cv2.imencode(".png", pixels.swapaxes(0, 1) if turned else pixels)[1].tobytes()
    reading = read_fundus(content, "a", 32)
    assert reading.crop.shape == (32, 32, 3)
    assert 0 <= quality(reading.crop, reading.fundus).score <= 1


def test_names_beside_the_circle_are_not_in_the_crop() -> None:
    image = photograph(Scene(701, 603, 340.0, 295.0, 270.0))
    for line in range(60, 110, 25):
        cv2.putText(image, "John Doe 1970", (70, line), 0, 0.6, (255, 255, 255), 1)
    reading = read_fundus(cv2.imencode(".png", image[..., ::-1])[1].tobytes(), "a", 256)
    assert reading.fundus is not None and reading.fundus.residual < 0.01
    offset = np.arange(256) - 127.5
    assert reading.crop[np.hypot(offset[:, None], offset) > 128].max() == 0


def test_one_that_was_cut_before_keeps_its_corners() -> None:
    from skimage import data

    inner = cv2.imencode(".png", data.retina()[300:1100, 300:1100, ::-1])[1].tobytes()
    reading = read_fundus(inner, "a", 64)
    assert reading.fundus is not None and reading.fundus.residual == 1
    assert min(reading.crop[y, x].max() for y in (0, -1) for x in (0, -1)) > 50


def test_a_picture_smaller_than_the_crop_is_enlarged() -> None:
    scene = Scene(90, 80, 44.0, 41.0, 37.0)
    content = cv2.imencode(".png", photograph(scene)[..., ::-1])[1].tobytes()
    reading = read_fundus(content, "a", 256)
    assert reading.factor == 1 and reading.crop.shape == (256, 256, 3)
    assert reading.crop[128, 3:253].max(axis=1).min() > 50


def test_scales_agree_on_real_photographs() -> None:
    """Full size, decoded at a quarter, against copies of a quarter of the size."""
    for path in sorted((real_data("dr/idrid_full") / "images").iterdir()):
        large = read_fundus(path.read_bytes(), path.name, 256).fundus
        other = real_data("dr/idrid") / "images" / path.name
        small = read_fundus(other.read_bytes(), path.name, 256).fundus
        assert large is not None and small is not None
        assert large.cut == small.cut == ("top", "bottom")
        assert (large.x, large.y, large.radius) == pytest.approx(
            (4 * small.x, 4 * small.y, 4 * small.radius), abs=8
        )


def test_a_short_arc_is_enough() -> None:
    """Only the lower right part of the circle is in the picture."""
    scene = Scene(386, 256, 97.0, 77.0, 213.0)
    fundus = find_fundus(photograph(scene))
    assert fundus is not None
    assert fundus.cut == ("top", "bottom", "left")
    assert overlap(scene, fundus.x, fundus.y, fundus.radius) > 0.98
