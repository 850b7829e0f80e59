"""Tests of the solutions that benchmarks measure against: each solves its equation, and misses nothing on its walls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import truths

Doubles = NDArray[np.float64]


def laplacian(function: Callable[[Doubles], Doubles], points: Doubles, h: float = 1e-2) -> Doubles:
    """Return Δu by central differences of order 6."""
    total = np.zeros(len(points))
    for axis in np.eye(2):
        for step, weight in ((0, -49 / 18), (1, 1.5), (2, -0.15), (3, 1 / 90)):
            sides = (1, -1) if step else (1,)
            total += sum(weight * function(points + side * step * h * axis) for side in sides) / h**2
    return total


INSIDE = np.array([[-0.05, 0.1], [-0.12, 0.05], [0.02, -0.08], [-0.2, 0.1]])


@pytest.mark.parametrize(
    ("function", "right"),
    [
        (truths.load, lambda _points: 1.0),
        (truths.discs, lambda _points: 0.0),
        (truths.uneven, lambda p: 64 * truths.uneven(p) + truths.uneven_source(p[:, 0], p[:, 1], np.sin)),
        (truths.particular, lambda p: 64 * truths.particular(p) + truths.uneven_source(p[:, 0], p[:, 1], np.sin)),
    ],
)
def test_they_solve_their_equations(function: Callable[[Doubles], Doubles], right: Callable[[Doubles], object]) -> None:
    shift = np.array([-0.3, 0.3]) if function is truths.load else 0.0  # well away from the inner corner
    points = INSIDE + shift
    assert laplacian(function, points) == pytest.approx(right(points), abs=2e-5, rel=2e-5)


def test_they_miss_next_to_nothing_on_boundaries() -> None:
    assert truths.load_series()[2] <= 1e-13
    assert truths.discs_series()[2] <= 1e-11
    assert truths.uneven_series()[2] <= 1e-6
    points = np.array([[-1, 0.3], [0.2, 0.0], [0.0, -0.4]])
    assert truths.load(points) == pytest.approx(0, abs=1e-13)
    assert truths.discs(np.array([[0.5, 0.1], [0.4, 0.3]])) == pytest.approx([1, 0], abs=1e-11)
    assert truths.uneven(np.array([[1, 0.1], [0.7, 0.5]])) == pytest.approx([0.2, 1], abs=1e-6)
