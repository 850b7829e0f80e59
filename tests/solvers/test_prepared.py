"""Tests of fields that are solutions as they were made, and of those that are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sinefield import Box, Constraint, Siren, solve
from sinefield.fields import Constant, Formula, Product, Sum
from sinefield.jet import Jet
from sinefield.objective import Batch, Objective
from sinefield.recipe import Recipe
from sinefield.solvers import Prepared, Tensors

LINE = Box([0.0], [1.0])


def constraints() -> list[Constraint]:
    """u'' = −2 with u = 0 at the ends: u = x (1 − x)."""

    def equation(u: Jet) -> Tensor:
        return u.laplacian + 2

    return [Constraint(LINE, equation, name="equation"), Constraint(LINE.boundary, lambda u: u.value, name="ends")]


def parabola(factor: float) -> nn.Module:
    shape = Formula(lambda x: x * (1 - x), 1, 1)
    return Product(Constant(value=factor).double(), shape)


def beside(factor: float) -> nn.Module:
    """The parabola, and a network that is 0 and could be solved for."""
    network = Siren(1, 1, hidden_features=30, hidden_layers=0).double()
    for each in network.layers[-1].parameters():
        nn.init.zeros_(each)
    return Sum(network, parabola(factor))


def recipe() -> Recipe:
    return Recipe("prepared", Prepared(), batch=None, passes=Prepared().steps)


def test_a_solution_stays_as_it_is() -> None:
    field = beside(1.0)
    before = {name: each.clone() for name, each in field.state_dict().items()}
    solution = solve(field, constraints(), recipe())
    assert all(torch.equal(each, before[name]) for name, each in solution.field.state_dict().items())
    assert solution.history[-1].step == 1


def test_what_is_none_is_solved_for() -> None:
    """Twice the solution, beside sines that take the other half away."""
    field = beside(2.0)
    solve(field, constraints(), recipe())
    points = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    torch.testing.assert_close(field(points), points * (1 - points), atol=1e-6, rtol=0)


def test_what_has_nothing_to_solve_for_is_judged_alone() -> None:
    field = parabola(2.0)
    solution = solve(field, constraints(), recipe())
    assert solution.history[-1].step == 1
    assert field(torch.tensor([[0.5]], dtype=torch.float64)).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("make", "low", "high"), [(parabola, 0.01, 10.0), (beside, 0.0, 1e-6)])
def test_the_terms_are_residuals_and_the_state_is_tensors(
    make: Callable[[float], nn.Module], low: float, high: float
) -> None:
    """Of what stays −4 + 2, which is not 0; of what is solved for next to nothing."""
    objective, solver = Objective({"u": make(2.0)}, constraints()), Prepared()
    state = solver.init(objective)
    terms = solver.step(objective, Batch([]), state, 1.0)
    assert low <= float(terms["equation"]) < high
    assert float(terms["ends"]) < 1e-6
    again = solver.init(objective)
    again.load(state.tensors())
    assert isinstance(again, Tensors)
    assert bool(again["looked"])
