"""Fit the signed distance of a five-pointed star, and ask how far points are from it and which are inside."""

import math

import numpy as np

import sinefield
from sinefield.io.outlines import sample_polygon
from sinefield.signals.shape import ShapeSignal


def main(passes: float = 4.0) -> float:
    """Return the largest error of the distance above the upper tip, where it is known."""
    angles = math.pi / 2 + math.pi / 5 * np.arange(10)
    radii = np.where(np.arange(10) % 2, 4.0, 10.0)
    star = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    problem = sinefield.problems.shape(sample_polygon(star), hidden_features=64, hidden_layers=2)
    solution = sinefield.solve(problem, passes=passes)
    surface = problem.signal
    assert isinstance(surface, ShapeSignal)
    above = np.stack([np.zeros(5), 10.0 + 0.2 * np.arange(5)], axis=1)  # above the upper tip the tip is nearest
    found = surface.distances(solution.field, above)
    print("0.0, 0.2, … 0.8 above the tip:", found.round(2))
    middle, beyond = surface.inside(solution.field, np.array([[0.0, 0.0], [6.0, 6.0]]))
    print("the middle is inside:", middle, "and what lies between two tips is not:", not beyond)
    nearest, _ = surface.project(solution.field, np.array([[0.0, -8.0]]))
    print("the point of the star nearest to (0, -8):", nearest.round(2)[0], "; it is a corner at (0, -4)")
    return float(np.abs(found - (above[:, 1] - 10.0)).max())


if __name__ == "__main__":
    main()
