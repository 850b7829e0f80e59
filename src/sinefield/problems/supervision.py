"""What a picture can be fitted on: its values, its gradients or its Laplacian, by stencils of its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


def sobel(values: Tensor, spacing: float) -> Tensor:
    """Return the normalised Sobel gradient of samples ``(height, width, c)`` as ``(height, width, c, 2)``.

    Central differences along one axis over 2h, averaged (1, 2, 1)/4 along the other. At the edge the samples
    are continued quadratically, which makes it the one-sided difference of second order.

    >>> ramp = torch.arange(5.0).reshape(5, 1, 1).expand(5, 4, 1)
    >>> sobel(ramp, spacing=0.5)[2, 2].tolist()
    [[2.0, 0.0]]
    """
    padded = _continued(values)
    rows, columns = padded[2:] - padded[:-2], padded[:, 2:] - padded[:, :-2]
    along_y = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / (8 * spacing)
    along_x = (columns[:-2] + 2 * columns[1:-1] + columns[2:]) / (8 * spacing)
    return torch.stack([along_y, along_x], dim=-1)


def five_point_laplacian(values: Tensor, spacing: float) -> Tensor:
    """Return the five-point Laplacian of samples ``(height, width, c)`` over h², of the same shape.

    At the edge the samples are continued quadratically, as in :func:`sobel`.

    >>> bowl = torch.arange(5.0).reshape(5, 1, 1).square().expand(5, 4, 1)
    >>> five_point_laplacian(bowl, spacing=1.0).unique().tolist()
    [2.0]
    """
    padded = _continued(values)
    neighbours = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
    return (neighbours - 4 * values) / spacing**2


def _continued(values: Tensor) -> Tensor:
    """Return samples with one more on each side, on the parabola through the nearest three."""
    for axis in (0, 1):
        values = values.movedim(axis, 0)
        before, after = (3 * (a - b) + c for a, b, c in (values[:3], values[-3:].flip(0)))
        values = torch.cat([before[None], values, after[None]]).movedim(0, axis)
    return values


@final
@dataclass(frozen=True)
class Supervision:
    """How a field is fitted on a quantity of a picture.

    Args:
        target: what is known of it, of field values ``(height, width, c)`` and their spacing.
        residual: what shall be 0, of a jet and the target at the same points.
        masked: the same where the target is known, and 0 elsewhere; it takes which of them are, by the name ``mask``.
        mask: the target that tells which are known: ``"known"`` of values, ``"around"`` of what a stencil reads.
    """

    target: Callable[[Tensor, float], Tensor]
    residual: Callable[..., Tensor]
    masked: Callable[..., Tensor]
    mask: str


SUPERVISED: Mapping[str, Supervision] = {
    "value": Supervision(
        lambda values, _spacing: values,
        lambda u, value: u.value - value,
        lambda u, value, known: known * (u.value - value),
        "known",
    ),
    "gradient": Supervision(
        sobel,
        lambda u, gradient: u.jacobian - gradient,
        lambda u, gradient, around: around[..., None] * (u.jacobian - gradient),
        "around",
    ),
    "laplacian": Supervision(
        five_point_laplacian,
        lambda u, laplacian: u.laplacian - laplacian,
        lambda u, laplacian, around: around * (u.laplacian - laplacian),
        "around",
    ),
}
"""The quantities that a picture can be fitted on, those of :data:`sinefield.quantities.QUANTITIES` with a stencil."""
