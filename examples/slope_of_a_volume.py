"""Fit a field to a volume with flat voxels, and get the exact slope, per millimetre, anywhere in it."""

import numpy as np

import sinefield

VOXEL = (2.0, 1.0, 1.0)  # millimetres, along z, y and x


def main(passes: float = 40.0) -> float:
    """Return the relative error of the slope in a slice between two layers of voxels."""
    shape = (16, 32, 32)
    z, y, x = (np.mgrid[:16, :32, :32] + 0.5) * np.reshape(VOXEL, (3, 1, 1, 1)) - 16
    blob = np.exp(-(x**2 + y**2 + z**2) / 80)
    problem = sinefield.problems.volume(blob, voxel=VOXEL, hidden_features=64, hidden_layers=2)
    solution = sinefield.solve(problem, passes=passes, batch=1024, learning_rate=1e-3)
    found = solution.render(axis="z", at=shape[0] / 2 + 1.5, quantity="gradient")
    y, x, height = y[0], x[0], 3.0  # the slice lies 1.5 voxels above the middle
    distance = np.sqrt(x**2 + y**2 + height**2)
    truth = distance / 40 * np.exp(-(distance**2) / 80)
    error = float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    print(f"PSNR {solution.metrics['psnr']:.1f} dB; relative error of the slope {error:.3f}")
    return error


if __name__ == "__main__":
    main()
