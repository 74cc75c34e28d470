"""The eye model turns the right way, mirrors, and refuses what it cannot draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.errors import UsageError
from eyecli.synthesis.eyes import (
    Person,
    Shot,
    Side,
    Vector,
    optical_axis,
    render_eye,
    screen_to_cm,
)

SCREEN = ((1366, 768), (34.4, 19.3))
SIDES: tuple[Side, Side] = ("left", "right")
HEADS: dict[Side, Vector] = {"left": (-3.1, -8.0, 60.0), "right": (3.1, -8.0, 60.0)}
# Red skin and hair, blue iris: then blue minus red is the iris, whatever the light.
MARKED = Person(iris=(0.0, 0.0, 1.0), skin=(0.8, 0.5, 0.4), pupil_radius=0.0)


def iris_centroid(side: Side, target_px: tuple[float, float], person: Person = MARKED) -> Vector:
    """(image right, image up, area in px) of the visible iris."""
    target = screen_to_cm(target_px, *SCREEN)
    image = render_eye(person, side, HEADS[side], target, size=128).astype(float)
    weight = (image[..., 2] - image[..., 0]).clip(20, None) - 20
    rows, columns = np.mgrid[:128, :128]
    total = weight.sum()
    return (weight * columns).sum() / total, -(weight * rows).sum() / total, (weight > 40).sum()


def test_screen_corners_in_cm() -> None:
    assert screen_to_cm((0, 0), *SCREEN) == pytest.approx((-17.2, -0.7, 0))
    assert screen_to_cm((1366, 768), *SCREEN) == pytest.approx((17.2, -20.0, 0))


def test_optical_axis_without_kappa_points_at_the_target() -> None:
    axis = optical_axis((3.0, -8.0, 60.0), (-10.0, -4.0, 0.0), (0.0, 0.0))
    to_target = np.array([-13.0, 4.0, -60.0])
    np.testing.assert_allclose(axis, to_target / np.linalg.norm(to_target), atol=1e-12)


def test_kappa_turns_the_optical_axis_temporally_and_down() -> None:
    axis = optical_axis((0.0, 0.0, 60.0), (0.0, 0.0, 0.0), (5.0, 2.0))
    assert np.rad2deg(np.arctan2(axis[0], -axis[2])) == pytest.approx(5.0)  # right eye: its right
    assert np.rad2deg(np.arcsin(axis[1])) == pytest.approx(-2.0)


@pytest.mark.parametrize("side", SIDES)
def test_iris_follows_the_target_sideways(side: Side) -> None:
    # The viewer's right is the left of the camera's image.
    places = [iris_centroid(side, (x, 384))[0] for x in range(20, 1366, 120)]
    assert np.all(np.diff(places) < -0.3)


@pytest.mark.parametrize("side", SIDES)
def test_iris_follows_the_target_upwards(side: Side) -> None:
    places = [iris_centroid(side, (683, y))[1] for y in range(760, 0, -120)]
    assert np.all(np.diff(places) > 0.3)


def test_upper_lid_follows_the_gaze_down() -> None:
    edges = []
    for y in (8, 260, 510, 760):
        target = screen_to_cm((683, y), *SCREEN)
        image = render_eye(MARKED, "right", HEADS["right"], target, size=128)
        # The darkest row between brow and pupil is the lashes'.
        edges.append(int(image[36:66, 40:90].astype(int).sum((1, 2)).argmin()))
    assert np.all(np.diff(edges) >= 1), edges


def test_iris_moves_by_the_sine_of_its_turn() -> None:
    head, person, size = (0.0, 0.0, 60.0), Person(kappa_deg=(0.0, 0.0)), 128
    wide = Person(**{**vars(MARKED), "kappa_deg": (0.0, 0.0), "lid_opening": 2.4})
    columns = []
    for degrees in (-10, 10):
        target = (60 * np.tan(np.deg2rad(degrees)), 0.0, 0.0)
        image = render_eye(wide, "right", head, target, size=size).astype(float)
        weight = (image[..., 2] - image[..., 0]).clip(20, None) - 20
        columns.append((weight * np.arange(size)).sum() / weight.sum())
    per_cm = size / (1.6 * person.lid_width)
    to_iris_plane = np.sqrt(1.2**2 - 0.59**2)  # the limbus circle lies inside the sphere
    expected = -2 * to_iris_plane * np.sin(np.deg2rad(10)) * per_cm
    assert columns[1] - columns[0] == pytest.approx(expected, rel=0.06)


def test_kappa_shows_temporally_in_both_eyes() -> None:
    with_kappa = Person(**{**vars(MARKED), "kappa_deg": (8.0, 0.0)})
    without = Person(**{**vars(MARKED), "kappa_deg": (0.0, 0.0)})
    moved = {
        side: iris_centroid(side, (683, 384), with_kappa)[0]
        - iris_centroid(side, (683, 384), without)[0]
        for side in SIDES
    }
    assert moved["right"] < -2  # temporal of the right eye is the left of the image
    assert moved["left"] > 2


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-17, 17), st.floats(-20, 0), st.floats(-6, 6), st.floats(-80, 80),
    st.floats(-0.2, 0.2), st.floats(-5, 5),
)  # fmt: skip
def test_left_eye_mirrors_the_right_eye(
    x: float, y: float, head: float, lamp: float, shift: float, roll: float
) -> None:
    right = Shot(shift=(shift, 0.1), roll_deg=roll, light=(lamp, 50.0, 0.0))
    left = Shot(shift=(-shift, 0.1), roll_deg=-roll, light=(-lamp, 50.0, 0.0))
    one = render_eye(Person(), "right", (head, -8.0, 60.0), (x, y, 0.0), right)
    other = render_eye(Person(), "left", (-head, -8.0, 60.0), (-x, y, 0.0), left)
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_lamp_lights_the_same_side_of_both_eyes() -> None:
    # A lamp at the viewer's right is at the left of the camera's image, for either eye.
    shot = Shot(light=(80.0, -8.0, 20.0))
    for side in SIDES:
        image = render_eye(Person(), side, HEADS[side], (0.0, -8.0, 0.0), shot).astype(float)
        assert image[-8:, :20].mean() > image[-8:, -20:].mean() + 10


def test_shift_moves_the_crop_and_not_the_eye() -> None:
    for side in SIDES:
        still = render_eye(MARKED, side, HEADS[side], (0.0, -8.0, 0.0), Shot(), 58)
        # 58 px are 1.6 * 2.9 cm: 0.4 cm is 5 px to the image's right, so the eye goes left.
        moved = render_eye(MARKED, side, HEADS[side], (0.0, -8.0, 0.0), Shot(shift=(0.4, 0.0)), 58)
        inner = np.abs(moved[20:38, 10:40].astype(int) - still[20:38, 15:45])
        assert np.median(inner) <= 12
        assert np.abs(moved.astype(int) - still)[20:38, 10:40].mean() > 2 * inner.mean()


def test_glint_stays_when_the_eye_turns() -> None:
    person = Person(pupil_radius=0.3, iris=(0.1, 0.1, 0.1))
    spots = []
    for x in (-4.0, 4.0):
        shot = Shot(light=(3.0, 15.0, 0.0))
        image = render_eye(person, "right", (3.0, -2.0, 60.0), (x, -2.0, 0.0), shot, 128)
        around = image[40:64, 50:78].sum(2)
        spots.append(np.unravel_index(around.argmax(), around.shape))
    assert np.abs(np.subtract(*spots)).max() <= 1


def test_noise_comes_from_the_generator_only() -> None:
    def draw(seed: int | None) -> np.ndarray:
        rng = None if seed is None else np.random.default_rng(seed)
        return render_eye(
            Person(), "left", HEADS["left"], (0.0, -8.0, 0.0), Shot(noise=0.02), rng=rng
        )

    np.testing.assert_array_equal(draw(3), draw(3))
    assert (draw(3) != draw(4)).any()
    difference = draw(3).astype(float) - draw(None)
    assert difference.std() == pytest.approx(0.02 * 255, rel=0.1)


def test_image_format() -> None:
    image = render_eye(Person(), "left", HEADS["left"], (0.0, -8.0, 0.0), size=48)
    assert image.shape == (48, 48, 3)
    assert image.dtype == np.uint8
    assert image[-5:, :, 0].mean() > image[-5:, :, 2].mean()  # skin in RGB order


@pytest.mark.parametrize("size", [0, -64, 15, 513])
def test_nonsense_size_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match="eye crop of"):
        render_eye(Person(), "left", HEADS["left"], (0.0, -8.0, 0.0), size=size)


def test_eye_behind_the_screen_is_refused() -> None:
    with pytest.raises(UsageError, match="from the screen"):
        render_eye(Person(), "left", (0.0, 0.0, -5.0), (0.0, -8.0, 0.0))
