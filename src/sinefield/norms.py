"""Norms: what makes a number of a residual, as a loss and as a weighted sum of squares.

A norm is an average mean_k ρ(r_k) over the entries of a residual. First-order solvers differentiate it; least-squares
solvers see Σ w_k r_k² with weights w_k = ρ'(r_k) / (2 r_k), which has the same gradient (iteratively reweighted least
squares; Nocedal & Wright, Numerical Optimization, 2006, chapter 10).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


class Norm(ABC):
    """An average of ρ(r) over the entries of a residual, which may be complex."""

    @abstractmethod
    def loss(self, residual: Tensor) -> Tensor:
        """Return mean ρ(r), a real scalar."""

    @abstractmethod
    def weights(self, residual: Tensor) -> Tensor:
        """Return ρ'(r) / (2 r) for each entry, real, of the shape of ``residual``; it is not differentiated."""


@final
@dataclass(frozen=True)
class MeanSquare(Norm):
    """ρ(r) = |r|², the default.

    >>> MeanSquare().loss(torch.tensor([3.0, 4.0])).item()
    12.5
    """

    def loss(self, residual: Tensor) -> Tensor:
        """Return the mean of the squared residual."""
        if residual.is_complex():
            residual = torch.view_as_real(residual)
            return 2 * residual.square().mean()
        return residual.square().mean()

    def weights(self, residual: Tensor) -> Tensor:
        """Return 1."""
        return torch.ones_like(residual.detach().real if residual.is_complex() else residual.detach())


@final
@dataclass(frozen=True)
class MeanAbsolute(Norm):
    """ρ(r) = |r|, which forgives outliers.

    Args:
        least: the smallest |r| in the weights 1 / (2 |r|), which are infinite at 0.

    >>> MeanAbsolute().loss(torch.tensor([3.0, -4.0])).item()
    3.5
    """

    least: float = 1e-6

    def loss(self, residual: Tensor) -> Tensor:
        """Return the mean of the absolute residual."""
        return residual.abs().mean()

    def weights(self, residual: Tensor) -> Tensor:
        """Return 1 / (2 |r|)."""
        return 0.5 / residual.detach().abs().clamp(min=self.least)


@final
@dataclass(frozen=True)
class Huber(Norm):
    """ρ(r) = |r|² up to a scale δ, 2 δ |r| − δ² beyond: squares that forgive outliers.

    Args:
        scale: δ > 0, in the units of the residual.

    >>> Huber(1.0).loss(torch.tensor([0.5, 3.0])).item()  # the mean of 0.25 and 5
    2.625
    """

    scale: float

    def __post_init__(self) -> None:
        """Refuse a scale that is not positive.

        Raises:
            ValueError: it is not.
        """
        if not self.scale > 0:
            raise ValueError(f"the scale of a Huber norm must be positive, got {self.scale}")

    def loss(self, residual: Tensor) -> Tensor:
        """Return the mean of ρ."""
        size = residual.abs()
        return torch.where(size <= self.scale, size.square(), self.scale * (2 * size - self.scale)).mean()

    def weights(self, residual: Tensor) -> Tensor:
        """Return 1 up to the scale, δ / |r| beyond."""
        size = residual.detach().abs()
        return torch.where(size <= self.scale, torch.ones_like(size), self.scale / size.clamp(min=self.scale))
