"""Least squares by orthogonal factors, A = Q R, and the direction that R nearly forgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

_TINY = 1e-300
_UNSEEN = 1e-14  # of the longest column: rounding
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

    def weakest(self, values: Tensor) -> Tensor:
        """Return an x with ‖A x‖ small beside ‖V x‖, ``(p,)``: V x is then hardly seen by A.

        By iterations of V R⁻¹ and its adjoint, which find the largest ‖V R⁻¹ y‖ / ‖y‖. That A is ill-conditioned does
        not matter: an x that A does not see since it is a vanishing function is one that V does not see either.

        Args:
            values: V, ``(n, p)``.
        """
        scaled = values / self.lengths.clamp(min=_TINY)
        unseen = (self.lengths <= _UNSEEN * self.lengths.max()) & (torch.linalg.vector_norm(values, dim=0) > 0)
        if bool(unseen.any()):
            known: Tensor = unseen.to(values.dtype)
            return known
        found = torch.randn(values.shape[1], 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = found.to(values.dtype)
        triangle = self.triangle
        for _ in range(_ITERATIONS):
            seen = scaled @ torch.linalg.solve_triangular(triangle, found / found.norm(), upper=True)
            found = torch.linalg.solve_triangular(triangle.mH, scaled.mH @ seen, upper=False)
        found = torch.linalg.solve_triangular(triangle, found / found.norm(), upper=True)
        direction: Tensor = found[:, 0] / self.lengths.clamp(min=_TINY)
        return direction

    @property
    def triangle(self) -> Tensor:
        """R, ``(p, p)``; what is below its diagonal is to be left alone."""
        upper: Tensor = self.reflections[: self.reflections.shape[1]]
        return upper

    def solve(self, right: Tensor) -> tuple[Tensor, float]:
        """Return the x of least ‖A x − b‖, ``(p,)``, and what that is."""
        rotated = torch.ormqr(self.reflections, self.scales, right[:, None], transpose=True)
        found = torch.linalg.solve_triangular(self.triangle, rotated[: len(self.lengths)], upper=True)[:, 0]
        found = torch.where(self.lengths > 0, found / self.lengths.clamp(min=_TINY), torch.zeros_like(found))
        return found, float(rotated[len(self.lengths) :].norm())
