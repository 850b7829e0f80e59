"""First arrivals on a grid: what an upwind scheme finds of |∇T| = 1/v, kinks where two arrivals meet included.

The scheme is factored, T = T₀ τ with T₀ = |x − x_s| / v(x_s), so that its error at the source is none: with differences
to the neighbours that the wave comes from, Σ_i (τ ∂_i T₀ + T₀ (τ − τ_i) s_i / h_i)² = 1/v², s_i = ±1, is a quadratic
equation for τ at each node. All nodes are updated at once until nothing changes.

Source: Fomel, Luo, Zhao, "Fast sweeping method for the factored eikonal equation", J. Comput. Phys. 228 (2009),
section 3; the viscosity solution is the limit (Crandall and Lions, 1983).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_SETTLED: Final = 1e-10  # of the largest time: nothing changes any more
_SUBSAMPLES: Final = 4  # along each axis of a cell, to average the slowness over it
_NEAR: Final = 1.01  # diagonals of a cell from the source, within which the speed is that at the source
_LIMIT: Final = 20  # updates, for each node along an axis


def nodes_of(lower: Sequence[float], upper: Sequence[float], cells: int) -> list[Doubles]:
    """Return the coordinates of the nodes along each axis of a box, with ``cells`` of about one size on its longest.

    The count of cells is even along each axis, so that every second node is one of the grid of half of them.

    >>> [len(each) for each in nodes_of([0, 0], [2, 1], 20)]
    [21, 11]
    """
    sides = [high - low for low, high in zip(lower, upper, strict=True)]
    counts = [max(2, 2 * round(cells * side / max(sides) / 2)) for side in sides]
    return [np.linspace(low, high, n + 1) for low, high, n in zip(lower, upper, counts, strict=True)]


def mean_slowness(slowness: Callable[[Doubles], Doubles], nodes: Sequence[Doubles]) -> Doubles:
    """Return the slowness averaged over the cell around each node, the part of it within the box.

    Args:
        slowness: 1/v, from points ``(n, d)`` to ``(n,)``.
        nodes: coordinates along each axis.
    """
    fractions = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES - 0.5
    total: Doubles = np.zeros([len(each) for each in nodes])
    for shift in itertools.product(fractions, repeat=len(nodes)):
        moved = [
            np.clip(each + part * (each[1] - each[0]), each[0], each[-1])
            for each, part in zip(nodes, shift, strict=True)
        ]
        points = np.stack(np.meshgrid(*moved, indexing="ij"), -1).reshape(-1, len(nodes))
        total += slowness(points).reshape(total.shape) / _SUBSAMPLES ** len(nodes)
    return total


def first_arrivals(slowness: Doubles, nodes: Sequence[Doubles], source: Sequence[float], at_source: float) -> Doubles:
    """Return the first arrivals T at the nodes, of the shape of the slowness; exact for a constant one.

    Args:
        slowness: 1/v at the nodes.
        nodes: coordinates along each axis.
        source: x_s, within the box.
        at_source: 1/v(x_s).

    >>> line = np.linspace(0.0, 1.0, 5)
    >>> first_arrivals(np.full((5, 5), 2.0), [line, line], [0.0, 0.0], 2.0)[-1, 0].item()
    2.0
    """
    steps = [each[1] - each[0] for each in nodes]
    offsets = [x - at for x, at in zip(np.meshgrid(*nodes, indexing="ij"), source, strict=True)]
    distance = np.sqrt(np.sum(np.square(offsets), 0))
    base = at_source * distance
    slopes = [at_source * each / np.maximum(distance, 1e-300) for each in offsets]
    near = distance <= _NEAR * float(np.linalg.norm(steps))
    factor = np.where(near, 1.0, np.inf)
    times = np.where(near, base, np.inf)
    for _ in range(_LIMIT * sum(slowness.shape)):
        found, factor = _updated(times, factor, base, slopes, steps, slowness)
        times, before = np.where(near, base, found), times
        factor = np.where(near, 1.0, factor)
        reached = np.isfinite(times)
        if reached.all() and (before - times).max() <= _SETTLED * times.max():
            break
    return times


def _updated(
    times: Doubles, factor: Doubles, base: Doubles, slopes: Sequence[Doubles], steps: Sequence[float], slowness: Doubles
) -> tuple[Doubles, Doubles]:
    """Return T and τ after each node has taken the least time that its neighbours let the wave arrive at."""
    terms = []  # for each axis a and b of (a τ − b)², the sign of the side that the wave comes from, and whether any
    for axis, (slope, step) in enumerate(zip(slopes, steps, strict=True)):
        below, above = (_neighbours(times, axis, side) for side in (1, -1))
        side = np.where(below <= above, 1.0, -1.0)
        theirs = np.where(below <= above, _neighbours(factor, axis, 1), _neighbours(factor, axis, -1))
        known = np.isfinite(theirs)
        terms.append((slope + side * base / step, side * base * np.where(known, theirs, 0.0) / step, side, known))
    for chosen in (each for size in range(len(terms), 0, -1) for each in itertools.combinations(terms, size)):
        square = sum(a * a for a, _, _, _ in chosen)
        half = sum(a * b for a, b, _, _ in chosen)
        rest = sum(b * b for _, b, _, _ in chosen) - slowness**2
        discriminant = half * half - square * rest
        root = (half + np.sqrt(np.maximum(discriminant, 0.0))) / np.maximum(square, 1e-300)
        valid = discriminant >= 0
        for a, b, side, known in chosen:  # the wave comes from the side that the difference is taken to
            valid &= known & (side * (a * root - b) >= -1e-14)
        better = valid & (base * root < times)
        times, factor = np.where(better, base * root, times), np.where(better, root, factor)
    return times, factor


def _neighbours(values: Doubles, axis: int, side: int) -> Doubles:
    """Return the values of the neighbours below (side 1) or above (−1) along an axis, infinity outside."""
    moved = np.full_like(values, np.inf)
    inside, other = [slice(None)] * values.ndim, [slice(None)] * values.ndim
    inside[axis], other[axis] = (slice(1, None), slice(None, -1)) if side == 1 else (slice(None, -1), slice(1, None))
    moved[tuple(inside)] = values[tuple(other)]
    return moved


def largest_bend(times: Doubles, nodes: Sequence[Doubles], source: Sequence[float], slowness: Doubles) -> float:
    """Return by how much the slope of T changes most from a cell to the next, relative to the slowness.

    Away from the source, of whose point the front is curved, it halves with the cells where T is smooth, and does not
    where T has kinks.

    Args:
        times: T at the nodes.
        nodes: coordinates along each axis.
        source: x_s.
        slowness: 1/v at the nodes.
    """
    offsets = np.meshgrid(*[each - at for each, at in zip(nodes, source, strict=True)], indexing="ij")
    sides = [each[-1] - each[0] for each in nodes]
    away = np.sqrt(np.sum(np.square(offsets), 0)) > 0.2 * max(sides)
    bends = [
        np.where(np.take(away, range(1, len(each) - 1), axis), np.abs(np.diff(times, 2, axis)), 0.0)
        / (each[1] - each[0])
        / np.take(slowness, range(1, len(each) - 1), axis)
        for axis, each in enumerate(nodes)
    ]
    return max(float(each.max()) for each in bends)
