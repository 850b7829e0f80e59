"""How well are functions, and their gradients, found from scattered points, beside the regressors of scikit-learn?

Functions in closed form at points drawn at random, without noise and with noise of a tenth of their deviation; errors
are relative, L2, at 2,000 other points. Rivals, each with the choices that its users are told to make: a Gaussian
process with a length for every feature and noise, of the greatest likelihood; kernel ridge regression by a search over
lengths and penalties; a perceptron by L-BFGS. None of them has derivatives to ask for: theirs are central differences.

    python benchmarks/regression.py            # eight minutes
    python benchmarks/regression.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import machine
from sinefield.integrations.sklearn import SirenRegressor

Doubles = NDArray[np.float64]
_STEP = 1e-4  # of central differences
_HELD_OUT = 2000


@dataclass(frozen=True)
class Case:
    """A function on the unit cube.

    Args:
        name: of it.
        dimension: of the cube.
        count: of points.
        function: from ``(n, d)`` to ``(n,)``.
    """

    name: str
    dimension: int
    count: int
    function: Callable[[Doubles], Doubles]


def franke(x: Doubles) -> Doubles:
    """Return Franke's function (1979), on which scattered data is tried."""
    a, b = 9 * x.T
    return np.asarray(
        0.75 * np.exp(-((a - 2) ** 2 + (b - 2) ** 2) / 4)
        + 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
        + 0.5 * np.exp(-((a - 7) ** 2 + (b - 3) ** 2) / 4)
        - 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    )


def friedman(x: Doubles) -> Doubles:
    """Return the first function of Friedman (1991): five of ten features matter."""
    return np.asarray(10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4])


CASES = (
    Case("chirp", 1, 120, lambda x: np.sin(2 * np.pi * (2 * x[:, 0] + 4 * x[:, 0] ** 2))),
    Case("Franke", 2, 300, franke),
    Case("wave in space", 3, 800, lambda x: np.sin(6 * x[:, 0] + 4 * x[:, 1]) * np.cos(5 * x[:, 2])),
    Case("Friedman, ten features", 10, 800, friedman),
)


def methods(dimension: int, seed: int) -> dict[str, BaseEstimator]:
    """Return the regressors by name."""
    kernel = ConstantKernel() * RBF(np.ones(dimension), (1e-2, 1e3)) + WhiteKernel(1e-3, (1e-12, 1))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=1, normalize_y=True, random_state=seed)
    grid = {"alpha": 10.0 ** np.arange(-10, 1, 2), "gamma": 4.0 ** np.arange(-3, 4)}
    perceptron = MLPRegressor(
        hidden_layer_sizes=(64, 64), activation="tanh", solver="lbfgs", alpha=1e-4, max_iter=1000, random_state=seed
    )

    def scaled(inner: BaseEstimator) -> BaseEstimator:
        return TransformedTargetRegressor(make_pipeline(StandardScaler(), inner), transformer=StandardScaler())

    return {
        "SirenRegressor": SirenRegressor(random_state=seed),
        "SirenRegressor, 1024 wide": SirenRegressor(1024, random_state=seed),
        "Gaussian process": make_pipeline(StandardScaler(), process),
        "kernel ridge": scaled(GridSearchCV(KernelRidge(kernel="rbf"), grid)),
        "perceptron": scaled(perceptron),
    }


def gradient_of(model: Any, points: Doubles) -> Doubles:
    """Return the gradient of what is predicted: asked for, or by central differences."""
    if isinstance(model, SirenRegressor):
        return np.asarray(model.predict(points, derivatives="gradient"))
    steps = _STEP * np.eye(points.shape[1])
    return np.stack([(model.predict(points + s) - model.predict(points - s)) / (2 * _STEP) for s in steps], 1)


def run(case: Case, noise: float, seed: int) -> dict[str, dict[str, float]]:
    """Return errors and seconds by method."""
    random = np.random.default_rng(seed)
    points, others = random.random((case.count, case.dimension)), random.random((_HELD_OUT, case.dimension))
    truth = case.function(points)
    measured = truth + noise * truth.std() * random.standard_normal(case.count)
    steps = _STEP * np.eye(case.dimension)
    slope = np.stack([(case.function(others + s) - case.function(others - s)) / (2 * _STEP) for s in steps], 1)
    value = case.function(others)
    found = {}
    for name, model in methods(case.dimension, seed).items():
        start = time.perf_counter()
        model.fit(points, measured)
        seconds = time.perf_counter() - start
        error = np.linalg.norm(model.predict(others) - value) / np.linalg.norm(value - value.mean())
        slope_error = np.linalg.norm(gradient_of(model, others) - slope) / np.linalg.norm(slope)
        found[name] = {"error": float(error), "error of the gradient": float(slope_error), "seconds": seconds}
    return found


def main() -> None:
    """Run every case, print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    results = {}
    for case in CASES[:1] if arguments.smoke else CASES:
        for noise in (0.0, 0.1):
            runs = [run(case, noise, seed) for seed in range(1 if arguments.smoke else arguments.seeds)]
            found = {name: machine.spreads([each[name] for each in runs]) for name in runs[0]}
            title = f"{case.name}, {case.count} points, noise {noise:g}"
            machine.show(title, [{"method": name, **each} for name, each in found.items()])
            results[title] = found
    machine.write("regression", results, smoke=arguments.smoke)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    main()
