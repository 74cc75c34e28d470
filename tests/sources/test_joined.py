"""Files in a row: whatever is read of them is what is read of the file that was cut."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyecli.sources.joined import Joined, Span, cut


def parts(folder: Path, content: bytes, cuts: list[int]) -> list[Span]:
    """Write a content in pieces, each a span of its file between other bytes."""
    ends = [0, *sorted(min(at, len(content)) for at in cuts), len(content)]
    spans = []
    for number, (start, end) in enumerate(pairwise(ends)):
        path = folder / f"{number:03d}"
        path.write_bytes(b"before" + content[start:end] + b"after")
        spans.append(Span(str(path), 6, end - start))
    return spans


@settings(deadline=None, max_examples=60)
@given(
    content=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=5),
    reads=st.lists(st.tuples(st.integers(0, 220), st.integers(-1, 90)), max_size=8),
)
def test_random_reads_equal_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    cuts: list[int],
    reads: list[tuple[int, int]],
) -> None:
    whole = io.BytesIO(content)
    with Joined(parts(tmp_path_factory.mktemp("parts"), content, cuts)) as joined:
        assert joined.size == len(content)
        for place, size in reads:
            assert joined.seek(place) == whole.seek(place)
            assert joined.read(size) == whole.read(size)
            assert joined.tell() == whole.tell()
        assert joined.seek(-min(3, len(content)), os.SEEK_END) == max(len(content) - 3, 0)
        assert joined.read() == content[-3:]


@given(
    sizes=st.lists(st.integers(0, 9), max_size=6), start=st.integers(0, 60), size=st.integers(0, 60)
)
def test_a_piece_of_spans_is_that_piece(sizes: list[int], start: int, size: int) -> None:
    spans = [Span(str(number), 100, size) for number, size in enumerate(sizes)]
    letters = [(span.path, at) for span in spans for at in range(100, 100 + span.size)]
    piece = cut(spans, start, size)
    found = [(p.path, at) for p in piece for at in range(p.start, p.start + p.size)]
    assert found == letters[start : start + size]
    assert all(p.size for p in piece)


def test_threads_with_views_of_their_own_do_not_disturb_each_other(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    spans = parts(tmp_path, content, [30_000, 30_000, 70_001])

    def read(seed: int) -> bool:
        with Joined(spans) as joined:
            places = [(seed * 7919 * step) % len(content) for step in range(200)]
            return all(
                joined.seek(place) == place and joined.read(999) == content[place : place + 999]
                for place in places
            )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


def test_a_file_that_has_become_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    with (
        Joined([Span(str(tmp_path / "a"), 0, 5)]) as joined,
        pytest.raises(OSError, match="a is shorter than it was"),
    ):
        joined.read()


def test_before_the_start_there_is_nothing(tmp_path: Path) -> None:
    with Joined([]) as joined:
        assert joined.read() == b""
        with pytest.raises(OSError, match="before the start"):
            joined.seek(-1)
