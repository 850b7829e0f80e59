"""The figure of a distance field: a slice of it, with lines of equal distance."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import nn

from sinefield.plots.style import INK, STYLE
from sinefield.surface.sampling import Region, values_at

_LINES = 10  # of equal distance, on each side of the surface


def slice_figure(
    field: nn.Module, axis: int, at: float, lower: Sequence[float], upper: Sequence[float], size: int = 256
) -> Figure:
    """Return the figure of Φ in a plane across an axis: lines of equal Φ, and Φ = 0 in bold.

    Of a true distance the lines are as far from each other as their values say.

    Args:
        field: Φ, from ``(n, 3)`` to ``(n, 1)``.
        axis: that the plane is across: 0, 1 or 2 for x, y or z.
        at: the coordinate of the plane along that axis.
        lower: the corner of the box with the least coordinates.
        upper: the corner with the greatest.
        size: samples along the longest side.

    Raises:
        ValueError: the axis, the box or the size is out of range, the plane misses the box, or Φ is not finite.
    """
    region = Region.of(lower, upper)
    if axis not in {0, 1, 2}:
        raise ValueError(f"the axis is {axis}; expected 0, 1 or 2 for x, y or z")
    if not region.lower[axis] <= at <= region.upper[axis]:
        raise ValueError(
            f"the plane {'xyz'[axis]} = {at:g} misses {region}; choose one from {region.lower[axis]:g} to "
            f"{region.upper[axis]:g}"
        )
    if size < 2:
        raise ValueError(f"the size is {size}; expected at least 2 samples along the longest side")
    across, up = (each for each in range(3) if each != axis)
    sides = region.upper - region.lower
    counts = np.maximum(2, np.round(size * sides / max(sides[across], sides[up]))).astype(int)
    x, y = (np.linspace(region.lower[each], region.upper[each], counts[each]) for each in (across, up))
    points = np.full((len(y), len(x), 3), float(at))
    points[..., across], points[..., up] = np.meshgrid(x, y)
    values = values_at(field, points.reshape(-1, 3)).reshape(len(y), len(x))

    largest = max(float(np.abs(values).max()), 1e-12)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.6 + 5.0 * sides[up] / sides[across]), layout="constrained")
        axes = figure.add_subplot()
        levels = MaxNLocator(2 * _LINES, symmetric=True).tick_values(-largest, largest)
        filled = axes.contourf(x, y, values, levels, cmap="RdBu")
        axes.contour(x, y, values, levels, colors=INK, linewidths=0.5, linestyles="solid", alpha=0.6)
        if values.min() < 0 < values.max():
            axes.contour(x, y, values, [0.0], colors=INK, linewidths=2.0)
        axes.set_aspect("equal")
        axes.set_xlabel("xyz"[across])
        axes.set_ylabel("xyz"[up])
        axes.set_title(f"Φ at {'xyz'[axis]} = {at:g}")
        figure.colorbar(filled, ax=axes, label="Φ: distance, negative inside")
    return figure
