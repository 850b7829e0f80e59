"""With which tiles and sines do the fewest numbers have a PSNR, and how large are the ripples beside edges?

The ten pictures of ``study_halfway.py``, none of which judges what is chosen, are solved for with the fewest sines
that have 35, 40 and 45 dB, by variants of :mod:`sinefield.problems.fewer_sines`: the numbers of the fields over the
values of the pictures, the PSNR, how far gradients are off those of the field that meets the pixels, and how large
errors are where a picture is smooth within two pixels and has an edge within eight, over the error of the whole
picture. Each over that of the settings as chosen, the median of all; PSNRs as what they differ by.

    python benchmarks/study_fewer_sines.py            # five minutes
    python benchmarks/study_fewer_sines.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

import machine
import sinefield
from sinefield import problems, solve
from sinefield.problems import fewer_sines, tiles_of_sines
from sinefield.signals.image import ImageSignal
from sinefield.solvers.leave_one_out import Band, Expected
from study_halfway import CHOSEN, LONGEST, PICTURES, picture

GOALS = (35.0, 40.0, 45.0)
SMOOTH, EDGE = 4, 30  # levels of 255 within 5 x 5 pixels, and between neighbours
PARTS = range(2, 15)
_JUDGED = 10_000  # points
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    CHOSEN: {},
    "overlap 1/32": {"_OVERLAP": 1 / 32},
    "overlap 1/8": {"_OVERLAP": 1 / 8},
    "overlap 1/4": {"_OVERLAP": 1 / 4},
    "tiles of 16": {"SIDES": tiles_of_sines.SIDES | {2: 16}},
    "tiles of 48": {"SIDES": tiles_of_sines.SIDES | {2: 48}},
    "tiles of 48, overlap 1/32": {"SIDES": tiles_of_sines.SIDES | {2: 48}, "_OVERLAP": 1 / 32},
    "period 1.05": {"_BANDS": tuple(Band(part / 14, 1.05) for part in PARTS)},
    "period 1.2": {"_BANDS": tuple(Band(part / 14, 1.2) for part in PARTS)},
    "periods 1.05, 1.2 and 1.5": {"_BANDS": tuple(Band(part / 14, p) for part in PARTS for p in (1.05, 1.2, 1.5))},
    "all sines alike": {"_EXPECTED": Expected(10.0)},
    "width 0.5": {"_EXPECTED": Expected(0.5)},
    "width 0.25": {"_EXPECTED": Expected(0.25)},
    "noise 4": {"_NOISES": (4.0, 4e-3)},
    "noise 400": {"_NOISES": (400.0, 4e-3)},
}


def ripples(error: NDArray[np.float64], truth: NDArray[np.uint8]) -> float:
    """Return the root mean square error in smooth parts beside edges, over that of all pixels; NaN without any."""
    values = truth.astype(float)
    around = ndimage.maximum_filter(values, 5) - ndimage.minimum_filter(values, 5)
    edges = ndimage.maximum_filter(values, 3) - ndimage.minimum_filter(values, 3) > EDGE
    beside = (around <= SMOOTH) & ndimage.maximum_filter(edges, 17)
    return float(np.sqrt(np.square(error[beside]).mean() / np.square(error).mean())) if beside.any() else np.nan


def fitted(truth: NDArray[np.uint8], psnr: float, exact: Tensor) -> dict[str, float]:
    """Return what the fewest sines reach; ``exact`` are the gradients of a field that meets the pixels."""
    problem = problems.image(truth)
    solution = solve(problem, psnr=psnr)
    assert isinstance(problem.signal, ImageSignal)
    error = problem.signal.sample(solution.field)[..., 0].astype(np.float64) - truth.astype(np.float64)
    numbers = sum(each.numel() for each in solution.field.parameters())
    return {
        "numbers": numbers / truth.size,
        "PSNR": solution.metrics["psnr"],
        "gradient": float((gradient(solution.field) - exact).norm() / exact.norm()),
        "ripples": ripples(error, truth),
    }


def gradient(field: nn.Module) -> Tensor:
    """Return the gradients of a field at points between the pixels."""
    points = torch.rand(_JUDGED, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return sinefield.jet(field, 1.9 * points - 0.95, ["jacobian"]).jacobian.detach().double()


def with_settings(
    settings: Mapping[str, Any], truth: NDArray[np.uint8], psnr: float, exact: Tensor
) -> dict[str, float]:
    """Return the same with other settings than those chosen."""
    places = {name: tiles_of_sines if name == "SIDES" else fewer_sines for name in settings}
    before = {name: getattr(module, name) for name, module in places.items()}
    try:
        for name, module in places.items():
            setattr(module, name, settings[name])
        return fitted(truth, psnr, exact)
    finally:
        for name, module in places.items():
            setattr(module, name, before[name])


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    options = parser.parse_args()
    names, longest, goals = (("clock",), 64, (35.0,)) if options.smoke else (PICTURES, LONGEST, GOALS)
    pictures = {name: picture(name, longest) for name in names}
    exact = {name: gradient(solve(problems.image(each), recipe="solved").field) for name, each in pictures.items()}
    cases = [(name, goal) for name in names for goal in goals]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for variant, settings in VARIANTS.items():
        found[variant] = {
            f"{name}, {goal:g} dB": with_settings(settings, pictures[name], goal, exact[name]) for name, goal in cases
        }
        print(variant, flush=True)
    rows = []
    for variant, each in found.items():
        pairs = [(each[case], found[CHOSEN][case]) for case in each]
        ratios = {
            name: [one[name] / other[name] for one, other in pairs if np.isfinite(one[name]) and other[name] > 0]
            for name in ("numbers", "gradient", "ripples")
        }
        gains = [one["PSNR"] - other["PSNR"] for one, other in pairs if np.isfinite(one["PSNR"])]
        rows.append(
            {
                "variant": variant,
                "numbers, times": statistics.median(ratios["numbers"]),
                "numbers, times, mean": statistics.geometric_mean(ratios["numbers"]),
                "PSNR, dB more": statistics.median(gains),
                "gradients off, times": statistics.median(ratios["gradient"]),
                "ripples, times": statistics.median(ratios["ripples"]) if ratios["ripples"] else None,
            }
        )
    machine.write("study_fewer_sines", {"variants": rows, "cases": found}, smoke=options.smoke)
    machine.show("the fewest sines that have a PSNR", rows)


if __name__ == "__main__":
    main()
