"""Pictures of signed distances: contour lines on blue inside and on red outside, the zero level set in bold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_LINES = 12  # the largest number of lines on either side of the surface
_BOLD, _THIN = 1.5, 0.5  # half the width of a line, in pixels of a picture of 512 on the longest side
_PALETTE = "RdBu_r"
_INK = np.array([0.13, 0.13, 0.13])
_FAINT = 0.55  # opacity of a thin line


def choose_spacing(values: NDArray[np.floating]) -> float:
    """Return the distance between contour lines: 1, 2 or 5 times a power of ten, for at most 12 on either side.

    Args:
        values: Φ, of any shape.

    >>> choose_spacing(np.array([-0.4, 1.1]))
    0.1
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not largest > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest / _LINES))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _LINES >= largest)


def draw_contours(values: NDArray[np.floating]) -> Pixels:
    """Return a picture of signed distances with contour lines.

    The distance of a pixel from the line Φ = c is taken as |Φ − c| / ‖∇Φ‖ pixels, so that lines are smooth at any size.

    Args:
        values: finite Φ on a grid of at least 2 x 2 square pixels ``(height, width)``, negative inside.

    Returns:
        ``(height, width, 3)``.
    """
    import matplotlib as mpl

    slopes = np.maximum(np.hypot(*np.gradient(values.astype(float))), 1e-30)  # ‖∇Φ‖ per pixel
    largest = max(float(np.abs(values).max()), 1e-30)
    pixels: NDArray[np.floating] = np.asarray(mpl.colormaps[_PALETTE](0.5 + 0.35 * values / largest))[:, :, :3]
    spacing, width = choose_spacing(values), max(values.shape) / 512
    off = np.abs(values - spacing * np.round(values / spacing)) / slopes
    for distance, half, ink in ((off, _THIN * width, _FAINT), (np.abs(values) / slopes, _BOLD * width, 1.0)):
        covered = ink * np.clip(half + 0.5 - distance, 0, 1)[:, :, None]
        pixels = (1 - covered) * pixels + covered * _INK
    found: Pixels = np.round(255 * pixels).astype(np.uint8)
    return found
