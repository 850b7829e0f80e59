"""Separation of variables: waves in a box between fixed or free walls, as the sum of the modes that they are made of.

With a speed c(x) that does not change in time, u_tt = c² Δu has the solutions cos(ωt) ψ(x) and sin(ωt) ψ(x) where

    −Δψ = ω² ψ / c²

and every other one is a sum of them. In the functions φ_j of :mod:`sinefield.fields.modes`, scaled to ∫ φ_j² = 1, this
is

    diag(|κ_j|²) v = ω² M v,      M_ij = ∫ φ_i φ_j / c²

by Galerkin's method. Of a constant speed M is diagonal, so that each function is a mode, ω = c|κ|, and the equation and
the walls hold exactly, however many functions there are. Their amplitudes are the series of sines or cosines of the
start and of the velocity, from their values on a lattice by a fast transform. How many functions that takes is seen by
how fast the series fall.

As waves are no faster than the largest c, nothing happens beyond max c · T of where there is something at first: the
box need be no larger than that, and a pulse that reaches no wall can have any walls.

Sources: Strauss, "Partial Differential Equations: an Introduction", 1992, sections 4.1, 10.1 and 11.3; Trefethen,
"Spectral Methods in MATLAB", 2000, chapter 4, on how fast the series of smooth functions fall.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.domains import Box, Region
from sinefield.fields.derivatives import Partial
from sinefield.fields.modes import Modes

Doubles = NDArray[np.float64]
Function = Callable[[Tensor], Tensor]

MOST = 20_000  # functions of a constant speed
_MOST_MIXED = {1: 600, 2: 2400, 3: 2400}  # functions of a speed that varies, whose modes take the cube of it
_BEST = {1: 5e-7, 2: 1e-2, 3: 1e-2}  # relative residual above which other ways do better
_LOOK = {1: 8192, 2: 512, 3: 96}  # places along the longest side that tell where there is something at first
_FINEST = {1: 2**16, 2: 2**10, 3: 2**7}  # intervals of a lattice along the longest side
_NOTHING = 1e-10  # of the largest value
_SETTLED = 1e-11  # of the largest term of a series: the finer half of it is that small, or the lattice is made finer
_TAILS = (1e-10, 1e-8)  # of a series, which may be left out
_ROOM = (1.1, 1.4, 1.8, 2.4)  # bandwidths that are tried where the speed varies, by that of the start
_SEEN = 1e-7  # of the spectrum: what ends the bandwidth of the start there
_GOOD = 1e-7  # relative residual of the equation with which no wider bandwidth is tried
_HELD_OUT = 500


@final
@dataclass(frozen=True, eq=False)
class Waves:
    """Waves from a start and a velocity.

    Args:
        start: u at the first time, of points ``(n, 1 + d)``.
        velocity: u_t then.
        speed: c.
        until: the last time; the first is 0.
        walls: ``"fixed"``, ``"free"``, or others, which waves must not reach.
        constant: whether c is the same everywhere.
    """

    start: Function
    velocity: Function
    speed: Function
    until: float
    walls: str
    constant: bool

    def at(self, function: Function, lines: Sequence[Doubles], region: Region | None = None) -> Doubles:
        """Return a function at time 0 on a lattice, ``(len(lines[0]), …)``; 0 outside of a region.

        Raises:
            ValueError: it is not finite somewhere.
        """
        places = np.stack([each.ravel() for each in np.meshgrid(*lines, indexing="ij")], 1)
        points = torch.from_numpy(np.concatenate([np.zeros((len(places), 1)), places], 1))
        some = torch.ones(len(points), dtype=torch.bool) if region is None else region.contains(points[:, 1:])
        found = points.new_zeros(len(points))
        found[some] = function(points[some]).reshape(-1).to(found)
        if not bool(torch.isfinite(found).all()):
            raise ValueError("a start, a velocity or a speed is not finite")
        values: Doubles = found.reshape([len(each) for each in lines]).numpy()
        return values

    def is_still(self, box: Box) -> bool:
        """Return whether the speed is the same at all times, as it has to be for modes."""
        whole = Box([0.0, *box.lower], [self.until, *box.upper])
        points = whole.draw(_HELD_OUT, torch.Generator().manual_seed(6), torch.float64).points
        return torch.equal(self.speed(points), self.speed(points * (torch.arange(points.shape[1]) > 0)))


def separated(waves: Waves, region: Region, most: int | None = None) -> tuple[Modes, Box] | None:
    """Return the modes of waves, and the box that they are in.

    None: the region is no box and waves reach its boundary, or walls that let them out; there are none; they take more
    functions than there may be; the speed changes in time; or something is not finite, if only at the edge.

    Args:
        waves: which.
        region: where.
        most: functions at most; None: as many as are affordable.
    """
    try:
        box = _reach(waves, region)
        return None if box is None or not waves.is_still(box) else _in_box(waves, region, box, most)
    except ValueError:  # sines are fitted at points within
        return None


def _in_box(waves: Waves, region: Region, box: Box, most: int | None) -> tuple[Modes, Box] | None:
    whole = region.bounding_box
    touching = [*np.isclose(box.lower, whole.lower), *np.isclose(box.upper, whole.upper)]
    if any(touching) and not (isinstance(region, Box) and waves.walls in ("fixed", "free")):
        return None
    walls = waves.walls if waves.walls in ("fixed", "free") else "fixed"
    start, velocity = (_series(waves, each, box, walls) for each in (waves.start, waves.velocity))
    shape = np.maximum(start.shape, velocity.shape)
    start, velocity = (
        np.pad(each, [(0, n - m) for n, m in zip(shape, each.shape, strict=True)]) for each in (start, velocity)
    )
    make = _plain if waves.constant else _mixed
    field = make(waves, box, walls, start, velocity, most)
    return None if field is None else (field, box)


# ---- where


def _reach(waves: Waves, region: Region) -> Box | None:
    """Return the box that waves stay in until the last time, at most that around the region; None: there are none."""
    whole = region.bounding_box
    lower, upper = np.array(whole.lower, dtype=float), np.array(whole.upper, dtype=float)
    sides = upper - lower
    counts = [max(16, round(_LOOK[len(sides)] * side / sides.max())) for side in sides]
    lines = [np.linspace(low, high, n + 1) for low, high, n in zip(lower, upper, counts, strict=True)]
    something = np.zeros([n + 1 for n in counts], dtype=bool)
    within = None if isinstance(region, Box) else region
    for function in (waves.start, waves.velocity):
        size = np.abs(waves.at(function, lines, within))
        something |= size > _NOTHING * size.max()
    if not something.any():
        return None
    far = float(waves.at(waves.speed, lines, within).max()) * waves.until
    low, high = lower.copy(), upper.copy()
    for axis, line in enumerate(lines):
        others = tuple(each for each in range(len(lines)) if each != axis)
        places = line[something.any(axis=others)]
        room = far + 2 * (line[1] - line[0])
        low[axis], high[axis] = max(lower[axis], places[0] - room), min(upper[axis], places[-1] + room)
    if not isinstance(region, Box):
        # A region of another shape has no walls that modes are known of: nothing of its boundary may be within reach.
        edge = region.boundary.draw(20_000, torch.Generator().manual_seed(0), torch.float64).points.numpy()
        middle = torch.from_numpy((low + high)[None] / 2)
        if bool(((edge > low) & (edge < high)).all(1).any()) or not bool(region.contains(middle)):
            return None
    return Box(low.tolist(), high.tolist(), axes=region.axes)


# ---- series


def _series(waves: Waves, function: Function, box: Box, walls: str) -> Doubles:
    """Return the coefficients of a function in products of sines or cosines, by their orders from 0."""
    sides = np.array(box.upper) - np.array(box.lower)
    finest = _FINEST[len(sides)]
    longest = 32
    while True:
        counts = [max(8, math.ceil(longest * side / sides.max() / 2) * 2) for side in sides]
        lines = [np.linspace(low, high, n + 1) for low, high, n in zip(box.lower, box.upper, counts, strict=True)]
        values = waves.at(function, lines)
        found = _transformed(values, counts, walls)
        largest = np.abs(found).max()
        coarse = found[tuple(slice(0, n // 2 + 1) for n in counts)]
        finer = np.abs(found)
        finer[tuple(slice(0, n // 2 + 1) for n in counts)] = 0
        if finer.max() <= _SETTLED * largest or 2 * longest > finest:
            return coarse if finer.max() <= _SETTLED * largest else found
        longest *= 2


def _transformed(values: Doubles, counts: Sequence[int], walls: str) -> Doubles:
    """Return the coefficients ``(n_1 + 1, …)`` of values at both ends and between, ``(n_1 + 1, …)``.

    >>> line = np.linspace(0, math.pi, 9)
    >>> [round(float(_transformed(np.sin(2 * line), [8], "fixed")[n]), 9) for n in (1, 2)]
    [0.0, 1.0]
    >>> [round(float(_transformed(1 + np.cos(line), [8], "free")[n]), 9) for n in (0, 1)]
    [1.0, 1.0]
    """
    from scipy import fft

    if walls == "fixed":
        inner = values[tuple(slice(1, -1) for _ in counts)]
        found = fft.dstn(inner, type=1) / math.prod(counts)
        return np.asarray(np.pad(found, [(1, 1)] * len(counts)), dtype=np.float64)
    found = np.asarray(fft.dctn(values, type=1) / math.prod(counts), dtype=np.float64)
    for axis in range(len(counts)):
        for end in (0, -1):
            found[tuple(end if each == axis else slice(None) for each in range(len(counts)))] /= 2
    return found


def _wave_numbers(orders: Doubles, box: Box) -> Doubles:
    """Return |κ| of functions by their orders ``(…, d)``."""
    sides = np.array(box.upper) - np.array(box.lower)
    found: Doubles = np.sqrt(((math.pi * orders / sides) ** 2).sum(-1))
    return found


# ---- modes


def _plain(waves: Waves, box: Box, walls: str, start: Doubles, velocity: Doubles, most: int | None) -> Modes | None:
    """Return waves of a constant speed, of which each function is a mode."""
    orders = np.stack(np.meshgrid(*map(np.arange, start.shape), indexing="ij"), -1).reshape(-1, start.ndim)
    speed = float(waves.at(waves.speed, [np.array([each]) for each in box.lower]).ravel()[0])
    omega = speed * _wave_numbers(orders.astype(float), box)
    a, b = start.ravel(), velocity.ravel()
    sizes = sum((one**2 / max(float((one**2).sum()), 1e-300) for one in (a, b)), start=np.zeros(len(a)))
    rising = np.argsort(sizes)
    left = np.sqrt(np.cumsum(sizes[rising]))
    limit = most or MOST
    counts = [int((left > tail).sum()) for tail in _TAILS]
    count = next((each for each in counts if each <= limit), limit)
    if count == limit and left[-count - 1 : -count].sum() > _BEST[start.ndim]:
        return None
    needed = rising[len(rising) - count :]
    needed = np.sort(needed)
    found = Modes.of(walls, _corners(box), torch.from_numpy(orders[needed]), torch.from_numpy(omega[needed]))
    with torch.no_grad():
        found.weight.copy_(torch.from_numpy(np.stack([a[needed], b[needed]])))
    return found


def _mixed(waves: Waves, box: Box, walls: str, start: Doubles, velocity: Doubles, most: int | None) -> Modes | None:
    """Return waves of a speed that varies, with as many functions as the equation asks for and may be."""
    orders = np.stack(np.meshgrid(*map(np.arange, start.shape), indexing="ij"), -1).reshape(-1, start.ndim)
    numbers = _wave_numbers(orders.astype(float), box)
    own = [_bandwidth(numbers, each.ravel()) for each in (start, velocity)]
    lines = [np.linspace(low, high, 65) for low, high in zip(box.lower, box.upper, strict=True)]
    speeds = waves.at(waves.speed, lines)
    ratio = float(speeds.max() / speeds.min())
    best: tuple[float, Modes] | None = None
    tried = 0
    for room in _ROOM:
        highest = max(own) * ratio**0.5 * room
        some = _within(box, walls, highest)
        limit = min(most or _MOST_MIXED[start.ndim], _MOST_MIXED[start.ndim])
        while len(some) > limit:
            highest *= 0.98 * (limit / len(some)) ** (1 / start.ndim)
            some = _within(box, walls, highest)
        if len(some) <= 1.05 * tried:
            break
        tried = len(some)
        field = _galerkin(waves, box, walls, some, start, velocity)
        left = _residual(waves, field, box)
        if best is None or left < best[0]:
            best = left, field
        if left <= _GOOD:
            break
    return None if best is None or best[0] > _BEST[start.ndim] else best[1]


def _bandwidth(numbers: Doubles, coefficients: Doubles) -> float:
    """Return |κ| beyond which there is next to nothing of a series."""
    rising = np.argsort(-numbers)
    tail = np.sqrt(np.cumsum(coefficients[rising] ** 2))
    return float(numbers[rising][int(np.searchsorted(tail, _SEEN * max(float(tail[-1]), 1e-300)))]) if tail[-1] else 0.0


def _within(box: Box, walls: str, highest: float) -> Doubles:
    """Return the orders of the functions with |κ| up to some, ``(m, d)``."""
    sides = np.array(box.upper) - np.array(box.lower)
    first = 1 if walls == "fixed" else 0
    axes = [np.arange(first, max(first + 2, int(highest * side / math.pi) + 1)) for side in sides]
    orders = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sides)).astype(float)
    found: Doubles = orders[_wave_numbers(orders, box) <= max(highest, math.pi * 2 / float(sides.min()))]
    return found


def _galerkin(waves: Waves, box: Box, walls: str, orders: Doubles, start: Doubles, velocity: Doubles) -> Modes:
    """Return waves of a speed that varies, in the functions of some orders."""
    from scipy import linalg

    sides = np.array(box.upper) - np.array(box.lower)
    n = orders.astype(int)
    scale = np.prod(np.where(n == 0, sides, sides / 2), axis=1) ** -0.5  # ∫ (scale φ)² = 1
    mass = _mass(waves, box, walls, n) * scale[:, None] * scale
    squares = _wave_numbers(orders, box) ** 2
    values, vectors = linalg.eigh(np.diag(squares), mass, check_finite=False, overwrite_a=True)
    omega = np.sqrt(np.maximum(values, 0))
    amplitudes = []
    for series in (start, velocity):
        fits = np.all(n < np.array(series.shape), axis=1)
        given = np.where(fits, series[tuple(np.where(np.expand_dims(fits, 1), n, 0).T)], 0.0)
        amplitudes.append(vectors.T @ (mass @ (given / scale)))
    # Modes that have next to no part in it are left out.
    parts = np.abs(amplitudes[0]) + np.abs(amplitudes[1]) / np.maximum(omega, 1 / waves.until)
    used = parts > 1e-13 * parts.max()
    field = Modes.of(
        walls,
        _corners(box),
        torch.from_numpy(orders),
        torch.from_numpy(omega[used]),
        torch.from_numpy(scale[:, None] * vectors[:, used]),
    )
    with torch.no_grad():
        field.weight.copy_(torch.from_numpy(np.stack([each[used] for each in amplitudes])))
    return field


def _mass(waves: Waves, box: Box, walls: str, orders: NDArray[np.int64]) -> Doubles:
    """Return ∫ φ_i φ_j / c², from the integrals of 1/c² times cosines, as 2 sin α sin β = cos(α − β) − cos(α + β)."""
    highest = 2 * orders.max(0)
    lines, tables = [], []
    for axis, most in enumerate(highest):
        low, side = box.lower[axis], box.upper[axis] - box.lower[axis]
        nodes, weights = np.polynomial.legendre.leggauss(int(most) // 2 * 2 + 64)  # exact for cosines, to rounding
        lines.append(low + side * (nodes + 1) / 2)
        tables.append(np.cos(math.pi * np.arange(most + 1)[:, None] * (nodes + 1) / 2) * weights * side / 2)
    integrals = waves.at(waves.speed, lines) ** -2.0
    for axis, table in enumerate(tables):
        integrals = np.moveaxis(np.tensordot(table, integrals, (1, axis)), 0, axis)
    total = np.zeros((len(orders), len(orders)))
    for signs in itertools.product((-1, 1), repeat=orders.shape[1]):
        places = tuple(np.abs(each[:, None] + sign * each) for each, sign in zip(orders.T, signs, strict=True))
        factor = math.prod(signs) * (-1) ** len(signs) if walls == "fixed" else 1
        total += factor * integrals[places]
    found: Doubles = total / 2 ** orders.shape[1]
    return found


@torch.no_grad()
def _residual(waves: Waves, field: Modes, box: Box) -> float:
    """Return the root mean square of u_tt − c² Δu beside that of u_tt, at points held out."""
    whole = Box([0.0, *box.lower], [waves.until, *box.upper])
    points = whole.draw(_HELD_OUT, torch.Generator().manual_seed(5), torch.float64).points
    space = range(1, field.in_features)
    found = field.derivatives(points, {Partial((i, i)) for i in range(field.in_features)}, lambda *_: {})
    left = found[Partial((0, 0))] - waves.speed(points) ** 2 * sum(found[Partial((i, i))] for i in space)
    return float(left.norm() / found[Partial((0, 0))].norm().clamp(min=1e-300))


def _corners(box: Box) -> Tensor:
    return torch.tensor([box.lower, box.upper], dtype=torch.float64)
