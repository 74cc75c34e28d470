"""Changes to a fundus photograph that leave its grade as it is."""

from __future__ import annotations

import numpy as np

from eyecli.imaging.affine import OFFSET, SCALE, warp_matrix

# Any turn: the circle has no upright. Zoom by its logarithm, shift as a share of the side.
ZOOM, SHIFT = 0.1, 0.04
# Cameras differ in exposure, in the balance of colours and in contrast.
EXPOSURE, BALANCE, GAMMA = 0.12, (0.12, 0.08, 0.2), 0.15
# Of views: lenses and sensors resolve less, files are compressed, apertures cut a smaller field.
LEAST_RESOLUTION, BLUR, QUALITIES, FIELD = 0.45, (0.5, 2.0), (30, 95), 0.25


def view(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Show a photograph as another camera and another file might, for a frozen backbone.

    At random: a resolution down to under a half, a blur, a JPEG, and a round field of view that is
    cut from a magnified picture; then as `change`.

    Parameters
    ----------
    pixels
        (size, size, 3) uint8.
    rng
        Of this sample and view.

    Returns
    -------
    ndarray of float32, shape (size, size, 3)
        In -1..1.
    """
    import cv2

    size = pixels.shape[0]
    share = rng.uniform(LEAST_RESOLUTION, 1)
    small = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(*BLUR) * share))
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(*QUALITIES))]
        small = cv2.imdecode(cv2.imencode(".jpg", small, quality)[1], cv2.IMREAD_COLOR)
    shown = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        middle, zoom = (size - 1) / 2, float(np.exp(rng.uniform(0, FIELD)))
        matrix = warp_matrix((size, size), (0.0, 0.0), 0.0, zoom)
        shown = cv2.warpAffine(shown, matrix, (size, size), flags=cv2.INTER_LINEAR)
        y, x = np.mgrid[:size, :size] - middle
        shown[x**2 + y**2 > (size / 2) ** 2] = 0
    return change(shown, rng)


def change(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn, mirror, shift, scale and tint a crop at random; one warp, one table of levels.

    Parameters
    ----------
    pixels
        (size, size, 3) uint8.
    rng
        Of this sample and epoch.

    Returns
    -------
    ndarray of float32, shape (size, size, 3)
        In -1..1.
    """
    import cv2

    size = pixels.shape[0]
    shift = (SHIFT * size * rng.uniform(-1, 1), SHIFT * size * rng.uniform(-1, 1))
    matrix = warp_matrix(
        (size, size), shift, rng.uniform(0, 360), float(np.exp(rng.uniform(-ZOOM, ZOOM)))
    )
    if rng.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1.0]])
    turned = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR)
    gain = np.exp(rng.normal(0, EXPOSURE) + rng.normal(0, BALANCE))
    levels = np.clip(np.arange(256)[:, None] / 255 * gain, 0, 1) ** np.exp(rng.normal(0, GAMMA))
    table = (levels * 255 * SCALE + OFFSET).astype(np.float32)
    return cv2.LUT(turned, np.ascontiguousarray(table[None]))
