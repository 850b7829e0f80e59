"""How many points a second does training reach?

A 256 x 3 network of the plane is trained on the values of the cameraman: forward, backward and Adam; by the published
recipe on all points a step, by the fair rival (plain PyTorch in mini-batches, with oneDNN's products) and by
sinefield. Of sinefield's recipes ``fast`` rounds factors on the way back to bfloat16, so it is measured in float32 as
well. Work is counted as 6 FLOP per weight and point, sines left out: 2 forward, 4 backward. The methods take turns,
so that what else the machine does meets all alike; ratios are taken turn by turn. The fastest product of two large
float32 matrices says how much the machine could do.

    python benchmarks/throughput.py                  # minutes
    python benchmarks/throughput.py --smoke          # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

import machine
import peers
import sinefield

PUBLISHED = "published, plain PyTorch"
RIVAL = "plain PyTorch, oneDNN, batches of {:,}"
RIVAL_BATCHES = (512, 1024, 4096)
RIVAL_COMPILED = f"{RIVAL.format(4096)}, compiled"


# ---- training on values


def solving(problem: sinefield.Problem, size: int, recipe: str, passes: float, **options: Any) -> machine.Measurement:
    """Return the measurement of the seconds a point of ``solve``, from its first step on."""

    def measure() -> float:
        seen: list[Any] = []
        sinefield.solve(problem, recipe=recipe, passes=passes, observe=seen.append, **options)
        first, last = seen[0], seen[-1]
        return float((last.seconds - first.seconds) / ((last.passes - first.passes) * size))

    return measure


def training(longest: int, steps: int, passes: int, repeats: int, peak: float) -> dict[str, Any]:
    """Return the throughput of each way to train; ``steps`` on all points, ``passes`` in mini-batches."""
    problem = sinefield.problems.image("sample:camera", longest=longest)
    size = peers.grid_of(problem).size

    def stepping(fit: peers.Fit) -> machine.Measurement:
        measure = machine.seconds_per_call(fit.step, steps)
        return lambda: measure() / size

    def batches(batch: int, *, compiled: bool = False) -> machine.Measurement:
        fit = peers.MiniBatches(problem, 1000.0, choice=replace(peers.CHOSEN, batch=batch), compiled=compiled)
        measure = machine.seconds_per_call(fit.step, math.ceil(passes * size / fit.batch))
        return lambda: measure() / fit.batch

    found = machine.interleaved(
        {
            PUBLISHED: stepping(peers.published(problem)),
            "siren-pytorch": stepping(peers.siren_pytorch(problem)),
            **{RIVAL.format(batch): batches(batch) for batch in RIVAL_BATCHES},
            RIVAL_COMPILED: batches(4096, compiled=True),
            "sinefield, published": solving(problem, size, "published", steps + 1, compiled=False),
            "sinefield, fast": solving(problem, size, "fast", passes, compiled=False),
            "sinefield, fast, float32": solving(problem, size, "fast", passes, compiled=False, rounding=False),
            "sinefield, batches of 4,096": solving(problem, size, "fast", passes, compiled=False, batch=4096),
            "sinefield, batches of 4,096, compiled": solving(problem, size, "fast", passes, compiled=True, batch=4096),
            "sinefield, batches of 4,096, compiled, float32": solving(
                problem, size, "fast", passes, compiled=True, batch=4096, rounding=False
            ),
        },
        repeats,
    )
    flop = flop_per_point(problem.build(30.0)["u"])
    rates = {name: [1 / each for each in seconds] for name, seconds in found.items()}
    rival = max((RIVAL.format(batch) for batch in RIVAL_BATCHES), key=lambda name: median(rates[name]))
    return {
        "points": size,
        "FLOP per point": flop,
        "best rival": rival,
        "methods": {
            name: {
                "points/s": machine.spread(each),
                "GFLOP/s": (reached := machine.spread([rate * flop / 1e9 for rate in each])),
                "part of product": reached["median"] / peak,
                "times published": machine.ratios(rates, name, PUBLISHED),
                "times the rival": machine.ratios(rates, name, rival),
            }
            for name, each in rates.items()
        },
    }


def flop_per_point(field: nn.Module) -> int:
    """Return the work of a training step on a point: 6 FLOP a weight, biases and sines left out."""
    return 6 * sum(each.numel() for each in field.parameters() if each.ndim == 2)


# ---- what the machine could do


def best_product(size: int, repeats: int) -> dict[str, Any]:
    """Return the fastest product of square float32 matrices, of each library that keeps float32's accuracy."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=generator) for _ in range(2))
    exact = left.double() @ right.double()

    def relative_error() -> float:
        return float(((left @ right).double() - exact).norm() / exact.norm())

    def by_onednn() -> Tensor:
        with peers.onednn_products():
            return left @ right

    methods = {"default": machine.seconds_per_call(lambda: left @ right, 3)}
    with peers.onednn_products():
        rounded = relative_error()
    if torch.backends.mkldnn.is_available() and rounded < 1e-5:
        methods["oneDNN"] = machine.seconds_per_call(by_onednn, 3)
    work = 2e-9 * size**3
    rates = {
        name: machine.spread([work / each for each in found])
        for name, found in machine.interleaved(methods, repeats).items()
    }
    best = max(each["maximum"] for each in rates.values())
    return {"size": size, "relative error": relative_error(), "oneDNN error": rounded, "GFLOP/s": rates, "best": best}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each method")
    options = parser.parse_args()
    longest, steps, passes, repeats, product_size = 256, 2, 3, options.repeats, 4096
    if options.smoke:
        longest, steps, passes, repeats, product_size = 24, 1, 2, 1, 128
    product = best_product(product_size, repeats)
    trained = training(longest, steps, passes, repeats, product["best"])
    machine.write("throughput", {"product": product, "training": trained}, smoke=options.smoke)
    machine.show(
        f"float32 product of {product_size}² matrices",
        [{"library": name, "GFLOP/s": rate} for name, rate in product["GFLOP/s"].items()],
    )
    machine.show(
        f"training on values, {trained['points']:,} points",
        [{"method": name, **figures} for name, figures in trained["methods"].items()],
    )


if __name__ == "__main__":
    main()
