"""How good does a picture get from its derivatives alone, beside the exact solution of the discrete problem?

The discrete solution is the picture u whose differences are the given gradients g in the least-squares sense,
min_u Σ ((u_{k+1} − u_k)/h − (g_k + g_{k+1})/2)² over both axes: a Poisson equation with natural boundary
conditions, which the discrete cosine transform solves exactly. It is the bar for a field fitted to the same g.
By default the field is solved for; a fit that is trained begins with that solution, or with nothing as published.
From the Laplacian the bar is the correlation with the target, 0.98; that of a field of the values stands beside it.

    python benchmarks/supervision.py                 # four minutes
    python benchmarks/supervision.py --smoke         # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import nn

import machine
import sinefield
from sinefield import Grid, metrics
from sinefield.io import image as pictures
from sinefield.jet import jets_of
from sinefield.problems.image import targets_of

Floats = NDArray[np.float64]
Start = Literal["integral", "nothing"]


def poisson(gradient: Floats, spacing: float) -> Floats:
    """Return the picture ``(h, w)`` whose differences are nearest to ``gradient`` ``(h, w, 2)``, of mean zero."""
    rows, columns = gradient.shape[:2]
    steps_y = (gradient[1:, :, 0] + gradient[:-1, :, 0]) * (spacing / 2)
    steps_x = (gradient[:, 1:, 1] + gradient[:, :-1, 1]) * (spacing / 2)
    # The normal equations DᵀD u = Dᵀ steps: DᵀD is the negative Laplacian, diagonal in the cosine transform.
    right = np.zeros((rows, columns))
    right[1:] += steps_y
    right[:-1] -= steps_y
    right[:, 1:] += steps_x
    right[:, :-1] -= steps_x
    eigenvalues = (2 - 2 * np.cos(np.pi * np.arange(rows) / rows))[:, None] + (
        2 - 2 * np.cos(np.pi * np.arange(columns) / columns)
    )
    eigenvalues[0, 0] = 1.0
    coefficients = fft.dctn(right, norm="ortho") / eigenvalues
    coefficients[0, 0] = 0.0
    solved: Floats = fft.idctn(coefficients, norm="ortho")
    return solved


def bar(name: str, longest: int) -> float:
    """Return the PSNR in dB, up to a constant, of the exact discrete solution from the gradients of a sample."""
    picture = pictures.resize(pictures.read(name), longest)
    targets = targets_of(picture, ("value", "gradient"))
    shape = picture.values.shape
    spacing = 2 / max(shape[:2])  # of pixels, in field coordinates
    errors = []
    for channel in range(shape[2]):
        gradient = targets["gradient"][:, channel].reshape(*shape[:2], 2).double().numpy()
        error = torch.from_numpy(poisson(gradient, spacing).reshape(-1, 1)) - targets["value"][:, channel : channel + 1]
        errors.append(metrics.without_constant(error))
    error = torch.cat(errors, dim=1)
    return metrics.psnr(error, torch.zeros_like(error), peak=2.0)


def fitted(
    name: str, on: str, longest: int, seconds: float, seed: int, start: Start = "integral", recipe: str = "auto"
) -> dict[str, Any]:
    """Return what a field reaches from ``on``: solved for, or in ``seconds`` of fitting."""
    problem = sinefield.problems.image(name, on=[on], longest=longest, start=start)
    solution = sinefield.solve(problem, recipe=recipe, seconds=seconds, seed=seed)
    row = {"picture": name, "on": on, "seed": seed, "recipe": solution.recipe.name}
    row |= {"parameters": sum(each.numel() for each in solution.field.parameters())}
    if on == "value":
        row |= {"laplacian_correlation": laplacians_alike(name, longest, solution.field)}
    row |= {"start": start} if on == "gradient" else {}
    return row | {"seconds": round(solution.seconds, 1), **solution.metrics}


def laplacians_alike(name: str, longest: int, field: nn.Module) -> float:
    """Return the correlation of the Laplacian at the pixels with the five-point Laplacian of these."""
    picture = pictures.resize(pictures.read(name), longest)
    grid = Grid(picture.values.shape[:2])
    points = grid.at(torch.arange(grid.size)).points
    found = torch.cat([each.laplacian.detach() for each in jets_of(field, points, ["laplacian"])])
    return metrics.correlation(found, targets_of(picture, ("laplacian",))["laplacian"])


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--pictures", nargs="+", default=["sample:camera"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--gradient-seconds", type=float, default=60.0)
    parser.add_argument("--laplacian-seconds", type=float, default=120.0)
    options = parser.parse_args()
    longest, gradient, laplacian = 256, options.gradient_seconds, options.laplacian_seconds
    if options.smoke:
        longest, gradient, laplacian = 32, 2.0, 2.0
    budget: list[tuple[str, Start, str, float]] = [
        ("value", "integral", "auto", gradient),
        ("gradient", "integral", "auto", gradient),
        ("gradient", "integral", "fast", gradient),
        ("gradient", "nothing", "fast", gradient),
        ("laplacian", "integral", "auto", laplacian),
    ]
    rows = []
    for name in options.pictures:
        exact = bar(name, longest)
        for seed in range(options.seeds):
            for on, start, recipe, seconds in budget:
                row = fitted(name, on, longest, seconds, seed, start, recipe)
                if on == "gradient":
                    row |= {"exact_psnr": exact, "below_exact": exact - row["psnr"]}
                print({key: round(each, 3) if isinstance(each, float) else each for key, each in row.items()})
                rows.append(row)
    machine.write("supervision", {"longest": longest, "fits": rows}, smoke=options.smoke)


if __name__ == "__main__":
    main()
