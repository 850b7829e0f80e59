"""Tests of SPRING: the step that its definition asks for, a nonlinear equation, what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from residual_problems import Numbers, decay, error_of_decay, network, somewhere
from sinefield import Constraint, PointCloud, solve
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import Constant, Spring


def test_steps_are_those_of_the_definition() -> None:
    """Of all δ the one that minimises ‖r + J δ‖² + λ ‖δ − μ δ'‖²."""
    points = torch.linspace(-1, 1, 12, dtype=torch.float64)[:, None]
    cloud = PointCloud(points, {"value": torch.sin(5 * points)})
    objective = Objective({"u": network()}, [Constraint(cloud, lambda u, value: u.value - value)])
    solver, batch = Spring(damping=0.5, memory=0.7), Batch([cloud.at(torch.arange(12))])
    state, before = solver.init(objective), torch.zeros_like(objective.vector())
    for _ in range(3):
        linear, start = objective.linearise(batch), objective.vector()
        jacobian, damping = linear.dense(), 0.5 * float(linear.gram().diagonal().mean())
        normal = jacobian.mT @ jacobian + damping * torch.eye(len(start)).to(start)
        wanted = torch.linalg.solve(normal, -jacobian.mT @ linear.residuals + damping * 0.7 * before)
        solver.step(objective, batch, state, 1.0)
        taken = objective.vector() - start
        length = float(taken @ wanted / wanted.square().sum())
        assert math.log2(length) == pytest.approx(round(math.log2(length)), abs=1e-6)
        torch.testing.assert_close(taken, length * wanted, rtol=1e-6, atol=1e-9)
        before = taken


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_a_nonlinear_equation(memory: float) -> None:
    field = network(width=16)
    solve(field, decay(1.0), Recipe("test", Spring(memory=memory), Constant(), batch=64, passes=80 * 64 / 65_536))
    assert error_of_decay(field) < 1e-3


def test_the_wrong_sign_is_another_equation() -> None:
    field = network(width=16)
    solve(field, decay(-1.0), Recipe("test", Spring(), Constant(), batch=64, passes=20 * 64 / 65_536))
    assert error_of_decay(field) > 0.1


def test_a_residual_that_is_no_number_changes_nothing() -> None:
    field = Numbers(-1.0)
    objective = Objective({"u": field}, [Constraint(somewhere(), lambda u: torch.sqrt(u.value))])
    solver = Spring()
    state = solver.init(objective)
    solver.step(objective, Batch([somewhere().at(torch.arange(1))]), state, 1.0)
    assert field.theta.item() == -1


@pytest.mark.parametrize("settings", [{"damping": 0.0}, {"memory": 1.0}, {"memory": -0.1}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="SPRING has a damping > 0 and a memory"):
        Spring().changed(**settings)


def test_single_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="SPRING needs double precision"):
        Spring().init(Objective({"u": network().float()}, decay(1.0)))
