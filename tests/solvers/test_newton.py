"""Tests of Newton's method for last layers: from 0, and from a field with other features."""

from __future__ import annotations

import torch
from torch import nn

from sinefield import Box, Constraint, PointCloud, Siren
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples
from sinefield.solvers.newton import Newton

LINE = Box([0.0], [1.0], axes="t")
START = PointCloud(torch.zeros(1, 1, dtype=torch.float64), axes="t")


def exact(t: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + 4 * torch.exp(-5 * t))


def network(features: int, seed: int) -> Siren:
    torch.manual_seed(seed)
    return Siren(1, 1, hidden_features=features, hidden_layers=0, first_omega=8).double()


def solved(field: Siren, iterations: int, around: Siren | None, sign: float = 1.0) -> float:
    """Return the greatest error for u' = 5 u (1 − u) from u(0) = 1/5."""
    constraints = [
        Constraint(LINE, lambda u: u.d("t") - sign * 5 * u.value * (1 - u.value), name="reaction"),
        Constraint(START, lambda u: u.value - 0.2, name="start"),
    ]
    objective = Objective({"u": field}, constraints)
    batch = Batch([draw_samples(each.domain, 200, generator_of(n)) for n, each in enumerate(objective.groups)])
    last = field.layers[-1]
    assert isinstance(last, nn.Linear)
    begun = None if around is None else {last.weight: around}
    Newton(linear=False, iterations=iterations, lower_order=10.0).solve(objective, batch, 40, begun)
    points = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        return float((field(points) - exact(points)).abs().max())


def test_from_nothing() -> None:
    assert solved(network(40, 0), 30, None) < 1e-5
    assert solved(network(40, 0), 30, None, sign=-1.0) > 0.1


def test_a_field_of_other_features_leaves_two_steps() -> None:
    coarse = network(10, 1)
    assert 1e-6 < solved(coarse, 30, None) < 1e-1
    assert solved(network(40, 0), 2, coarse) < 1e-5
    assert solved(network(40, 0), 2, None) > 1e-3
