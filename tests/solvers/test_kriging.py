"""Tests of what is predicted halfway between the samples of a picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.gaussian_process.kernels import Matern
from torch import Tensor, nn

from sinefield.solvers import kriging
from sinefield.solvers.kriging import doubled


def drawn(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def halves(angle: float, size: int) -> Tensor:
    """Return the edge of a half-plane, blurred by half a sample, at samples and halfway, ``(2 size − 1,)²``."""
    place = torch.arange(2 * size - 1, dtype=torch.float64) / 2 - size / 2
    distance = math.cos(angle) * place[:, None] + math.sin(angle) * place
    found: Tensor = torch.special.ndtr(distance / 0.5)
    return found


@pytest.mark.parametrize("exponent", [0.5, 1.5])
@pytest.mark.parametrize("point", [(0.0, 0.5), (0.5, 0.5)])
def test_weights_are_those_of_a_process_with_an_unknown_mean(exponent: float, point: tuple[float, float]) -> None:
    taps = kriging._taps()
    near = (taps - torch.tensor(point)).norm(dim=1) <= 4
    places = taps[near].numpy()
    length = np.array([6 * math.sqrt(5), 6 / math.sqrt(5)])  # slowly along the first axis, at the angle 0
    covariance = Matern(length, nu=exponent)
    count = len(places)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = covariance(places) + 1e-4 * np.eye(count)
    system[count, count] = 0  # a multiplier keeps the sum of the weights at 1
    right = np.append(covariance(places, np.array([point]))[:, 0], 1)
    expected = np.linalg.solve(system, right)[:count]
    found = kriging._weights((exponent, 5.0, 0.0), point, torch.ones(len(taps), dtype=torch.bool))
    np.testing.assert_allclose(found[near].numpy(), expected, atol=1e-9)
    assert found[~near].abs().max() == 0


def test_samples_are_kept_and_constants_go_on() -> None:
    samples = drawn(9, 14, 2)
    fine = doubled(samples).values
    assert torch.equal(fine[::2, ::2], samples)
    assert doubled(torch.full((9, 14, 1), 0.3)).values.sub(0.3).abs().max() < 1e-6


def test_units_do_not_matter() -> None:
    samples = drawn(12, 10, 1)
    torch.testing.assert_close(
        doubled(1e3 * samples - 40).values, 1e3 * doubled(samples).values - 40, rtol=0, atol=1e-2
    )


@pytest.mark.parametrize(
    "turned", [lambda x: x.flip(0), lambda x: x.flip(1), lambda x: x.transpose(0, 1)], ids=["down", "across", "swapped"]
)
def test_no_side_is_preferred(turned: Callable[[Tensor], Tensor]) -> None:
    samples = drawn(12, 15, 1)
    expected = turned(doubled(samples).values)
    torch.testing.assert_close(doubled(turned(samples).contiguous()).values, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("angle", [0.2, 0.5, 1.1, 2.0, 2.7])
def test_a_slanted_edge_goes_on_between_the_samples(angle: float) -> None:
    truth = halves(angle, 32)
    samples = truth[::2, ::2].contiguous()
    size = truth.shape[0]
    cubic = nn.functional.interpolate(samples[None, None], (size, size), mode="bicubic", align_corners=True)[0, 0]
    within = slice(8, -8)
    ours, theirs = (
        (each - truth)[within, within].square().mean().sqrt()
        for each in (doubled(samples[..., None]).values[..., 0], cubic)
    )
    assert ours < 0.6 * theirs


def test_how_many_rows_are_taken_together_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = drawn(23, 17, 1)
    whole = doubled(samples)
    monkeypatch.setattr(kriging, "_TOGETHER", 1)
    monkeypatch.setattr(kriging, "_FEWEST", 4)
    parts = doubled(samples)
    torch.testing.assert_close(parts.values, whole.values, rtol=0, atol=1e-5)
    assert parts.left_out == pytest.approx(whole.left_out, rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 40)])
def test_small_pictures_are_continued(shape: tuple[int, int]) -> None:
    samples = drawn(*shape, 1)
    fine = doubled(samples).values
    assert fine.shape == (2 * shape[0] - 1, 2 * shape[1] - 1, 1)
    assert fine.isfinite().all()
    assert fine.abs().max() < 3 * samples.abs().max()


def test_noise_and_single_pixels_are_not_predicted() -> None:
    noise = drawn(64, 64, 1)
    assert 0.95 < doubled(noise).left_out / float(noise.std()) < 1.4
    spot = torch.zeros(32, 32, 1, dtype=torch.float64)
    spot[16, 16] = 1
    assert doubled(spot).left_out > 0.95 / 32


def test_one_pixel_far_off_leaves_the_error_a_number() -> None:
    samples = 1e-4 * drawn(60, 60, 1)
    samples[30, 30] = 1e4
    fine = doubled(samples)
    assert fine.left_out == pytest.approx(1e4 / 60, rel=0.2)
    assert fine.values.isfinite().all()
