"""Nonlinear least-squares problems in closed form, which solvers are tested by."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sinefield import Box, Constraint, PointCloud, Siren, solve
from sinefield.jet_views import Derivatives
from sinefield.recipe import Recipe
from sinefield.solvers import Constant, Solver


@final
class Numbers(nn.Module):
    """θ as a field that is the same everywhere."""

    in_features = 0

    def __init__(self, *values: float) -> None:
        super().__init__()
        self.out_features = len(values)
        self.theta = nn.Parameter(torch.tensor(values, dtype=torch.float64))

    def forward(self, points: Tensor) -> Tensor:
        return self.theta.expand(len(points), -1)


def somewhere(count: int = 1) -> PointCloud:
    return PointCloud(torch.zeros(count, 1, dtype=torch.float64))


def minimise(field: nn.Module, constraints: list[Constraint], solver: Solver, steps: int) -> list[float]:
    """Take steps; return the losses before each."""
    recipe = Recipe("test", solver, Constant(), batch=None, passes=steps)
    return [each.loss for each in solve(field, constraints, recipe).history]


def rosenbrock(u: Derivatives) -> Tensor:
    """(10 (y − x²), 1 − x) is 0 at (1, 1), at the end of a bent valley."""
    x, y = u.value[:, :1], u.value[:, 1:]
    return torch.cat([10 * (y - x**2), 1 - x], 1)


def decay(sign: float) -> list[Constraint]:
    """u' = −u² from u(0) = 1, for the sign 1."""
    begin = PointCloud(torch.zeros(1, 1, dtype=torch.float64))
    return [
        Constraint(Box([0.0], [2.0], axes="t"), lambda u: u.d("t") + sign * u.value**2, name="equation"),
        Constraint(begin, lambda u: u.value - 1, name="start", weight=10.0),
    ]


def network(width: int = 10, layers: int = 1) -> Siren:
    torch.manual_seed(0)
    return Siren(1, 1, width, layers, 1.0, 1.0).double()


def error_of_decay(field: nn.Module) -> float:
    """Return the largest difference from 1 / (1 + t)."""
    t = torch.linspace(0, 2, 101, dtype=torch.float64)[:, None]
    with torch.no_grad():
        return float((field(t) - 1 / (1 + t)).abs().max())
