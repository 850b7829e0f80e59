"""Tests of least squares with windows: the factors beside dense ones, long strips, what is reported and refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sinefield import Constraint, load, problems, solve
from sinefield.domains import Box
from sinefield.fields import Window
from sinefield.jet import jet
from sinefield.objective import Batch, Objective
from sinefield.problem import Problem
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples
from sinefield.solution import Solution
from sinefield.solvers.last_layer import linearise_last_layer
from sinefield.solvers.sine_layers import sine_layers
from sinefield.solvers.windows import solve_by_windows

PI = math.pi
STRIP = Box([-1.0, 0.0], [3.0, 1.0])


def exact(points: Tensor) -> Tensor:
    x, y = points[:, :1], points[:, 1:]
    return torch.sin(PI * x + 0.3) * torch.cos(PI * y / 2) + 0.2 * x * y


def source(points: Tensor) -> Tensor:
    return -1.25 * PI**2 * (exact(points) - 0.2 * points[:, :1] * points[:, 1:])


def strip(windows: int, features: int, k2: float = 0.0, *, walls: bool = True) -> Problem:
    """Return Δu + k² u = f on a strip of 4 by 1."""

    def residual(u: Any) -> Tensor:
        found: Tensor = u.laplacian + k2 * u.value - source(u.points) - k2 * exact(u.points)
        return found

    constraints = [Constraint(STRIP, residual, name="equation")]
    if walls:
        constraints.append(Constraint(STRIP.boundary, lambda u: u.value - exact(u.points), name="walls"))
    return problems.equation(constraints, exact=exact, features=features, windows=windows)


@pytest.mark.parametrize("windows", [2, 4])
def test_factors_by_blocks_leave_what_those_of_the_whole_matrix_leave(windows: int) -> None:
    problem = strip(windows, 12, 7.0, walls=False)
    objective = Objective({"u": problem.unknowns["u"](1.0)}, problem.constraints)
    for number, each in enumerate(sine_layers(objective)):
        each.place(torch.as_tensor(each.network.extent), (0.0, 0.0), (3.0, 4.0), number)
    batch = Batch([draw_samples(STRIP, 700, generator_of(1))])
    dense = linearise_last_layer(objective, batch)
    right = dense.images - dense.residuals
    solved = solve_by_windows(objective, batch, 10.0)
    best = torch.linalg.lstsq(dense.jacobian, right[:, None], driver="gelsd").solution[:, 0]
    least = float((dense.jacobian @ best - right).norm())
    assert float((dense.jacobian @ solved.linear.columns() - right).norm()) == pytest.approx(least, rel=1e-9)
    assert 0.01 < least / float(right.norm()) < 0.9


def test_the_weakest_direction_is_that_of_the_whole_matrix() -> None:
    problem = strip(3, 10, 7.0, walls=False)
    objective = Objective({"u": problem.unknowns["u"](1.0)}, problem.constraints)
    for number, each in enumerate(sine_layers(objective)):
        each.place(torch.as_tensor(each.network.extent), (0.0, 0.0), (3.0, 4.0), number)
    batch = Batch([draw_samples(STRIP, 500, generator_of(1))])
    matrix = linearise_last_layer(objective, batch).jacobian
    values = torch.randn(60, matrix.shape[1], generator=generator_of(2), dtype=torch.float64)
    found = solve_by_windows(objective, batch, 10.0).weakest(values)
    inverse = torch.linalg.pinv(matrix)
    least = 1 / float(torch.linalg.matrix_norm(values @ inverse, 2))
    assert float((matrix @ found).norm() / (values @ found).norm()) == pytest.approx(least, rel=0.05)


@pytest.fixture(scope="module")
def solution() -> Solution:
    return solve(strip(4, 80))


def test_a_long_strip_is_solved_where_a_layer_of_that_size_does_not(solution: Solution) -> None:
    assert solution.converged
    assert solution.metrics["error"] < 1e-7
    assert solution.metrics["stability"] > 0.1
    assert solve(strip(1, 80)).metrics["error"] > 1e-5


def test_a_resonance_is_found() -> None:
    line = Box([0.0], [1.0])
    constraints = [
        Constraint(line, lambda u: u.laplacian + (4 * PI) ** 2 * u.value - 1, name="equation"),
        Constraint(line.boundary, lambda u: u.value, name="ends"),
    ]
    solution = solve(problems.equation(constraints, features=40, windows=3))
    assert solution.metrics["stability"] < 1e-5
    assert solution.metrics["free_waves"] == pytest.approx(2.0, rel=0.1)
    assert not solution.converged
    assert "there is a resonance" in solution.verdict


def test_a_complex_equation_and_a_line() -> None:
    line = Box([0.0], [1.0])
    k = 30.0 + 0.5j
    solution = solve(
        problems.equation(
            [
                Constraint(line, lambda u: u.complex.laplacian + k**2 * u.complex.value, name="equation"),
                Constraint(line.boundary, lambda u: u.complex.value - torch.exp(1j * k * u.points), name="ends"),
            ],
            complex=True,
            exact=lambda x: torch.exp(1j * k * x),
            features=40,
            windows=3,
        )
    )
    assert solution.converged
    assert solution.metrics["error"] < 1e-7


def test_a_field_with_windows_is_read_back(solution: Solution, tmp_path: Path) -> None:
    solution.save(tmp_path / "strip.safetensors")
    read = load(tmp_path / "strip.safetensors")
    assert isinstance(read, nn.Module)
    points = draw_samples(STRIP, 50, generator_of(3)).points
    before, after = (jet(each, points).laplacian for each in (solution.field, read))
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"windows": 0}, "1 or more"),
        ({"windows": 3, "around": lambda u: u}, "built in"),
        ({"windows": 3, "hidden_layers": 1}, "one sine layer"),
        ({"windows": 3, "columns": [Window(2, 1, "gaussian", "0,0,1")]}, "columns"),
    ],
)
def test_where_windows_are_not_for(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        problems.equation([Constraint(STRIP, lambda u: u.laplacian - 1, name="equation")], **change)


def test_nonlinear_equations_are_refused() -> None:
    cubic = Constraint(STRIP, lambda u: u.laplacian - u.value**3, name="equation")
    with pytest.raises(ValueError, match="linear equations"):
        solve(problems.equation([cubic], windows=2, features=20))
