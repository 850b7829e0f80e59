"""Fit a field to points on a torus, and get a closed mesh with one handle."""

import math

import numpy as np

import sinefield
from sinefield.signals.shape import ShapeSignal


def main(passes: float = 3.0) -> dict[str, object]:
    """Return what is to be known of the mesh."""
    random = np.random.default_rng(0)
    around, across = random.uniform(0, 2 * math.pi, (2, 20_000))
    normals = np.stack([np.cos(across) * np.cos(around), np.cos(across) * np.sin(around), np.sin(across)], axis=1)
    points = 0.4 * normals + np.stack([np.cos(around), np.sin(around), 0 * around], axis=1)
    problem = sinefield.problems.shape(np.concatenate([points, normals], axis=1), hidden_features=64, hidden_layers=2)
    solution = sinefield.solve(problem, passes=passes)
    surface = problem.signal
    assert isinstance(surface, ShapeSignal)
    mesh, _ = surface.mesh(solution.field, resolution=64)
    report = mesh.report()
    print(report, "; the volume of a torus is", round(2 * math.pi**2 * 0.4**2, 3))
    return report


if __name__ == "__main__":
    main()
