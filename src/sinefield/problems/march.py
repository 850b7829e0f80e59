"""Time slabs: an equation solved in one interval of time after the other, each starting from the end of the one before.

A solution that changes in different ways at different times takes fewer features in short slabs than in one long one,
and Newton's iterations start close to their end: from the slab before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from sinefield.fields.slabs import Slabs
from sinefield.problem import Part, Problem

Start = Callable[[Tensor], Tensor]
"""Values at points ``(n, d)`` with the time at which a slab begins."""


def march(
    slab: Callable[[float, float, Start], Problem], edges: Sequence[float], start: Start, axis: int = 0
) -> Problem:
    """Return the problem of an equation in slabs of time, whose field is joined of those of the slabs.

    Args:
        slab: returns the problem of one interval, such as :func:`sinefield.problems.equation`, given its beginning, its
            end, and the values at the beginning, which one of its constraints asks for.
        edges: the times between which slabs are.
        start: the initial values.
        axis: which coordinate is the time.

    Raises:
        ValueError: fewer than two edges, edges that do not rise, or problems of several unknowns.

    u' = −u² from u(0) = 1 to t = 2, which is 1 / (1 + t):

    >>> from sinefield import Box, Constraint, PointCloud, solve
    >>> from sinefield.problems.equation import equation
    >>> def slab(lower, upper, start):
    ...     begin = PointCloud(torch.tensor([[lower]], dtype=torch.float64))
    ...     return equation([
    ...         Constraint(Box([lower], [upper], axes="t"), lambda u: u.d("t") + u.value**2, name="equation"),
    ...         Constraint(begin, lambda u: u.value - start(u.points), name="start"),
    ...     ], exact=lambda t: 1 / (1 + t), features=50)
    >>> solution = solve(march(slab, [0.0, 1.0, 2.0], torch.ones_like))
    >>> solution.metrics["error"] < 1e-8
    True
    """
    if len(edges) < 2 or sorted(set(edges)) != list(edges):
        raise ValueError(f"slabs lie between two or more rising times, got {list(edges)}")
    intervals = list(itertools.pairwise(edges))
    whole = slab(edges[0], edges[-1], start)
    if len(whole.unknowns) > 1:
        raise ValueError(f"slabs are of problems of one unknown, got {', '.join(whole.unknowns)}")
    (name,) = whole.unknowns

    def build(first_omega: float) -> nn.Module:
        fields = [next(iter(slab(*each, start).build(first_omega).values())) for each in intervals]
        return Slabs(fields, edges, axis)

    def parts(fields: Mapping[str, nn.Module]) -> Sequence[Part]:
        joined = fields[name]
        assert isinstance(joined, Slabs), "what this problem builds"
        starts = [start, *map(_values_of, joined.fields)]
        problems = [slab(*each, begin) for each, begin in zip(intervals, starts, strict=False)]
        return [Part({name: each}, problem) for each, problem in zip(joined.fields, problems, strict=True)]

    return replace(whole, unknowns={name: build}, parts=parts)


def _values_of(field: nn.Module) -> Start:
    def start(points: Tensor) -> Tensor:
        with torch.no_grad():
            values: Tensor = field(points)
        return values

    return start
