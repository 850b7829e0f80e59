"""Fit a field to a clip of a disc that moves, and look at a moment between two frames."""

import numpy as np
from numpy.typing import NDArray

import sinefield


def frame(time: float) -> NDArray[np.uint8]:
    """Return a soft disc that moves from left to right, in bytes ``(48, 64)``."""
    y, x = np.mgrid[0:48, 0:64] + 0.5
    distance = np.hypot(x - 16 - 2 * time, y - 24)
    brightness: NDArray[np.float64] = 255 / (1 + np.exp(distance - 8))
    return brightness.astype(np.uint8)


def main(passes: float = 40.0) -> float:
    """Return the mean error, in grey levels of 255, of the moments half way between frames."""
    clip = np.stack([frame(number) for number in range(16)])
    problem = sinefield.problems.video(clip, rate=16.0, hidden_features=64, hidden_layers=2)
    solution = sinefield.solve(problem, passes=passes, batch=1024, learning_rate=1e-3)
    moments = [number + 0.5 for number in range(15)]
    found = [solution.render(time=(moment + 0.5) / 16)[:, :, 0] for moment in moments]
    error = float(np.mean([abs(each - frame(moment)) for each, moment in zip(found, moments, strict=True)]))
    print(f"PSNR of the frames {solution.metrics['psnr']:.1f} dB; mean error between them {error:.2f} of 255")
    return error


if __name__ == "__main__":
    main()
