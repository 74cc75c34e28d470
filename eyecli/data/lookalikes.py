"""Near-duplicate images of a prepared set: candidates by fingerprint, confirmed on pixels.

Of samples of several images, such as two eyes, all must be alike, or one beyond doubt. Arrays of
one size are compared with each other: in a mirrored face the left eye is on the right.

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

from eyecli.data.alignment import Picture, similarity
from eyecli.data.arrays import Arrays
from eyecli.data.comparable import all_images, judged_images
from eyecli.data.fingerprints import FORMS, channel, fingerprints, inverse, nearest
from eyecli.data.identical import identical_images
from eyecli.errors import DataError
from eyecli.machine import usable_cores
from eyecli.progress import track

T = TypeVar("T")
R = TypeVar("R")
# Position of a sample, and the name of one of its arrays.
Image = tuple[int, str]

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
# of one sitting (0.79): there, copies that lost detail (JPEG 50, half size) cannot be told.
THRESHOLDS = {64: 0.88, 128: 0.71}
# Correlation from which one image of several in a sample is enough, such as one eye: there are more
# pairs of images than of samples. At 64, the nearest honest ones are 0.86 (eyes rendered of 8
# people, left and right together) and 0.79 (the eye crops), at 128 0.65 and 0.46. The least of
# planted copies of eyes, at 64 and 128: saved without loss, mirrored or turned by quarters 0.99 and
# 0.99, gamma 0.99 and 0.98, 3 % cut off 0.95 and 0.93. Of eyes enlarged from 47, JPEG 50 (0.67 and
# 0.45) and half size (0.51 and 0.21) cannot be told; of photographs at 160 they have 0.94 and more.
SURE = {64: 0.92, 128: 0.8}
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
        What was done to the first: ``as it is``, ``mirrored``, ``turned 90``... If not all its
        images are the second's by name, which is: ``left mirrored``, ``left as right as it is``.
    """

    first: int
    second: int
    score: float
    how: str


def find_lookalikes(
    arrays: Arrays, subjects: Sequence[str], rows: Sequence[int] | None = None
) -> list[Lookalike]:
    """Find the near-duplicates within a set, and the pixel-identical images of any size.

    Every image is compared with the nearest of other subjects, `MOST` a sample: of one photograph
    in many versions not every pair is found, but pairs that join all. Of its own subject's only
    the nearest is looked at, by the largest image: what is alike there is a matter of a warning.

    Parameters
    ----------
    arrays
        The arrays of the set.
    subjects
        (n,) ids; '' is unknown.
    rows
        Those to compare, ascending; all by default.

    Returns
    -------
    list of Lookalike
        First below second, sorted.
    """
    chosen = np.arange(len(subjects)) if rows is None else np.asarray(rows, int)
    subjects, names = [subjects[row] for row in chosen], judged_images(arrays.specs)
    own = _side(arrays, chosen, names)
    candidates: dict[tuple[Image, Image], int] = {}
    for query, other, form in _candidates(own, subjects, names):
        if query < other:
            candidates.setdefault((query, other), form)
        else:
            candidates.setdefault((other, query), inverse(form))
    found = _confirm([(*pair, form) for pair, form in candidates.items()], own, own, names)
    every = all_images(arrays.specs)
    images = [(position, name) for position in range(len(chosen)) for name in every]
    for (a, x), (b, y), form in identical_images(images, lambda image: own.pixels(*image)):
        if a != b:
            pair = int(chosen[a]), int(chosen[b])
            found.setdefault(pair, Lookalike(*pair, 1.0, _how(x, y, form, len(every) > 1)))
    return sorted(found.values())


def _candidates(
    own: _Side, subjects: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[Image, Image, int]]:
    members: dict[str, list[int]] = {}
    for row, subject in enumerate(subjects):
        members.setdefault(subject, []).append(row)
    codes = np.arange(len(subjects))
    for subject, rows in members.items():
        if not subject:
            continue
        codes[rows] = rows[0]
        if not names:
            continue
        prints, inner = own.prints[names[0]][rows], np.arange(len(rows))
        for a, b, form in nearest(prints, prints[:, 0], 1, LEAST, (inner, inner)):
            yield (rows[a], names[0]), (rows[b], names[0]), form
    for pool in _pools(own.arrays, names):
        prints, apart = own.pooled(pool), np.tile(codes, len(pool))
        images = [(row, name) for name in pool for row in range(len(subjects))]
        for a, b, form in nearest(prints, prints[:, 0], _most(pool), LEAST, (apart, apart)):
            yield images[a], images[b], form


def _pools(arrays: Arrays, names: Sequence[str]) -> list[list[str]]:
    """Arrays of one size belong together: a mirrored face has its left eye on the right."""
    pools: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        pools.setdefault(tuple(arrays.spec(name).shape), []).append(name)
    return list(pools.values())


