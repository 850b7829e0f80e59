"""Tests of verdicts on whole problems: resonance, missing and contradicting conditions, trivial solutions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield import Constraint, PointCloud, problems, solve
from sinefield.domains import Box
from sinefield.solution import Solution

SQUARE = Box([0.0, 0.0], [1.0, 1.0], axes="tx")
LINE = Box([0.0], [1.0])
EIGENVALUE = 2 * math.pi**2


def solved(*constraints: Constraint, features: int = 250) -> Solution:
    return solve(problems.equation(constraints, features=features))


def helmholtz(squared: float, amplitude: float = 1.0) -> Solution:
    """Δu + k² u = 0 with the values of A cos(kx/√2) cos(ky/√2)."""

    def value(p: Tensor) -> Tensor:
        return amplitude * torch.cos((squared / 2) ** 0.5 * p).prod(1, keepdim=True)

    return solved(
        Constraint(SQUARE, lambda u: u.laplacian + squared * u.value, name="helmholtz"),
        Constraint(SQUARE.boundary, lambda u: u.value - value(u.points), name="dirichlet"),
    )


def side(axis: int, at: float) -> PointCloud:
    along = torch.linspace(0, 1, 200, dtype=torch.float64)
    fixed = torch.full_like(along, at)
    return PointCloud(torch.stack([fixed, along] if axis == 0 else [along, fixed], 1), axes="tx")


def test_resonance_is_found_although_the_residual_is_small() -> None:
    solution = helmholtz(EIGENVALUE)
    assert solution.metrics["residual"] < 1e-9
    assert solution.metrics["stability"] < 1e-8
    assert solution.metrics["free_waves"] == pytest.approx(0.5, rel=0.1)
    assert not solution.converged
    assert "there is a resonance" in solution.verdict


def test_beside_a_resonance_the_stability_is_the_distance() -> None:
    """The mode changes the equation by k² − 2π², beside terms of about 2π²."""
    near, far = (helmholtz(EIGENVALUE * (1 + part)) for part in (1e-3, 0.3))
    assert 1e-3 / 10 < near.metrics["stability"] < 1e-3 * 10
    assert far.metrics["stability"] > 0.03
    assert near.converged
    assert far.converged


def test_a_pure_neumann_problem_leaves_a_constant_free() -> None:
    solution = solved(
        Constraint(LINE, lambda u: u.laplacian - torch.cos(math.pi * u.points), name="equation"),
        Constraint(LINE.boundary, lambda u: u.gradient, name="flux"),
        features=60,
    )
    assert solution.metrics["residual"] < 1e-9
    assert "if a constant is added" in solution.verdict


def test_a_wave_without_a_velocity_is_not_determined() -> None:
    conditions = [
        Constraint(SQUARE, lambda u: u.d("tt") - u.d("xx"), name="wave"),
        Constraint(side(0, 0.0), lambda u: u.value - torch.sin(math.pi * u.points[:, 1:]), name="start"),
        *(Constraint(side(1, at), lambda u: u.value, name=f"end {at}") for at in (0.0, 1.0)),
    ]
    solution = solved(*conditions)
    assert "not determined" in solution.verdict
    assert not solution.converged
    velocity = Constraint(side(0, 0.0), lambda u: u.d("t"), name="velocity")
    whole = solved(*conditions, velocity)
    assert whole.converged
    assert whole.metrics["stability"] > 0.01


def test_which_unknown_is_free_is_told() -> None:
    """v is known up to a constant."""
    from sinefield import Siren

    solution = solve(
        problems.equation(
            [
                Constraint(LINE, lambda u, v: u.gradient + v.gradient - 1, name="sum"),
                Constraint(LINE, lambda u: u.laplacian - 2, name="u"),
                Constraint(LINE.boundary, lambda u: u.value, name="ends"),
            ],
            unknowns={"v": Siren(1, 1, hidden_features=50, hidden_layers=0)},
            features=50,
        )
    )
    assert "if a constant of 'v' is added" in solution.verdict


def test_complex_resonance() -> None:
    """u″ + π² u = 0 with u = 0 at both ends has sin πx, times any complex number."""
    solution = solve(
        problems.equation(
            [
                Constraint(LINE, lambda u: u.complex.laplacian + math.pi**2 * u.complex.value, name="helmholtz"),
                Constraint(LINE.boundary, lambda u: u.complex.value, name="ends"),
            ],
            complex=True,
            features=60,
        )
    )
    assert solution.verdict.startswith("not a solution: 0 satisfies every constraint")
    assert "this is a resonance" in solution.verdict


def test_a_trivial_solution_is_none() -> None:
    solution = helmholtz(1.0, 0.0)
    assert solution.metrics["residual_helmholtz"] == 0
    assert not solution.converged
    assert "0 satisfies every constraint" in solution.verdict


def test_a_constant_is_a_solution() -> None:
    """Its terms are all 0, beside which nothing would be small."""
    solution = solved(
        Constraint(SQUARE, lambda u: u.laplacian, name="laplace"),
        Constraint(SQUARE.boundary, lambda u: u.value - 7, name="dirichlet"),
    )
    assert solution.converged
    assert solution.metrics["residual"] < 1e-9


def test_conditions_that_contradict_each_other_are_named() -> None:
    solution = solved(
        Constraint(LINE, lambda u: u.laplacian, name="equation"),
        Constraint(LINE.boundary, lambda u: u.value - 2, name="two"),
        Constraint(LINE.boundary, lambda u: u.value - 1, name="one"),
        features=60,
    )
    assert not solution.converged
    assert "without 'two' or 'one' the others hold to" in solution.verdict
