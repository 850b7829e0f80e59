"""Tests of coefficients found from scattered, noisy measurements of the solution of an equation, on closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from sinefield import Box, Constraint, PointCloud, Siren, problems, solve
from sinefield.fields.compose import Constant
from sinefield.problem import Problem

LINE = Box([0.0], [1.0])
K, R = 0.3, 2.0  # diffusion and reaction


def shape(x: Tensor, modes: Sequence[tuple[int, float]], powers: int) -> Tensor:
    """Return Σ a sin(n π x) (K n² π² + R)^powers."""
    terms = [a * torch.sin(n * math.pi * x) * (K * (n * math.pi) ** 2 + R) ** powers for n, a in modes]
    return torch.stack(terms).sum(0)


def diffusion_and_reaction(
    seed: int, noise: float, modes: Sequence[tuple[int, float]] = ((1, 1.0), (3, 0.5)), count: int = 100
) -> Problem:
    """−k u″ + r u = f with u = 0 at both ends, from samples of u: k and r are told apart by two modes, not by one."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 1, generator=generator, dtype=torch.float64)
    values = shape(points, modes, 0) + noise * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return problems.equation(
        [
            Constraint(
                LINE,
                lambda u, k, r: -k.value * u.laplacian + r.value * u.value - shape(u.points, modes, 1),
                name="equation",
            ),
            Constraint(LINE.boundary, lambda u: u.value, name="ends"),
            Constraint(PointCloud(points, {"value": values}), lambda u, value: u.value - value, name="samples"),
        ],
        unknowns={"k": Constant(value=1.0), "r": Constant(value=1.0)},
        measured=["samples"],
        exact=lambda x: shape(x, modes, 0),
        features=50,
    )


def test_coefficients_without_noise() -> None:
    solution = solve(diffusion_and_reaction(0, 0.0))
    assert solution.metrics["k"] == pytest.approx(K, rel=1e-6)
    assert solution.metrics["r"] == pytest.approx(R, rel=1e-6)
    assert solution.metrics["error"] < 1e-6
    assert solution.fields["k"](torch.zeros(1, 1)).item() == solution.metrics["k"]


def test_standard_errors_hold_the_truth_as_often_as_they_should() -> None:
    off = []
    for seed in range(8):
        found = solve(diffusion_and_reaction(seed, 0.05), seed=seed).metrics
        off += [(found[name] - truth) / found[f"{name}_standard_error"] for name, truth in (("k", K), ("r", R))]
        assert found["noise_samples"] == pytest.approx(0.05, rel=0.3)
        assert found["residual_equation"] < 1e-3
    deviations = torch.tensor(off)
    assert 0.6 < float(deviations.square().mean().sqrt()) < 1.5
    assert 0.5 < float((deviations.abs() < 1).double().mean()) < 0.9  # 0.68 of normal ones
    assert float(deviations.abs().max()) < 3


def test_standard_errors_fall_with_the_root_of_the_count() -> None:
    few, many = (
        solve(diffusion_and_reaction(3, 0.05, count=count)).metrics["k_standard_error"] for count in (100, 900)
    )
    assert few / many == pytest.approx(3, rel=0.4)


def test_what_measurements_do_not_tell_apart_is_said() -> None:
    found = solve(diffusion_and_reaction(0, 0.01, modes=((2, 1.0),))).metrics
    assert found["k_standard_error"] == found["r_standard_error"] == math.inf
    assert found["k"] * (2 * math.pi) ** 2 + found["r"] == pytest.approx(K * (2 * math.pi) ** 2 + R, rel=0.02)


def test_a_coefficient_that_varies() -> None:
    """(eᵐ u′)′ = f with m = ½ sin 2πx and u = sin(πx/2), from samples with noise of 1 %."""

    def truth(x: Tensor) -> Tensor:
        return 0.5 * torch.sin(2 * math.pi * x)

    def source(x: Tensor) -> Tensor:
        slope, half = math.pi * torch.cos(2 * math.pi * x), math.pi / 2
        return truth(x).exp() * half * (slope * torch.cos(half * x) - half * torch.sin(half * x))

    generator = torch.Generator().manual_seed(0)
    points = torch.rand(400, 1, generator=generator, dtype=torch.float64)
    values = torch.sin(math.pi / 2 * points) + 0.01 * torch.randn(400, 1, generator=generator, dtype=torch.float64)
    solution = solve(
        problems.equation(
            [
                Constraint(
                    LINE,
                    lambda u, m: m.value.exp() * (u.laplacian + m.gradient * u.gradient) - source(u.points),
                    name="equation",
                ),
                Constraint(LINE.boundary, lambda u: u.value - torch.sin(math.pi / 2 * u.points), name="ends"),
                Constraint(PointCloud(points, {"value": values}), lambda u, value: u.value - value, name="samples"),
            ],
            unknowns={"m": Siren(1, 1, hidden_features=30, hidden_layers=0)},
            measured=["samples"],
            features=60,
        )
    )
    at = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert float((solution.fields["m"](at) - truth(at)).norm() / truth(at).norm()) < 0.2
    assert solution.metrics["residual_equation"] < 1e-3


def test_what_cannot_be_measured_is_refused() -> None:
    ends = Constraint(LINE.boundary, lambda u: u.value, name="ends")
    equation = Constraint(LINE, lambda u, k: k.value * u.laplacian + 1, name="equation")
    for name in ("ends", "smaples"):
        with pytest.raises(ValueError, match=f"'{name}' is no measured constraint: it must be one of equation, ends"):
            solve(problems.equation([equation, ends], unknowns={"k": Constant(value=1.0)}, measured=[name]))
