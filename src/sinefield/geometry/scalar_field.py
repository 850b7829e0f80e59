"""Φ, its derivatives and its steepness at many points, as NumPy arrays, computed in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield.fields.field import evaluating
from sinefield.jet import jet

Floats = NDArray[np.float64]

CHUNK = 32_768
"""How many points are evaluated at a time."""

SAFETY = 1.2
"""How much steeper than at the points looked at a field may be anywhere."""

_SIDE = 16  # points along the longest side where the steepness is looked at


@dataclass(frozen=True, eq=False)
class Region:
    """A box, lower ≤ x ≤ upper, in the coordinates of a field.

    Args:
        lower: its least coordinates, ``(3,)``.
        upper: its greatest coordinates, ``(3,)``.
    """

    lower: Floats
    upper: Floats

    @classmethod
    def of(cls, lower: Sequence[float], upper: Sequence[float]) -> Region:
        """Return the box of two corners.

        Raises:
            ValueError: they are not three finite numbers each, or the box is empty.
        """
        low, high = np.asarray(lower, float), np.asarray(upper, float)
        if low.shape != (3,) or high.shape != (3,) or not np.isfinite([low, high]).all() or not (low < high).all():
            raise ValueError(
                f"the box from {low.tolist()} to {high.tolist()} is none; give three finite coordinates each, "
                "the lower ones less than the upper ones"
            )
        return cls(low, high)

    def __str__(self) -> str:
        return f"the box from {self.lower.tolist()} to {self.upper.tolist()}"


def evaluate(field: nn.Module, points: Floats) -> NDArray[np.float32]:
    """Return Φ at points ``(n, d)``, ``(n,)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    found = np.empty(len(points), np.float32)
    with evaluating(field) as like:
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            value = jet(field, torch.from_numpy(points[part]).to(like), ["value"]).value
            found[part] = _check_scalar(value.float().cpu().numpy(), points[part])
    return found


def evaluate_with_gradients(field: nn.Module, points: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return Φ ``(n,)`` and ∇Φ ``(n, d)`` at points ``(n, d)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    values, gradients = np.empty(len(points), np.float32), np.empty(points.shape, np.float32)
    with evaluating(field) as like:
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            u = jet(field, torch.from_numpy(points[part]).to(like), ["value", "jacobian"])
            values[part] = _check_scalar(u.value.float().cpu().numpy(), points[part])
            gradients[part] = u.gradient.float().cpu().numpy()
    return values, gradients


def compute_mean_curvatures(field: nn.Module, points: Floats) -> NDArray[np.float32]:
    """Return the mean curvature of the level sets of Φ at points ``(n, 3)``, ``(n,)``, in 1/unit of length.

    H = ½ ∇·n = (ΔΦ − nᵀ ∇²Φ n) / 2‖∇Φ‖ with n = ∇Φ/‖∇Φ‖, which is ΔΦ/2 where Φ is a distance, and 1/R on a ball
    of radius R. Where ∇Φ vanishes it is 0.
    """
    found = np.empty(len(points), np.float32)
    with evaluating(field) as like:
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            u = jet(field, torch.from_numpy(points[part]).to(like), ["value", "jacobian", "hessian"])
            hessian, gradient = u.hessian[:, 0], u.gradient
            size = gradient.norm(dim=1)
            normal = gradient / size[:, None]
            laplacian = hessian.diagonal(dim1=1, dim2=2).sum(1)
            mean = (laplacian - torch.einsum("ni,nij,nj->n", normal, hessian, normal)) / (2 * size)
            found[part] = mean.nan_to_num(0.0, 0.0, 0.0).float().cpu().numpy()
    return found


def estimate_lipschitz_bound(field: nn.Module, region: Region) -> tuple[float, int]:
    """Return a bound L of ‖∇Φ‖ that should hold in a box, and at how many points it was looked at.

    L = 1.2 max(1, max ‖∇Φ‖) over a coarse grid: of a distance ‖∇Φ‖ is 1, and a field that is flatter where it is
    looked at may be as steep as a distance elsewhere.
    """
    sides = region.upper - region.lower
    counts = np.maximum(2, np.ceil(_SIDE * sides / sides.max())).astype(int)
    axes = [low + side * (np.arange(n) + 0.5) / n for low, side, n in zip(region.lower, sides, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    _, gradients = evaluate_with_gradients(field, points)
    return SAFETY * max(1.0, float(np.linalg.norm(gradients, axis=1).max())), len(points)


def _check_scalar(values: NDArray[np.float32], points: Floats) -> NDArray[np.float32]:
    if values.ndim != 2 or values.shape[1] != 1:
        raise ValueError(f"a surface is that of a field with one output; this one answers {values.shape}, not (n, 1)")
    wrong = ~np.isfinite(values[:, 0])
    if wrong.any():
        raise ValueError(
            f"the field is {values[wrong][0, 0]} at {points[wrong][0].tolist()}; a surface needs finite values, "
            "fit the field anew or choose a box inside of which they are"
        )
    return values[:, 0]
