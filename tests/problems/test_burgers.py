"""Tests of Burgers' equation and of time slabs."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from sinefield import Box, Constraint, PointCloud, jet, problems, solve
from sinefield.fields.compose import Formula
from sinefield.fields.slabs import Slabs
from sinefield.problem import Problem
from sinefield.problems.burgers import VISCOSITY, Clustered, burgers, exact
from sinefield.problems.march import Start, march


def region(count: int = 400) -> Tensor:
    return Box([0.05, -1.0], [1.0, 1.0]).draw(count, torch.Generator().manual_seed(0), torch.float64).points


@pytest.mark.parametrize("viscosity", [VISCOSITY, 0.1])
def test_the_solution_in_closed_form_solves_the_equation(viscosity: float) -> None:
    u = jet(Formula(lambda p: exact(p, viscosity), 2, 1), region(), axes="tx")
    terms = u.d("t"), u.value * u.d("x"), viscosity * u.d("xx")
    size = max(float(each.abs().max()) for each in terms)
    assert float((terms[0] + terms[1] - terms[2]).abs().max()) < 1e-9 * size
    assert float((terms[0] + terms[1] + terms[2]).abs().max()) > 0.1 * size


def test_the_steepest_slope_is_the_published_one() -> None:
    """Basdevant et al., 1986, table 2: |u_x| is 152.00516 at most, at t = 1.6037 / π."""
    t = torch.tensor([[1.6037 / math.pi, 0.0]], dtype=torch.float64)
    u = jet(Formula(exact, 2, 1), t, axes="tx")
    assert -u.d("x").item() == pytest.approx(152.00516, abs=1e-4)


def test_initial_and_boundary_values() -> None:
    x = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None]
    torch.testing.assert_close(exact(torch.cat([0 * x, x], 1)), -torch.sin(math.pi * x))
    walls = torch.tensor([[0.3, 1.0], [1.0, -1.0]], dtype=torch.float64)
    assert float(exact(walls).abs().max()) < 1e-10


def test_it_is_solved_in_slabs() -> None:
    problem = burgers(0.05, end=0.4, edges=(0.2,), features=400, accuracy=1e-4)
    solution = solve(problem)
    assert solution.converged
    assert solution.metrics["error"] < 1e-5
    assert isinstance(solution.field, Slabs)
    points = region() * torch.tensor([0.4, 1.0], dtype=torch.float64)
    with torch.no_grad():
        error = (solution.field(points) - exact(points, 0.05)).norm() / exact(points, 0.05).norm()
    assert float(error) < 1e-5


def test_points_are_denser_at_the_layer() -> None:
    points = Clustered(0.2, 0.4, 0.01).draw(1000, torch.Generator().manual_seed(0), torch.float64).points
    assert 0.2 <= float(points[:, 0].min()) < float(points[:, 0].max()) <= 0.4
    assert float(points[:, 1].abs().max()) <= 1
    assert 0.3 < float((points[:, 1].abs() < 0.05).double().mean()) < 0.6


@pytest.mark.parametrize("wrong", [{"viscosity": 0.0}, {"end": -1.0}, {"features": 0}])
def test_what_is_not_positive_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Burgers' equation needs a viscosity, an end and features that are positive"):
        burgers(**wrong)  # type: ignore[arg-type]  # numbers


# Slabs


def decay(sign: float, lower: float, upper: float, start: Start) -> Problem:
    begin = PointCloud(torch.tensor([[lower]], dtype=torch.float64), axes="t")
    return problems.equation(
        [
            Constraint(Box([lower], [upper], axes="t"), lambda u: u.d("t") + sign * u.value**2, name="equation"),
            Constraint(begin, lambda u: u.value - start(u.points), name="start"),
        ],
        exact=lambda t: 1 / (1 + t),
        features=40,
    )


def test_each_slab_starts_from_the_end_of_the_one_before() -> None:
    solution = solve(march(partial(decay, 1.0), [0.0, 0.5, 1.5, 3.0], torch.ones_like))
    assert solution.metrics["error"] < 1e-8
    assert isinstance(solution.field, Slabs)
    for number, edge in enumerate((0.5, 1.5)):
        before, after = (
            each(torch.tensor([[edge]], dtype=torch.float64)).detach()
            for each in solution.field.fields[number : number + 2]
        )
        torch.testing.assert_close(before, after, rtol=0, atol=1e-8)


@pytest.mark.parametrize("edges", [[0.0], [0.0, 1.0, 1.0], [1.0, 0.0]])
def test_times_that_do_not_rise_are_refused(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="slabs lie between two or more rising times"):
        march(partial(decay, 1.0), edges, torch.ones_like)
