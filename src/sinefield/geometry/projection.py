"""Projection of points onto a level set Φ = c along ∇Φ, by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.geometry.scalar_field import Floats, evaluate, evaluate_with_gradients

_STEPS, _TOLERANCE = 20, 1e-6
_SMALLEST = 1e-12  # ‖∇Φ‖²: a smaller gradient tells no direction


def project(field: nn.Module, points: Floats) -> tuple[Floats, Floats]:
    """Return points on Φ = 0 near points ``(n, d)``, and the normals ∇Φ / ‖∇Φ‖ there, both ``(n, d)``.

    Where Φ is a signed distance these are the nearest points. No point is moved farther than 2 |Φ|: a point where ∇Φ
    vanishes, as in the middle of a ball, stays nearby and may not reach the surface.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, 1)``, nearly a signed distance.
        points: coordinates, ``(n, d)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    reach = 2 * np.abs(evaluate(field, points)).astype(float)
    found, _, gradients = move_to_level(field, points, steps=_STEPS, reach=reach, tolerance=_TOLERANCE)
    return found, normalise(gradients)


def normalise(vectors: NDArray[np.floating]) -> Floats:
    """Return vectors ``(n, d)`` scaled to the length 1; zero vectors stay as they are."""
    found = vectors.astype(np.float64)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-30)
    return found


def move_to_level(
    field: nn.Module,
    points: Floats,
    *,
    level: float = 0.0,
    steps: int,
    reach: float | Floats,
    tolerance: float,
) -> tuple[Floats, NDArray[np.float32], NDArray[np.float32]]:
    """Return points on Φ = level near the points given, the residual Φ − level at them, and ∇Φ.

    The steps of Newton's method are x ← x − t (Φ − level) ∇Φ / ‖∇Φ‖², with t = 1 at first. A step that would make
    |Φ − level| larger is not taken, and t is halved. Where Φ is a signed distance one step leads to the nearest point.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, 1)``.
        points: coordinates, ``(n, d)``.
        level: value of Φ that the points are moved to.
        steps: largest number of steps.
        reach: largest distance between a point and the result, a length or one for each point ``(n,)``.
        tolerance: largest |Φ − level| of points that are not moved any more.

    Returns:
        Points ``(n, d)``, residuals ``(n,)`` and gradients ``(n, d)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    found = points.copy()
    farthest = np.broadcast_to(np.asarray(reach, float), len(points))
    part = np.ones(len(points))
    values, gradients = evaluate_with_gradients(field, found)
    values = values - np.float32(level)
    for _ in range(steps):
        some = np.flatnonzero(np.abs(values) > tolerance)
        if len(some) == 0:
            break
        square = np.maximum(np.square(gradients[some], dtype=float).sum(1), _SMALLEST)
        moved = found[some] - gradients[some] * (part[some] * values[some] / square)[:, None] - points[some]
        length = np.linalg.norm(moved, axis=1)
        moved *= np.minimum(1, farthest[some] / np.maximum(length, 1e-30))[:, None]
        candidates = points[some] + moved
        new_values, new_gradients = evaluate_with_gradients(field, candidates)
        new_values = new_values - np.float32(level)
        better = np.abs(new_values) < np.abs(values[some])
        taken = some[better]
        found[taken], values[taken], gradients[taken] = candidates[better], new_values[better], new_gradients[better]
        part[some[~better]] /= 2
    return found, values, gradients