def _most(pool: Sequence[str]) -> int:
    return -(-MOST // len(pool))


def lookalikes_between(
    first: Arrays, first_rows: np.ndarray, second: Arrays, second_rows: np.ndarray
) -> list[Lookalike]:
    """Find near-duplicates and pixel-identical images that have one image in each of two sets.

    Every image of the second is compared with the nearest of the first, `MOST` a sample. Arrays of
    one name and shape are compared; where none is common to both, nothing is found.
    """
    if not len(first_rows) or not len(second_rows):
        return []
    images = [
        name
        for name in all_images(first.specs)
        if name in second.names and first.spec(name) == second.spec(name)
    ]
    names = [name for name in images if name in judged_images(first.specs)]
    one = _side(first, first_rows, names, FORMS[:1])
    other = _side(second, second_rows, names)
    candidates: list[tuple[Image, Image, int]] = []
    for pool in _pools(first, names):
        a_images = [(row, name) for name in pool for row in range(len(first_rows))]
        b_images = [(row, name) for name in pool for row in range(len(second_rows))]
        base, queries = one.pooled(pool)[:, 0], other.pooled(pool)
        for b, a, form in nearest(queries, base, _most(pool), LEAST):
            candidates.append((a_images[a], b_images[b], inverse(form)))
    found = _confirm(candidates, one, other, names)
    keys = [(s, r, n) for s in (one, other) for r in range(len(s.rows)) for n in images]
    for (s, a, x), (t, b, y), form in identical_images(keys, lambda key: key[0].pixels(*key[1:])):
        if s is one and t is other:
            pair = int(first_rows[a]), int(second_rows[b])
            how = _how(x, y, form, len(images) > 1)
            found.setdefault(pair, Lookalike(*pair, 1.0, how))
    return sorted(found.values())


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


def threshold(side: int, table: Mapping[int, float] = THRESHOLDS) -> float:
    """Return the least correlation of a copy, for images compared at this side."""
    sides, values = zip(*table.items(), strict=True)
    return float(np.interp(np.log2(side), np.log2(sides), values))


def describe(form: int) -> str:
    """Say what a form is."""
    mirrored, degrees = FORMS[form]
    words = (["mirrored"] if mirrored else []) + ([f"turned {degrees}"] if degrees else [])
    return ", ".join(words) or "as it is"


def _how(first: str, second: str, form: int, named: bool) -> str:
    """Say what a form is, and of which image where a sample has several."""
    which = first if first == second else f"{first} as {second}"
    return f"{which} {describe(form)}" if named else describe(form)


class _Side(NamedTuple):
    """One of the two sets to compare; images are given by position and name."""

    arrays: Arrays
    rows: np.ndarray
    prints: dict[str, np.ndarray]
    picture: Callable[[int, str], Picture]

    def pixels(self, position: int, name: str) -> np.ndarray:
        return channel(self.arrays.take(name, [self.rows[position]])[0])

    def pooled(self, names: Sequence[str]) -> np.ndarray:
        return np.concatenate([self.prints[name] for name in names])


def _side(
    arrays: Arrays,
    rows: np.ndarray,
    names: Sequence[str],
    forms: Sequence[tuple[bool, int]] = FORMS,
) -> _Side:
    def pixels(position: int, name: str) -> np.ndarray:
        return channel(arrays.take(name, [rows[position]])[0])

    @lru_cache(CACHED)
    def picture(position: int, name: str) -> Picture:
        return Picture(pixels(position, name))

    def prints(name: str) -> np.ndarray:
        made = _in_threads(
            lambda position: fingerprints(pixels(position, name), forms),
            range(len(rows)),
            f"fingerprints of {name}",
        )
        return np.stack(list(made))

    return _Side(arrays, rows, {name: prints(name) for name in names}, picture)


def _confirm(
    candidates: Sequence[tuple[Image, Image, int]],
    first: _Side,
    second: _Side,
    names: Sequence[str],
) -> dict[tuple[int, int], Lookalike]:
    """Keep the pairs all of whose images are the same photograph, or one image surely is."""

    def check(candidate: tuple[Image, Image, int]) -> Lookalike | None:
        (a, x), (b, y), form = candidate
        one, other = first.picture(a, x), second.picture(b, y)
        score = similarity(one, other, form)
        if score < threshold(len(other.pixels)):
            return None
        pair = int(first.rows[a]), int(second.rows[b])
        whole = rest(a, b, {x: y, y: x}, x)
        if whole is not None:
            how = _how(x, y, form, x != y)
            return Lookalike(*pair, min(score, whole), how)
        if score < threshold(len(other.pixels), SURE):
            return None
        return Lookalike(*pair, score, _how(x, y, form, True))

    def rest(a: int, b: int, swapped: Mapping[str, str], done: str) -> float | None:
        """Least score of a sample's other images, or none where one is not alike."""
        score = 1.0
        for x in names:
            if x == done:
                continue
            y = swapped.get(x, x)
            best = int(np.argmax(second.prints[y][b] @ first.prints[x][a, 0]))
            other = second.picture(b, y)
            score = min(score, similarity(first.picture(a, x), other, inverse(best)))
            if score < threshold(len(other.pixels)):
                return None
        return score

    found: dict[tuple[int, int], Lookalike] = {}
    for pair in _in_threads(check, candidates, "near-duplicates"):
        if pair:
            found.setdefault(pair[:2], pair)
    return found


def _in_threads(work: Callable[[T], R], items: Sequence[T], label: str) -> Iterator[R]:
    """Yield the results in order; OpenCV lets other threads run meanwhile."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in track(range(0, len(items), CHUNK), label):
            yield from pool.map(work, items[start : start + CHUNK])
