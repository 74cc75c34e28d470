"""Pictures of all kinds come out upright, 8-bit RGB, where they say; broken ones are named."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eyecli.errors import DataError
from eyecli.imaging import scaled
from eyecli.imaging.header import read_header
from eyecli.imaging.scaled import FACTORS, Factor, decode_scaled, picture_size

FORMATS = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "bmp": "BMP", "webp": "WEBP", "pnm": "PPM"}


def smooth(width: int, height: int) -> np.ndarray:
    """Colours that rise to the right and downwards, so that a place can be read off them."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.stack([220 * columns / width + 10, 220 * rows / height + 10,
                     np.full(rows.shape, 60.0)], axis=2).astype(np.uint8)  # fmt: skip


def encoded(pixels: np.ndarray | Image.Image, kind: str, orientation: int = 1) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    options: dict[str, object] = {"quality": 98, "subsampling": 0} if kind == "jpeg" else {}
    if kind == "webp":
        options = {"lossless": True}
    if orientation != 1:
        exif = Image.Exif()
        exif[274] = orientation
        options["exif"] = exif
    stream = io.BytesIO()
    image.save(stream, FORMATS[kind], **options)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.integers(9, 140), st.integers(9, 140), st.sampled_from(FACTORS),
       st.sampled_from(sorted(FORMATS)))  # fmt: skip
