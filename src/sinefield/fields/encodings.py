"""Encodings: what perceptrons are given in place of the coordinates themselves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sinefield.fields.activations import Sine, activation
from sinefield.fields.chain import SquaredDistances


class RadialBasis(nn.Module):
    """The radial layer q_j(x) = −σ_j² ‖x − c_j‖², with centres ``(m, d)`` and inverse widths σ ``(m,)`` learnt.

    Args:
        in_features: d, the dimension of the points.
        out_features: m, the number of centres, drawn from U(−1, 1)^d.
        inverse_width: the initial σ of every centre.
    """

    def __init__(self, in_features: int, out_features: int, inverse_width: float) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.rand(out_features, in_features) * 2 - 1)
        self.inverse_widths = nn.Parameter(torch.full((out_features,), float(inverse_width)))

    def link(self) -> SquaredDistances:
        """Return the map with its weights."""
        return SquaredDistances(self.centres, self.inverse_widths)

    def forward(self, x: Tensor) -> Tensor:
        """Return q(x), ``(…, d)`` to ``(…, m)``."""
        return self.link()(x)


def encoding(kind: str, dimension: int, frequencies: int, scale: float) -> tuple[list[nn.Module], int]:
    """Return the layers of an encoding and how many features they give.

    A Fourier encoding is a fixed affine map and a sine, since cos(a) = sin(a + π/2).

    Args:
        kind: see :class:`sinefield.fields.perceptron.Perceptron`.
        dimension: d.
        frequencies: octaves, rows of B or centres; 0: as many as is usual.
        scale: the standard deviation of B, or the initial σ; 0: the usual one.

    Raises:
        ValueError: an unknown kind.
    """
    if kind == "none":
        return [], dimension
    if kind == "rbf":
        centres = frequencies or 1024
        return [RadialBasis(dimension, centres, scale or 10.0), activation("exponential")], centres
    if kind == "nerf":
        octaves = math.pi * 2.0 ** torch.arange(frequencies or 8)
        angular = torch.kron(octaves[:, None], torch.eye(dimension))
    elif kind == "fourier":
        angular = 2 * math.pi * (scale or 10.0) * torch.randn(frequencies or 128, dimension)
    else:
        raise ValueError(f"unknown encoding {kind!r}; choose none, nerf, fourier or rbf")
    projection = nn.Linear(dimension, 2 * len(angular)).requires_grad_(False)
    projection.weight.copy_(torch.cat([angular, angular]))
    projection.bias[: len(angular)] = 0.0
    projection.bias[len(angular) :] = math.pi / 2
    return [projection, Sine()], 2 * len(angular)
