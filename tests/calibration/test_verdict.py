"""The verdict: clean users are accepted, planted faults named and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import simulated_users as sim

from eyecli.calibration.samples import Floats, Samples
from eyecli.calibration.select import select
from eyecli.calibration.verdict import MIN_POINTS, Verdict, judge

USERS = 400
OFF_CM = 8.0  # about the distance to the next point: the eye was still there


def users(seed: int, frames: int = sim.FRAMES) -> list[Samples]:
    rng = np.random.default_rng(seed)
    net = sim.network(rng)
    return [
        sim.calibration(rng, net, sim.user(rng, sim.BIAS_SD_CM, sim.SCALE_SD), sim.grid(), frames)
        for _ in range(USERS)
    ]


def verdict(samples: Samples) -> Verdict:
    return judge(select(samples))


def test_clean_users_are_accepted() -> None:
    verdicts = [verdict(samples) for samples in users(1)]
    assert np.mean([v.verdict == "accept" for v in verdicts]) >= 0.95
    assert all(v.points == v.reasons == () for v in verdicts if v.verdict == "accept")


def test_a_planted_outlier_is_named_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    exactly = []
    for samples in users(3):
        name = f"p{rng.integers(9)}"
        angle = rng.uniform(0, 2 * np.pi)
        base = samples.base.copy()
        base[samples.point == name] += OFF_CM * np.array([np.cos(angle), np.sin(angle)])
        found = verdict(replace(samples, base=base))
        exactly.append(found.verdict == "repeat" and found.points == (name,))
        if exactly[-1]:
            assert f"point {name}:" in found.reasons[0]
    assert np.mean(exactly) >= 0.93


def one(seed: int = 0, frames: int = 10) -> Samples:
    """A calm user: nothing to complain of."""
    rng = np.random.default_rng(seed)
    embedding, base = sim.look(rng, sim.network(rng), sim.user(rng, 0, 0), sim.grid(), frames)
    target = np.repeat(sim.grid(), frames, axis=0)
    point = np.repeat([f"p{i}" for i in range(9)], frames)
    return Samples(embedding, target + 0.05 * (base - target) + [1.0, 0.5], target, point)


def test_an_outlier_below_the_floor_is_none() -> None:
    samples = one()
    for off, expected in ((0.5, "accept"), (3.0, "repeat")):
        base = samples.base.copy()
        base[samples.point == "p4"] += [off, 0.0]
        assert verdict(replace(samples, base=base)).verdict == expected


def test_points_with_few_usable_frames_are_named() -> None:
    samples = one()
    assert verdict(samples).verdict == "accept"
    quality = np.ones(len(samples))
    quality[np.flatnonzero(samples.point == "p1")[:6]] = 0.1
    quality[np.flatnonzero(samples.point == "p5")[:5]] = 0.1
    quality[samples.point == "p7"] = 0.3
    found = verdict(replace(samples, quality=quality))
    assert (found.verdict, set(found.points)) == ("repeat", {"p1", "p7"})
    assert any("p1: 4 of 10 frames usable" in reason for reason in found.reasons)
    assert any("p7: no usable frame" in reason for reason in found.reasons)


def test_a_point_with_far_fewer_frames_than_others_is_named() -> None:
    samples = one()
    keep = np.ones(len(samples), bool)
    keep[np.flatnonzero(samples.point == "p3")[3:]] = False
    names = ("embedding", "base", "target", "point")
    found = verdict(replace(samples, **{name: getattr(samples, name)[keep] for name in names}))
    assert (found.verdict, found.points) == ("repeat", ("p3",))


def test_single_frames_are_no_fault() -> None:
    assert verdict(one(frames=1)).verdict == "accept"


@pytest.mark.parametrize("p", [1, MIN_POINTS - 1, MIN_POINTS])
def test_too_few_points_are_rejected(p: int) -> None:
    samples = one()
    keep = np.isin(samples.point, [f"p{i}" for i in (0, 8, 2, 6, 4)][:p])
    found = verdict(replace(samples, quality=keep.astype(float)))
    if p < MIN_POINTS:
        assert found.verdict == "reject"
        assert f"{p} usable points, needed: {MIN_POINTS}" in found.reasons[0]
    else:
        assert (found.verdict, len(found.points)) == ("repeat", 4)


def test_no_usable_frame_is_rejected() -> None:
    samples = one()
    assert verdict(replace(samples, quality=np.zeros(len(samples)))).verdict == "reject"


@pytest.mark.parametrize("noise_cm", [0.0, 1.0, 5.0])
def test_no_gaze_signal_is_rejected(noise_cm: float) -> None:
    rng = np.random.default_rng(4)
    verdicts = []
    for _ in range(200):
        noise: Floats = noise_cm * rng.normal(size=(9, 2))
        samples = replace(
            one(frames=2),
            base=np.repeat(noise, 2, axis=0) + 0.5,
            embedding=np.repeat(rng.normal(size=(9, 32)), 2, axis=0),
        )
        verdicts.append(verdict(samples))
    assert np.mean([v.verdict == "reject" for v in verdicts]) >= 0.95
    assert any("no gaze signal" in v.reasons[0] for v in verdicts)
