"""Poisson's equation on a box, a disc or an L-shape, with values on the boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sinefield.constraint import Constraint
from sinefield.domains import Ball, Box, ContinuousDomain
from sinefield.expressions import Function, function_of
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.signals.equation import EquationSignal


def poisson(
    *,
    source: Function = 0.0,
    boundary: Function = 0.0,
    shift: float = 0.0,
    domain: str | ContinuousDomain = "square",
    exact: Function | None = None,
    **settings: Any,
) -> Problem:
    """Return the problem Δu + κ u = f in a domain, u = g on its boundary.

    Args:
        source: f.
        boundary: g.
        shift: κ; k² makes it Helmholtz's equation.
        domain: ``"square"``, which is [0, 1]², ``"disc"``, the unit disc, bounds of a box of 1 to 3 axes as
            ``"0,1,0,1"``; or a domain that has a boundary.
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
    where = domain_named(domain) if isinstance(domain, str) else domain
    axes = tuple(where.axes or "xyz"[: where.dimension])
    f, g = function_of(source, axes), function_of(boundary, axes)
    problem = equation(
        [
            Constraint(where, lambda u: u.laplacian + shift * u.value - f(u.points), name="poisson"),
            Constraint(where.boundary, lambda u: u.value - g(u.points), name="boundary"),  # type: ignore[attr-defined]
        ],
        exact=None if exact is None else function_of(exact, axes),
        **settings,
    )
    return replace(problem, name="poisson", signal=EquationSignal.of(where))


def domain_named(text: str) -> ContinuousDomain:
    """Return a domain with a boundary that a text names.

    Raises:
        ValueError: it names none.

    >>> domain_named("0,2,-1,1").upper
    (2.0, 1.0)
    """
    match text:
        case "square":
            return Box([0.0, 0.0], [1.0, 1.0], axes="xy")
        case "disc":
            return Ball([0.0, 0.0], 1.0, axes="xy")
    try:
        bounds = tuple(float(each) for each in text.split(","))
    except ValueError:
        bounds = ()
    if len(bounds) not in (2, 4, 6):
        raise ValueError(f"unknown domain {text!r}; give square, disc, or the bounds of each axis as 0,1,0,1")
    return Box(bounds[::2], bounds[1::2], axes="xyz"[: len(bounds) // 2])
