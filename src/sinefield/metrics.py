"""Metrics of reconstructions: PSNR, SSIM, spectral and Chamfer distance, relative error, up to undetermined parts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WINDOW = 11  # pixels along each side of SSIM's window
_WINDOWS = (512, 1024, 2048)  # samples in each window of the spectral distance


def psnr(prediction: Tensor, target: Tensor, peak: float) -> float:
    """Return the peak signal-to-noise ratio 10 log₁₀(peak² / MSE) in dB; infinite for equal signals.

    Args:
        prediction: reconstruction, of any shape.
        target: signal, of the same shape.
        peak: difference between the largest and the smallest value that a signal may have.

    >>> round(psnr(torch.full((4, 1), 0.1), torch.zeros(4, 1), peak=1.0), 4)
    20.0
    """
    error = float((prediction.double() - target.double()).square().mean())
    return 10 * math.log10(peak**2 / error) if error > 0 else math.inf


def ssim(prediction: Tensor, target: Tensor, peak: float) -> float:
    """Return the structural similarity of two pictures ``(height, width, channels)``, at most 1.

    With means, variances σ² and the covariance σ_xy of a channel of both, each under a Gaussian window of
    standard deviation 1.5 pixels and 11 x 11 pixels,

        SSIM = (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),  C₁, C₂ = (0.01, 0.03)² peak²

    averaged over all windows inside the picture, and over channels. Pictures narrower than a window have none: NaN.

    Source: Wang et al., "Image Quality Assessment", IEEE TIP 13 (2004), section III-C. scikit-image computes the
    same, but takes long to import.
    """
    if min(target.shape[:2]) < _WINDOW:
        return math.nan
    low, high = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similarities = []
    for x, y in zip(
        prediction.double().unbind(-1), target.double().unbind(-1), strict=True
    ):  # one channel at a time bounds the memory
        mx, my, xx, yy, xy = (_windowed(each) for each in (x, y, x * x, y * y, x * y))
        luminance = (2 * mx * my + low) / (mx * mx + my * my + low)
        structure = (2 * (xy - mx * my) + high) / (xx - mx * mx + yy - my * my + high)
        similarities.append(float((luminance * structure).mean()))
    return math.fsum(similarities) / len(similarities)


def _windowed(values: Tensor) -> Tensor:
    """Return the weighted mean of ``(height, width)`` under every Gaussian window inside it."""
    window = torch.exp(-0.5 * (torch.arange(_WINDOW) - _WINDOW // 2).double().div(1.5).square())
    for axis in (0, 1):
        length = values.shape[axis] - _WINDOW + 1
        mean = torch.zeros_like(values.narrow(axis, 0, length))
        for start, weight in enumerate((window / window.sum()).tolist()):
            mean.add_(values.narrow(axis, start, length), alpha=weight)
        values = mean
    return values


def spectral_distance(prediction: Tensor, target: Tensor) -> float:
    """Return the multi-resolution spectral distance of two recordings ``(n, channels)``; 0 for equal ones.

    With |S| and |Ŝ| the magnitudes of the short-time Fourier transforms of both, under Hann windows of 512, 1,024 and
    2,048 samples a quarter of that apart,

        ‖|S| − |Ŝ|‖ / ‖S‖ + mean |ln |S| − ln |Ŝ||

    averaged over windows. Magnitudes below 1e-5, which is silence, count as 1e-5. The distance is NaN if the target is
    shorter than the longest window, or silent.

    Source: Yamamoto et al., "Parallel WaveGAN", arXiv 1910.11480, section 2.2.
    """
    total = 0.0
    for size in _WINDOWS:
        if len(target) < size:
            return math.nan
        window = torch.hann_window(size)
        found, truth = (
            torch.stft(each.float().t(), size, size // 4, window=window, return_complex=True).abs().clamp(min=1e-5)
            for each in (prediction, target)
        )
        total += float((truth - found).norm() / truth.norm() + (truth.log() - found.log()).abs().mean())
    return total / len(_WINDOWS)


def relative_l2(prediction: Tensor, target: Tensor) -> float:
    """Return ‖prediction − target‖ / ‖target‖ in the Euclidean norm.

    >>> relative_l2(torch.tensor([3.0, 0.0]), torch.tensor([3.0, 4.0]))
    0.8
    """
    return float((prediction.double() - target.double()).norm() / target.double().norm())


def correlation(prediction: Tensor, target: Tensor) -> float:
    """Return Pearson's correlation of two signals, NaN if one of them is constant.

    >>> round(correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 6.0])), 6)
    1.0
    """
    left, right = (each.double() - each.double().mean() for each in (prediction, target))
    scale = float(left.norm() * right.norm())
    return float((left * right).sum()) / scale if scale > 0 else math.nan


def without_constant(error: Tensor) -> Tensor:
    """Return an error ``(n, c)`` without the mean of each channel, which gradients do not determine."""
    return error - error.mean(0, keepdim=True)


def without_harmonic(error: Tensor, points: Tensor, degree: int = 48) -> Tensor:
    """Return an error ``(n, c)`` without its best harmonic function, which a Laplacian does not determine.

    Harmonic functions of the plane are real parts of analytic ones; the real parts of polynomials up to ``degree``
    are projected out, so that the remaining error is at most a little too large. The basis z^k is orthogonalised
    as it grows, as its plain powers are hopelessly ill-conditioned: Brubeck, Nakatsukasa, Trefethen,
    "Vandermonde with Arnoldi", SIAM Review 63 (2021).

    Args:
        error: error of each channel, ``(n, c)``.
        points: coordinates of the values, ``(n, 2)``.
        degree: highest power of z, at most n/20.

    A saddle is harmonic, so nothing of it remains:

    >>> points = torch.rand(200, 2) * 2 - 1
    >>> saddle = points[:, :1] ** 2 - points[:, 1:] ** 2
    >>> bool(without_harmonic(saddle, points).abs().max() < 1e-6)
    True
    """
    coordinates = points.double()
    z = torch.complex(coordinates[:, 0], coordinates[:, 1])
    count = len(z)
    degree = min(degree, count // 20)
    basis = z.new_ones(degree + 1, count)
    for k in range(1, degree + 1):
        known, power = basis[:k], z * basis[k - 1]
        for _ in range(2):  # two passes make it orthogonal up to rounding
            power = power - (known.conj() @ power / count) @ known
        basis[k] = power * (math.sqrt(count) / torch.linalg.vector_norm(power))
    harmonic = torch.cat([basis.real, basis.imag[1:]]).mT
    values = error.double()
    solution: Tensor = torch.linalg.lstsq(harmonic, values, driver="gelsd").solution
    return values - harmonic @ solution


def chamfer(points: Tensor, others: Tensor) -> float:
    """Return the Chamfer distance (L1) of two sets of points on surfaces, in units of length.

    Half the sum of the mean distance from each point to the nearest of the others, and back:
    ½ (mean_p min_q ‖p − q‖ + mean_q min_p ‖p − q‖). Two samples of the same surface have a distance too, and smaller
    differences cannot be seen with so many points.

    Args:
        points: points on one surface, ``(n, d)``.
        others: points on the other surface, ``(m, d)``.

    Source: Mescheder et al., "Occupancy Networks", 2019, section 4.

    >>> chamfer(torch.zeros(1, 3), torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]))
    1.25
    """
    (there, _), (back, _) = _nearest(points, others), _nearest(others, points)
    return float((there.mean() + back.mean()) / 2)


def normal_consistency(points: Tensor, normals: Tensor, others: Tensor, their_normals: Tensor) -> float:
    """Return the mean cosine of the angle between the normals of points and of the nearest other points, at most 1.

    Args:
        points: points on one surface, ``(n, d)``.
        normals: normals of these of unit length, ``(n, d)``.
        others: points on the other surface, ``(m, d)``.
        their_normals: normals of these of unit length, ``(m, d)``.

    >>> up, here = torch.tensor([[0.0, 0.0, 1.0]]), torch.zeros(1, 3)
    >>> normal_consistency(here, up, here, -up)
    -1.0
    """
    _, nearest = _nearest(points, others)
    return float((normals.double() * their_normals.double()[nearest]).sum(1).mean())


def _nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each point from the nearest of the others, ``(n,)``, and the index of this, ``(n,)``."""
    from scipy.spatial import cKDTree  # it takes long to import

    distance, nearest = cKDTree(others.double().cpu().numpy()).query(points.double().cpu().numpy(), workers=-1)
    return torch.from_numpy(distance), torch.from_numpy(nearest)
