"""Near-duplicate images of a prepared set: candidates by fingerprint, confirmed on pixels.

The claim is "the same photograph, processed": saved again, resized, a little cropped, mirrored,
turned, brightened. Two photographs of one eye are not meant, unless framed alike to the pixel:
then they are as good as one, such as two exposures at once or an OCT scan repeated in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from eyecli.data.alignment import Picture, picture_side, similarity
from eyecli.data.arrays import Arrays, ArraySpec
from eyecli.data.fingerprints import FORMS, channel, fingerprints, inverse, nearest
from eyecli.errors import DataError
from eyecli.machine import usable_cores
from eyecli.progress import track

T = TypeVar("T")
R = TypeVar("R")

TABLE = "lookalikes.csv"
# Candidates of an image, and the cosine below which none is one: the least of planted copies of
# half the images of IDRiD and of macular B-scans is 0.62.
MOST = 4
LEAST = 0.55
# Correlation of detail from which two images are one photograph, by the side at which they are
# compared: the fewer pixels, the more alike are honest images of one kind. At 128, halfway between
# planted copies (JPEG 50, half size, 5 % cut off, mirrored, turned, gamma, and pairs of these) and
# the nearest honest pairs of half the images of IDRiD (404 fundus photographs) and of 329 macular
# B-scans: 0.84 and 0.58; on the other half 0.79 and 0.60, over all pairs 0.79 and 0.64 (left out
# are 8 pairs framed alike to the pixel, 0.85 to 0.97). At 64, above the nearest of 155 eye crops
# of one sitting (0.78): there, copies that lost detail (JPEG 50, half size) cannot be told.
THRESHOLDS = {64: 0.88, 128: 0.71}
# Smaller ones of two people can agree as well as copies do: they are not judged.
SMALLEST = min(THRESHOLDS)
CACHED = 2048
CHUNK = 256


class Lookalike(NamedTuple):
    """Two samples, by row, whose images are one photograph.

    Attributes
    ----------
    first, second
        Row numbers.
    score
        Correlation of fine detail after alignment, the least over a sample's images.
    how
        What was done to the first: ``as it is``, ``mirrored``, ``turned 90``...
    """

    first: int
    second: int
    score: float
    how: str


def image_names(arrays: Arrays) -> list[str]:
    """Names of the arrays that hold images large enough to be told apart, the largest first."""
    return _image_names({name: arrays.spec(name) for name in arrays.names})


def _image_names(specs: Mapping[str, ArraySpec]) -> list[str]:
    images = [
        name
        for name, spec in sorted(specs.items())
        if spec.dtype == "uint8"
        and len(spec.shape) == 3
        and spec.shape[2] in (1, 3)
        and min(spec.shape[:2]) >= SMALLEST
    ]
    return sorted(images, key=lambda name: int(np.prod(specs[name].shape)), reverse=True)


def thumbnail_specs(specs: Mapping[str, ArraySpec]) -> dict[str, ArraySpec]:
    """Return the arrays that are enough to find the near-duplicates."""
    sides = {name: picture_side(specs[name].shape) for name in _image_names(specs)}
    return {name: ArraySpec((side, side, 1), "uint8") for name, side in sides.items()}


def thumbnails(
    row: Mapping[str, np.ndarray], specs: Mapping[str, ArraySpec]
) -> dict[str, np.ndarray]:
    """Make a row of the arrays of `thumbnail_specs` from one of the whole arrays."""
    return {name: Picture(channel(row[name])).pixels[..., None] for name in specs}


def find_lookalikes(arrays: Arrays, subjects: Sequence[str]) -> list[Lookalike]:
    """Find the near-duplicates within a set.

    Every image is compared with the `MOST` nearest of other subjects: of one photograph in many
    versions not every pair is found, but pairs that join all. Of its own subject's only the
    nearest is looked at: what is alike there is a matter of a warning.

    Parameters
    ----------
    arrays
        The arrays of the set.
    subjects
        (n,) ids; '' is unknown.

    Returns
    -------
    list of Lookalike
        First below second, sorted.
    """
    names = image_names(arrays)
    if not names:
        return []
    prints = _prints(arrays, names[0], np.arange(len(subjects)))
    pairs: dict[tuple[int, int], int] = {}
    for query, other, form in _candidates(prints, subjects):
        if query < other:
            pairs.setdefault((query, other), form)
        else:
            pairs.setdefault((other, query), inverse(form))
    found = [(*pair, form) for pair, form in pairs.items()]
    return sorted(_confirm(found, arrays, arrays, names))


def _candidates(prints: np.ndarray, subjects: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    members: dict[str, list[int]] = {}
    for row, subject in enumerate(subjects):
        members.setdefault(subject, []).append(row)
    codes = np.arange(len(subjects))
    for subject, own in members.items():
        if not subject:
            continue
        rows, inner = np.array(own), np.arange(len(own))
        codes[rows] = own[0]
        for a, b, form in nearest(prints[rows], prints[rows, 0], 1, LEAST, (inner, inner)):
            yield own[a], own[b], form
    yield from nearest(prints, prints[:, 0], MOST, LEAST, (codes, codes))


def lookalikes_between(
    first: Arrays, first_rows: np.ndarray, second: Arrays, second_rows: np.ndarray
) -> list[Lookalike]:
    """Find near-duplicates that have one image in each of two sets.

    Every image of the second is compared with the `MOST` nearest of the first. Arrays of one name
    and shape are compared; where none is common to both, nothing is found.
    """
    names = [
        name
        for name in image_names(first)
        if name in second.names and first.spec(name) == second.spec(name)
    ]
    if not names or not len(first_rows) or not len(second_rows):
        return []
    base = _prints(first, names[0], first_rows, FORMS[:1])[:, 0]
    prints = _prints(second, names[0], second_rows)
    pairs = [
        (int(first_rows[a]), int(second_rows[b]), inverse(form))
        for b, a, form in nearest(prints, base, MOST, LEAST)
    ]
    return sorted(_confirm(pairs, first, second, names))


def write_lookalikes(folder: Path, samples: Sequence[str], found: Sequence[Lookalike]) -> None:
    """Write the table with sample ids in place of rows."""
    import pandas as pd

    rows = [(samples[a.first], samples[a.second], round(a.score, 4), a.how) for a in found]
    table = pd.DataFrame(rows, columns=list(Lookalike._fields))
    table.to_csv(folder / TABLE, index=False, lineterminator="\n")


def read_lookalikes(folder: Path, samples: Sequence[str]) -> list[Lookalike]:
    """Read the table; rows are those of `samples`.

    Raises
    ------
    DataError
        If it is missing, damaged, or names a sample that is not there.
    """
    import pandas as pd

    row = {sample: number for number, sample in enumerate(samples)}
    path = folder / TABLE
    try:
        table = pd.read_csv(path, dtype={"first": str, "second": str, "how": str},
                            keep_default_na=False)  # fmt: skip
        return [
            Lookalike(row[a], row[b], float(score), how)
            for a, b, score, how in table[list(Lookalike._fields)].itertuples(index=False)
        ]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: no table of near-duplicates: {error}",
            "run the same `eyecli preprocess` again",
        ) from error


def threshold(side: int) -> float:
    """Return the least correlation of a copy, for images compared at this side."""
    sides, values = zip(*THRESHOLDS.items(), strict=True)
    return float(np.interp(np.log2(side), np.log2(sides), values))


def describe(form: int) -> str:
    """Say what a form is."""
    mirrored, degrees = FORMS[form]
    words = (["mirrored"] if mirrored else []) + ([f"turned {degrees}"] if degrees else [])
    return ", ".join(words) or "as it is"


def _prints(
    arrays: Arrays, name: str, rows: np.ndarray, forms: Sequence[tuple[bool, int]] = FORMS
) -> np.ndarray:
    def one(row: int) -> np.ndarray:
        return fingerprints(channel(arrays.take(name, [row])[0]), forms)

    return np.stack(list(_in_threads(one, rows.tolist(), "fingerprints")))


def _confirm(
    pairs: Sequence[tuple[int, int, int]], first: Arrays, second: Arrays, names: Sequence[str]
) -> list[Lookalike]:
    """Keep the pairs all of whose images are the same photograph."""
    looks = {id(arrays): _pictures(arrays) for arrays in (first, second)}

    def check(pair: tuple[int, int, int]) -> Lookalike | None:
        a, b, form = pair
        score = 1.0
        for name in names:
            one, other = looks[id(first)](name, a), looks[id(second)](name, b)
            score = min(score, similarity(one, other, form))
            if score < threshold(len(other.pixels)):
                return None
        return Lookalike(a, b, score, describe(form))

    return [pair for pair in _in_threads(check, pairs, "near-duplicates") if pair]


def _in_threads(work: Callable[[T], R], items: Sequence[T], label: str) -> Iterator[R]:
    """Yield the results in order; OpenCV lets other threads run meanwhile."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in track(range(0, len(items), CHUNK), label):
            yield from pool.map(work, items[start : start + CHUNK])


def _pictures(arrays: Arrays) -> Callable[[str, int], Picture]:
    @lru_cache(CACHED)
    def picture(name: str, row: int) -> Picture:
        return Picture(channel(arrays.take(name, [row])[0]))

    return picture
