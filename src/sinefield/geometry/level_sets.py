"""Pictures of signed distances: lines of equal distance on blue inside and red outside, the surface in bold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_LINES = 12  # at most, from the middle of a shape to the edge of the picture
_BOLD, _THIN = 1.5, 0.5  # half the width of a line in pixels, of 512 on the longest side
_PALETTE = "RdBu_r"
_INK = np.array([0.13, 0.13, 0.13])
_FAINT = 0.55  # how much of a thin line is ink


def choose_spacing(values: NDArray[np.floating]) -> float:
    """Return the distance between lines: 1, 2 or 5 times a power of ten, so that there are at most 12 to a side.

    >>> choose_spacing(np.array([-0.4, 1.1]))
    0.1
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not largest > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest / _LINES))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _LINES >= largest)


def draw_contours(values: NDArray[np.floating]) -> Pixels:
    """Return a picture of distances ``(height, width)``, ``(height, width, 3)``.

    Lines are drawn by the distance from them that the values themselves tell, |Φ − c| / ‖∇Φ‖ in pixels, and so are
    smooth at any size.

    Args:
        values: Φ on a grid of square pixels, negative inside; finite, and at least 2 each way.
    """
    import matplotlib as mpl

    slopes = np.maximum(np.hypot(*np.gradient(values.astype(float))), 1e-30)  # Φ a pixel
    largest = max(float(np.abs(values).max()), 1e-30)
    pixels: NDArray[np.floating] = np.asarray(mpl.colormaps[_PALETTE](0.5 + 0.35 * values / largest))[:, :, :3]
    spacing, width = choose_spacing(values), max(values.shape) / 512
    off = np.abs(values - spacing * np.round(values / spacing)) / slopes
    for distance, half, ink in ((off, _THIN * width, _FAINT), (np.abs(values) / slopes, _BOLD * width, 1.0)):
        covered = ink * np.clip(half + 0.5 - distance, 0, 1)[:, :, None]
        pixels = (1 - covered) * pixels + covered * _INK
    found: Pixels = np.round(255 * pixels).astype(np.uint8)
    return found
