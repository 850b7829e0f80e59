"""Tests of the start of a fit on gradients: of surfaces whose gradient is known, and of what a fit ends with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sinefield import problems, solve
from sinefield.problems.image import targets_of
from sinefield.problems.integral import integrate


def test_a_surface_comes_back_from_its_gradient_but_for_a_constant() -> None:
    spacing = 0.02
    y, x = np.meshgrid(*[spacing * np.arange(40)] * 2, indexing="ij")
    surface = y**2 - 3 * x * y + x**2  # trapezia integrate its gradient exactly
    gradient = torch.from_numpy(np.stack([2 * y - 3 * x, 2 * x - 3 * y], -1)[:, :, None])
    found = integrate(gradient, spacing)[..., 0].numpy()
    assert np.abs(found - surface + surface.mean()).max() < 1e-12
    assert abs(found.mean()) < 1e-12


def test_gradients_that_are_none_are_met_in_the_least_squares_sense() -> None:
    gradient = torch.randn(6, 7, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def misfit(f: torch.Tensor) -> float:
        down = f[1:] - f[:-1] - (gradient[1:, :, :, 0] + gradient[:-1, :, :, 0]) / 2
        right = f[:, 1:] - f[:, :-1] - (gradient[:, 1:, :, 1] + gradient[:, :-1, :, 1]) / 2
        return float(down.square().sum() + right.square().sum())

    found = integrate(gradient, 1.0)
    for seed in range(5):
        other = found + 0.01 * torch.randn(found.shape, generator=torch.Generator().manual_seed(seed))
        assert misfit(found) < misfit(other)


def test_a_fit_begins_with_the_integral_and_ends_with_the_gradients_alone() -> None:
    y, x = np.meshgrid(*[np.linspace(-1, 1, 32)] * 2, indexing="ij")
    picture = np.sin(2 * x + y) * np.cos(3 * y)
    reached = {}
    for start in ("integral", "nothing"):
        problem = problems.image(picture, on=["gradient"], start=start, hidden_features=32, hidden_layers=1)
        solution = solve(problem, passes=100, seed=0, batch=256, first_omega=10.0)
        reached[start] = solution.metrics["psnr"]
    weight = problems.image(picture, on=["gradient"]).constraints[1].weight
    assert callable(weight)
    assert weight(0.0) > 0.0
    assert weight(1.0) == 0.0
    assert reached["integral"] > 25, reached


def test_only_fits_on_gradients_alone_that_are_all_known_begin_so() -> None:
    picture = np.random.default_rng(0).random((16, 16, 4))
    picture[..., 3] = 1
    assert len(problems.image(picture, on=["gradient"]).constraints) == 2
    picture[2:5, 3:9, 3] = 0
    assert len(problems.image(picture, on=["gradient"]).constraints) == 1
    assert len(problems.image("sample:camera", on=["value", "gradient"], longest=16).constraints) == 2


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="starts from integral or nothing, got 'zero'"):
        problems.image("sample:camera", on=["gradient"], longest=16, start="zero")  # type: ignore[arg-type]


def test_the_integral_is_of_the_picture_s_own_gradient() -> None:
    from sinefield.io import image as pictures

    picture = pictures.resize(pictures.read("sample:camera"), 48)
    targets = targets_of(picture, ("value", "gradient"))
    found = integrate(targets["gradient"].unflatten(0, (48, 48)), 2 / 48).flatten()
    truth = targets["value"].flatten().double()
    assert torch.corrcoef(torch.stack([found, truth]))[0, 1] > 0.98
