"""Least squares by orthogonal factors, A = Q R, and the direction that R nearly forgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_TINY = 1e-300
_ITERATIONS = 8


@final
@dataclass(frozen=True, eq=False)
class OrthogonalFactors:
    """A = Q R with columns of A scaled to length 1.

    Features of one bandwidth are nearly dependent. Without pivots and without a cut-off, which would leave out what
    the last digits are made of, coefficients stay of moderate size all the same: rounding itself regularises them.

    Args:
        reflections: R, and below its diagonal the reflections that Q is made of, ``(m, p)``.
        scales: of these reflections.
        lengths: of the columns of A; 0 of those that are.
    """

    reflections: Tensor
    scales: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, matrix: Tensor) -> OrthogonalFactors:
        """Return the factors of a matrix ``(m, p)``, m ≥ p, which is overwritten."""
        lengths = torch.linalg.vector_norm(matrix, dim=0)
        matrix /= lengths.clamp(min=_TINY)
        reflections, scales = torch.geqrf(matrix)
        diagonal = reflections.diagonal()
        diagonal[diagonal.abs() < _TINY] = 1.0  # of a column that is 0, whose coefficient is then 0
        return cls(reflections, scales, lengths)

    @property
    def triangle(self) -> Tensor:
        """R, ``(p, p)``; what is below its diagonal is to be left alone."""
        return self.reflections[: self.reflections.shape[1]]

    def solve(self, right: Tensor) -> Tensor:
        """Return the x of least ‖A x − b‖, ``(p,)``."""
        rotated = torch.ormqr(self.reflections, self.scales, right[:, None], transpose=True)
        found = torch.linalg.solve_triangular(self.triangle, rotated[: len(self.lengths)], upper=True)[:, 0]
        return torch.where(self.lengths > 0, found / self.lengths.clamp(min=_TINY), torch.zeros_like(found))
