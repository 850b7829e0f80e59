"""Tests of the metrics, against formulas, SciPy and a discrete projection."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
import skimage.metrics
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield import metrics
from sinefield.domains import Grid

Plane = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

HARMONIC: dict[str, Plane] = {
    "constant": lambda x, y: np.full_like(x, 3.0),
    "linear": lambda x, y: 2 * x - y + 1,
    "real z^2": lambda x, y: ((x + 1j * y) ** 2).real,
    "imaginary z^3": lambda x, y: ((x + 1j * y) ** 3).imag,
    "real z^7": lambda x, y: ((x + 1j * y) ** 7).real,
    "imaginary z^12": lambda x, y: ((x + 1j * y) ** 12).imag,
    "e^x sin y": lambda x, y: np.exp(x) * np.sin(y),
    "cosh(3y) cos(3x)": lambda x, y: np.cosh(3 * y) * np.cos(3 * x),
    "log of the distance to (2, 1)": lambda x, y: np.log(np.hypot(x - 2, y - 1)),
}


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(*shape, generator=generator)
    return target + 0.1 * torch.randn(*shape, generator=generator), target


def points_of(*shape: int) -> Tensor:
    return Grid(shape).at(torch.arange(math.prod(shape))).points


def evaluated(function: Plane, points: Tensor) -> Tensor:
    return torch.from_numpy(function(points[:, 0].double().numpy(), points[:, 1].double().numpy()))[:, None]


def laplacian_of_bump(points: Tensor, centre: tuple[float, float], radius: float) -> Tensor:
    """Return Δw for w = (r² − |x − c|²)⁴ inside the radius, 0 outside: orthogonal to all harmonic functions.

    By Green's second identity ∫ h Δw = ∫ w Δh = 0, as w and its normal derivative vanish outside the disc.
    """
    square = (points.double() - torch.tensor(centre, dtype=torch.float64)).square().sum(1, keepdim=True)
    inside = (radius**2 - square).clamp(min=0)
    return -16 * inside**3 + 48 * square * inside**2  # 4 f³ Δf + 12 f² |∇f|² with f = r² − ρ²


class TestAgreement:
    @pytest.mark.parametrize("peak", [1.0, 2.0, 255.0])
    def test_psnr(self, peak: float) -> None:
        prediction, target = pair(20, 30, 3)
        expected = skimage.metrics.peak_signal_noise_ratio(target.numpy(), prediction.numpy(), data_range=peak)
        assert metrics.psnr(prediction, target, peak) == pytest.approx(expected, abs=1e-6)

    def test_psnr_of_equals_is_infinite(self) -> None:
        assert metrics.psnr(torch.ones(3, 1), torch.ones(3, 1), 2.0) == math.inf

    def test_psnr_does_not_lose_small_errors_to_rounding(self) -> None:
        target = torch.full((100_000, 1), 1.0, dtype=torch.float64)
        assert metrics.psnr(target + 1e-7, target, 1.0) == pytest.approx(140, abs=1e-4)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_ssim_is_the_formula_of_wang(self, channels: int) -> None:
        prediction, target = (each.double() for each in pair(24, 31, channels))

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            blurred: NDArray[np.float64] = scipy.ndimage.gaussian_filter(values, 1.5, radius=5)
            return blurred[5:-5, 5:-5]

        peak, found = 2.0, []
        c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
        for channel in range(channels):
            x, y = prediction[..., channel].numpy(), target[..., channel].numpy()
            mx, my = mean(x), mean(y)
            xx, yy, xy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
            found.append(((2 * mx * my + c1) * (2 * xy + c2) / ((mx**2 + my**2 + c1) * (xx + yy + c2))).mean())
        assert metrics.ssim(prediction, target, peak) == pytest.approx(np.mean(found), abs=1e-6)

    @pytest.mark.parametrize("shape", [(11, 11, 1), (11, 40, 1), (64, 64, 1), (37, 52, 3), (90, 24, 4)])
    @pytest.mark.parametrize("peak", [1.0, 2.0, 255.0])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_ssim_is_that_of_scikit_image(self, shape: tuple[int, ...], peak: float, dtype: torch.dtype) -> None:
        prediction, target = (peak * each.to(dtype) for each in pair(*shape))
        expected = skimage.metrics.structural_similarity(
            target.numpy(),
            prediction.numpy(),
            data_range=peak,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert metrics.ssim(prediction, target, peak) == pytest.approx(expected, abs=1e-6)

    def test_ssim_of_smooth_pictures_that_differ_by_little(self) -> None:
        y, x = torch.meshgrid(torch.linspace(0, 3, 80), torch.linspace(0, 2, 60), indexing="ij")
        target = torch.stack([torch.sin(x + y), torch.cos(x * y)], dim=-1)
        prediction = target + 0.003 * torch.sin(40 * x)[..., None]
        expected = skimage.metrics.structural_similarity(
            target.double().numpy(),
            prediction.double().numpy(),
            data_range=2.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert metrics.ssim(prediction, target, 2.0) == pytest.approx(expected, abs=1e-9)

    def test_ssim_of_equals_is_one_and_of_small_pictures_undefined(self) -> None:
        _, target = pair(11, 11, 1)
        assert metrics.ssim(target, target, 1.0) == pytest.approx(1)
        assert math.isnan(metrics.ssim(target[:10], target[:10], 1.0))
        assert math.isnan(metrics.ssim(target[:, :10], target[:, :10], 1.0))

    def test_relative_l2(self) -> None:
        prediction, target = pair(50, 2, 2)
        expected = np.linalg.norm((prediction - target).numpy().ravel()) / np.linalg.norm(target.numpy().ravel())
        assert metrics.relative_l2(prediction, target) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_correlation(self, sign: int) -> None:
        prediction, target = pair(200, 1)
        expected = scipy.stats.pearsonr(sign * prediction.flatten().numpy(), target.flatten().numpy()).statistic
        assert metrics.correlation(sign * prediction, target) == pytest.approx(expected, rel=1e-5)
        assert metrics.correlation(1000 * sign * prediction + 5, target) == pytest.approx(expected, rel=1e-4)

    def test_correlation_with_a_constant_is_undefined(self) -> None:
        assert math.isnan(metrics.correlation(torch.ones(4, 1), torch.arange(4.0)[:, None]))
        assert math.isnan(metrics.correlation(torch.arange(4.0)[:, None], torch.ones(4, 1)))


class TestWithoutConstant:
    def test_removes_the_mean_of_each_channel_and_nothing_else(self) -> None:
        error, _ = pair(300, 3)
        constants = torch.tensor([[5.0, -2.0, 0.5]])
        left = metrics.without_constant(error + constants)
        assert torch.allclose(
            left, torch.from_numpy(scipy.stats.zscore(error.numpy()) * error.numpy().std(0)), atol=1e-5
        )
        assert torch.allclose(left, metrics.without_constant(error), atol=1e-6)


class TestWithoutHarmonic:
    @pytest.mark.parametrize("name", HARMONIC)
    @pytest.mark.parametrize("shape", [(40, 40), (24, 48)])
    def test_harmonic_functions_are_removed(self, name: str, shape: tuple[int, int]) -> None:
        points = points_of(*shape)
        error = evaluated(HARMONIC[name], points)
        left = metrics.without_harmonic(error, points)
        # Points are single precision: 1e-7 in z moves the function by that much of its slope.
        assert float(left.abs().max()) < 1e-6 * float(error.abs().max())

    def test_points_need_no_grid(self) -> None:
        points = torch.rand(1500, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        error = evaluated(HARMONIC["e^x sin y"], points)
        assert float(metrics.without_harmonic(error, points).abs().max()) < 1e-6

    @pytest.mark.parametrize(("centre", "radius"), [((0.0, 0.0), 0.9), ((0.3, -0.2), 0.5)])
    def test_what_is_orthogonal_to_them_is_kept(self, centre: tuple[float, float], radius: float) -> None:
        points = points_of(64, 64)
        error = laplacian_of_bump(points, centre, radius)
        left = metrics.without_harmonic(error, points)
        assert metrics.relative_l2(left, error) < 0.01

    def test_parts_are_told_apart_in_each_channel(self) -> None:
        points = points_of(64, 64)
        kept = torch.cat([laplacian_of_bump(points, (0.1, 0.2), 0.6), laplacian_of_bump(points, (-0.2, 0.0), 0.8)], 1)
        harmonic = torch.cat([evaluated(HARMONIC["real z^7"], points), evaluated(HARMONIC["e^x sin y"], points)], 1)
        left = metrics.without_harmonic(kept + 3 * harmonic, points)
        assert left.shape == (64 * 64, 2)
        for channel in range(2):
            assert metrics.relative_l2(left[:, channel], kept[:, channel]) < 0.01

    def test_is_a_projection(self) -> None:
        points = points_of(30, 30)
        error = torch.randn(900, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        left = metrics.without_harmonic(error, points)
        assert torch.allclose(metrics.without_harmonic(left, points), left, atol=1e-9)
        assert float(left.norm() ** 2 + (error - left).norm() ** 2) == pytest.approx(float(error.norm() ** 2))

    @pytest.mark.parametrize(
        "function",
        [
            lambda x, y: x**2 + y**2,
            lambda x, y: np.sin(3 * x + 1) * np.cos(2 * y),
            lambda x, y: np.exp(-4 * (x - 0.2) ** 2 - 4 * (y + 0.1) ** 2),
        ],
        ids=["bowl", "wave", "bell"],
    )
    def test_agrees_with_the_best_discrete_harmonic_function(self, function: Plane) -> None:
        """The least distance to the kernel of the five-point Laplacian L is that of Lᵀμ with L Lᵀ μ = L e."""
        size = 32
        second = scipy.sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(size - 2, size))
        middle = scipy.sparse.eye(size).tocsr()[1:-1]
        laplacian = (scipy.sparse.kron(second, middle) + scipy.sparse.kron(middle, second)).tocsc()
        points = points_of(size, size)
        error = evaluated(function, points)
        multiplier = scipy.sparse.linalg.spsolve((laplacian @ laplacian.T).tocsc(), laplacian @ error.numpy()[:, 0])
        expected = torch.from_numpy(laplacian.T @ multiplier)[:, None]
        left = metrics.without_harmonic(error, points)
        assert metrics.relative_l2(left, expected) < 0.05
        assert float(left.norm()) == pytest.approx(float(expected.norm()), rel=0.02)

    @pytest.mark.parametrize("count", [1, 5, 19, 45])
    def test_few_points_are_not_explained_away(self, count: int) -> None:
        """A basis of as many functions as points would leave nothing of any error."""
        generator = torch.Generator().manual_seed(count)
        points = torch.rand(count, 2, generator=generator) * 2 - 1
        error = torch.randn(count, 1, generator=generator, dtype=torch.float64)
        left = metrics.without_harmonic(error, points)
        assert bool(left.isfinite().all())
        variance = float((error - error.mean()).square().mean())
        assert float(left.square().mean()) >= 0.5 * variance
        constant = torch.full((count, 1), 2.0, dtype=torch.float64)
        assert float(metrics.without_harmonic(constant, points).abs().max()) < 1e-12


# Shapes


def test_the_chamfer_distance_of_balls_is_that_of_their_radii() -> None:
    directions = torch.nn.functional.normalize(torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)))
    assert metrics.chamfer(directions, 1.5 * directions) == pytest.approx(0.5, abs=2e-3)
    assert metrics.chamfer(directions, directions) == 0.0


def test_the_chamfer_distance_is_that_of_all_pairs() -> None:
    one, other = torch.rand(2, 300, 2, generator=torch.Generator().manual_seed(0)).double()
    distances = torch.cdist(one, other)
    expected = (distances.amin(0).mean() + distances.amin(1).mean()) / 2
    assert metrics.chamfer(one, other) == pytest.approx(float(expected))


def test_normals_of_a_turned_ball_are_as_consistent_as_the_cosine() -> None:
    directions = torch.nn.functional.normalize(
        torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)).double()
    )
    tilted = torch.nn.functional.normalize(
        directions + torch.nn.functional.normalize(torch.cross(directions, directions.roll(1, 1), dim=1))
    )  # by 45 degrees each
    found = metrics.normal_consistency(directions, directions, directions, tilted)
    assert found == pytest.approx(math.sqrt(0.5))