def test_sizes_are_rounded_up_and_places_are_kept(
    width: int, height: int, factor: Factor, kind: str
) -> None:
    original = smooth(width, height)
    content = encoded(original, kind)
    assert picture_size(content) == (width, height)
    small = decode_scaled(content, "a", factor)
    assert small.shape == (-(-height // factor), -(-width // factor), 3)
    # A whole pixel is the mean of the block it covers.
    full = original[: height // factor * factor, : width // factor * factor].astype(float)
    blocks = full.reshape(height // factor, factor, width // factor, factor, 3).mean(axis=(1, 3))
    difference = small[: height // factor, : width // factor] - blocks
    assert np.abs(difference).max() < (14 if kind == "jpeg" else 1.01)
    assert np.abs(difference.mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("factor", FACTORS)
def test_exif_is_applied_once(kind: str, orientation: int, factor: Factor) -> None:
    from PIL import ImageOps

    content = encoded(smooth(75, 45), kind, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    assert picture_size(content) == expected.shape[1::-1]
    small = decode_scaled(content, "a", factor)
    padded = np.pad(expected.astype(float), ((0, -expected.shape[0] % factor),
                    (0, -expected.shape[1] % factor), (0, 0)), mode="edge")  # fmt: skip
    blocks = padded.reshape(small.shape[0], factor, small.shape[1], factor, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() < 12
    if header := read_header(content):
        assert header.orientation == orientation


def test_a_turned_jpeg_of_whole_blocks_is_scaled_while_decoding() -> None:
    content = encoded(smooth(80, 48), "jpeg", 6)
    small = decode_scaled(content, "a", 8)
    assert small.shape == (10, 6, 3)
    assert small[0, 0, 1] > small[0, -1, 1]


def test_kinds_of_pixels() -> None:
    grey = smooth(64, 40)[..., 0]
    assert (decode_scaled(encoded(grey, "png"), "a") == grey[..., None]).all()
    deep = (grey.astype(np.uint16) << 8) + 77
    for kind in (".png", ".tiff"):
        content = cv2.imencode(kind, deep)[1].tobytes()
        assert (decode_scaled(content, "a") == grey[..., None]).all()
        colour = (smooth(64, 40).astype(np.uint16) << 8)[..., ::-1]
        content = cv2.imencode(kind, colour)[1].tobytes()
        assert (decode_scaled(content, "a") == smooth(64, 40)).all()
    alpha = np.dstack([smooth(64, 40), np.full((40, 64), 255, np.uint8)])
    alpha[:20, :, 3] = 0
    seen = decode_scaled(encoded(alpha, "png"), "a")
    assert (seen[:20] == 0).all() and (seen[20:] == smooth(64, 40)[20:]).all()
    palette = Image.fromarray(smooth(64, 40)).quantize(64)
    expected = np.asarray(palette.convert("RGB"))
    assert (decode_scaled(encoded(palette, "png"), "a") == expected).all()


def test_cmyk_is_converted() -> None:
    image = Image.fromarray(smooth(64, 40)).convert("CMYK")
    content = encoded(image, "jpeg")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    for factor in FACTORS:
        blocks = expected.reshape(40 // factor, factor, 64 // factor, factor, 3).mean(axis=(1, 3))
        assert np.abs(decode_scaled(content, "a", factor) - blocks).max() < 12


def test_floats_are_refused() -> None:
    content = cv2.imencode(".tiff", smooth(20, 20).astype(np.float32))[1].tobytes()
    with pytest.raises(DataError, match=r"b\.tif: neither 8 nor 16 bits"):
        decode_scaled(content, "b.tif")


def noisy_jpeg(progressive: bool = False) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", quality=90, progressive=progressive)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 0.9999), st.booleans(), st.sampled_from(FACTORS))
def test_a_jpeg_that_breaks_off_is_named(share: float, progressive: bool, factor: Factor) -> None:
    content = noisy_jpeg(progressive)
    assert decode_scaled(content, "a", factor).shape[2] == 3
    with pytest.raises(DataError, match=r"^eye\.jpg: "):
        decode_scaled(content[: int(share * len(content))], "eye.jpg", factor)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("factor", FACTORS)
def test_an_end_behind_a_part_does_not_make_it_whole(share: float, factor: Factor) -> None:
    content = noisy_jpeg()
    with pytest.raises(DataError, match=r"eye\.jpg: the lower part"):
        decode_scaled(content[: int(share * len(content))] + b"\xff\xd9", "eye.jpg", factor)


def test_grey_all_around_and_bytes_behind_the_end_are_no_damage() -> None:
    normalised = np.full((64, 64, 3), 128, np.uint8)
    normalised[16:48, 16:48] = smooth(32, 32)
    content = encoded(normalised, "jpeg")
    assert decode_scaled(content + b"\0" * 100 + b"made by a camera", "a", 8).shape == (8, 8, 3)


def test_a_thumbnail_has_no_say() -> None:
    """Its size and its end of image lie in a segment that is skipped."""
    inner = encoded(smooth(16, 16), "jpeg")
    segment = b"\xff\xe2" + struct.pack(">H", len(inner) + 2) + inner
    content = noisy_jpeg()
    whole = content[:2] + segment + content[2:]
    assert picture_size(whole) == (128, 96)
    assert decode_scaled(whole, "a").shape == (96, 128, 3)
    with pytest.raises(DataError, match="before the end of the picture"):
        decode_scaled(whole[:-300], "a")


def test_nothing_and_no_picture() -> None:
    with pytest.raises(DataError, match=r"a\.jpg: an empty file"):
        decode_scaled(b"", "a.jpg")
    for content in (
        b"hello",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0\xff\xff\xff\xff",
        b"BM",
    ):
        assert picture_size(content) is None
        with pytest.raises(DataError, match=r"a\.jpg: not a picture"):
            decode_scaled(content, "a.jpg")
    png = encoded(smooth(40, 40), "png")
    with pytest.raises(DataError, match=r"a\.png: not a readable picture"):
        decode_scaled(png[:60], "a.png")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(
    [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"RIFF1234WEBP", b"P6 "]
))  # fmt: skip
def test_any_bytes_have_a_size_or_none(content: bytes, start: bytes) -> None:
    size = picture_size(start + content)
    assert size is None or min(size) > 0


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    monkeypatch.setattr(scaled, "_read", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"bomb\.png: says it has 60000 by 60000 pixels"):
        decode_scaled(b"\x89PNG\r\n\x1a\n" + chunk, "bomb.png", 8)
