"""Tests of L-BFGS and self-scaled Broyden methods: quadratics, Rosenbrock, a nonlinear equation, what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from residual_problems import Numbers, decay, error_of_decay, minimise, network, rosenbrock, somewhere
from sinefield import Constraint, PointCloud, solve
from sinefield.jet_views import Derivatives
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import LBFGS, Broyden, Constant, Solver

SOLVERS: dict[str, LBFGS | Broyden] = {"L-BFGS": LBFGS(), "Broyden": Broyden(), "scaled BFGS": Broyden(kind="bfgs")}


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest) -> LBFGS | Broyden:
    return SOLVERS[request.param]


def test_rosenbrock(solver: Solver) -> None:
    field = Numbers(-1.2, 1.0)
    losses = minimise(field, [Constraint(somewhere(), rosenbrock)], solver, 20)
    assert field.theta.tolist() == pytest.approx([1, 1], abs=1e-6)
    assert len(losses) < 20


def quadratic(u: Derivatives) -> Tensor:
    """½ Σ k (θ_k − k)² for k = 1 … 5, whose Hessian is that of the residuals."""
    k = torch.arange(1.0, 6.0, dtype=torch.float64)
    return k.sqrt() * (u.value - k)


def test_the_inverse_hessian_of_a_quadratic_is_learnt() -> None:
    """f = Σ k (θ_k − k)² / 5: H is the diagonal of 5 / 2k."""
    objective = Objective({"u": Numbers(*[0.0] * 5)}, [Constraint(somewhere(), quadratic)])
    solver = Broyden(tolerance=1e-13, iterations=60)
    state = solver.init(objective)
    solver.step(objective, Batch([somewhere().at(torch.arange(1))]), state, 1.0)
    wanted = torch.diag(2.5 / torch.arange(1.0, 6.0, dtype=torch.float64))
    assert float((state["inverse"] - wanted).norm() / wanted.norm()) < 0.05


def test_pairs_are_met(solver: LBFGS | Broyden) -> None:
    """H y = s, the equation of the secant, whatever H was."""
    objective = Objective({"u": Numbers(*[0.0] * 5)}, [Constraint(somewhere(), quadratic)])
    state = solver.init(objective)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        step, change, gradient = torch.randn(3, 5, generator=generator, dtype=torch.float64)
        change = change * torch.sign(change @ step)
        solver.learn(state, step, change, -gradient * torch.sign(gradient @ step), 0.5)
    torch.testing.assert_close(-solver.direction(change, state), step)
    if isinstance(solver, Broyden):
        torch.testing.assert_close(state["inverse"], state["inverse"].mT)
        assert float(torch.linalg.eigvalsh(state["inverse"]).min()) > 0


def test_a_nonlinear_equation(solver: Solver) -> None:
    """u' = −u², at points that stay."""
    field = network()
    points = PointCloud(torch.linspace(0, 2, 40, dtype=torch.float64)[:, None], axes="t")
    equation, start = decay(1.0)
    constraints = [Constraint(points, equation.residual, name="equation"), start]
    solve(field, constraints, Recipe("test", solver, Constant(), batch=None, passes=40))
    assert error_of_decay(field) < 2e-3


def test_the_wrong_sign_is_another_equation(solver: Solver) -> None:
    field = network()
    solve(field, decay(-1.0), Recipe("test", solver, Constant(), batch=64, passes=10 * 64 / 65_536))
    assert error_of_decay(field) > 0.1


def test_a_residual_that_is_no_number_changes_nothing(solver: Solver) -> None:
    field = Numbers(-1.0)
    objective = Objective({"u": field}, [Constraint(somewhere(), lambda u: torch.sqrt(u.value))])
    state = solver.init(objective)
    terms = solver.step(objective, Batch([somewhere().at(torch.arange(1))]), state, 1.0)
    assert math.isnan(float(terms["constraint"]))
    assert field.theta.item() == -1


def test_where_no_step_helps_parameters_stay(solver: Solver) -> None:
    field = Numbers(0.0)
    objective = Objective({"u": field}, [Constraint(somewhere(), lambda u: u.value**2 + 1)])
    solver = solver.changed(patience=10)
    state, batch = solver.init(objective), Batch([somewhere().at(torch.arange(1))])
    for _ in range(15):
        solver.step(objective, batch, state, 1.0)
    assert field.theta.item() == 0
    assert solver.is_done(state)


def test_single_precision_is_refused(solver: Solver) -> None:
    objective = Objective({"u": network().float()}, decay(1.0))
    with pytest.raises(ValueError, match=r"in single precision it stops early and looks converged"):
        solver.init(objective)
