"""Tests of Gauss-Newton: one step on linear problems, few on nonlinear ones, none that makes things worse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from residual_problems import Numbers, decay, error_of_decay, minimise, network, rosenbrock, somewhere
from sinefield import Box, Constraint, PointCloud, Siren, solve
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.residuals import named_residuals
from sinefield.solvers import Constant, GaussNewton, Solver


def test_rosenbrock() -> None:
    field = Numbers(-1.2, 1.0)
    losses = minimise(field, [Constraint(somewhere(), rosenbrock)], GaussNewton(), 60)
    assert field.theta.tolist() == pytest.approx([1, 1], abs=1e-7)
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


def test_exponentials() -> None:
    """a e^(bx) through five points of 2 e^(−x/2)."""
    x = torch.arange(5, dtype=torch.float64)[:, None]
    cloud = PointCloud(x, {"value": 2 * torch.exp(-x / 2)})
    field = Numbers(1.0, 0.0)
    constraint = Constraint(cloud, lambda u, value: u.value[:, :1] * torch.exp(u.value[:, 1:] * u.points) - value)
    minimise(field, [constraint], GaussNewton(), 60)
    assert field.theta.tolist() == pytest.approx([2, -0.5], abs=1e-7)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_linear_problem_takes_one_step(*, orthogonal: bool) -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, 12, 0, 4.0).double()
    field.layers[0].requires_grad_(False)
    points = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    cloud = PointCloud(points, {"value": torch.exp(points)})
    minimise(
        field, [Constraint(cloud, lambda u, value: u.value - value)], GaussNewton(damping=0.0, orthogonal=orthogonal), 1
    )
    with torch.no_grad():
        features = torch.cat([field.layers[:-1](points), torch.ones_like(points)], dim=1)
        best = features @ torch.linalg.lstsq(features, torch.exp(points), driver="gelsd").solution
        torch.testing.assert_close(field(points), best, rtol=0, atol=1e-10 if orthogonal else 1e-4)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_nonlinear_equation(share: float) -> None:
    """u' = −u² from u(0) = 1 is 1 / (1 + t); points are other ones in each step."""
    field = network()
    solve(field, decay(1.0), Recipe("test", GaussNewton(share=share), Constant(), batch=256, passes=80 * 256 / 65_536))
    assert error_of_decay(field) < 1e-4


def test_steps_at_the_same_points_reach_the_digits_in_few_draws() -> None:
    """u' = −u² again: eight draws of points, five steps at each."""
    field = network()
    recipe = Recipe("test", GaussNewton(repeats=5), Constant(), batch=256, passes=8 * 256 / 65_536)
    solve(field, decay(1.0), recipe)
    assert error_of_decay(field) < 1e-4
    with pytest.raises(ValueError, match="repeats ≥ 1"):
        GaussNewton(repeats=0)


def test_the_wrong_sign_is_another_equation() -> None:
    field = network()
    solve(field, decay(-1.0), Recipe("test", GaussNewton(), Constant(), batch=256, passes=40 * 256 / 65_536))
    assert error_of_decay(field) > 0.1


# Steps in each of the spaces


def cloud(count: int) -> PointCloud:
    points = torch.linspace(-1, 1, count, dtype=torch.float64)[:, None]
    return PointCloud(points, {"value": torch.sin(5 * points)})


