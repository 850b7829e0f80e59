"""Sines on a lattice of frequencies of which derivatives are known at samples: their coefficients in closed form.

A tile is given the sum of sines of :mod:`.leave_one_out`, whose coefficients c have the variances s. Known are, at each
sample, some derivatives D_j beside noise of the variance λ Var D_j Φ, and the value beside much more of it, which keeps
neighbouring tiles together in what derivatives do not tell. With E_j those of each sine at the samples, sums of
products of one matrix an axis, and y all that is known,

    c = s Eᴴ (E s Eᴴ + noise)⁻¹ y,      E_i s E_jᴴ = Σ K_a1,b1 ⊗ K_a2,b2  over the terms a of D_i and b of D_j

which is one matrix of a row for each number that is known, the same for all tiles. What the others predict of one that
is left out is off by [(…)⁻¹ y]_i / [(…)⁻¹]_ii, as there.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2, 5.4.2 and 9.4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, final

import torch
from torch import Tensor

from sinefield.solvers.leave_one_out import Axis, Band, Expected, along

Orders = tuple[int, int]
"""How often is differentiated along each axis."""

DERIVATIVES: Final[Mapping[str, Sequence[Sequence[Orders]]]] = {
    "gradient": [[(1, 0)], [(0, 1)]],
    "laplacian": [[(2, 0), (0, 2)]],
}
"""The terms of each number of a quantity, which are added."""

_VALUE: Final[Sequence[Orders]] = [(0, 0)]


@final
class KnownDerivatives:
    """Sines of which derivatives are known.

    Args:
        quantity: which, of :data:`DERIVATIVES`, of q numbers.
        band: which sines.
        expected: how much of each.
        seen: n_1, n_2, the samples along each axis.
        noise: λ of derivatives, over their variance.
        value_noise: the same of values.

    >>> slope = torch.tensor([0.3, -0.2], dtype=torch.float64).expand(1, 12, 12, 1, 2)
    >>> places = torch.arange(12, dtype=torch.float64) - 5.5
    >>> plane = (0.3 * places[:, None] - 0.2 * places)[None, ..., None]
    >>> slopes = KnownDerivatives("gradient", Band(1.0, 1.5), Expected(0.1, 3.0), (12, 12), 1e-8, 1e-2)
    >>> off = slopes.left_out(slopes.solve(slope, plane))
    >>> float(off[0, 4:-4, 4:-4].abs().max()) < 1e-3
    True
    """

    def __init__(
        self,
        quantity: str,
        band: Band,
        expected: Expected,
        seen: Sequence[int],
        noise: float,
        value_noise: float,
    ) -> None:
        self.known = [*DERIVATIVES[quantity], _VALUE]
        self.axes = [Axis(band, expected, each) for each in seen]
        self.seen = tuple(seen)
        matrix = torch.cat([torch.cat([self._covariance(a, b) for b in self.known], 1) for a in self.known])
        derivatives = len(matrix) - math.prod(seen)
        diagonal = matrix.diagonal()
        diagonal[derivatives:] *= 1 + value_noise
        diagonal[:derivatives] += noise * float(diagonal[:derivatives].mean())
        self.factor = torch.linalg.cholesky(matrix)

    def solve(self, derivative: Tensor, value: Tensor) -> Tensor:
        """Return what :meth:`left_out` and :meth:`coefficients` are of.

        Args:
            derivative: in units of the distance of samples, ``(tiles, n_1, n_2, c, q)``.
            value: ``(tiles, n_1, n_2, c)``.

        Returns:
            (E s Eᴴ + noise)⁻¹ y as ``(tiles, n_1, n_2, c, q + 1)``.
        """
        known = torch.cat([derivative, value[..., None]], -1)
        rows = known.movedim(-1, 0).flatten(2, 3).movedim(1, -2)  # (q + 1, n_1 n_2, tiles, c)
        solved = torch.cholesky_solve(rows.reshape(len(self.factor), -1), self.factor).view(rows.shape)
        found: Tensor = torch.unflatten(solved.movedim(-2, 0), 2, self.seen)
        return found.movedim(1, -1)

    def left_out(self, solved: Tensor) -> Tensor:
        """Return how far each derivative is from what all else predicts, ``(tiles, n_1, n_2, c, q)``."""
        off: Tensor = solved[..., :-1] / self._inverse_diagonal[:, :, None, :-1]
        return off

    def coefficients(self, solved: Tensor) -> Tensor:
        """Return c, ``(tiles, m_1, m_2, c)``."""
        found: Tensor = torch.zeros((), dtype=torch.complex128)
        for number, terms in enumerate(self.known):
            for orders in terms:
                part = solved[..., number].to(torch.complex128)
                for place, (axis, order) in enumerate(zip(self.axes, orders, strict=True)):
                    part = along(_differentiated(axis, order) * axis.analysis, part, place + 1)
                found = found + part
        return found

    @cached_property
    def _inverse_diagonal(self) -> Tensor:
        """The diagonal of (E s Eᴴ + noise)⁻¹, ``(n_1, n_2, q + 1)``."""
        return torch.cholesky_inverse(self.factor).diagonal().view(len(self.known), *self.seen).movedim(0, -1)

    def _covariance(self, one: Sequence[Orders], other: Sequence[Orders]) -> Tensor:
        """Return what two numbers have in common at all samples, ``(n_1 n_2, n_1 n_2)``."""
        rows, columns = self.axes
        found = [
            torch.kron(_covariance(rows, a[0], b[0]), _covariance(columns, a[1], b[1]))
            for a, b in itertools.product(one, other)
        ]
        return torch.stack(found).sum(0)


def _differentiated(axis: Axis, order: int) -> Tensor:
    """Return what a derivative multiplies exp(−i k u) by, ``(m, 1)``."""
    return ((-1j * axis.frequencies) ** order)[:, None]


def _covariance(axis: Axis, first: int, second: int) -> Tensor:
    """Return K of two derivatives along one axis, ``(n, n)``."""
    roots = axis.analysis / axis.variances.sqrt()[:, None]
    one, other = (_differentiated(axis, order) * roots for order in (first, second))
    return (one.mH @ other).real.contiguous()
