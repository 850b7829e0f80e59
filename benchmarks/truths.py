"""Solutions of equations beside corners and holes, as series that are made here.

Each is a sum of solutions of the homogeneous equation and a particular one, fitted to the values on the boundary. By
the maximum principle its error is nowhere larger than the most that it misses there, which each series comes with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

Doubles = NDArray[np.float64]
Series = tuple[Doubles, Doubles, float]
"""The weights of columns, the scales that they are divided by, and the most that the sum misses on the boundary."""
Discs = tuple[tuple[float, float, float], ...]
"""Centres and radii."""
PI = math.pi
K = 100.0
SOURCE = (1.3, 0.2)
ROOT = 8.0  # √κ of Poisson2d-CG
FOUR: Discs = tuple((x, y, 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3))
UNEVEN: Discs = ((0.5, 0.5, 0.2), (0.4, -0.4, 0.4), (-0.2, -0.7, 0.1), (-0.6, 0.5, 0.3))


def polar(points: Doubles) -> tuple[Doubles, Doubles]:
    """Return r and θ about the inner corner of the L, whose walls are at θ = 0 and 3π/2."""
    return np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0]) % (2 * PI)


def corner(points: Doubles) -> Doubles:
    """Return r^(2/3) sin 2θ/3."""
    r, angle = polar(points)
    # On the lower wall rounding may put θ beyond the L.
    return np.asarray(r ** (2 / 3) * np.sin(2 / 3 * np.where(angle > 1.75 * PI, 0, angle)))


def outline(half: float, discs: Discs, count: int) -> tuple[Doubles, int]:
    """Return points of the boundary of a square without discs, ``count`` a side; and how many are on the square."""
    t = np.linspace(-half, half, count, endpoint=False)
    sides = [
        np.stack(each, 1)
        for each in (
            (t, np.full_like(t, -half)),
            (np.full_like(t, half), t),
            (-t, np.full_like(t, half)),
            (np.full_like(t, -half), -t),
        )
    ]
    for x, y, radius in discs:
        angles = np.linspace(0, 2 * PI, max(12, round(PI * radius * count / half)), endpoint=False)
        sides.append(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1))
    return np.concatenate(sides), 4 * count


_EDGES = ((-1, -1, 0, -1), (1, 0, 1, 1), (1, 1, -1, 1), (-1, 1, -1, -1))  # but the two at the inner corner


def load_columns(points: Doubles) -> tuple[Doubles, Doubles]:
    """Return a function with Δu = 1, and columns with Δu = 0, all of them 0 at the two walls of the inner corner.

    The columns are r^(2j/3) sin 2jθ/3, and at the outer corners, where u has r² log r, Im z² log z, less what the walls
    of the inner corner would see of it: nothing is subtracted, so those walls are rows too.
    """
    r, angle = polar(points)
    angle = np.where(angle > 1.75 * PI, 0, angle)
    columns = [r ** (2 * j / 3) * np.sin(2 * j / 3 * angle) for j in range(1, 61)]
    z = points[:, 0] + 1j * points[:, 1]
    columns += [(z**j).real for j in range(61)] + [(z**j).imag for j in range(1, 61)]
    for x, y, turn in (
        (0, 0, 0),
        (-1, -1, 0),
        (0, -1, PI / 2),
        (1, 0, PI / 2),
        (1, 1, PI),
        (-1, 1, 1.5 * PI),
    ):
        shifted = (z - (x + 1j * y)) * np.exp(-1j * turn)
        if (x, y) == (0, 0):
            logarithm = np.log(np.maximum(r, 1e-300)) + 1j * angle
        else:
            logarithm = np.log(np.where(shifted == 0, 1, shifted))
        columns += [(shifted**p * logarithm).imag for p in (2, 6)]
    return np.asarray((points**2).sum(1) / 4), np.stack(columns, 1)


@cache
def load_series() -> Series:
    """Return the weights of the columns, their scales, and the most that the series misses on the boundary."""

    def boundary(count: int) -> Doubles:
        t = (1 - np.cos(PI * (np.arange(count) + 0.5) / count))[:, None] / 2  # close together at the ends
        edges = np.array([*_EDGES, (0, -1, 0, 0), (0, 0, 1, 0)], dtype=float)
        return np.concatenate([edge[:2] + t * (edge[2:] - edge[:2]) for edge in edges])

    own, columns = load_columns(boundary(300))
    scales = np.abs(columns).max(0)
    weights = linalg.lstsq(columns / scales, -own, lapack_driver="gelsy", cond=1e-15)[0]
    own, columns = load_columns(boundary(1001))
    return weights, scales, float(np.abs(own + columns / scales @ weights).max())


def load(points: Doubles) -> Doubles:
    """Return the solution of Δu = 1 on the L with u = 0 on its boundary."""
    weights, scales, _ = load_series()
    own, columns = load_columns(points)
    return np.asarray(own + columns / scales @ weights)


def discs_columns(points: Doubles) -> Doubles:
    """Return harmonic functions of the square without four discs."""
    z = (points[:, 0] + 1j * points[:, 1]).astype(np.complex128)
    columns = [np.power(z / 0.71, j) for j in range(200)]
    logarithms: list[Doubles] = []
    for x, y, radius in FOUR:
        shifted = radius / (z - (x + 1j * y))
        columns += [np.power(shifted, j) for j in range(1, 30)]
        logarithms.append(np.log(np.abs(shifted)))
    whole = np.stack(columns, 1)
    return np.concatenate([whole.real, whole.imag, np.stack(logarithms, 1)], 1)


def discs(points: Doubles) -> Doubles:
    """Return the solution of Poisson2d-C."""
    weights, scales, _ = discs_series()
    return np.asarray(discs_columns(points) / scales @ weights)


def particular(points: Doubles) -> Doubles:
    """Return a solution of −Δu + 64 u = 10 (17 + x² + y²) sin πx sin 4πy, by undetermined coefficients."""
    x, y = points.T
    m = ROOT**2 + 17 * PI**2
    both = np.sin(PI * x) * np.sin(4 * PI * y)
    found = 17 * both / m
    for t, w, crossed in (
        (x, PI, np.cos(PI * x) * np.sin(4 * PI * y)),
        (y, 4 * PI, np.sin(PI * x) * np.cos(4 * PI * y)),
    ):
        found = found + t**2 * both / m + 4 * w / m**2 * t * crossed + (2 / m - 8 * w**2 / m**2) / m * both
    return np.asarray(10 * found)


def uneven_columns(points: Doubles) -> Doubles:
    """Return solutions of Δu = 64 u on the square without four discs, those of corners among them.

    Where walls meet at a right angle with values that do not fit the equation, solutions have r² log r: the derivative
    of I_ν(8r) sin νθ by ν, at even ν.
    """

    def about(x: float, y: float, turn: float = 0.0) -> tuple[Doubles, Doubles]:
        r = np.hypot(points[:, 0] - x, points[:, 1] - y)
        return r, (np.arctan2(points[:, 1] - y, points[:, 0] - x) - turn + PI / 4) % (2 * PI) - PI / 4

    def angular(order: int, angle: Doubles) -> tuple[Doubles, ...]:
        return (np.cos(order * angle), np.sin(order * angle)) if order else (np.ones_like(angle),)

    r, angle = about(0, 0)
    columns = [
        special.iv(n, ROOT * r) / special.iv(n, ROOT * 1.42) * each for n in range(120) for each in angular(n, angle)
    ]
    for x, y, radius in UNEVEN:
        r, angle = about(x, y)
        columns += [
            special.kv(n, ROOT * np.maximum(r, radius)) / special.kv(n, ROOT * radius) * each
            for n in range(40)
            for each in angular(n, angle)
        ]
    for x, y, turn in ((-1, -1, 0.0), (1, -1, PI / 2), (1, 1, PI), (-1, 1, 1.5 * PI)):
        r, angle = about(x, y, turn)
        for order in (2, 4, 6):
            z = ROOT * np.maximum(r, 1e-30) / 2
            terms = [z ** (2 * m + order) / (special.gamma(m + 1) * special.gamma(m + order + 1)) for m in range(40)]
            slope = sum(t * (np.log(z) - special.digamma(m + order + 1)) for m, t in enumerate(terms))
            columns.append(slope * np.sin(order * angle) + sum(terms) * angle * np.cos(order * angle))
    return np.stack(columns, 1)


def uneven(points: Doubles) -> Doubles:
    """Return the solution of Poisson2d-CG."""
    weights, scales, _ = uneven_series()
    return np.asarray(particular(points) + uneven_columns(points) / scales @ weights)


def series(
    columns: Callable[[Doubles], Doubles],
    own: Callable[[Doubles], Doubles],
    half: float,
    discs: Discs,
    values: tuple[float, float],
) -> Series:
    """Return the weights of columns, their scales, and the most that they miss on the boundary.

    Args:
        columns: solutions of the homogeneous equation.
        own: a solution of the inhomogeneous one.
        half: half the side of the square.
        discs: the holes in it.
        values: on the square, and on the holes.
    """

    def rows(count: int) -> tuple[Doubles, Doubles]:
        points, on_square = outline(half, discs, count)
        return points, np.where(np.arange(len(points)) < on_square, *values) - own(points)

    points, right = rows(700)
    matrix = columns(points)
    scales = np.maximum(np.abs(matrix).max(0), 1e-300)  # the imaginary part of 1 is 0
    weights = linalg.lstsq(matrix / scales, right, lapack_driver="gelsy", cond=1e-15)[0]
    points, right = rows(1777)
    return weights, scales, float(np.abs(columns(points) / scales @ weights - right).max())


@cache
def discs_series() -> Series:
    """Return the series of Poisson2d-C."""
    return series(discs_columns, lambda points: 0 * points[:, 0], 0.5, FOUR, (1.0, 0.0))


@cache
def uneven_series() -> Series:
    """Return the series of Poisson2d-CG."""
    return series(uneven_columns, particular, 1.0, UNEVEN, (0.2, 1.0))


def waves(points: Doubles) -> NDArray[np.complex128]:
    """Return i/4 H₀⁽¹⁾(k |x − s|)."""
    return np.asarray(0.25j * special.hankel1(0, K * np.hypot(*(points - SOURCE).T)))


def uneven_source(x: Any, y: Any, sine: Callable[[Any], Any]) -> Any:
    """Return −f of Poisson2d-CG, whose equation is −Δu + 64 u = f."""
    return -10 * (1 + x**2 + 16 + y**2) * sine(PI * x) * sine(4 * PI * y)
