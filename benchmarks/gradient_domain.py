"""Gradient-domain pictures: do fields agree with what sparse solvers find, and do they fill in better?

Cloning, mixed gradients and compositing at 256 x 256 beside the sparse solution of the same discrete problem: the PSNR
that fields reach beside it, over all pixels and in the mask, also by gradients alone; and the seconds of both.

A tenth of the pixels of pictures of 128 x 128: the PSNR at the others, beside scikit-image's biharmonic inpainting,
total variation, and absolute second differences, both by reweighted sparse least squares. The weight and the frequency
were tuned on the camera, the astronaut and the coffee; the other pictures were held out.

    python benchmarks/gradient_domain.py blend      # eight minutes: of one seed, as each takes two minutes a task
    python benchmarks/gradient_domain.py inpaint    # seven minutes
    python benchmarks/gradient_domain.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import skimage.restoration
from numpy.typing import NDArray

import machine
from sinefield import problems, solve
from sinefield.io import image
from sinefield.problems.guidance import Guidance, differences_of, pairs_of

Doubles = NDArray[np.float64]
SAMPLES = ("camera", "astronaut", "coffee", "chelsea", "coins", "moon", "rocket")
TUNED_ON = ("camera", "astronaut", "coffee")
SECONDS = 115.0  # of the search of each blend, so that all of it takes less than two minutes


def picture(name: str, side: int, *, grey: bool = False) -> Doubles:
    """Return the middle square of a sample picture, ``(side, side, c)`` in [0, 1]."""
    read = image.read(f"sample:{name}")
    height, width, _ = read.values.shape
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    scaled = image.resize(image.read(read.values[top : top + square, left : left + square].astype(np.uint8)), side)
    values = scaled.values.astype(np.float64) / 255
    return values @ np.array([[0.299], [0.587], [0.114]]) if grey and values.shape[2] == 3 else values


def disc(side: int) -> NDArray[np.bool_]:
    """Return a mask of a fifth of a picture."""
    y, x = np.mgrid[:side, :side] / side
    return np.asarray(((y - 0.4) / 0.3) ** 2 + ((x - 0.45) / 0.25) ** 2 < 1)


BLENDS: dict[str, dict[str, Any]] = {
    "cloning": {"mask": disc},
    "cloning, mixed gradients": {"mask": disc, "mixed": True},
    "compositing, weight ½": {"weight": 0.5},
    "cloning, by gradients alone": {"mask": disc, "level": False},
}


def blend(options: dict[str, Any], side: int, seed: int, budget: dict[str, Any]) -> dict[str, float]:
    """Return what a blend of the astronaut and the cat reaches beside the discrete solution."""
    given = {name: each(side) if callable(each) else each for name, each in options.items()}
    pasted, onto = (picture(name, side).astype(np.float32) for name in ("astronaut", "chelsea"))
    start = time.perf_counter()
    solution = solve(problems.blend(pasted, onto, **given), seed=seed, **budget)
    return {**solution.metrics, "seconds": time.perf_counter() - start}


def sparse_seconds(side: int) -> float:
    """Return the seconds of the sparse solution of the cloning."""
    pasted, onto = (picture(name, side) for name in ("astronaut", "chelsea"))
    inside = disc(side)
    start = time.perf_counter()
    Guidance(onto, inside, differences_of(pasted), pairs_of(inside, np.ones_like(inside))).solve()
    return time.perf_counter() - start


def reweighted(values: Doubles, known: NDArray[np.bool_], *, second: bool, steps: int = 30) -> Doubles:
    """Return the picture of least total variation, or least absolute second differences, with the values known.

    Σ √(‖D f‖² + ε²) by least squares weighted by 1 / √(‖D f‖² + ε²), ε falling from 0.05 to 0.0005 of the range.
    """
    side, given = len(values), known.ravel()
    one = scipy.sparse.eye_array(side)
    next_ = scipy.sparse.diags_array([-np.ones(side), np.ones(side - 1)], offsets=[0, 1], shape=(side, side)).tolil()
    next_[side - 1, side - 1] = 0
    down, right = scipy.sparse.kron(next_, one).tocsr(), scipy.sparse.kron(one, next_).tocsr()
    mixed = 2**0.5 * (down @ right)
    operators = [-down.T @ down, -right.T @ right, mixed] if second else [down, right]
    found = np.where(given, values.ravel(), values.ravel()[given].mean())
    weights, rounding = np.ones(side**2), 0.05
    for _ in range(steps):
        matrix = sum(each.T @ scipy.sparse.diags_array(weights) @ each for each in operators).tocsr()[~given]
        inner = (matrix[:, ~given] + 1e-9 * scipy.sparse.eye_array(int((~given).sum()))).tocsc()
        factors = scipy.sparse.linalg.splu(
            inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        found[~given] = factors.solve(-matrix[:, given] @ found[given])
        weights = 1 / np.sqrt(sum(np.square(each @ found) for each in operators) + rounding**2)
        rounding = max(0.7 * rounding, 5e-4)
    return found.reshape(values.shape)


def inpaint(name: str, side: int, seeds: int, budget: dict[str, Any]) -> dict[str, Any]:
    """Return the PSNR of the pixels that are not known of a picture, by each way."""
    values = picture(name, side, grey=True)
    known = np.zeros((side, side), bool)
    known.flat[np.random.default_rng(0).permutation(side**2)[: side**2 // 10]] = True
    rivals: dict[str, Callable[[], Doubles]] = {
        "biharmonic": lambda: skimage.restoration.inpaint_biharmonic(values[..., 0], ~known),
        "total variation": lambda: reweighted(values[..., 0], known, second=False),
        "second differences": lambda: reweighted(values[..., 0], known, second=True),
    }
    row: dict[str, Any] = {"picture": name, "tuned on": name in TUNED_ON}
    for rival, find in rivals.items():
        start = time.perf_counter()
        error = (find() - values[..., 0])[~known]
        row[rival] = {"psnr": -10 * float(np.log10(np.square(error).mean())), "seconds": time.perf_counter() - start}
    runs = []
    for seed in range(seeds):
        start = time.perf_counter()
        problem = problems.inpaint(values.astype(np.float32), mask=~known)
        solution = solve(problem, seed=seed, **budget)
        error = (solution.render() - values)[~known]
        runs.append({"psnr": -10 * float(np.log10(np.square(error).mean())), "seconds": time.perf_counter() - start})
    return row | {"field": machine.spreads(runs)}


def blends(seeds: int, *, smoke: bool) -> dict[str, Any]:
    """Return what each kind of blend reaches."""
    side = 24 if smoke else 256
    budget: dict[str, Any] = {"passes": 1.0} if smoke else {"seconds": SECONDS}
    rows: list[dict[str, Any]] = []
    for name, given in BLENDS.items():
        rows.append({"task": name, **machine.spreads([blend(given, side, seed, budget) for seed in range(seeds)])})
        print(rows[-1], flush=True)
    return {"seeds": seeds, "blends": rows, "sparse seconds": sparse_seconds(side)}


def inpaintings(seeds: int, *, smoke: bool) -> dict[str, Any]:
    """Return what fields reach from a tenth of the pixels, and their median gain over each rival."""
    names, side = (("camera", "moon"), 24) if smoke else (SAMPLES, 128)
    rows: list[dict[str, Any]] = []
    for name in names:
        rows.append(inpaint(name, side, seeds, {"passes": 1.0} if smoke else {}))
        print(rows[-1], flush=True)
    held_out = [each for each in rows if not each["tuned on"]]
    gains = {
        rival: statistics.median(each["field"]["psnr"]["median"] - each[rival]["psnr"] for each in held_out)
        for rival in ("biharmonic", "total variation", "second differences")
    }
    print(gains)
    return {"seeds": seeds, "pictures": rows, "median gain over pictures held out": gains}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("half", nargs="?", choices=["blend", "inpaint"], help="only this one")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--seeds", type=int, help="1 of a blend, 3 of an inpainting")
    options = parser.parse_args()
    if options.half != "inpaint":
        found = blends(1 if options.smoke else options.seeds or 1, smoke=options.smoke)
        machine.write("gradient_domain_blend", found, smoke=options.smoke)
    if options.half != "blend":
        found = inpaintings(1 if options.smoke else options.seeds or 3, smoke=options.smoke)
        machine.write("gradient_domain_inpaint", found, smoke=options.smoke)


if __name__ == "__main__":
    main()
