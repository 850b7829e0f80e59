"""Tests of sines that are chosen by samples left out, against the same computed with dense matrices."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield.solvers.leave_one_out import BANDS, Band, Choice, Expected, LeaveOneOut, Trial, choose, shifted

SEEN = (7, 6)
BAND, EXPECTED = Band(0.75, 1.35), Expected(1 / 4)


def random_samples(tiles: int = 2, channels: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tiles, *SEEN, channels, generator=generator, dtype=torch.float64)


def dense(system: LeaveOneOut) -> tuple[Tensor, Tensor]:
    """Return E ``(n, m)`` and s ``(m,)`` of all axes together."""
    places = [torch.arange(each.seen, dtype=torch.float64) - (each.seen - 1) / 2 for each in system.axes]
    points = torch.cartesian_prod(*places)
    waves = torch.cartesian_prod(*[each.frequencies for each in system.axes]).to(torch.complex128)
    variances = torch.cartesian_prod(*[each.variances for each in system.axes]).prod(1)
    return torch.exp(1j * (points.to(waves) @ waves.mT)), variances


def test_solving_is_that_with_the_dense_matrix() -> None:
    system, samples = LeaveOneOut(BAND, EXPECTED, SEEN), random_samples()
    phases, variances = dense(system)
    matrix = (phases * variances) @ phases.mH
    assert torch.allclose(matrix.imag, torch.zeros_like(matrix.imag), atol=1e-12)
    assert torch.allclose(system.matrix, matrix.real, atol=1e-12)
    flat = samples.flatten(1, 2)
    expected = torch.linalg.solve(matrix.real + 1e-3 * torch.eye(len(matrix)).double(), flat)
    assert torch.allclose(system.solve(samples, 1e-3).flatten(1, 2), expected, atol=1e-8)


@pytest.mark.parametrize("noise", [1e-3, 0.1])
def test_residuals_are_those_of_fits_without_each_sample(noise: float) -> None:
    system, samples = LeaveOneOut(BAND, EXPECTED, SEEN), random_samples()
    found = system.residuals(samples, noise).flatten(1, 2)
    matrix, flat = system.matrix, samples.flatten(1, 2)
    for number in range(len(matrix)):
        rest = torch.arange(len(matrix)) != number
        some = matrix[rest][:, rest] + noise * torch.eye(len(matrix) - 1).double()
        predicted = matrix[number, rest] @ torch.linalg.solve(some, flat[:, rest])
        assert torch.allclose(found[:, number], flat[:, number] - predicted, atol=1e-8)


def test_coefficients_give_the_samples_but_for_their_noise() -> None:
    system, samples = LeaveOneOut(BAND, EXPECTED, SEEN), random_samples()
    phases, _ = dense(system)
    solved = system.solve(samples, 1e-2)
    values = phases @ system.coefficients(solved).flatten(1, 2)
    assert torch.allclose(values.imag, torch.zeros_like(values.imag), atol=1e-10)
    assert torch.allclose(values.real + 1e-2 * solved.flatten(1, 2), samples.flatten(1, 2), atol=1e-10)


def test_shifted_coefficients_are_of_the_same_field_elsewhere() -> None:
    system, samples = LeaveOneOut(BAND, EXPECTED, SEEN), random_samples()
    coefficients = system.coefficients(system.solve(samples, 1e-2))
    shifts = torch.tensor([[0.3, -0.2], [0.1, 0.4]]).double()
    moved = shifted(coefficients, system.axes, list(shifts))
    waves = torch.cartesian_prod(*[each.frequencies for each in system.axes])
    points = torch.rand(5, 2, generator=torch.Generator().manual_seed(1)).double()
    for tile in range(2):
        before = torch.exp(1j * ((points + shifts[:, tile]) @ waves.mT)) @ coefficients[tile].flatten(0, 1)
        after = torch.exp(1j * (points @ waves.mT)) @ moved[tile].flatten(0, 1)
        assert torch.allclose(before, after, atol=1e-10)


def test_errors_count_rounding_of_coefficients_that_cancel() -> None:
    system = LeaveOneOut(Band(0.25, 1.5), Expected(1 / 4), [40])
    place = torch.arange(40).double()
    wave = torch.cos(2.5 * place)[None, :, None]  # beyond what the band has
    least, most = system.errors(wave, torch.ones(40, dtype=torch.bool), [1e-13, 1e-1])[0].tolist()
    assert least > most


def waves(frequency: float, noise: float = 0.0, tiles: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    phase = 2 * math.pi * torch.rand(tiles, 1, generator=generator).double()
    clean = math.sqrt(2) * torch.cos(frequency * torch.arange(60).double() + phase)
    return (clean + noise * torch.randn(clean.shape, generator=generator).double())[..., None]


@pytest.mark.parametrize(("frequency", "limit"), [(0.3, 0.25), (0.9, 0.5), (1.9, 0.75)])
def test_the_band_is_the_smallest_that_has_the_signal(frequency: float, limit: float) -> None:
    judged = torch.zeros(60, dtype=torch.bool)
    judged[6:-6] = True
    chosen = choose(waves(frequency), judged)
    assert chosen.trial.band.limit == limit
    assert chosen.error < 1e-3


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_the_error_of_samples_left_out_is_their_noise(noise: float) -> None:
    judged = torch.zeros(60, dtype=torch.bool)
    judged[6:-6] = True
    chosen = choose(waves(0.5, noise), judged)
    assert chosen.error == pytest.approx(noise, rel=0.3)


def test_noise_has_no_band_that_predicts_it() -> None:
    generator = torch.Generator().manual_seed(4)
    samples = torch.randn(6, 60, 1, generator=generator, dtype=torch.float64)
    assert choose(samples, torch.ones(60, dtype=torch.bool)).error > 0.9


def test_a_tile_that_is_clearly_different_is_expected_to_be_so() -> None:
    ways = (Expected(1 / 12), Expected(1 / 2))
    choice = Choice(Trial(BANDS[1], ways, (1e-3, 1e-1), [10]), usual=1, error=0.0)
    errors = torch.tensor([[1.0, 1.0, 0.9, 1.0], [1.0, 1.0, 0.1, 1.0]])
    assert choice.of_tiles(errors).tolist() == [1, 2]
    system, noise = choice.system(2)
    assert (system.axes[0].expected, noise) == (ways[1], 1e-3)
