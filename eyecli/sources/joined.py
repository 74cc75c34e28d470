"""Files, pieces of files, and several of them in a row, read as one: nothing is copied."""

from __future__ import annotations

import errno
import io
import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple


class Span(NamedTuple):
    """A piece of a file: where it begins and how long it is."""

    path: str
    start: int
    size: int


def cut(spans: Iterable[Span], start: int, size: int) -> tuple[Span, ...]:
    """Return the spans of a piece of what `spans` hold in a row."""
    found = []
    for span in spans:
        begin, end = max(start, 0), min(start + size, span.size)
        if begin < end:
            found.append(Span(span.path, span.start + begin, end - begin))
        start -= span.size
    return tuple(found)


class Joined(io.RawIOBase):
    """Spans in a row as one seekable file.

    Reading asks the system for a place in a file, and moves nothing that another thread or
    process could be moving too.

    Parameters
    ----------
    spans
        The pieces, in order.

    Raises
    ------
    OSError
        If a file cannot be opened.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        super().__init__()
        self._files: dict[str, int] = {}
        self._spans = spans
        self._ends = list(accumulate(span.size for span in spans))
        self._at = 0
        for span in spans:
            if span.path not in self._files:
                self._files[span.path] = os.open(span.path, os.O_RDONLY)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._ends[-1] if self._ends else 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to where the next read shall begin.

        Raises
        ------
        OSError
            If that is before the start.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, f"{base + offset} is before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, across spans; less only at the end."""
        view = memoryview(buffer).cast("B")
        filled = 0
        number = bisect_right(self._ends, self._at)
        while filled < len(view) and number < len(self._spans):
            span = self._spans[number]
            inside = self._at - (self._ends[number] - span.size)
            wanted = min(len(view) - filled, span.size - inside)
            got = os.pread(self._files[span.path], wanted, span.start + inside)
            if not got:
                raise OSError(f"{span.path} is shorter than it was")
            view[filled : filled + len(got)] = got
            filled, self._at = filled + len(got), self._at + len(got)
            number = bisect_right(self._ends, self._at)
        return filled

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])
        super().close()
