"""What does a loss on derivatives cost, in time and in memory?

Forward and backward of the mean square of a Laplacian, a full Hessian or a Jacobian of a 256 x 3 network, with the
same weights: by nested autograd in plain PyTorch, as every released code does it; by what an engineer would write in
plain PyTorch today, with oneDNN's products and at most 2,048 points at a time: nested autograd, ``torch.func``, or a
forward sweep by hand, of which the fastest is the fair rival; and by sinefield's jets. The methods take turns; memory
is what the largest resident size of a process grows by, each in a process of its own.

    python benchmarks/derivatives.py                         # three minutes
    python benchmarks/derivatives.py --counts 2048 16384     # fifteen
    python benchmarks/derivatives.py --smoke                 # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import machine
import peers
import sinefield

PUBLISHED, OURS = "nested autograd, plain PyTorch", "sinefield"
RIVALS: dict[str, Callable[[nn.Sequential, Tensor, str], Tensor]] = {
    "nested autograd, oneDNN": peers.nested,
    "torch.func, oneDNN": peers.by_torch_func,
    "forward by hand, oneDNN": peers.by_hand,
}
# The quantity, inputs and outputs of each loss.
LOSSES = {
    "Laplacian in 2-D": ("laplacian", 2, 1),
    "Hessian in 3-D": ("hessian", 3, 1),
    "Jacobian of 3 outputs in 2-D": ("jacobian", 2, 3),
    "gradient in 2-D": ("jacobian", 2, 1),
    "gradient in 3-D": ("jacobian", 3, 1),
}
_BLOCK = 2048  # points that a rival takes at a time


def steps_of(loss: str, count: int) -> dict[str, Callable[[], Tensor]]:
    """Return the step of each method at ``count`` points: forward and backward, the loss returned."""
    quantity, inputs, outputs = LOSSES[loss]
    points = torch.rand(count, inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.manual_seed(0)
    plain, field = peers.published_network(inputs, outputs), sinefield.Siren(inputs, outputs)
    nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(plain.parameters()), field.parameters())

    def published() -> Tensor:
        plain.zero_grad()
        found = peers.nested(plain, points, quantity).square().mean()
        found.backward()
        return found.detach()

    def rival(derivative: Callable[[nn.Sequential, Tensor, str], Tensor]) -> Tensor:
        plain.zero_grad()
        total = torch.zeros(())
        with peers.fast_products():
            for some in points.split(_BLOCK):
                found = derivative(plain, some, quantity).square().mean() * (len(some) / count)
                found.backward()
                total += found.detach()
        return total

    def jets() -> Tensor:
        field.zero_grad()
        found: Tensor = getattr(sinefield.jet(field, points, [quantity]), quantity).square().mean()
        found.backward()
        return found.detach()

    return {PUBLISHED: published, **{name: partial(rival, each) for name, each in RIVALS.items()}, OURS: jets}


def peak_mib(loss: str, method: str, count: int) -> float:
    """Return by how many MiB a step's process grows: measured in a process of its own."""
    command = [sys.executable, __file__, "--peak", loss, method, str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(loss: str, method: str, count: int) -> None:
    """Print how many MiB the largest resident size grows by in a few steps of ``count`` points."""
    steps_of(loss, 8)[method]()  # what libraries take when they are first used
    step = steps_of(loss, count)[method]
    before = machine.peak_mib()
    for _ in range(3):
        step()
    print(machine.peak_mib() - before)


def compared(loss: str, count: int, steps: int, repeats: int) -> list[dict[str, Any]]:
    """Return time and memory of each method, and how many times as fast it is as those in plain PyTorch."""
    methods = steps_of(loss, count)
    for method in methods.values():
        torch.testing.assert_close(method(), methods[PUBLISHED](), rtol=1e-3, atol=0.0)
    found = machine.interleaved(
        {name: machine.seconds_per_call(each, steps) for name, each in methods.items()}, repeats
    )
    speeds = {name: [1 / each for each in seconds] for name, seconds in found.items()}
    best = min(RIVALS, key=lambda name: statistics.median(found[name]))
    return [
        {
            "loss": loss,
            "points": count,
            "method": name,
            "best rival": name == best,
            "ms per step": machine.spread([1e3 * each for each in seconds]),
            "times as fast": machine.ratios(speeds, name, PUBLISHED),
            "times the best rival": machine.ratios(speeds, name, best),
            "MiB": peak_mib(loss, name, count),
        }
        for name, seconds in found.items()
    ]


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each method")
    parser.add_argument("--counts", type=int, nargs="+", default=[2048], help="of points of a step")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        loss, method, points = options.peak
        print_peak(loss, method, int(points))
        return
    counts, steps, repeats = ([128], 1, 1) if options.smoke else (options.counts, 3, options.repeats)
    losses = list(LOSSES)[:1] if options.smoke else list(LOSSES)
    rows = [row for count in counts for loss in losses for row in compared(loss, count, steps, repeats)]
    machine.write("derivatives", {"losses": rows}, smoke=options.smoke)
    machine.show("losses on derivatives", rows)


if __name__ == "__main__":
    main()
