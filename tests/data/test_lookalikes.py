from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted import CHANGES, NAMES, photographs, store, stored

from eyecli.data.alignment import Picture, similarity
from eyecli.data.fingerprints import FORMS, channel, fingerprints
from eyecli.data.lookalikes import (
    SURE,
    THRESHOLDS,
    Lookalike,
    find_lookalikes,
    lookalikes_between,
    read_lookalikes,
    write_lookalikes,
)
from eyecli.data.plan import SplitSettings, plan_split
from eyecli.errors import CheckError, DataError

SIDE = 160


@pytest.fixture(scope="module")
def originals() -> list[np.ndarray]:
    return [stored(pixels, SIDE) for pixels in photographs()]


def found(folder: Path, images: list[np.ndarray]) -> list[Lookalike]:
    return find_lookalikes(store(folder, image=images), [""] * len(images))


def test_other_photographs_are_no_copies(tmp_path: Path, originals: list[np.ndarray]) -> None:
    assert found(tmp_path, originals) == []


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found(tmp_path: Path, originals: list[np.ndarray], change: str) -> None:
    copies = [stored(np.ascontiguousarray(CHANGES[change](p)), SIDE) for p in photographs()]
    pairs = {(a, b) for a, b, *_ in found(tmp_path, originals + copies)}
    n = len(NAMES)
    assert pairs == {(i, i + n) for i in range(n)}


def test_how_says_what_was_done_to_the_first(tmp_path: Path, originals: list[np.ndarray]) -> None:
    retina = originals[NAMES.index("retina")]
    ways = {
        "mirrored, turned 90": np.rot90(retina[:, ::-1]),
        "turned 90": np.rot90(retina),
        "turned 270": np.rot90(retina, 3),
    }
    for how, other in ways.items():
        (pair,) = found(tmp_path / how, [retina, other])
        assert pair[:2] == (0, 1) and pair.how == how and pair.score > 0.99
        one, two = (
            store(tmp_path / f"{how} {n}", image=[p]) for n, p in enumerate((retina, other))
        )
        (between,) = lookalikes_between(one, np.arange(1), two, np.arange(1))
        assert between.how == how


def test_fingerprints_in_a_form_are_those_of_the_moved_picture() -> None:
    picture = stored(photographs()[0], 64)[..., 1]
    prints = fingerprints(picture)
    for number, (mirrored, degrees) in enumerate(FORMS):
        if degrees % 90 == 0:
            moved = np.rot90(picture[:, ::-1] if mirrored else picture, degrees // 90)
            np.testing.assert_allclose(
                fingerprints(np.ascontiguousarray(moved))[0], prints[number], atol=1e-5
            )
    assert not fingerprints(np.full((64, 64), 7, np.uint8))[0].any()


def test_noise_and_blank_pictures_are_like_nothing() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 128, 128), dtype=np.uint8)
    blank = np.zeros((128, 128), np.uint8)
    assert similarity(Picture(one), Picture(other), 0) < 0.5
    assert (
        similarity(Picture(one), Picture(blank), 0)
        == 0
        == similarity(Picture(blank), Picture(blank), 0)
    )
    assert similarity(Picture(one), Picture(one), 0) > 0.99
    pairs = np.arange(256) // 32 * 32 + np.arange(256) // 16 % 2
    gaps = pairs.astype(np.uint8)[stored(photographs()[0], 64)[..., 1]]
    assert similarity(Picture(gaps), Picture(gaps), 0) > 0.999, "of levels that do not occur"


def noisy(pixels: np.ndarray) -> np.ndarray:
    """Return a copy that is alike, but not beyond doubt."""
    grain, score = np.random.default_rng(0).normal(0, 1, pixels.shape), 1.0
    for deviation in range(20, 90, 5):
        copy = np.clip(pixels + deviation * grain, 0, 255).astype(np.uint8)
        score = similarity(Picture(channel(pixels)), Picture(channel(copy)), 0)
        if score < SURE[128] - 0.02:
            break
    assert score > THRESHOLDS[128]
    return copy


def test_where_no_image_is_beyond_doubt_all_of_a_sample_must_be_copies(
    tmp_path: Path, originals: list[np.ndarray]
) -> None:
    grass, gravel = originals[NAMES.index("grass")], originals[NAMES.index("gravel")]
    left, right = [grass, noisy(grass), originals[0]], [gravel, originals[1], originals[2]]
    arrays = store(tmp_path / "a", left=left, right=right)
    assert find_lookalikes(arrays, list("abc")) == []
    ways = {
        "as it is": ([grass, noisy(grass), originals[0]], [gravel, noisy(gravel), originals[2]]),
        "left as right as it is": ([grass, noisy(gravel)], [gravel, noisy(grass)]),
    }
    for how, (left, right) in ways.items():
        arrays = store(tmp_path / how, left=left, right=right)
        (pair,) = find_lookalikes(arrays, list("abc")[: len(left)])
        assert pair[:2] == (0, 1) and pair.how in (how, "right as left as it is")


