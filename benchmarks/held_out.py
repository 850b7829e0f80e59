"""Is a fitted picture good between its pixels too?

Every second pixel of both axes of the 512² cameraman is fitted, by the published recipe, by the fair rival (plain
PyTorch in mini-batches) and by sinefield's own recipes, at several frequencies ω₀ of the first layer if asked. The
other pixels that lie within the hull of the fitted ones are held out, and predicted by the field. The bars are
bilinear and bicubic interpolation. As a fit goes on, the pixels it is given get better and those between them, after
a while, worse; recipes are compared where they have the fitted pixels alike.

Steps of the published recipe are taken by sinefield's kernels, which are the same steps in a quarter of the time, and
are counted at the seconds of a step in plain PyTorch, timed over a few: an extrapolation, and the result says so.
What they reach depends on nothing that changes here, so it can be taken from the last result.

    python benchmarks/held_out.py --known            # four minutes, the published recipe's PSNR from the last result
    python benchmarks/held_out.py                    # ten minutes, most of it for the published recipe
    python benchmarks/held_out.py --omegas 30 90     # other frequencies beside the recipe's
    python benchmarks/held_out.py --smoke            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from sinefield.solution import Progress

SAME, THEN = "held out, published, as fitted", "seconds, published, as fitted"
RIVAL = "plain PyTorch in mini-batches"
RIVAL_OMEGAS = (30.0, 60.0)  # what is best at the pixels that are fitted is not what is best between them
_TIMED = 3  # steps of the published recipe


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
    picture: NDArray[Any] = problem.signal.sample(field, (size, size), region=region)
    return picture[:, :, 0]


def interpolated(kept: NDArray[Any], mode: str) -> NDArray[Any]:
    """Return the kept pixels interpolated to the pixels of the hull, kept ones unchanged."""
    size = 2 * len(kept) - 1
    pixels = torch.from_numpy(kept).to(torch.float32)[None, None]
    finer: NDArray[Any] = nn.functional.interpolate(pixels, (size, size), mode=mode, align_corners=True)[0, 0].numpy()
    return finer


def plain_seconds(problem: sinefield.Problem) -> float:
    """Return the mean seconds of a step of the published recipe in plain PyTorch."""
    return machine.seconds_per_call(peers.published(problem).step, _TIMED)()


def along(problem: sinefield.Problem, full: NDArray[Any], steps: Sequence[int]) -> list[dict[str, Any]]:
    """Return what the published recipe has reached at each of ``steps``, taken by sinefield's kernels."""
    found: list[dict[str, Any]] = []

    def look(progress: Progress) -> None:
        if progress.step in steps:
            found.append({"step": progress.step, **judged(rendered(problem, progress.field), full)})

    sinefield.solve(problem, recipe="published", passes=max(steps), observe=look)
    return found


def rival(problem: sinefield.Problem, full: NDArray[Any], omega: float, passes: float, seed: int) -> dict[str, float]:
    """Return what plain PyTorch in mini-batches reaches, at a frequency."""
    fit = peers.MiniBatches(problem, passes, seed, replace(peers.CHOSEN, first_omega=omega))
    start = time.perf_counter()
    for _ in range(fit.steps):
        fit.step()
    return {"seconds": time.perf_counter() - start, **judged(rendered(problem, fit.network), full)}


def ours(
    problem: sinefield.Problem, full: NDArray[Any], recipe: str, omega: float | None, passes: float, seed: int
) -> dict[str, float]:
    """Return what a recipe of sinefield reaches, at a frequency or its own."""
    changes: dict[str, Any] = {} if omega is None else {"first_omega": omega}
    solution = sinefield.solve(problem, recipe=recipe, seed=seed, passes=passes, **changes)
    return {"seconds": solution.seconds, **judged(rendered(problem, solution.field), full)}


