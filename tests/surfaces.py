"""Points on surfaces of closed form, with their normals, for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sphere(count: int, dimension: int, radius: float = 0.6) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on a circle or a sphere around the origin, and the normals there."""
    normals = np.random.default_rng(0).standard_normal((count, dimension))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals, normals


def box(
    count: int, sides: tuple[float, float, float] = (0.9, 0.5, 0.06)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points on the faces of a box of half the sides given, and the normals there."""
    random = np.random.default_rng(0)
    half = np.array(sides)
    areas = half.prod() / half
    axis = random.choice(3, count, p=areas / areas.sum())
    points = random.uniform(-half, half, (count, 3))
    normals = np.zeros((count, 3))
    normals[np.arange(count), axis] = random.choice([-1.0, 1.0], count)
    points[np.arange(count), axis] = half[axis] * normals[np.arange(count), axis]
    return points, normals
