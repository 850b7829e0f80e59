"""Which functions in closed form an equation is given, by looking at it: its symbol, corners and holes of its domain.

Where the equation is a Δu + b u = f in the plane, k² = |b/a|:

    corners of the domain   r^α cos αθ and r^α sin αθ, with α = jπ/ω at an interior angle ω, and (j − ½)π/ω where
                            conditions of different order may meet; times 1, r², r⁴, … unless b = 0; with log r where
                            α is an integer
    holes in the domain     log r, r^(−n) cos nθ and r^(−n) sin nθ for b = 0; K_n(kr) cos nθ, … for b/a < 0;
                            Y_n(kr) cos nθ, … for b/a > 0
    f = 0, or holes         also smooth solutions: r^n cos nθ, I_n(kr) cos nθ, …, or plane waves with |w| = k

Of any other homogeneous equation with constant coefficients these are plane waves on its characteristic set. With f = 0
each function solves the equation, so that the conditions alone are left to be fitted.

Sources: exponents at corners, Grisvard, "Elliptic Problems in Nonsmooth Domains", 1985, section 4.4; particular
solutions, Betcke & Trefethen, "Reviving the method of particular solutions", 2005, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.constraint import BoundConstraint
from sinefield.domains import Ball, Box, Difference, Domain, Polygon
from sinefield.fields.derivatives import highest_order
from sinefield.fields.expansion import Expansion
from sinefield.objective import Objective
from sinefield.problems.symbols import Symbol
from sinefield.randomness import generator_of

_STEEPEST = 8.0  # the highest exponent at a corner
_ORDERS = 24  # of the functions around a hole
_DEGREE = 120  # of harmonic polynomials, and half of it where sines do the rest
_QUARTERS = (0.0, math.pi / 2)  # cosine and sine
_PURPOSE = 78  # of the seed of directions and phases


@final
@dataclass(frozen=True)
class Corner:
    """A corner of a plane domain.

    Args:
        place: where it is.
        middle: the direction of the middle of the domain there, as an angle.
        opening: the interior angle ω.
    """

    place: tuple[float, float]
    middle: float
    opening: float


@final
@dataclass(frozen=True)
class Hole:
    """A hole in a plane domain.

    Args:
        centre: a point in it.
        radius: that of a disc, or half the longest side of the box around another one.
    """

    centre: tuple[float, float]
    radius: float


@final
@dataclass(frozen=True)
class Choice:
    """Functions in closed form for an equation.

    Args:
        expansions: in which.
        alone: whether each of them solves the equation.
        needed: whether a network alone will hardly do, beside a re-entrant corner or a hole.
    """

    expansions: Sequence[Expansion] = ()
    alone: bool = False
    needed: bool = False


def closed_forms(symbol: Symbol, objective: Objective, count: int, *, complex_field: bool) -> Choice:
    """Return functions in closed form for an equation.

    Args:
        symbol: of the equation, see :func:`sinefield.problems.symbols.symbol_of`.
        objective: of its constraints.
        count: plane waves at most.
        complex_field: whether the field is complex.
    """
    if symbol.dimension == 1:  # of one coordinate there are two waves, and nothing else
        return Choice()
    domain = max(objective.groups, key=lambda group: max(map(_order, group.members))).domain
    outputs = 2 if complex_field else 1
    rows: dict[str, list[Tensor]] = {}
    isotropic = symbol.isotropic
    if isotropic is not None:
        square = isotropic[1] / isotropic[0]
        mixed = len({_order(each) for group in objective.groups for each in group.members} - {2}) > 1
        _add(rows, *at_corners(corners_of(domain), square, mixed, exact=symbol.homogeneous))
        _add(rows, *around_holes(holes_of(domain), square))
    smooth = None if isotropic is None else smooth_solutions(symbol, isotropic[1] / isotropic[0])
    if symbol.homogeneous:
        smooth = smooth or symbol.waves(count, generator_of(_PURPOSE))
        if smooth is None:
            return Choice()
    elif not holes_of(domain):
        smooth = None
    if smooth is not None:
        _add(rows, *smooth)
    made = [Expansion.of(name, torch.cat(each), symbol.dimension, outputs) for name, each in rows.items()]
    steep = any(each.opening > math.pi for each in corners_of(domain)) or bool(holes_of(domain))
    return Choice(made, symbol.homogeneous, steep)


def _order(member: BoundConstraint) -> int:
    return max(map(highest_order, member.reads.values()))


def _add(rows: dict[str, list[Tensor]], family: str, terms: Tensor) -> None:
    if len(terms):
        rows.setdefault(family, []).append(terms)


# ---- functions


def at_corners(corners: Sequence[Corner], square: float, mixed: bool, *, exact: bool) -> tuple[str, Tensor]:
    """Return the functions of corners for Δu + square · u, the milder singularities last.

    Args:
        corners: which.
        square: ±k².
        mixed: whether conditions of different order may meet at them.
        exact: whether the functions themselves have to solve the homogeneous equation.
    """
    rows: list[tuple[float, list[float]]] = []
    of_bessel = exact and square != 0
    for corner in corners:
        place = [*corner.place, corner.middle, 1.0]
        for alpha in exponents_at(corner.opening, mixed):
            whole = abs(alpha - round(alpha)) < 1e-9
            if of_bessel and not whole:
                rows += [(alpha, [*place, alpha, math.sqrt(abs(square)), phase]) for phase in _QUARTERS]
            elif not of_bessel and not (exact and whole and alpha > _STEEPEST / 2):
                for power in range(1 if square == 0 else int((_STEEPEST - alpha) // 2) + 1):
                    own = [alpha + power, float(power), float(whole)]
                    rows += [(alpha + 2 * power, [*place, *own, phase]) for phase in _QUARTERS]
    table = [row for _, row in sorted(rows, key=lambda each: each[0])]
    if of_bessel:
        return "bessel-j" if square > 0 else "bessel-i", _table(table, 7)
    return "powers", _table(table, 8)


def exponents_at(opening: float, mixed: bool) -> Sequence[float]:
    """Return the exponents of a corner, in rising order.

    >>> [round(each, 3) for each in exponents_at(1.5 * math.pi, False)[:3]]
    [0.667, 1.333, 2.0]
    """
    step = math.pi / opening
    found = [step * j for j in range(1, int(_STEEPEST / step) + 1)]
    return sorted([*found, *([each - step / 2 for each in found] if mixed else [])])


def around_holes(holes: Sequence[Hole], square: float) -> tuple[str, Tensor]:
    """Return the solutions of Δu + square · u = 0 that are singular in holes, the lower orders first."""
    pairs = [(order, phase) for order in range(_ORDERS + 1) for phase in _QUARTERS if order or not phase]
    every = [(order, phase, [*each.centre, 0.0, each.radius]) for order, phase in pairs for each in holes]
    if square == 0:
        return "powers", _table([[*place, -order, 0.0, float(not order), phase] for order, phase, place in every], 8)
    k = math.sqrt(abs(square))
    return "bessel-k" if square < 0 else "bessel-y", _table(
        [[*place, order, k, phase] for order, phase, place in every], 7
    )


def smooth_solutions(symbol: Symbol, square: float) -> tuple[str, Tensor] | None:
    """Return the smooth solutions of Δu + square · u = 0, the lower orders first; None: plane waves do better."""
    if square > 0:
        return None
    radius = float(symbol.half.norm())
    place = [*symbol.box.mean(0).tolist(), 0.0, radius]
    pairs = [
        (order, phase)
        for order in range(_DEGREE // (1 if symbol.homogeneous else 2) + 1)
        for phase in _QUARTERS
        if order or not phase
    ]
    if square == 0:
        return "powers", _table([[*place, order, 0.0, 0.0, phase] for order, phase in pairs], 8)
    return "bessel-i", _table([[*place, order, math.sqrt(-square), phase] for order, phase in pairs], 7)


def _table(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, width)


# ---- the domain


def corners_of(domain: Domain) -> Sequence[Corner]:
    """Return the corners of a plane domain; none of one that is not known to have any."""
    match domain:
        case Box() if domain.dimension == 2:
            (left, low), (right, high) = domain.lower, domain.upper
            return _of_ring(torch.tensor([[left, low], [right, low], [right, high], [left, high]], dtype=torch.float64))
        case Polygon():
            return [each for ring in domain.rings for each in _of_ring(ring)]
        case Difference():
            whole = [each for each in corners_of(domain.whole) if not _within(domain.removed, each)]
            removed = [each for part in domain.removed for each in corners_of(part) if _within([domain.whole], each)]
            turned = [Corner(each.place, each.middle + math.pi, 2 * math.pi - each.opening) for each in removed]
            return [*whole, *turned]
    return []


def _of_ring(ring: Tensor) -> Sequence[Corner]:
    """Return the corners of a ring ``(n, 2)`` with the domain to the left."""
    ahead, back = ring.roll(-1, 0) - ring, ring.roll(1, 0) - ring
    start = torch.atan2(ahead[:, 1], ahead[:, 0])
    opening = (torch.atan2(back[:, 1], back[:, 0]) - start) % (2 * math.pi)
    middle = start + opening / 2
    found = zip(ring.tolist(), middle.tolist(), opening.tolist(), strict=True)
    return [Corner((x, y), turn, angle) for (x, y), turn, angle in found if abs(angle - math.pi) > 1e-9]


def _within(regions: Sequence[Box | Ball | Polygon], corner: Corner) -> bool:
    place = torch.tensor([corner.place], dtype=torch.float64)
    return any(bool(each.contains(place)) for each in regions)


def holes_of(domain: Domain) -> Sequence[Hole]:
    """Return the holes in a plane domain whose middle is not in it."""
    return [each for each in _holes(domain) if not _within([domain], Corner(each.centre, 0, 0))]  # type: ignore[list-item]  # only regions have holes


def _holes(domain: Domain) -> Sequence[Hole]:
    match domain:
        case Polygon():
            return [_around(torch.tensor(each, dtype=torch.float64)) for each in domain.holes]
        case Difference() if domain.dimension == 2:
            found = list(_holes(domain.whole))
            for each in domain.removed:
                box = each.bounding_box
                if isinstance(each, Ball):
                    found.append(Hole((each.centre[0], each.centre[1]), each.radius))
                else:
                    found.append(_around(torch.tensor([box.lower, box.upper], dtype=torch.float64)))
            return found
    return []


def _around(corners: Tensor) -> Hole:
    low, high = corners.min(0).values, corners.max(0).values
    x, y = ((low + high) / 2).tolist()
    return Hole((x, y), float((high - low).max()) / 2)
