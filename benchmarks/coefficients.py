"""How well are coefficients of an equation found from scattered, noisy samples of its solution, and how sure is that?

u_t = k u_xx − r u on a rod for one unit of time, held at 0 at both ends, from a start that nobody measured, and from
200 samples anywhere in space and time, with noise of 0, 1 and 5 % of the largest value. Truth:
u = Σ a_n e^(−(k n² π² + r) t) sin nπx. What is reported: the relative error of k and r, and their deviations in
standard errors, whose root mean square over the seeds is 1 where these are right.

The rival is what is done without a field: finite differences in space, the method of lines with a matrix exponential in
time, and ``scipy.optimize.least_squares`` for k, r and the values at the start, which are unknown too; with the
standard errors of its Jacobian.

    python benchmarks/coefficients.py --seeds 10   # five minutes
    python benchmarks/coefficients.py --smoke      # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import torch
from numpy.typing import NDArray
from torch import Tensor

import machine
from sinefield import Box, Constraint, PointCloud, problems, solve
from sinefield.fields.compose import Constant

Doubles = NDArray[np.float64]
TRUTH = {"k": 0.05, "r": 0.5}
MODES = ((1, 1.0), (2, 0.5))
COUNT = 200


def exact(points: Tensor) -> Tensor:
    """Return u at points (t, x)."""
    t, x = points[:, :1], points[:, 1:]
    rates = [TRUTH["k"] * (n * math.pi) ** 2 + TRUTH["r"] for n, _ in MODES]
    terms = [a * torch.exp(-rate * t) * torch.sin(n * math.pi * x) for rate, (n, a) in zip(rates, MODES, strict=True)]
    return torch.stack(terms).sum(0)


def samples(noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return points (t, x) and noisy values."""
    generator = torch.Generator().manual_seed(1000 + seed)
    points = torch.rand(COUNT, 2, generator=generator, dtype=torch.float64)
    return points, exact(points) + noise * torch.randn(COUNT, 1, generator=generator, dtype=torch.float64)


def ours(noise: float, seed: int, features: int) -> dict[str, float]:
    """Return estimates, standard errors, and the seconds of everything."""
    points, values = samples(noise, seed)
    start = time.perf_counter()
    along = torch.linspace(0, 1, 100, dtype=torch.float64)
    ends = [PointCloud(torch.stack([along, torch.full_like(along, at)], 1), axes="tx") for at in (0.0, 1.0)]
    problem = problems.equation(
        [
            Constraint(
                Box([0.0, 0.0], [1.0, 1.0], axes="tx"),
                lambda u, k, r: u.d("t") - k.value * u.d("xx") + r.value * u.value,
                name="equation",
            ),
            Constraint(ends[0], lambda u: u.value, name="left"),
            Constraint(ends[1], lambda u: u.value, name="right"),
            Constraint(
                PointCloud(points, {"value": values}, axes="tx"), lambda u, value: u.value - value, name="samples"
            ),
        ],
        unknowns={"k": Constant(value=0.2), "r": Constant(value=0.2)},
        measured=["samples"],
        features=features,
    )
    found = solve(problem, seed=seed).metrics
    reached = {name: found[name] for name in TRUTH} | {
        f"{name} error": found[f"{name}_standard_error"] for name in TRUTH
    }
    return reached | {"seconds": time.perf_counter() - start}


def differences(noise: float, seed: int, cells: int) -> dict[str, float]:
    """Return the same of finite differences and nonlinear least squares."""
    points, values = (each.numpy() for each in samples(noise, seed))
    start = time.perf_counter()
    second = (np.diag(-2.0 * np.ones(cells - 1)) + np.diag(np.ones(cells - 2), 1) + np.diag(np.ones(cells - 2), -1)) * (
        cells**2
    )
    sizes, modes = scipy.linalg.eigh(second)
    places = points[:, 1] * cells
    left = np.minimum(places.astype(int), cells - 1)
    weight = places - left
    inside = np.vstack([np.zeros(cells - 1), modes, np.zeros(cells - 1)])
    shapes = (1 - weight)[:, None] * inside[left] + weight[:, None] * inside[left + 1]  # of each mode at each sample
    used = np.argsort(-sizes)[:12]  # slow modes: the others' starts are not seen in the samples

    def model(unknowns: Doubles) -> Doubles:
        k, r, *starts = unknowns
        decay = np.exp((k * sizes[used] - r) * points[:, :1])
        return np.asarray((shapes[:, used] * decay) @ np.array(starts) - values[:, 0])

    found = scipy.optimize.least_squares(model, np.concatenate([[0.2, 0.2], np.zeros(len(used))]), method="lm")
    variance = 2 * found.cost / (COUNT - len(found.x))
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * variance
    reached = dict(zip(TRUTH, found.x, strict=False))
    errors = {f"{name} error": float(np.sqrt(covariance[place, place])) for place, name in enumerate(TRUTH)}
    return {**reached, **errors, "seconds": time.perf_counter() - start}


def summed(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return the relative errors, the deviations in standard errors, and the seconds."""
    row: dict[str, Any] = {"seconds": machine.spread([each["seconds"] for each in runs])}
    for name, truth in TRUTH.items():
        row[f"relative error of {name}"] = machine.spread([abs(each[name] / truth - 1) for each in runs])
        off = [(each[name] - truth) / max(each[f"{name} error"], 1e-300) for each in runs]
        row[f"deviation of {name} in standard errors"] = math.sqrt(sum(each**2 for each in off) / len(off))
    return row


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    seeds, features, cells = (1, 60, 20) if options.smoke else (options.seeds, 300, 200)
    rows: list[dict[str, Any]] = []
    for noise in (0.0, 0.01, 0.05):
        row = {
            "noise": noise,
            "Sinefield": summed([ours(noise, seed, features) for seed in range(seeds)]),
            "finite differences": summed([differences(noise, seed, cells) for seed in range(seeds)]),
        }
        rows.append(row)
        print(row, flush=True)
    machine.write(
        "coefficients", {"seeds": seeds, "features": features, "cells": cells, "rows": rows}, smoke=options.smoke
    )


if __name__ == "__main__":
    main()
