"""Continuation: a hard equation solved by way of easier ones, each from the weights of the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import nn

from sinefield.problem import Part, Problem


def continued(problem_of: Callable[[float], Problem], values: Sequence[float]) -> Problem:
    """Return the problem of the last of some values of a parameter, by way of the others.

    The same fields are solved for with one value after the other; each takes its share of a budget of time, and the
    records of all are in the history. It is for solvers that go on from the weights they are given, as Gauss-Newton
    does with deep networks; least squares begins anew.

    Args:
        problem_of: the problem for a value.
        values: from the easiest to the one that is asked for.

    Raises:
        ValueError: no values.

    u'' + λ e^u = 0 with u(0) = u(1) = 0, Bratu's problem, to λ = 3 by way of 1 and 2:

    >>> from sinefield import Box, Constraint, solve
    >>> from sinefield.problems.equation import equation
    >>> line = Box([0.0], [1.0])
    >>> def bratu(factor):
    ...     return equation([
    ...         Constraint(line, lambda u: u.laplacian + factor * u.value.exp(), name="bratu"),
    ...         Constraint(line.boundary, lambda u: u.value, name="ends"),
    ...     ], features=8, hidden_layers=1)
    >>> solution = solve(continued(bratu, [1.0, 2.0, 3.0]), passes=0.1)
    >>> solution.metrics["residual"] < 0.1
    True
    """
    if not values:
        raise ValueError("a continuation goes through one or more values of a parameter, got none")
    problems = [problem_of(each) for each in values]

    def parts(fields: Mapping[str, nn.Module]) -> Sequence[Part]:
        return [Part(dict(fields), each) for each in problems]  # another mapping: each part has constraints of its own

    return replace(problems[-1], parts=parts)
