"""Equations solved by small deep sine networks, where solutions have fronts that one sine layer cannot follow.

All weights are sought, in double precision, by Gauss-Newton. Constraints are brought to one size, as the Jacobian of
the first network shows it; the equation itself counts little at first, until its conditions hold; and points are drawn
where residuals are large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import torch
from torch import nn

from sinefield.constraint import Constraint
from sinefield.fields.coordinates import AffineMap
from sinefield.fields.derivatives import Derivative, highest_order
from sinefield.fields.siren import Siren
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.recipe import Changes
from sinefield.residuals import draw_samples, named_residuals
from sinefield.sampler import CONTINUOUS_PASS
from sinefield.solvers.gauss_newton import GaussNewton

WIDTH = 24
"""Features of each layer, unless said."""

_STEPS = 400  # of Gauss and Newton, unless said
_ROWS = 3.0  # points of a step, all domains together, for each parameter
_SHARE = 0.5  # of the points drawn, those that a step takes
_LOWER_ORDER = 10.0  # weight of the rows of conditions beside those of the equation
_FIRST_OMEGA, _HIDDEN_OMEGA = 3.0, 1.0


@final
@dataclass(frozen=True)
class Rising:
    """A weight that begins as a part of itself and rises, by equal factors in equal times, until it is whole.

    Args:
        weight: in the end; a number, or a function of the part of the budget that is used.
        least: the part of it at first.
        stop: the part of the budget that is used when it is whole.

    >>> [round(Rising(2.0, 1e-2, 0.2)(fraction), 3) for fraction in (0.0, 0.1, 0.2, 1.0)]
    [0.02, 0.2, 2.0, 2.0]
    """

    weight: float | Callable[[float], float]
    least: float
    stop: float

    def __call__(self, fraction: float) -> float:
        """Return the weight when this part of the budget is used."""
        whole = self.weight(fraction) if callable(self.weight) else self.weight
        return whole * math.pow(self.least, max(0.0, 1 - fraction / self.stop))


def deep_network(
    constraints: Sequence[Constraint],
    outputs: int,
    width: int,
    hidden_layers: int,
    around: Callable[[nn.Module], nn.Module] | None,
    first_omega: float,
) -> nn.Module:
    """Return a sine network of points in the coordinates of the domains, which it sees from −1 to 1 along each axis."""
    points = torch.cat(
        [draw_samples(each.domain, 4096, generator_of(place)).points for place, each in enumerate(constraints)]
    )
    lower, upper = points.min(0).values, points.max(0).values
    half = ((upper - lower) / 2).clamp(min=1e-300)
    network = Siren(len(half), outputs, width, hidden_layers, _FIRST_OMEGA * first_omega, _HIDDEN_OMEGA).double()
    scaled = AffineMap(network, torch.diag(1 / half), -(lower + upper) / 2 / half)
    return scaled if around is None else around(scaled)


def balanced(constraints: Sequence[Constraint], unknowns: Mapping[str, nn.Module]) -> list[Constraint]:
    """Return the constraints with weights that make their rows of the Jacobian alike; the equation's weight rises.

    Args:
        constraints: with weights that count beside each other when their rows are alike.
        unknowns: fields by name, as they are at first.
    """
    objective = Objective(unknowns, [replace(each, weight=1.0) for each in constraints])
    samples = [draw_samples(each.domain, 64, generator_of(place)) for place, each in enumerate(objective.groups)]
    batch = Batch(samples)
    jacobian = objective.linearise(batch).dense()
    with torch.no_grad():
        counts = {name: len(each) for name, each in named_residuals(objective, batch).items()}
    sizes = dict(zip(counts, (float(each.norm()) for each in jacobian.split(list(counts.values()))), strict=True))
    orders = {member.constraint.name: _order(member.reads) for group in objective.groups for member in group.members}
    highest, found = max(orders.values()), []
    for each in constraints:
        factor = (1.0 if orders[each.name] == highest else _LOWER_ORDER) ** 2 / (sizes[each.name] or 1.0) ** 2
        weight = partial(_scaled, each.weight, factor) if callable(each.weight) else factor * each.weight
        among = orders[each.name] == highest and min(orders.values()) < highest
        found.append(replace(each, weight=Rising(weight, 1e-2, 0.1) if among else weight))
    return found


def _scaled(weight: Callable[[float], float], factor: float, fraction: float) -> float:
    return weight(fraction) * factor


def _order(reads: Mapping[str, frozenset[Derivative]]) -> int:
    return max(map(highest_order, reads.values()))


def deep_recipe(unknowns: Mapping[str, nn.Module], domains: int) -> Changes:
    """Return how the weights of networks are found, with points for all of them.

    Args:
        unknowns: fields by name.
        domains: how many the points are shared among.
    """
    count = sum(each.numel() for field in unknowns.values() for each in field.parameters() if each.requires_grad)
    batch = max(64, math.ceil(_ROWS * count / _SHARE / domains))
    return {
        "solver": GaussNewton(share=_SHARE),
        "batch": batch,
        "passes": _STEPS * batch / CONTINUOUS_PASS,
        "first_omega": 1.0,
    }
