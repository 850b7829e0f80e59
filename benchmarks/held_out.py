"""Is a fitted picture good between its pixels too?

Every second pixel of both axes of the 512² cameraman is fitted, by the published recipe and by sinefield's own
ones, at several frequencies ω₀ of the first layer if asked. The other pixels that lie within the hull of the
fitted ones are held out, and predicted by the field. The bars are bilinear and bicubic interpolation. As a fit goes
on, the pixels it is given get better and those between them, after a while, worse; recipes are compared where they
have the fitted pixels alike.

    python benchmarks/held_out.py                    # ten minutes, most of it for the published recipe
    python benchmarks/held_out.py --omegas 30 90     # other frequencies beside the recipe's
    python benchmarks/held_out.py --smoke            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from torch import nn

import machine
import peers
import sinefield
from sinefield import metrics

SAME = "held out, published, as fitted"


def judged(predicted: NDArray[Any], full: NDArray[Any]) -> dict[str, float]:
    """Return the PSNR in dB of the fitted and of the held-out pixels of the hull.

    Args:
        predicted: ``(2n − 1, 2n − 1)`` in units of the file; pixels with two even indices were fitted.
        full: the whole picture, one row and column larger.
    """
    truth = full[: len(predicted), : len(predicted)]
    fitted = np.zeros(truth.shape, dtype=bool)
    fitted[::2, ::2] = True
    return {
        name: metrics.psnr(torch.from_numpy(predicted[chosen]), torch.from_numpy(truth[chosen]), peak=255.0)
        for name, chosen in (("fitted", fitted), ("held out", ~fitted))
    }


def rendered(problem: sinefield.Problem, field: nn.Module) -> NDArray[Any]:
    """Return the field at the pixels of the hull of the full picture.

    Full pixel r is at r/2 of the kept ones, whose centres are half a pixel from their edge: the region whose
    cells of half a pixel are centred there begins at 1/4.
    """
    if problem.signal is None:
        raise TypeError("only a signal can be rendered")
    size = 2 * peers.grid_of(problem).shape[0] - 1
    region = (0.25, 0.25, 0.25 + size / 2, 0.25 + size / 2)
    return problem.signal.render(field, (size, size), region=region)[:, :, 0]


def interpolated(kept: NDArray[Any], mode: str) -> NDArray[Any]:
    """Return the kept pixels interpolated to the pixels of the hull, kept ones unchanged."""
    size = 2 * len(kept) - 1
    pixels = torch.from_numpy(kept).to(torch.float32)[None, None]
    finer: NDArray[Any] = nn.functional.interpolate(pixels, (size, size), mode=mode, align_corners=True)[0, 0].numpy()
    return finer


def along(problem: sinefield.Problem, full: NDArray[Any], steps: Sequence[int]) -> list[dict[str, Any]]:
    """Return what the published recipe has reached at each of ``steps``, taken by sinefield's kernels."""
    found: list[dict[str, Any]] = []

    def look(progress: sinefield.Progress) -> None:
        if progress.step in steps:
            reached = judged(rendered(problem, progress.field), full)
            found.append(
                {"method": f"published, step {progress.step}", "seconds": progress.seconds, **reached, SAME: None}
            )

    sinefield.solve(problem, recipe="published", passes=max(steps), observe=look)
    return found


def held_out(
    full: NDArray[Any],
    steps: Sequence[int],
    budgets: dict[str, Sequence[float]],
    omegas: Sequence[float],
    seeds: int,
) -> list[dict[str, Any]]:
    """Return what each method reaches: the published recipe at ``steps``, others by ``budgets`` of passes."""
    kept = np.ascontiguousarray(full[::2, ::2])
    problem = sinefield.problems.image(kept)
    found: list[dict[str, Any]] = [
        {"method": mode, "seconds": None, **judged(interpolated(kept, mode), full), SAME: None}
        for mode in ("bilinear", "bicubic")
    ]
    published = along(problem, full, steps)
    found += published
    for recipe, omega, passes in (
        (recipe, omega, passes)
        for omega in (None, *omegas)
        for recipe, several in budgets.items()
        for passes in several
    ):
        changes = {} if omega is None else {"first_omega": omega}
        runs = []
        for seed in range(seeds):
            solution = sinefield.solve(problem, recipe=recipe, seed=seed, passes=passes, **changes)
            runs.append({"seconds": solution.seconds, **judged(rendered(problem, solution.field), full)})
        spreads = machine.spreads(runs)
        found.append(
            {
                "method": f"{recipe}, ω₀ {solution.recipe.first_omega:.0f}, {passes:g} passes",
                **spreads,
                SAME: at_fitted(published, spreads["fitted"]["median"]),
            }
        )
    return found


def at_fitted(published: Sequence[dict[str, Any]], fitted: float) -> float | None:
    """Return the PSNR held out where the published recipe has the PSNR ``fitted``, interpolated between its steps."""
    known = sorted((each["fitted"], each["held out"]) for each in published)
    if not known[0][0] <= fitted <= known[-1][0]:
        return None
    return float(np.interp(fitted, *zip(*known, strict=True)))


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3, help="of sinefield")
    parser.add_argument("--steps", type=int, default=1000, help="of the published recipe, which are slow")
    parser.add_argument("--omegas", type=float, nargs="*", default=[], help="further ω₀ of the first layer")
    options = parser.parse_args()
    full, seeds = skimage.data.camera(), options.seeds
    budgets: dict[str, Sequence[float]] = {"fast": (4.0, 8.0, 12.0, 16.0), "best": (8.0, 12.0, 16.0, 20.0, 40.0)}
    steps = [step for step in (*range(100, 500, 50), *range(500, 5000, 100)) if step <= options.steps]
    if options.smoke:
        full, steps, budgets, seeds = full[::8, ::8], [1, 2], {"fast": (2.0,)}, 1
    rows = held_out(full, steps, budgets, options.omegas, seeds)
    machine.write("held_out", {"picture": list(full.shape), "methods": rows}, smoke=options.smoke)
    machine.show(f"every second pixel of the {len(full)}² cameraman: PSNR in dB", rows)


if __name__ == "__main__":
    main()
