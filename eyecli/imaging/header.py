"""What the first bytes of a picture say: its format, its size and how to turn it upright."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

# Start of frame, of any coding: all of 0xC0 to 0xCF but tables (C4, CC) and the reserved C8.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
START_OF_SCAN, APP1 = 0xDA, 0xE1
# Tags of TIFF, which EXIF shares.
WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
PNM = re.compile(rb"P[2356]\s(?:\s*#[^\n]*\n)*\s*(\d+)(?:\s+|\s*#[^\n]*\n)+(\d+)\s")


@dataclass(frozen=True)
class Header:
    """What a picture says of itself.

    Attributes
    ----------
    kind
        ``jpeg``, ``png``, ``tiff``, ``bmp``, ``webp`` or ``pnm``.
    width, height
        As stored, before it is turned.
    orientation
        EXIF's, 1 to 8; 1 is upright.
    """

    kind: str
    width: int
    height: int
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height once turned: from 5 on, rows are columns."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)


def read_header(content: bytes) -> Header | None:
    """Read format, size and orientation without decoding; None where they cannot be told.

    Parameters
    ----------
    content
        The file's bytes, or enough of its beginning.
    """
    try:
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(content)
        if content[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(content)
        if content.startswith(b"BM"):
            return _bmp(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError):
        return None
    found = PNM.match(content[:1024])
    return _checked("pnm", int(found[1]), int(found[2])) if found else None


def _checked(kind: str, width: int, height: int, orientation: int = 1) -> Header | None:
    return Header(kind, width, height, orientation) if width > 0 and height > 0 else None


def _jpeg(content: bytes) -> Header | None:
    orientation, place = 1, 2
    while True:
        while content[place + 1] == 0xFF:  # fill bytes
            place += 1
        mark, (length,) = content[place + 1], struct.unpack_from(">H", content, place + 2)
        if content[place] != 0xFF or mark == START_OF_SCAN:
            return None
        if mark in FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return _checked("jpeg", width, height, orientation)
        if mark == APP1 and content[place + 4 : place + 10] == b"Exif\0\0":
            orientation = _orientation(content[place + 10 : place + 2 + length])
        place += 2 + length


def _png(content: bytes) -> Header | None:
    width, height = struct.unpack_from(">II", content, 16)
    orientation, place = 1, 8
    while place + 8 <= len(content):
        (length,), kind = struct.unpack_from(">I", content, place), content[place + 4 : place + 8]
        if kind == b"eXIf":
            orientation = _orientation(content[place + 8 : place + 8 + length])
        place += 12 + length
    return _checked("png", width, height, orientation)


def _tiff(content: bytes) -> Header | None:
    tags = _tags(content)
    orientation = tags.get(ORIENTATION, 1)
    return _checked("tiff", tags.get(WIDTH, 0), tags.get(HEIGHT, 0),
                    orientation if 1 <= orientation <= 8 else 1)  # fmt: skip


def _bmp(content: bytes) -> Header | None:
    if struct.unpack_from("<I", content, 14)[0] == 12:  # OS/2
        return _checked("bmp", *struct.unpack_from("<HH", content, 18))
    width, height = struct.unpack_from("<ii", content, 18)
    return _checked("bmp", width, abs(height))  # below zero: rows from the top


def _webp(content: bytes) -> Header | None:
    if content[12:16] == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    elif content[12:16] == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", content, 26))
    return _checked("webp", width, height)


def _orientation(exif: bytes) -> int:
    """Read the orientation of an EXIF block; 1 where it is damaged or says nothing."""
    try:
        found = _tags(exif).get(ORIENTATION, 1)
    except (struct.error, IndexError):
        return 1
    return found if 1 <= found <= 8 else 1


def _tags(content: bytes) -> dict[int, int]:
    """Read the first value of each short or long tag of the first directory."""
    order = ">" if content[:2] == b"MM" else "<"
    (place,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, place)
    tags = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        if kind in (3, 4):  # short, long
            (tags[tag],) = struct.unpack_from(order + "xHI"[kind - 2], content, entry + 8)
    return tags
