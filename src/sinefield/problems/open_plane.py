"""What the open plane is made of in a square: Gaussian sources, and the layer along the border that absorbs waves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from sinefield.jet_views import Derivatives

STRENGTH: Final = 5.0  # a₀


@final
@dataclass(frozen=True)
class Source:
    """A Gaussian source, f = A e^(−|x − x_j|²/2σ²) / 2πσ².

    Args:
        x: its place.
        y: its place.
        sigma: σ, its size.
        amplitude: A, its integral.
    """

    x: float
    y: float
    sigma: float = 0.01
    amplitude: float = 1.0

    def __call__(self, points: Tensor) -> Tensor:
        """Return f at points ``(n, 2)``, as ``(n, 1)``."""
        squares = (points[:, :1] - self.x) ** 2 + (points[:, 1:] - self.y) ** 2
        scale = self.amplitude / (2 * math.pi * self.sigma**2)
        return scale * torch.exp(-squares / (2 * self.sigma**2))


@final
@dataclass(frozen=True)
class MatchedLayer:
    """The perfectly matched layer along the border of [−1, 1]².

    Args:
        width: L, from 0 to 1.
        strength: a₀.
    """

    width: float = 0.5
    strength: float = STRENGTH

    def stretch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return e = 1 + i a₀ (d/L)² at coordinates, and its derivative."""
        depth = (x.abs() - (1 - self.width)).clamp(min=0)
        stretched = torch.complex(torch.ones_like(x), self.strength * (depth / self.width) ** 2)
        slope = 2 * self.strength * depth / self.width**2 * x.sign()
        return stretched, torch.complex(torch.zeros_like(x), slope)

    def laplacian(self, u: Derivatives) -> Tensor:
        """Return Σ_i (1/e_i) ∂_i ((1/e_i) ∂_i u) of a complex field, whose derivatives are by axes 0 and 1."""
        total = torch.zeros((), dtype=torch.complex128)
        for axis in (0, 1):
            e, slope = self.stretch(u.points[:, axis : axis + 1])
            total = total + u.d(axis, axis) / e**2 - slope / e**3 * u.d(axis)
        return total
