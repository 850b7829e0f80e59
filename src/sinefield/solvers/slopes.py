"""Sines on a lattice of frequencies of which slopes are known at samples: their coefficients in closed form.

A tile is given the sum of sines of :mod:`.leave_one_out`, whose coefficients c have the variances s. Known are, at each
sample, the derivatives along both axes beside noise of the variance λ Var ∂Φ, and the value beside much more of it,
which keeps neighbouring tiles at one level. With E_a the value (a = 0) and derivatives of each sine at the samples, all
of which are products of one matrix an axis, and y all that is known,

    c = s Eᴴ (E s Eᴴ + noise)⁻¹ y,      E_a s E_bᴴ = K_a1,b1 ⊗ K_a2,b2

which is one matrix of three rows a sample, the same for all tiles. What the others predict of one that is left out is
off by [(…)⁻¹ y]_i / [(…)⁻¹]_ii, as there.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2, 5.4.2 and 9.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final, final

import torch
from torch import Tensor

from sinefield.solvers.leave_one_out import Axis, Band, Expected, along

_KNOWN: Final = ((1, 0), (0, 1), (0, 0))  # how often each is differentiated along each axis


@final
class Slopes:
    """Sines of which slopes are known.

    Args:
        band: which.
        expected: how much of each.
        seen: n_1, n_2, the samples along each axis.
        noise: λ of slopes, over their variance.
        value_noise: the same of values.

    >>> slope = torch.tensor([0.3, -0.2], dtype=torch.float64).expand(1, 12, 12, 1, 2)
    >>> places = torch.arange(12, dtype=torch.float64) - 5.5
    >>> plane = (0.3 * places[:, None] - 0.2 * places)[None, ..., None]
    >>> slopes = Slopes(Band(1.0, 1.5), Expected(0.1, 3.0), (12, 12), 1e-8, 1e-2)
    >>> off = slopes.left_out(slopes.solve(slope, plane))
    >>> float(off[0, 4:-4, 4:-4].abs().max()) < 1e-3
    True
    """

    def __init__(self, band: Band, expected: Expected, seen: Sequence[int], noise: float, value_noise: float) -> None:
        self.axes = [Axis(band, expected, each) for each in seen]
        self.seen = tuple(seen)
        blocks = [
            [torch.kron(*(_covariance(axis, i, j) for axis, i, j in zip(self.axes, a, b, strict=True))) for b in _KNOWN]
            for a in _KNOWN
        ]
        matrix = torch.cat([torch.cat(row, 1) for row in blocks])
        slopes = 2 * math.prod(seen)
        diagonal = matrix.diagonal()
        diagonal[slopes:] *= 1 + value_noise
        diagonal[:slopes] += noise * float(diagonal[:slopes].mean())
        self.factor = torch.linalg.cholesky(matrix)

    def solve(self, slope: Tensor, value: Tensor) -> Tensor:
        """Return what :meth:`left_out` and :meth:`coefficients` are of.

        Args:
            slope: over the distance of samples, ``(tiles, n_1, n_2, c, 2)``.
            value: ``(tiles, n_1, n_2, c)``.

        Returns:
            (E s Eᴴ + noise)⁻¹ y as ``(tiles, n_1, n_2, c, 3)``.
        """
        known = torch.cat([slope, value[..., None]], -1)
        rows = known.movedim(-1, 0).flatten(2, 3).movedim(1, -2)  # (3, n_1 n_2, tiles, c)
        solved = torch.cholesky_solve(rows.reshape(len(self.factor), -1), self.factor).view(rows.shape)
        found: Tensor = torch.unflatten(solved.movedim(-2, 0), 2, self.seen)
        return found.movedim(1, -1)

    def left_out(self, solved: Tensor) -> Tensor:
        """Return how far each slope is from what all else that is known predicts, ``(tiles, n_1, n_2, c, 2)``."""
        off: Tensor = solved[..., :2] / self._inverse_diagonal[:, :, None, :2]
        return off

    def coefficients(self, solved: Tensor) -> Tensor:
        """Return c, ``(tiles, m_1, m_2, c)``."""
        found: Tensor = torch.zeros((), dtype=torch.complex128)
        for number, orders in enumerate(_KNOWN):
            part = solved[..., number].to(torch.complex128)
            for place, (axis, order) in enumerate(zip(self.axes, orders, strict=True)):
                part = along(_differentiated(axis, order) * axis.analysis, part, place + 1)
            found = found + part
        return found

    @cached_property
    def _inverse_diagonal(self) -> Tensor:
        """The diagonal of (E s Eᴴ + noise)⁻¹, ``(n_1, n_2, 3)``."""
        return torch.cholesky_inverse(self.factor).diagonal().view(len(_KNOWN), *self.seen).movedim(0, -1)


def _differentiated(axis: Axis, order: int) -> Tensor:
    """Return what a derivative multiplies exp(−i k u) by, ``(m, 1)``."""
    return ((-1j * axis.frequencies) ** order)[:, None]


def _covariance(axis: Axis, first: int, second: int) -> Tensor:
    """Return K of two derivatives along one axis, ``(n, n)``."""
    roots = axis.analysis / axis.variances.sqrt()[:, None]
    one, other = (_differentiated(axis, order) * roots for order in (first, second))
    return (one.mH @ other).real.contiguous()