@pytest.mark.parametrize("side", [64, SIDE])
@pytest.mark.parametrize("change", ["none", "mirror", "turn 90", "gamma 1.4", "crop"])
@pytest.mark.parametrize("eye", ["left", "right"])
def test_a_copy_of_one_eye_only_is_found(tmp_path: Path, side: int, change: str, eye: str) -> None:
    photos = photographs()
    eyes = {"left": photos[:4] + photos[8:9], "right": photos[4:9]}
    copied = CHANGES.get(change, lambda p: p)
    eyes = {name: [stored(p, side) for p in eyes[name]] for name in eyes}
    eyes["left"][4], eyes["right"][4] = (stored(photos[n], side) for n in (10, 13))
    eyes[eye][4] = stored(np.ascontiguousarray(copied(photos[1 + 4 * (eye == "right")])), side)
    arrays = store(tmp_path / "a", **eyes)
    (pair,) = find_lookalikes(arrays, list("abcde"))
    assert pair[:2] == (1, 4) and pair.how.startswith(f"{eye} ")
    apart = [store(tmp_path / f"{n}", **{k: v[n : n + 4] for k, v in eyes.items()}) for n in (0, 1)]
    rows = np.array([1]), np.array([3])
    (between,) = lookalikes_between(apart[0], rows[0], apart[1], rows[1])
    assert between[:2] == (1, 3) and between.how == pair.how


@pytest.mark.parametrize("change", ["none", "gamma 1.4"])
@pytest.mark.parametrize("side", [32, 64, SIDE])
def test_the_eyes_of_a_mirrored_face_are_found(tmp_path: Path, side: int, change: str) -> None:
    """Right eyes are stored mirrored: of a mirrored face the left one is the stored right one."""
    photos, changed = photographs(), CHANGES.get(change, lambda p: p)
    images = [stored(p, side) for p in photos]
    left, right, other = (
        stored(changed(photos[5]), side),
        stored(changed(photos[1]), side),
        images[9],
    )
    swaps = ["left as right as it is", "right as left as it is"]
    planted = {"both": (left, right, swaps), "left": (left, other, swaps[1:]),
               "right": (other, right, swaps[:1])}  # fmt: skip
    for name, (a, b, ways) in planted.items():
        arrays = store(tmp_path / name, left=[*images[:4], a], right=[*images[4:8], b])
        pairs = find_lookalikes(arrays, list("abcde"))
        if side == 32 and change != "none":
            assert pairs == [], "too small for more than equality"
        else:
            (pair,) = pairs
            assert pair[:2] == (1, 4) and pair.how in ways


def test_copies_between_two_people_with_many_frames_each_are_found(
    tmp_path: Path, originals: list[np.ndarray]
) -> None:
    rng = np.random.default_rng(1)
    copy = stored(CHANGES["crop, jpeg"](photographs()[0]), SIDE)

    def frames(still: np.ndarray) -> list[np.ndarray]:
        noise = rng.integers(-3, 4, (12, *still.shape))
        return list(np.clip(still.astype(int) + noise, 0, 255).astype(np.uint8))

    arrays = store(tmp_path, image=frames(originals[0]) + frames(copy))
    pairs = find_lookalikes(arrays, ["ann"] * 12 + ["bob"] * 12)
    assert any(pair.first < 12 <= pair.second for pair in pairs)
    assert any(pair.second < 12 for pair in pairs), "within a person too"


def test_two_sets_are_compared(tmp_path: Path, originals: list[np.ndarray]) -> None:
    first = store(tmp_path / "a", image=originals[:6])
    second = store(tmp_path / "b", image=[originals[9], originals[2][::-1], originals[4]])
    rows = np.array([0, 2, 3])
    (pair,) = lookalikes_between(first, rows, second, np.arange(3))
    assert pair[:2] == (2, 1)
    assert lookalikes_between(first, rows, store(tmp_path / "c", x=originals[:2]), rows[:1]) == []


def test_the_table_reads_back_and_damage_is_named(tmp_path: Path) -> None:
    samples = ["007", "a,b", "NA"]
    pairs = [Lookalike(0, 1, 0.75, "as it is"), Lookalike(1, 2, 0.9, "mirrored, turned 90")]
    write_lookalikes(tmp_path, samples, pairs)
    assert read_lookalikes(tmp_path, samples) == pairs
    for damage in ("", "first,second\n", "first,second,score,how\nx,007,1,y\n"):
        (tmp_path / "lookalikes.csv").write_text(damage)
        with pytest.raises(DataError, match=r"lookalikes\.csv"):
            read_lookalikes(tmp_path, samples)


def test_a_set_augmented_before_the_split_is_refused(
    tmp_path: Path, originals: list[np.ndarray]
) -> None:
    ways = ("turn 90", "turn 120", "turn 180", "turn 270", "mirror")
    images = originals + [
        stored(np.ascontiguousarray(CHANGES[way](p)), SIDE) for way in ways for p in originals
    ]
    samples = [f"{name}-{way}" for way in ("0", *ways) for name in NAMES]
    pairs = find_lookalikes(store(tmp_path, image=images), samples)
    names = {(samples[a].split("-")[0], samples[b].split("-")[0]) for a, b, *_ in pairs}
    assert names == {(name, name) for name in NAMES}
    digests = [[sample] for sample in samples]
    with pytest.raises(CheckError, match=r"leaks .*\(near-duplicate image, .*score 0\."):
        plan_split(samples, samples, digests, SplitSettings(), pairs)
    people = [sample.split("-")[0] for sample in samples]
    assert plan_split(samples, people, digests, SplitSettings(), pairs).subject_independent


def test_only_chosen_rows_are_compared_and_named_as_they_are(
    tmp_path: Path, originals: list[np.ndarray]
) -> None:
    """Of a video, one frame of many is enough; pixel-identical ones of rows left out are passed."""
    images = [originals[0], originals[0], originals[1], originals[0], originals[1]]
    arrays = store(tmp_path, image=images)
    pairs = find_lookalikes(arrays, [""] * 5, [1, 2, 4])
    assert [pair[:2] for pair in pairs] == [(2, 4)]
    small = store(tmp_path / "small", image=[stored(image, 32) for image in images])
    assert [pair[:2] for pair in find_lookalikes(small, [""] * 5, [0, 2, 3])] == [(0, 3)]
