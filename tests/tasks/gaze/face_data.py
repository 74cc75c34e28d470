"""Made-up prepared data of face videos, and predictions of a model for them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from eyecli.data.arrays import ArraySpec, ArrayWriter
from eyecli.data.prepared import Prepared, open_prepared, write_table
from eyecli.data.split import Partition, Split

RATE = 30.0
FRAMES = 5
SUBJECTS = [f"p{number:02}" for number in range(8)]


@dataclass(frozen=True)
class Device:
    orientation: str
    px: tuple[float, float]
    cm: tuple[float, float]
    camera: tuple[float, float]
    distance: float


DEVICES = {
    "tablet-11": Device("landscape", (2388, 1668), (22.6, 15.8), (11.3, 0.6), 40),
    # A name that looks like a number.
    "6": Device("portrait", (1170, 2532), (6.5, 14.0), (3.2, 0.3), 30),
}
PLACES = [(x, y) for y in (0.1, 0.5, 0.9) for x in (0.1, 0.5, 0.9)]


def write_faces(prepared: Prepared, folder: Path, subjects: list[str] = SUBJECTS) -> Prepared:
    """Subjects in turn on a tablet, in two sessions, and on a phone; nine stimuli of five frames.

    Beside what prepared data of sessions hold, the index has `shown_x`, `shown_y`: px on the
    screen, y down.
    """
    rows, sessions = [], []
    for number, subject in enumerate(subjects):
        name = list(DEVICES)[number % 2]
        device = DEVICES[name]
        for session in ["1", "2"][: 2 - number % 2]:
            for stimulus, place in enumerate(PLACES):
                shown = np.array(place) * device.px
                x, y = shown * np.array(device.cm) / device.px
                target = (x - device.camera[0], -y - device.camera[1])
                for frame in range(FRAMES):
                    time = 1000 * stimulus + 500 + 1000 / RATE * frame
                    rows.append((f"{subject}-{session}-{stimulus}-{frame}", subject, session, name,
                                 device.orientation, str(stimulus), stimulus, time, *target,
                                 *shown, "ab" * 32))  # fmt: skip
            kept = FRAMES * len(PLACES)
            lost = 5 + 10 * number
            sessions.append((subject, session, name, device.orientation, *device.px, *device.cm,
                             *device.camera, device.distance, 9.0, 270, RATE, kept + lost, kept,
                             lost - 2, 2))  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    index = pd.DataFrame(rows, columns=[
        "sample", "subject", "session", "device", "orientation", "point", "stimulus", "time_ms",
        "target_x", "target_y", "shown_x", "shown_y", "files",
    ])  # fmt: skip
    write_table(folder / "index.csv", index)
    write_table(folder / "sessions.csv", pd.DataFrame(sessions, columns=[
        "subject", "session", "device", "orientation", "screen_w_px", "screen_h_px", "screen_w_cm",
        "screen_h_cm", "camera_x_cm", "camera_y_cm", "distance_cm", "duration_s", "frames",
        "rate_hz", "shown", "kept", "no_face", "blink",
    ]))  # fmt: skip
    (folder / "setup.json").write_text(
        '{"unit": "cm", "inputs": ["face"], "screen_px": null, "screen_cm": null, '
        '"distance_cm": null}'
    )
    writer = ArrayWriter(folder / "arrays", {"face": ArraySpec((8, 8, 3), "uint8")})
    rng = np.random.default_rng(4)
    for _ in rows:
        writer.append({"face": rng.integers(256, size=(8, 8, 3), dtype=np.uint8)})
    writer.close()
    return open_prepared(replace(prepared.artifact, path=folder))


def with_sessions(faces: Prepared, sessions: pd.DataFrame) -> Prepared:
    """The same data with another table of sessions."""
    folder = faces.artifact.path.with_name("changed")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(faces.artifact.path, folder)
    write_table(folder / "sessions.csv", sessions)
    return open_prepared(replace(faces.artifact, path=folder))


def halves(faces: Prepared) -> Split:
    """Two folds."""
    subjects = sorted(set(faces.index["subject"]))
    middle = len(subjects) // 2
    parts = [Partition(0, 0, subjects[:middle], subjects[-1:]),
             Partition(0, 1, subjects[middle:], subjects[:1])]  # fmt: skip
    return Split("kfold:2", 0, subjects, parts, "subject")


def predictions(faces: Prepared, noise: float = 0.3, bias: float = 2.0) -> pd.DataFrame:
    """Test predictions: the truth, a shift of each subject, and noise, in cm."""
    table = faces.index.drop(columns=["files"])
    parts = halves(faces).partitions
    fold = [int(subject in parts[1].test) for subject in table["subject"]]
    rng = np.random.default_rng(0)
    shift = {subject: rng.normal(0, bias, 2) for subject in sorted(set(table["subject"]))}
    away = np.array([shift[s] for s in table["subject"]]) + rng.normal(0, noise, (len(table), 2))
    return table.assign(
        group=table["subject"], partition=fold, repeat=0, part="test",
        pred_x=table["target_x"] + away[:, 0], pred_y=table["target_y"] + away[:, 1],
    )  # fmt: skip
