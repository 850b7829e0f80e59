"""The heat equation on a rod, a plate or any region, from a start, with values on the boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sinefield.constraint import Constraint
from sinefield.domains import SpaceTime
from sinefield.expressions import Function, function_of
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.poisson import Place, domain_named
from sinefield.signals.equation import EquationSignal


def heat(
    *,
    start: Function = 0.0,
    boundary: Function = 0.0,
    diffusivity: Function = 1.0,
    source: Function = 0.0,
    domain: str | Place = "0,1",
    until: float = 1.0,
    exact: Function | None = None,
    **settings: Any,
) -> Problem:
    """Return the problem u_t = a Δu + f from u = s at t = 0, with u = g on the boundary.

    Args:
        start: s; of t, x, …, of which t is 0.
        boundary: g, of t, x, …; so are the next.
        diffusivity: a.
        source: f.
        domain: of space: a region, or one that :func:`sinefield.problems.poisson.domain_named` knows.
        until: the last time.
        exact: the solution where it is known.
        **settings: of :func:`sinefield.problems.equation`: ``features``, ``accuracy``.

    Raises:
        ValueError: an unknown domain, or a text that is no function.

    >>> from sinefield import solve
    >>> exact = "exp(-0.1*pi^2*t)*sin(pi*x)"
    >>> solution = solve(heat(start="sin(pi*x)", diffusivity=0.1, exact=exact, features=300))
    >>> solution.converged, solution.metrics["error"] < 1e-8
    (True, True)
    """
    where = SpaceTime(domain_named(domain) if isinstance(domain, str) else domain, (0.0, until))
    axes = tuple(where.axes)
    a, f, g, s = (function_of(each, axes) for each in (diffusivity, source, boundary, start))
    space = "".join(axes[1:])
    problem = equation(
        [
            Constraint(
                where,
                lambda u: u.d("t") - a(u.points) * u.laplacian_along(*space) - f(u.points),
                name="heat",
            ),
            Constraint(where.start, lambda u: u.value - s(u.points), name="start"),
            Constraint(where.walls, lambda u: u.value - g(u.points), name="boundary"),
        ],
        exact=None if exact is None else function_of(exact, axes),
        **settings,
    )
    return replace(problem, name="heat", signal=EquationSignal.of(where))
