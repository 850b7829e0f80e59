"""The wave equation on a line, a plate or any region, from a value and a velocity."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sinefield.constraint import Constraint
from sinefield.domains import SpaceTime
from sinefield.expressions import Expression, Function, function_of
from sinefield.fields.modes import Modes
from sinefield.jet_views import Derivatives
from sinefield.problem import Problem
from sinefield.problems.equation import equation
from sinefield.problems.poisson import Place, domain_named
from sinefield.problems.separation import Waves, separated
from sinefield.recipe import Changes
from sinefield.signals.equation import EquationSignal
from sinefield.solvers.prepared import Prepared

WALLS = ("fixed", "free", "open")
"""What holds on the boundary: u = 0; ∂u/∂n = 0; or u_t + c ∂u/∂n = 0, which lets waves out that meet it straight on."""

_OF_MODES = {"features", "accuracy"}  # settings that waves as sums of modes have too
_ACCURACY_MIXED = 1e-4  # where the speed varies in several dimensions, unless it is told otherwise
_PROBES = 4096  # points that a speed is looked at


def wave(
    *,
    start: Function = 0.0,
    velocity: Function = 0.0,
    speed: Function = 1.0,
    domain: str | Place = "0,1",
    until: float = 1.0,
    walls: str = "fixed",
    exact: Function | None = None,
    **settings: Any,
) -> Problem:
    """Return the problem u_tt = c² Δu with u = s and u_t = v at t = 0.

    In boxes with fixed or free walls, and wherever no wall is reached in time, the field is a sum of modes, see
    :mod:`sinefield.problems.separation`; otherwise, and where the series of these fall too slowly, equation and
    conditions are fitted by sines. The relative residual to hold to is 1e-6, or 1e-4 for modes of a speed that varies
    in several dimensions.

    Args:
        start: s; of t, x, …, of which t is 0; so is the next.
        velocity: v.
        speed: c > 0, of x, ….
        domain: of space: a region, or one that :func:`sinefield.problems.poisson.domain_named` knows.
        until: the last time.
        walls: one of :data:`WALLS`.
        exact: the solution where it is known.
        **settings: of :func:`sinefield.problems.equation`: ``features``, at most, ``accuracy``; with any other the
            equation is fitted.

    Raises:
        ValueError: an unknown domain or wall, a text that is no function, or a speed that is not positive.

    >>> from sinefield import solve
    >>> exact = "sin(pi*x)*cos(2*pi*t)"
    >>> solution = solve(wave(start="sin(pi*x)", speed=2.0, exact=exact))
    >>> solution.converged, solution.metrics["error"] < 1e-8
    (True, True)
    """
    if walls not in WALLS:
        raise ValueError(f"unknown walls {walls!r}; choose one of {', '.join(WALLS)}")
    where = SpaceTime(domain_named(domain) if isinstance(domain, str) else domain, (0.0, until))
    axes = tuple(where.axes)
    s, v, c = (function_of(each, axes) for each in (start, velocity, speed))
    probes = where.draw(_PROBES, torch.Generator().manual_seed(0), torch.float64).points
    slowest = float(c(probes).min())
    if not slowest > 0:
        raise ValueError(f"a speed of waves is positive everywhere, got {slowest:g}; give another")
    space = "".join(axes[1:])
    # A number in place of a function shows that the equation has constant coefficients.
    square: Any = slowest**2 if isinstance(c, Expression) and c.is_constant else None

    def residual(u: Derivatives) -> Tensor:
        return u.d("tt") - (c(u.points) ** 2 if square is None else square) * u.laplacian_along(*space)

    def on_walls(u: Derivatives, normal: Tensor) -> Tensor:
        if walls == "fixed":
            return u.value
        slopes = [u.d(axis) * normal[:, place : place + 1] for place, axis in enumerate(axes) if place]
        outwards = torch.stack(slopes).sum(0)
        return outwards if walls == "free" else u.d("t") + c(u.points) * outwards

    waves = Waves(s, v, c, until, walls, constant=square is not None)
    modes = separated(waves, where.space, settings.get("features")) if settings.keys() <= _OF_MODES else None
    within = where if modes is None else SpaceTime(modes[1], (0.0, until))
    if modes is not None and square is None and where.space.dimension > 1:
        settings = {"accuracy": _ACCURACY_MIXED, **{name: each for name, each in settings.items() if each is not None}}
    if where.space.dimension == 1:  # waves in closed form, as many as a pulse takes, are slower there than sines
        settings = {"columns": (), **settings}
    problem = equation(
        [
            Constraint(within, residual, name="wave"),
            Constraint(within.start, lambda u: u.value - s(u.points), name="start"),
            Constraint(within.start, lambda u: u.d("t") - v(u.points), name="velocity"),
            Constraint(within.walls, on_walls, name="walls"),
        ],
        exact=None if exact is None else function_of(exact, axes),
        **settings,
    )
    if modes is not None:
        problem = _prepared(problem, modes[0])
    return replace(problem, name="wave", signal=EquationSignal.of(where))


def _prepared(problem: Problem, field: Modes) -> Problem:
    """Return a problem whose field is known, and has to be judged alone."""
    solver = Prepared(enough=problem.accuracy or 0.0)
    changes: Changes = {**problem.tuning["fast"], "solver": solver, "passes": solver.steps}
    return replace(problem, unknowns={"u": lambda _omega: deepcopy(field)}, tuning={"fast": changes})
