"""Tests of Helmholtz's equation by finite differences, on closed forms; and of its adjoint, on differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import scattering
from sinefield.problems.helmholtz_differences import STRETCH, Differences

SOURCES, RECEIVERS = scattering.places(3, 9)
BOUNDS = ([-0.45, -0.45], [0.45, 0.45])


def grid_of(resolution: float = 12.0, wavenumber: float = 20.0) -> Differences:
    return Differences(wavenumber, SOURCES, RECEIVERS, *BOUNDS, resolution=resolution)


def uniform(grid: Differences) -> Tensor:
    return torch.ones(len(grid.nodes), dtype=torch.float64)


def bump(grid: Differences, height: float = 0.4) -> Tensor:
    away = (grid.nodes - torch.tensor([0.1, -0.05], dtype=torch.float64)).square().sum(1)
    return 1 + height * torch.exp(-away / 0.02)


def error_of(found: Tensor, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - truth) / np.linalg.norm(truth))


def test_a_uniform_medium_gives_outgoing_waves_of_amplitude_one_to_the_fourth_order() -> None:
    truth = scattering.of_point_sources(20.0, SOURCES, RECEIVERS)
    errors = [error_of(grid.at_receivers(uniform(grid)), truth) for grid in map(grid_of, (12.0, 24.0))]
    assert errors[0] < 2e-3
    assert errors[1] < errors[0] / 12
    grid = grid_of()
    assert error_of(grid.at_receivers(uniform(grid)), truth.conj()) > 0.5  # incoming waves are others


def test_units_of_length_do_not_matter() -> None:
    far = Differences(0.02, 1000 * SOURCES, 1000 * RECEIVERS, [-450, -450], [450, 450])
    near = grid_of()
    torch.testing.assert_close(far.at_receivers(uniform(far)), near.at_receivers(uniform(near)), rtol=1e-8, atol=1e-8)


def test_a_disc_of_other_speed_scatters_as_its_series_tells() -> None:
    truth = scattering.around_a_disc(20.0, 0.5, 0.12, SOURCES, RECEIVERS)
    grid = grid_of(32.0)
    away = (grid.nodes - torch.tensor(scattering.CENTRE, dtype=torch.float64)).norm(dim=1)
    # Averages over cells: the edge crosses them.
    part = ((0.12 - away) / grid.spacing + 0.5).clamp(0, 1)
    assert error_of(grid.at_receivers(1 - 0.5 * part), truth) < 5e-3
    assert error_of(grid.at_receivers(uniform(grid)), truth) > 0.1


def gap_of_stretched_wave(resolution: float, sign: int = 1) -> tuple[float, float]:
    """Return what a stretched plane wave, or its conjugate, leaves of the equation where it goes out, and its end."""
    grid = grid_of(resolution)
    h, k = grid.spacing, grid.wavenumber
    side = math.isqrt(grid._mass.shape[0])
    axis = h * (np.arange(side) - (side - 1) / 2)
    depth = np.maximum(np.abs(axis) - 0.45, 0)
    stretched = axis + 1j * STRETCH * np.sign(axis) * depth**3 / (3 * (resolution * h) ** 2)
    wave = np.exp(1j * k * (np.cos(0.4) * stretched[:, None] + np.sin(0.4) * stretched[None]))
    if sign < 0:
        wave = wave.conj()
    residual = ((grid._stiffness + k**2 * grid._mass) @ wave.ravel()).reshape(side, side)
    outgoing = (slice(side // 2, -2),) * 2
    return float(np.abs(residual[outgoing]).max() / k**2 / np.abs(wave[outgoing]).max()), float(
        abs(wave[-1, side // 2])
    )


def test_the_layer_carries_the_stretched_plane_wave() -> None:
    """e^(ik·X) with X = ∫ e dx solves the equation in the layer, where it decays; its conjugate does not."""
    (coarse, end), (fine, _) = (gap_of_stretched_wave(resolution) for resolution in (24.0, 48.0))
    assert coarse < 1e-2
    assert fine < coarse / 2
    assert end < 1e-3
    assert gap_of_stretched_wave(24.0, -1)[0] > 1


def test_sources_and_receivers_may_change_places() -> None:
    there, back = (Differences(20.0, *places, *BOUNDS) for places in ((SOURCES, RECEIVERS), (RECEIVERS, SOURCES)))
    found = there.at_receivers(bump(there))
    torch.testing.assert_close(back.at_receivers(bump(back)).T, found, rtol=2e-3, atol=1e-4)


def test_the_adjoint_is_the_gradient() -> None:
    grid = grid_of()
    slowness = bump(grid).requires_grad_()
    target = torch.from_numpy(scattering.around_a_disc(20.0, 1.5, 0.12, SOURCES, RECEIVERS))
    loss = (grid.pressures(slowness) - target).abs().square().sum()
    loss.backward()
    assert slowness.grad is not None
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(len(slowness), dtype=torch.float64, generator=generator)
        with torch.no_grad():
            ahead, behind = (
                (grid.pressures(slowness + step * direction) - target).abs().square().sum() for step in (1e-5, -1e-5)
            )
        assert float((ahead - behind) / 2e-5) == pytest.approx(float(slowness.grad @ direction), rel=1e-6)


def test_jacobians_are_those_of_one_gradient_after_the_other() -> None:
    grid = grid_of(6.0)
    slowness = bump(grid)

    def real(m: Tensor) -> Tensor:
        return torch.view_as_real(grid.pressures(m)).flatten()

    whole = torch.func.jacrev(real)(slowness)
    single = slowness.clone().requires_grad_()
    for row in (0, 7, len(whole) - 1):
        (expected,) = torch.autograd.grad(real(single)[row], single)
        torch.testing.assert_close(whole[row], expected)


def test_one_factorisation_serves_values_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.sparse.linalg

    made: list[int] = []
    splu = scipy.sparse.linalg.splu

    def counted(*args: Any, **rest: Any) -> Any:
        made.append(1)
        return splu(*args, **rest)

    monkeypatch.setattr(scipy.sparse.linalg, "splu", counted)
    grid = grid_of(6.0)
    slowness = bump(grid).requires_grad_()
    grid.pressures(slowness).abs().sum().backward()
    grid.at_receivers(slowness)
    assert len(made) == 1
    grid.at_receivers(bump(grid, 0.3))
    assert len(made) == 2


def test_wavelengths_far_smaller_than_the_rectangle_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"nodes a wavelength of 0.000314 would have .* is the wavenumber in the units"
    ):
        grid_of(wavenumber=20_000.0)
