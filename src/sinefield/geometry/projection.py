"""Points moved onto a level set Φ = c along ∇Φ, by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.geometry.scalar_field import Floats, evaluate, evaluate_with_gradients

_STEPS, _TOLERANCE = 20, 1e-6
_SMALLEST = 1e-12  # of ‖∇Φ‖²: flatter than this no direction is known


def project(field: nn.Module, points: Floats) -> tuple[Floats, Floats]:
    """Return points on Φ = 0 near points ``(n, d)``, and the normals ∇Φ / ‖∇Φ‖ there, both ``(n, d)``.

    Of a signed distance these are the nearest points. No point is moved farther than twice what Φ says, so that one
    where ∇Φ vanishes, as in the middle of a ball, stays nearby, and may not reach the surface.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, 1)``, nearly a signed distance.
        points: ``(n, d)``.

    Raises:
        ValueError: the field has several outputs, or answers NaN or infinity.
    """
    reach = 2 * np.abs(evaluate(field, points)).astype(float)
    found, _, gradients = move_to_level(field, points, steps=_STEPS, reach=reach, tolerance=_TOLERANCE)
    return found, normalise(gradients)


def normalise(vectors: NDArray[np.floating]) -> Floats:
    """Return vectors ``(n, d)`` scaled to the length 1; what has none stays."""
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
    """Return points on Φ = level near those given, Φ − level that is left there, and ∇Φ.

    Steps x ← x − t (Φ − level) ∇Φ / ‖∇Φ‖² of Newton's method, t = 1 at first and half of it after each step that would
    have made |Φ − level| larger, which is not taken. Of a signed distance one step leads to the nearest point.

    Args:
        field: Φ, from ``(n, d)`` to ``(n, 1)``.
        points: ``(n, d)``.
        level: c.
        steps: at most.
        reach: how far a point may be moved altogether, a length or ``(n,)``.
        tolerance: of |Φ − level|: nearer points are left where they are.

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
