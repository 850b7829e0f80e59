"""Poisson's equation on boxes, discs and polygons, with values on the boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sinefield.constraint import Constraint
from sinefield.domains import Ball, Box, Difference, Polygon
from sinefield.expressions import Function, function_of
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.signals.equation import EquationSignal

Place = Box | Ball | Polygon | Difference
"""Where an equation of space holds."""


def poisson(
    *,
    source: Function = 0.0,
    boundary: Function = 0.0,
    shift: float = 0.0,
    domain: str | Place = "square",
    exact: Function | None = None,
    **settings: Any,
) -> Problem:
    """Return the problem Δu + κ u = f in a domain, u = g on its boundary.

    Args:
        source: f.
        boundary: g.
        shift: κ; k² makes it Helmholtz's equation.
        domain: a region, or one that :func:`domain_named` knows.
        exact: the solution where it is known.
        **settings: of :func:`sinefield.problems.equation`: ``features``, ``accuracy``.

    Raises:
        ValueError: an unknown domain, or a text that is no function.

    >>> from sinefield import solve
    >>> exact = "sin(pi*x)*sin(pi*y)"
    >>> solution = solve(poisson(source=f"-2*pi^2*{exact}", exact=exact, features=300))
    >>> solution.converged, solution.metrics["error"] < 1e-8
    (True, True)
    """
    where: Place = domain_named(domain) if isinstance(domain, str) else domain
    axes = tuple(where.axes or "xyz"[: where.dimension])
    f, g = function_of(source, axes), function_of(boundary, axes)
    problem = equation(
        [
            Constraint(where, lambda u: u.laplacian + shift * u.value - f(u.points), name="poisson"),
            Constraint(where.boundary, lambda u: u.value - g(u.points), name="boundary"),
        ],
        exact=None if exact is None else function_of(exact, axes),
        **settings,
    )
    return replace(problem, name="poisson", signal=EquationSignal.of(where))


_ELL = "POLYGON ((-1 -1, 0 -1, 0 0, 1 0, 1 1, -1 1, -1 -1))"


def domain_named(text: str) -> Box | Ball | Polygon:
    """Return the region that a text names.

    Args:
        text: ``"square"``, which is [0, 1]², ``"disc"``, the unit disc, ``"l-shape"``, which is [−1, 1]² without the
            quarter where x > 0 and y < 0; the bounds of a box of 1 to 3 axes, as ``"0,1,0,1"``; or a polygon, with or
            without holes, as well-known text.

    Raises:
        ValueError: it names none.

    >>> domain_named("0,2,-1,1").upper, domain_named("l-shape").measure
    ((2.0, 1.0), 3.0)
    """
    match text.lower():
        case "square":
            return Box([0.0, 0.0], [1.0, 1.0], axes="xy")
        case "disc":
            return Ball([0.0, 0.0], 1.0, axes="xy")
        case "l-shape":
            return _polygon(_ELL)
    if text.lower().startswith("polygon"):
        return _polygon(text)
    try:
        bounds = tuple(float(each) for each in text.split(","))
    except ValueError:
        bounds = ()
    if len(bounds) not in (2, 4, 6):
        raise ValueError(
            f"unknown domain {text!r}; give square, disc, l-shape, the bounds of each axis as 0,1,0,1, or a polygon as "
            "'POLYGON ((0 0, 1 0, 0 1, 0 0))'"
        )
    return Box(bounds[::2], bounds[1::2], axes="xyz"[: len(bounds) // 2])


def _polygon(text: str) -> Polygon:
    import shapely

    try:
        return Polygon(shapely.from_wkt(text), axes="xy")
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"{text[:60]!r} is no polygon; write one as 'POLYGON ((0 0, 1 0, 0 1, 0 0))'") from error
