"""Whole pictures to samples: the face in each, or why the picture is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyecli.data.arrays import ArrayWriter
from eyecli.errors import DataError
from eyecli.imaging.decode import decode_rgb
from eyecli.imaging.face_mesh import still_finder
from eyecli.sources.source import Source
from eyecli.tasks.gaze.face_geometry import describe_face, eye_outside
from eyecli.tasks.gaze.faces import (
    BLINK,
    CLOSED,
    LEAST_EYE,
    NO_FACE,
    OUTSIDE,
    SMALL_FACE,
    crop_sizes,
    cut_face,
    face_specs,
)
from eyecli.tasks.gaze.session_frames import SHARD_BYTES, Extracted, measures, thumbnail


@dataclass(frozen=True)
class PictureJob:
    """A pile of pictures for one process.

    Attributes
    ----------
    source
        Where the pictures are.
    pictures
        (path in the source, where a person finds it, columns of its sample).
    folder
        Where crops go.
    face_size, eye_size
        Sides of the crops.
    """

    source: Source
    pictures: Sequence[tuple[str, str, dict[str, Any]]]
    folder: Path
    face_size: int
    eye_size: int


def extract_pictures(job: PictureJob) -> Extracted:
    """Find the largest face of every picture."""
    sizes = crop_sizes(job.face_size, job.eye_size)
    writer = ArrayWriter(job.folder, face_specs(job.face_size, job.eye_size), SHARD_BYTES)
    found = Extracted(job.folder)
    dropped: Counter[str] = Counter()
    with still_finder() as find:
        for name, where, columns in job.pictures:
            path = job.source.folder / name
            try:
                pixels = decode_rgb(job.source.read(name), f"{path} ({where})")
            except DataError as error:
                found.problems.append(error.message)
                continue
            points, number = find(pixels)
            face = None if points is None else describe_face(points)
            if face is None:
                reason = NO_FACE
            elif face.eye_px < LEAST_EYE:
                reason = SMALL_FACE
            elif eye_outside(face, pixels.shape[1], pixels.shape[0]):
                reason = OUTSIDE
            else:
                reason = BLINK if face.openness < CLOSED else ""
            if face is None or reason:
                dropped[reason] += 1
                found.exhibits.append((f"{reason}: {path.name}", thumbnail(pixels)))
                found.left_out.append((name, columns["sample"], reason))
                continue
            pose = measures((face.yaw, face.pitch, face.roll), face.openness)
            found.rows.append({**columns, **pose, "faces": number})
            found.places.append(writer.rows)
            found.where.append(where)
            writer.append(cut_face(pixels, face, sizes))
    writer.close()
    found.dropped.update(dropped)
    return found
