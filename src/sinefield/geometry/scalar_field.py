"""A field with one output as NumPy arrays: Φ, ∇Φ and mean curvatures at many points, and a bound of ‖∇Φ‖."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Box
from sinefield.jet import Jet, jets_of

Floats = NDArray[np.float64]

SAFETY = 1.2
"""The factor by which a field may be steeper between the points of a coarse grid than at them."""

_SIDE = 16  # points along the longest side of the coarse grid


def evaluate(field: nn.Module, points: Floats) -> NDArray[np.float32]:
    """Return Φ at points.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, 1)``.
        points: ``(n, d)``.

    Returns:
        ``(n,)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.

    >>> class Distance(nn.Module):
    ...     def forward(self, points):
    ...         return points.norm(dim=1, keepdim=True) - 1
    >>> evaluate(Distance(), np.array([[0.0, 3.0, 4.0]])).tolist()
    [4.0]
    """
    found = np.empty(len(points), np.float32)
    for rows, u in _jets_of(field, points, ["value"]):
        found[rows] = _check_scalar(u.value.float().cpu().numpy(), points[rows])
    return found


def evaluate_with_gradients(field: nn.Module, points: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return Φ ``(n,)`` and ∇Φ ``(n, d)`` at points ``(n, d)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    values, gradients = np.empty(len(points), np.float32), np.empty(points.shape, np.float32)
    for rows, u in _jets_of(field, points, ["value", "jacobian"]):
        values[rows] = _check_scalar(u.value.float().cpu().numpy(), points[rows])
        gradients[rows] = u.gradient.float().cpu().numpy()
    return values, gradients


def compute_mean_curvatures(field: nn.Module, points: Floats) -> NDArray[np.float32]:
    """Return the mean curvature of the level sets of Φ at points ``(n, 3)``, ``(n,)``, in 1/unit of length.

    H = ½ ∇·n = (ΔΦ − nᵀ ∇²Φ n) / 2‖∇Φ‖ with n = ∇Φ/‖∇Φ‖, which is ΔΦ/2 where Φ is a distance, and 1/R on a ball
    of radius R. Where ∇Φ vanishes it is 0.
    """
    found = np.empty(len(points), np.float32)
    for rows, u in _jets_of(field, points, ["value", "jacobian", "hessian"]):
        hessian, gradient = u.hessian[:, 0], u.gradient
        size = gradient.norm(dim=1)
        normal = gradient / size[:, None]
        laplacian = hessian.diagonal(dim1=1, dim2=2).sum(1)
        mean = (laplacian - torch.einsum("ni,nij,nj->n", normal, hessian, normal)) / (2 * size)
        found[rows] = mean.nan_to_num(0.0, 0.0, 0.0).float().cpu().numpy()
    return found


def estimate_lipschitz_bound(field: nn.Module, box: Box) -> tuple[float, int]:
    """Return a bound L of ‖∇Φ‖ that should hold in a box, and the number of points that it was estimated from.

    L = 1.2 max(1, max ‖∇Φ‖) over a coarse grid: ‖∇Φ‖ is 1 where Φ is a distance, and a field that is flatter at the
    points of the grid may be as steep as a distance elsewhere.

    Raises:
        ValueError: the box is not in space.
    """
    lower, upper = find_corners(box)
    sides = upper - lower
    counts = np.maximum(2, np.ceil(_SIDE * sides / sides.max())).astype(int)
    axes = [low + side * (np.arange(n) + 0.5) / n for low, side, n in zip(lower, sides, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    _, gradients = evaluate_with_gradients(field, points)
    return SAFETY * max(1.0, float(np.linalg.norm(gradients, axis=1).max())), len(points)


def find_corners(box: Box) -> tuple[Floats, Floats]:
    """Return the corner of a box with the least coordinates and that with the greatest, ``(3,)`` each.

    Raises:
        ValueError: the box is not in space.
    """
    if box.dimension != 3:
        raise ValueError(f"a surface lies in a box of 3 axes, got one of {box.dimension}; give three coordinates each")
    return np.asarray(box.lower, np.float64), np.asarray(box.upper, np.float64)


def _jets_of(field: nn.Module, points: Floats, needs: Sequence[str]) -> Iterator[tuple[slice, Jet]]:
    """Yield the jets of a field chunk by chunk, each with the rows of ``points`` that it belongs to."""
    start = 0
    if len(points):
        for u in jets_of(field, torch.from_numpy(points), needs):
            yield slice(start, start + len(u.points)), u
            start += len(u.points)


def _check_scalar(values: NDArray[np.float32], points: Floats) -> NDArray[np.float32]:
    """Return values ``(n, 1)`` as ``(n,)``.

    Raises:
        ValueError: there are several outputs, NaN or infinity.
    """
    if values.ndim != 2 or values.shape[1] != 1:
        raise ValueError(f"a surface is that of a field with one output; this one answers {values.shape}, not (n, 1)")
    wrong = ~np.isfinite(values[:, 0])
    if wrong.any():
        raise ValueError(
            f"the field is {values[wrong][0, 0]} at {points[wrong][0].tolist()}; a surface needs finite values, "
            "fit the field anew or choose a box inside of which they are"
        )
    return values[:, 0]