def taken(solver: GaussNewton, count: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return δ of a step, with r and J before it, and λ."""
    objective = Objective({"u": network()}, [Constraint(cloud(count), lambda u, value: u.value - value)])
    batch = Batch([cloud(count).at(torch.arange(count))])
    linear, start = objective.linearise(batch), objective.vector()
    jacobian, residuals = linear.dense(), linear.residuals
    solver.step(objective, batch, solver.init(objective), 1.0)
    return objective.vector() - start, residuals, jacobian, solver.damping


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_step_in_the_space_of_parameters(*, orthogonal: bool) -> None:
    """(JᵀJ + λ D²) δ = −Jᵀ r."""
    step, residuals, jacobian, damping = taken(GaussNewton(damping=0.3, orthogonal=orthogonal), 400)
    gram = jacobian.mT @ jacobian
    wanted = torch.linalg.solve(gram + damping * torch.diag(gram.diagonal()), -jacobian.mT @ residuals)
    torch.testing.assert_close(step, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("largest", [6000, 5])
def test_a_step_in_the_space_of_samples_and_by_conjugate_gradients(largest: int) -> None:
    """(JᵀJ + λ s) δ = −Jᵀ r, with a size s of JᵀJ."""
    step, residuals, jacobian, damping = taken(GaussNewton(damping=0.3, largest=largest), 30)
    slope = jacobian.mT @ residuals
    means = (jacobian @ jacobian.mT).diagonal().mean(), slope.square().sum() / residuals.square().sum()
    size = means[0] if largest == 6000 else means[1]
    gram = jacobian.mT @ jacobian
    wanted = torch.linalg.solve(gram + damping * size * torch.eye(len(gram)).to(gram), -slope)
    torch.testing.assert_close(step, wanted, rtol=1e-4, atol=1e-6)


# Steps that are refused


def test_a_step_into_nothing_is_refused() -> None:
    """√θ has no value beyond 0, where a whole step would lead to; shorter ones are taken."""
    field = Numbers(0.01)
    constraint = Constraint(somewhere(), lambda u: torch.sqrt(u.value) + 0.5)
    minimise(field, [constraint], GaussNewton(), 20)
    assert 0 <= field.theta.item() < 0.01


def test_where_no_step_helps_parameters_stay() -> None:
    field = Numbers(0.0)  # x² + 1 has its least value here
    solver = GaussNewton(patience=20)
    objective = Objective({"u": field}, [Constraint(somewhere(), lambda u: u.value**2 + 1)])
    state, batch = solver.init(objective), Batch([somewhere().at(torch.arange(1))])
    for _ in range(30):
        solver.step(objective, batch, state, 1.0)
    assert field.theta.item() == 0
    assert solver.is_done(state)
    assert all(bool(torch.isfinite(each).all()) for each in state.tensors().values())


def test_a_residual_that_is_no_number_changes_nothing() -> None:
    field = Numbers(-1.0)
    objective = Objective({"u": field}, [Constraint(somewhere(), lambda u: torch.sqrt(u.value))])
    solver = GaussNewton()
    state = solver.init(objective)
    terms = solver.step(objective, Batch([somewhere().at(torch.arange(1))]), state, 1.0)
    assert math.isnan(float(terms["constraint"]))
    assert field.theta.item() == -1
    field.theta.data.fill_(5.0)
    solver.retreat(objective, state)
    assert field.theta.item() == -1


def test_it_is_done_at_the_tolerance() -> None:
    field = Numbers(-1.2, 1.0)
    losses = minimise(field, [Constraint(somewhere(), rosenbrock)], GaussNewton(tolerance=1e-3), 100)
    assert len(losses) < 40
    x, y = field.theta.tolist()
    assert 1e-10 < (100 * (y - x**2) ** 2 + (1 - x) ** 2) / 2 <= 1e-6


# Points


def test_points_of_large_residuals_are_taken_rather() -> None:
    """The residual is 0 left of 0.9 and large right of it: of a tenth of the points most are taken, of the rest few."""
    box = Box([0.0], [1.0])
    objective = Objective({"u": Numbers(1.0)}, [Constraint(box, lambda u: u.value * (u.points > 0.9))])
    batch = Batch([box.draw(1000, torch.Generator().manual_seed(0), torch.float64)])
    points = GaussNewton(share=0.2)._chosen(objective, batch, 0).samples[0].points
    assert len(points) == 200
    assert float((points > 0.9).double().mean()) > 0.35
    assert float((points < 0.9).double().mean()) > 0.2
    again = GaussNewton(share=0.2)._chosen(objective, batch, 1).samples[0].points
    assert not torch.equal(points, again)


def test_terms_are_named() -> None:
    box = Box([0.0], [2.0], axes="t")
    objective = Objective({"u": network()}, decay(1.0))
    batch = Batch([box.draw(20, torch.Generator().manual_seed(0), torch.float64), somewhere().at(torch.arange(1))])
    rows = named_residuals(objective, batch)
    assert list(rows) == ["equation", "start"]
    torch.testing.assert_close(torch.cat(list(rows.values())), objective.residuals(batch))


# What is refused


def test_single_precision_is_refused() -> None:
    objective = Objective({"u": network().float()}, decay(1.0))
    with pytest.raises(ValueError, match=r"needs double precision.*call field\.double\(\) first"):
        GaussNewton().init(objective)


@pytest.mark.parametrize("make", [lambda: GaussNewton(share=0.0), lambda: GaussNewton(damping=-1.0)])
def test_settings_out_of_range_are_refused(make: Callable[[], Solver]) -> None:
    with pytest.raises(ValueError, match="Gauss-Newton takes a share"):
        make()
