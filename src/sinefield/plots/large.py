"""The figure of a large picture: all of it thinned, and two details at its own resolution."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sinefield.io.image import Picture
from sinefield.plots.style import STYLE, draw_beside, short
from sinefield.signals.image import ImageSignal
from sinefield.solution import Solution

_SIDE = 512  # pixels a side of what is drawn of the whole, and of the first detail
_CLOSE = 96  # of the second


def large_picture_figure(solution: Solution) -> Figure:
    """Return the figure of a large picture: the whole and two details of it, truth, field and error.

    The details are of the liveliest places: those whose neighbouring pixels differ most.

    Raises:
        ValueError: the solution is not one of a picture.
    """
    picture, signal = solution.problem.reference, solution.problem.signal
    if not (isinstance(picture, Picture) and isinstance(signal, ImageSignal)):
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r} as a picture")
    height, width, _ = picture.values.shape
    step = math.ceil(max(height, width) / _SIDE)
    # Single samples: a mean over each step would show the field better than it is.
    rows, columns = height // step, width // step
    regions = {
        f"{width} x {height}, one pixel in {step}": (0, 0, columns * step, rows * step, step),
        f"{_SIDE} x {_SIDE} pixels": (*_liveliest(picture, _SIDE), 1),
        f"{_CLOSE} x {_CLOSE} pixels": (*_liveliest(picture, _CLOSE), 1),
    }
    panel = 2.6
    sides = panel * min(max(columns / rows, 0.5), 2.0)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3 * sides + 0.4, 3 * panel + 1.1), layout="constrained")
        grid = figure.add_gridspec(3, 3)
        for row, (name, (left, top, right, bottom, each)) in enumerate(regions.items()):
            middle = each // 2
            some = picture.values[top + middle : bottom : each, left + middle : right : each]
            truth = (some.astype(np.float32) - picture.low) / (picture.high - picture.low)
            shift = middle + 0.5 - each / 2  # from the middle of a step to the middle of the pixel that is drawn
            region = (left + shift, top + shift, right + shift, bottom + shift)
            found = signal.sample(solution.field, truth.shape[1::-1], region=region)
            found = (found - picture.low) / (picture.high - picture.low)
            draw_beside(figure, [grid[row, column] for column in range(3)], truth, found, name, details=picture.details)
        figure.suptitle(
            f"{short(picture.name)}, recipe “{solution.recipe.name}”: PSNR {solution.metrics['psnr']:.1f} dB, "
            f"{sum(each.numel() for each in solution.field.parameters()):,} parameters"
        )
    return figure


def _liveliest(picture: Picture, side: int) -> tuple[int, int, int, int]:
    """Return the part of a picture, left, top, right and bottom, whose neighbours differ most, of 64 spread over it."""
    height, width, _ = picture.values.shape
    tall, wide = min(side, height), min(side, width)

    def liveliness(at: tuple[int, int]) -> float:
        part = picture.values[at[0] : at[0] + tall, at[1] : at[1] + wide].astype(np.float32)
        return float(np.square(np.diff(part, axis=0)).mean() + np.square(np.diff(part, axis=1)).mean())

    corners = [(int(y), int(x)) for y in np.linspace(0, height - tall, 8) for x in np.linspace(0, width - wide, 8)]
    top, left = max(corners, key=liveliness)
    return left, top, left + wide, top + tall
