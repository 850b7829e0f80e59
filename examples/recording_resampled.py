"""Fit a field to a tone that rises, and play it at another rate: what is between the samples is evaluated."""

import numpy as np
from numpy.typing import NDArray

import sinefield


def chirp(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a tone that rises from 200 to 500 Hz within a second."""
    tone: NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * (200 * times + 150 * times**2))
    return tone


def main(passes: float = 60.0) -> float:
    """Return the relative error of the field at 12 kHz, having been fitted at 8."""
    samples = chirp((np.arange(8000) + 0.5) / 8000)
    problem = sinefield.problems.audio(samples, rate=8000, hidden_features=64, hidden_layers=2)
    solution = sinefield.solve(problem, passes=passes, batch=256, learning_rate=1e-3)
    found = solution.render(rate=12_000)[:, 0]
    truth = chirp((np.arange(12_000) + 0.5) / 12_000)
    error = float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    print(f"SNR at the samples {solution.metrics['snr']:.1f} dB; relative error at another rate {error:.4f}")
    return error


if __name__ == "__main__":
    main()
