"""Is a fitted picture good between its pixels too?

Every second pixel of both axes of the 512² cameraman is fitted, by the published recipe and by sinefield's fast
one, at several frequencies ω₀ of the first layer if asked. The other pixels that lie within the hull of the
fitted ones are held out, and predicted by the field. The bars are bilinear and bicubic interpolation.

    python benchmarks/held_out.py                    # five minutes, most of it for the published recipe
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


def held_out(
    full: NDArray[Any], steps: int, budget: Sequence[float], omegas: Sequence[float], seeds: int, peer_seeds: int
) -> list[dict[str, Any]]:
    """Return what each method reaches; ``steps`` of the published recipe, ``budget`` passes of the fast one."""
    kept = np.ascontiguousarray(full[::2, ::2])
    problem = sinefield.problems.image(kept)
    found: list[dict[str, Any]] = [
        {"method": mode, "seconds": None, **judged(interpolated(kept, mode), full)} for mode in ("bilinear", "bicubic")
    ]
    methods: dict[str, tuple[int, dict[str, Any]]] = {
        # The published recipe by sinefield's kernels: the same steps, a fifth of the time.
        f"published, step {steps}": (peer_seeds, {"recipe": "published", "passes": steps}),
        **{f"fast, {passes:g} passes": (seeds, {"passes": passes}) for passes in budget},
        **{f"fast, ω₀ {omega:g}": (seeds, {"first_omega": omega}) for omega in omegas},
    }
    for name, (count, changes) in methods.items():
        runs = []
        for seed in range(count):
            solution = sinefield.solve(problem, seed=seed, **changes)
            runs.append({"seconds": solution.seconds, **judged(rendered(problem, solution.field), full)})
        found.append({"method": name, **machine.spreads(runs)})
    return found


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, default=3, help="of sinefield")
    parser.add_argument("--peer-seeds", type=int, default=1, help="of the published recipe, which is slow")
    parser.add_argument("--omegas", type=float, nargs="*", default=[], help="further ω₀ of the first layer")
    options = parser.parse_args()
    full, steps, budget = skimage.data.camera(), 300, (3.0, 4.0, 8.0, 16.0)
    seeds, peer_seeds = options.seeds, options.peer_seeds
    if options.smoke:
        full, steps, budget, seeds, peer_seeds = full[::8, ::8], 2, (2.0,), 1, 1
    rows = held_out(full, steps, budget, options.omegas, seeds, peer_seeds)
    machine.write("held_out", {"picture": list(full.shape), "methods": rows}, smoke=options.smoke)
    machine.show(f"every second pixel of the {len(full)}² cameraman: PSNR in dB", rows)


if __name__ == "__main__":
    main()
