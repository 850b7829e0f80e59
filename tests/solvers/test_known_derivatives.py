"""Tests of sines of which derivatives are known, against closed forms and against samples that are truly left out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sinefield.solvers.known_derivatives import KnownDerivatives
from sinefield.solvers.leave_one_out import Band, Expected

SEEN = (12, 14)
BAND, EXPECTED = Band(1.0, 1.2), Expected(0.1, 3.0)


def wave(rows: Tensor, columns: Tensor) -> Tensor:
    return torch.sin(0.5 * rows + 0.3 * columns + 0.4)


def slopes_of_wave(rows: Tensor, columns: Tensor) -> Tensor:
    cosine = torch.cos(0.5 * rows + 0.3 * columns + 0.4)
    return torch.stack([0.5 * cosine, 0.3 * cosine], -1)


def places(shift: float = 0.0) -> tuple[Tensor, Tensor]:
    rows, columns = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 + shift for n in SEEN)
    rows, columns = torch.meshgrid(rows, columns, indexing="ij")
    return rows, columns


def evaluated(slopes: KnownDerivatives, coefficients: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return Σ_k c_k exp(i k · u) by its definition."""
    total = torch.zeros(rows.shape, dtype=torch.complex128)
    for i, along_rows in enumerate(slopes.axes[0].frequencies):
        for j, along_columns in enumerate(slopes.axes[1].frequencies):
            total = total + coefficients[i, j] * torch.exp(1j * (along_rows * rows + along_columns * columns))
    assert float(total.imag.abs().max()) < 1e-9
    return total.real


def test_a_wave_follows_from_its_slopes_between_the_samples_too() -> None:
    slopes = KnownDerivatives("gradient", BAND, EXPECTED, SEEN, 1e-8, 1e2)
    rows, columns = places()
    solved = slopes.solve(slopes_of_wave(rows, columns)[None, :, :, None], torch.zeros(1, *SEEN, 1).double())
    coefficients = slopes.coefficients(solved)[0, :, :, 0]
    rows, columns = (each[:-1, :-1] for each in places(0.5))
    found = evaluated(slopes, coefficients, rows, columns)
    off = (found - wave(rows, columns))[2:-2, 2:-2]
    assert float((off - off.mean()).abs().max()) < 2e-3  # of which values tell next to nothing: the level is free


def test_values_tell_the_level() -> None:
    slopes = KnownDerivatives("gradient", BAND, EXPECTED, SEEN, 1e-6, 1e-2)
    level = torch.full((1, *SEEN, 1), 0.7, dtype=torch.float64)
    solved = slopes.solve(torch.zeros(1, *SEEN, 1, 2, dtype=torch.float64), level)
    found = evaluated(slopes, slopes.coefficients(solved)[0, :, :, 0], *places())
    assert float((found[2:-2, 2:-2] - 0.7).abs().max()) < 7e-3


def test_a_wave_follows_from_its_laplacian_and_values_that_are_roughly_known() -> None:
    known = KnownDerivatives("laplacian", BAND, Expected(0.25), SEEN, 1e-8, 1e-2)
    rows, columns = places()
    value = wave(rows, columns)
    laplacian = -(0.5**2 + 0.3**2) * value
    rough = value + 0.01 * torch.randn(SEEN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    solved = known.solve(laplacian[None, :, :, None, None], rough[None, :, :, None])
    rows, columns = (each[:-1, :-1] for each in places(0.5))
    found = evaluated(known, known.coefficients(solved)[0, :, :, 0], rows, columns)
    off = (found - wave(rows, columns))[2:-2, 2:-2]
    assert float(off.abs().max()) < 0.01  # only what is harmonic of the noise stays


@pytest.mark.parametrize("place", [(0, 0), (6, 7), (3, 12)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_slope_left_out_is_off_by_what_the_others_predict(place: tuple[int, int], axis: int) -> None:
    slopes = KnownDerivatives("gradient", BAND, EXPECTED, SEEN, 1e-2, 1e-1)
    generator = torch.Generator().manual_seed(0)
    slope = torch.randn(1, *SEEN, 1, 2, generator=generator, dtype=torch.float64)
    value = torch.randn(1, *SEEN, 1, generator=generator, dtype=torch.float64)
    told = float(slopes.left_out(slopes.solve(slope, value))[0, *place, 0, axis])
    # The rows of the matrix, one by one, from what it does to each sample alone.
    count = 3 * SEEN[0] * SEEN[1]
    units = torch.eye(count, dtype=torch.float64).view(count, 3, *SEEN).movedim(1, -1)[:, :, :, None]
    inverse = slopes.solve(units[..., :2], units[..., 2]).movedim(-1, 1).reshape(count, count)
    known = torch.cat([slope, value[..., None]], -1).movedim(-1, 1).reshape(count)
    number = axis * SEEN[0] * SEEN[1] + place[0] * SEEN[1] + place[1]
    rest = torch.arange(count) != number
    matrix = torch.linalg.inv(inverse)
    predicted = matrix[number, rest] @ torch.linalg.solve(matrix[rest][:, rest], known[rest])
    assert told == pytest.approx(float(known[number] - predicted), rel=1e-6)
