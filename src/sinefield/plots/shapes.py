"""Figures of distance fields: slices with lines of equal distance, and of what a fit of a shape came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sinefield.geometry import Camera
from sinefield.geometry.scalar_field import evaluate
from sinefield.history import Record
from sinefield.plots.style import INK, STYLE, short
from sinefield.signals.shape import ShapeSignal
from sinefield.solution import Solution

_LINES = 10  # of equal distance, on each side of the surface
_SIDE = 420  # pixels of pictures of surfaces


def draw_distances(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], values: NDArray[np.floating[Any]]
) -> ContourSet:
    """Return what is drawn of distances ``(len(y), len(x))``: filled between lines of equal distance, 0 in bold."""
    largest = max(float(np.abs(values).max()), 1e-12)
    levels = MaxNLocator(2 * _LINES, symmetric=True).tick_values(-largest, largest)
    filled = axes.contourf(x, y, values, levels, cmap="RdBu_r")
    axes.contour(x, y, values, levels, colors=INK, linewidths=0.5, linestyles="solid", alpha=0.6)
    if values.min() < 0 < values.max():
        axes.contour(x, y, values, [0.0], colors=INK, linewidths=2.0)
    axes.set_aspect("equal")
    return filled


def shape_figure(solution: Solution) -> Figure:
    """Return the figure of a shape: pictures of it and its curvature, its distance in a slice, and convergence.

    Raises:
        ValueError: the solution is not one of a shape.
    """
    signal = solution.problem.signal
    if not isinstance(signal, ShapeSignal):
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r} as a shape")
    field, reached = solution.field, solution.metrics
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.6, 7.4 if signal.dimension == 3 else 5.4), layout="constrained")
        grid = figure.add_gridspec(2, 3, width_ratios=[3, 3, 2.6])
        if signal.dimension == 3:
            views = {"in front": Camera(), "behind": Camera(azimuth=210.0)}
            for column, (name, camera) in enumerate(views.items()):
                axes = figure.add_subplot(grid[0, column])
                axes.imshow(signal.sample(field, (_SIDE, _SIDE), camera=camera))
                axes.set_title(f"from {name}" if name == "behind" else name)
                axes.set_axis_off()
            axes = figure.add_subplot(grid[1, 0])
            axes.imshow(signal.sample(field, (_SIDE, _SIDE), colouring="curvature"))
            axes.set_title("mean curvature: convex red, concave blue")
            axes.set_axis_off()
            ticks = np.linspace(-1, 1, 201)
            points = np.stack([*np.meshgrid(ticks, ticks, indexing="xy"), np.zeros((201, 201))], -1).reshape(-1, 3)
            values: NDArray[Any] = evaluate(field, points).reshape(201, 201)
            axes = figure.add_subplot(grid[1, 1])
            axes.set_title("Φ in the middle, across z")
        else:
            values = signal.sample(field, (401, 401)) / signal.scale
            ticks = (2 * np.arange(401) + 1) / 401 - 1
            axes = figure.add_subplot(grid[:, :2])
            axes.set_title("Φ: distance, negative inside")
            axes.invert_yaxis()
        figure.colorbar(draw_distances(axes, ticks, ticks, values), ax=axes)
        _draw_terms(figure.add_subplot(grid[:, 2]), solution.history)
        reference = solution.problem.reference
        figure.suptitle(
            f"{short(getattr(reference, 'name', 'a shape'))}, recipe “{solution.recipe.name}”: points off the surface "
            f"{reached['surface_error']:.1e}, slope off 1 by {reached['slope_error']:.2g}"
        )
    return figure


def _draw_terms(axes: Axes, history: Sequence[Record]) -> None:
    """Draw the terms of the loss over the seconds of fitting."""
    seconds = [each.seconds for each in history]
    for name in history[0].losses if history else ():
        axes.semilogy(seconds, [each.losses[name] for each in history], label=name, lw=1.4)
    axes.set_xlabel("seconds of fitting")
    axes.set_title("terms of the loss, weighted")
    axes.grid(visible=True, alpha=0.15)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if history:
        axes.legend(frameon=False)
