"""A made-up study."""

from __future__ import annotations

from eyecli.data.split import Partition, Split
from eyecli.evaluation.study import About, Study

ABOUT = About(
    use="It guesses.", inputs="Numbers.", outputs="A number.", network="The network is small.",
    training="The loss is a square. Nothing is augmented.", outcome="regression",
    truth="The truth is a number.", metrics="The error is a difference.", limits=("Few people.",),
    unknown={"distance_cm": 0.0},
)  # fmt: skip
STUDY = Study(
    task="gaze", about=ABOUT, sources=["source/gaze@v1 (sha256 abc)"], prepared="prepared/gaze@v1",
    split="split/gaze@v1", samples=60, subjects=6,
    preparation={"eye_size": 32, "screen_px": ""},
    settings={"epochs": 2, "seed": 3, "fold": -1, "inputs": ""}, setup={"inputs": ["eyes"]},
    plan=Split("kfold:3x2", 7, list("abcdef"), [Partition(0, 0, ["a"], ["b"])] * 6),
    parameters=1234, synthetic=False, subject_independent=True, reason=None, licences=["CC0-1.0"],
    audited=["group", "byte-identical file"], note=None,
)  # fmt: skip