def held_out(
    full: NDArray[Any],
    published: Sequence[Mapping[str, float]] | None,
    steps: Sequence[int],
    budgets: Mapping[str, Sequence[float]],
    omegas: Sequence[float],
    seeds: int,
) -> dict[str, Any]:
    """Return what each method reaches.

    Args:
        full: the picture.
        published: what the published recipe reaches, where that is known.
        steps: at which it is judged, where it is not.
        budgets: in passes, of the rival and of each recipe.
        omegas: further frequencies.
        seeds: of the rival and of the recipes.
    """
    kept = np.ascontiguousarray(full[::2, ::2])
    problem = sinefield.problems.image(kept)
    published = published or along(problem, full, steps)
    per_step = plain_seconds(problem)
    rows: list[dict[str, Any]] = []

    def add(recipe: str, omega: float | None, passes: float, fit: Callable[[int], dict[str, float]]) -> None:
        spreads = machine.spreads([fit(seed) for seed in range(seeds)])
        then, same = at_fitted(published, spreads["fitted"]["median"])
        row = {
            "recipe": recipe,
            "omega": omega,
            "passes": passes,
            **spreads,
            SAME: same,
            THEN: then and then * per_step,
        }
        rows.append(row)

    for recipe, passes in ((recipe, each) for recipe, several in budgets.items() for each in several):
        if recipe == RIVAL:
            for frequency in RIVAL_OMEGAS:
                add(recipe, frequency, passes, partial(rival, problem, full, frequency, passes))
            continue
        for omega in (None, *omegas):
            add(recipe, omega or problem.omega, passes, partial(ours, problem, full, recipe, omega, passes))
    return {
        "picture": list(full.shape),
        "interpolation": {mode: judged(interpolated(kept, mode), full)["held out"] for mode in ("bilinear", "bicubic")},
        "published": list(published),
        "published, seconds a step": per_step,
        "extrapolated from steps": _TIMED,
        "recipes": rows,
    }


def at_fitted(published: Sequence[Mapping[str, float]], fitted: float) -> tuple[float | None, float | None]:
    """Return the step and PSNR held out where the published recipe has the PSNR ``fitted``, between known steps."""
    known = sorted(published, key=lambda each: each["fitted"])
    reached = [each["fitted"] for each in known]
    if not reached[0] <= fitted <= reached[-1]:
        return None, None
    step, same = (np.interp(fitted, reached, [each[name] for each in known]) for name in ("step", "held out"))
    return float(step), float(same)


def last_published() -> list[dict[str, float]]:
    """Return what the published recipe reaches by the last result."""
    last = json.loads((machine.RESULTS / "held_out.json").read_text())
    found: list[dict[str, float]] = last["results"]["published"]
    return found


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3, help="of sinefield")
    parser.add_argument("--steps", type=int, default=1000, help="of the published recipe, which are slow")
    parser.add_argument("--known", action="store_true", help="take what it reaches from the last result")
    parser.add_argument("--omegas", type=float, nargs="*", default=[], help="further ω₀ of the first layer")
    options = parser.parse_args()
    full, seeds = skimage.data.camera(), options.seeds
    budgets: dict[str, Sequence[float]] = {
        RIVAL: (8.0, 16.0),
        "fast": (4.0, 8.0, 12.0),
        "best": (8.0, 12.0, 16.0, 20.0),
    }
    steps = [step for step in (*range(100, 500, 50), *range(500, 5000, 100)) if step <= options.steps]
    published = last_published() if options.known else None
    if options.smoke:
        full, steps, budgets, seeds = full[::8, ::8], [1, 2], {RIVAL: (2.0,), "fast": (2.0,)}, 1
    results = held_out(full, published, steps, budgets, options.omegas, seeds)
    machine.write("held_out", results, smoke=options.smoke)
    machine.show(f"every second pixel of the {len(full)}² cameraman, published: PSNR in dB", results["published"])
    machine.show("others: PSNR in dB", results["recipes"])


if __name__ == "__main__":
    main()
