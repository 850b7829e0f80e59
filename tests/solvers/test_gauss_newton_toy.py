"""Tests of a toy Gauss-Newton solver, which uses public parts alone: that so much is all a solver takes."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, Siren, solve
from sinefield.domains import FiniteDomain
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import Adam, Constant, Solver, Tensors


@final
@dataclass(frozen=True)
class GaussNewton(Solver):
    """θ ← θ − (JᵀJ + μ I)⁻¹ Jᵀ r; μ falls where the objective does, and otherwise rises until it does.

    Args:
        damping: μ at first.
        attempts: how often μ rises in a step.
    """

    damping: float = 1e-2
    attempts: int = 12

    def init(self, objective: Objective) -> Tensors:
        """Return μ."""
        return Tensors({"damping": torch.tensor(self.damping, dtype=torch.float64)})

    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:
        """Return the objective before the step."""
        linear, start = objective.linearise(batch), objective.vector()
        jacobian, residuals = linear.dense(), linear.residuals
        before, gram, slope = residuals.square().sum(), jacobian.mT @ jacobian, jacobian.mT @ residuals
        for _ in range(self.attempts):
            damped = gram + float(state["damping"]) * torch.eye(len(gram)).to(gram)
            objective.assign(start - rate * torch.linalg.solve(damped, slope))
            with torch.no_grad():
                after = objective.residuals(batch).square().sum()
            if bool(after < before):
                state["damping"].div_(5).clamp_(min=1e-14)
                return {"residuals": before}
            state["damping"].mul_(3)
        objective.assign(start)
        return {"residuals": before}


def test_it_is_short() -> None:
    """With the eight lines that import what it is made of."""
    assert len(inspect.getsource(GaussNewton).splitlines()) + 8 <= 60


def test_it_uses_public_names_only() -> None:
    assert not re.search(r"\._\w|[^_]__\w", inspect.getsource(GaussNewton))
    assert GaussNewton.__bases__ == (Solver,)


def ends() -> FiniteDomain:
    return PointCloud(torch.tensor([[-1.0], [1.0]], dtype=torch.float64))


def inside(count: int) -> FiniteDomain:
    return PointCloud(torch.linspace(-1, 1, count, dtype=torch.float64)[:, None])


def field() -> Siren:
    torch.manual_seed(0)
    return Siren(1, 1, hidden_features=16, hidden_layers=1, first_omega=3.0, hidden_omega=3.0).double()


def wave(x: Tensor) -> Tensor:
    """u = sin(πx) + x², of which u'' + u is known."""
    return torch.sin(math.pi * x) + x.square()


def source(x: Tensor) -> Tensor:
    return (1 - math.pi**2) * torch.sin(math.pi * x) + 2 + x.square()


def constraints() -> list[Constraint]:
    def equation(u: Jet) -> Tensor:
        return u.laplacian + u.value - source(u.points)

    def dirichlet(u: Jet) -> Tensor:
        return u.value - 1

    return [Constraint(inside(60), equation, name="equation"), Constraint(ends(), dirichlet, name="ends", weight=100)]


def error(found: Siren) -> float:
    points = torch.linspace(-1, 1, 333, dtype=torch.float64)[:, None]
    with torch.no_grad():
        return float((found(points) - wave(points)).abs().max())


def test_a_boundary_value_problem_in_closed_form() -> None:
    """u'' + u = f with u(±1) = 1, to an error of 1e-6 in sixty steps."""
    u = field()
    recipe = Recipe("toy", GaussNewton(), Constant(), batch=None, passes=60)
    found = solve(u, constraints(), recipe)
    assert error(u) <= 1e-6
    assert found.history[-1].loss <= 1e-10
    losses = [each.loss for each in found.history]
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


def test_adam_is_nowhere_near_in_as_many_steps() -> None:
    """So that the test above is one of Gauss and Newton."""
    u = field()
    solve(u, constraints(), Recipe("adam", Adam(1e-3), Constant(), batch=None, passes=60))
    assert error(u) > 1e-3


def test_a_linear_problem_takes_one_step() -> None:
    """r is linear in the last layer: nearly undamped, the step is that of least squares."""
    u = field()
    for name, parameter in u.named_parameters():
        parameter.requires_grad_(name.startswith("layers.4"))
    points = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    cloud = PointCloud(points, {"value": wave(points)})
    recipe = Recipe("toy", GaussNewton(1e-13), Constant(), batch=None, passes=1)
    solve(u, [Constraint(cloud, lambda u, value: u.value - value)], recipe)
    with torch.no_grad():
        features = torch.cat([u.layers[:-1](points), torch.ones_like(points)], dim=1)
        best = torch.linalg.lstsq(features, wave(points), driver="gelsd").solution
        torch.testing.assert_close(u(points), features @ best, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stop", [1, 7])
def test_it_is_resumed_as_any_solver(stop: int) -> None:
    solver = GaussNewton()
    whole, again = (Objective({"u": field()}, constraints()) for _ in range(2))
    batch = Batch([inside(60).at(torch.arange(60)), ends().at(torch.arange(2))])
    states = solver.init(whole), solver.init(again)
    for step in range(10):
        if step == stop:
            again.assign(whole.vector())
            states[1].load({name: each.clone() for name, each in states[0].tensors().items()})
        for made, state in zip((whole, again), states, strict=True):
            if made is whole or step >= stop:
                solver.step(made, batch, state, 1.0)
    assert torch.equal(whole.vector(), again.vector())
