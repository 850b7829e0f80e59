"""How long does it take to evaluate a field at many points, and how much memory?

A 256 x 3 field is evaluated at the pixels of a large picture: in plain PyTorch, in chunks of 65,536 points as
published; in plain PyTorch by the fair rival, in chunks of 4,096 with oneDNN's products; and by sinefield's
``render``, which a field of a photograph of 512² that was solved for is given to as well. Each is in a process of its
own whose largest resident size is noted, before and after.

    python benchmarks/rendering.py                   # three minutes
    python benchmarks/rendering.py --size 4096       # ten
    python benchmarks/rendering.py --smoke           # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import cache
from typing import Any

import numpy as np
import torch

import machine
import peers
import sinefield
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice

PLAIN, RIVAL, OURS = "plain PyTorch in chunks", "plain PyTorch, oneDNN, small chunks", "sinefield"
SOLVED = "sinefield, solved for"
Picture = np.ndarray[Any, np.dtype[np.float32]]


def plain(size: int, chunk: int = 65_536) -> Picture:
    """Return the picture of a published network, all coordinates made as tutorials do."""
    torch.manual_seed(0)
    network = peers.published_network(2, 1)
    axis = torch.linspace(-1, 1, size)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        return torch.cat([network(each) for each in points.split(chunk)]).reshape(size, size).numpy()


def rival(size: int) -> Picture:
    """Return the same, by oneDNN's products."""
    with peers.fast_products():
        return plain(size, chunk=4096)


def ours(size: int) -> Picture:
    """Return the picture of a field."""
    torch.manual_seed(0)
    return ImageSignal(Lattice.of_cubes((256, 256), 1, 0.0, 1.0), 8).sample(sinefield.Siren(2, 1), (size, size))


@cache
def photograph() -> sinefield.Solution:
    """Return what is solved for."""
    return sinefield.solve(sinefield.problems.image("sample:camera"))


def solved(size: int) -> Picture:
    """Return the picture of the field of a photograph."""
    return photograph().render((size, size))


def measured(method: str, size: int) -> dict[str, float]:
    """Return seconds, and MiB before and at the peak, of a process of its own."""
    command = [sys.executable, __file__, "--measure", method, str(size)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(method: str, size: int) -> None:
    """Print what :func:`measured` returns."""
    evaluate = {PLAIN: plain, RIVAL: rival, OURS: ours, SOLVED: solved}[method]
    evaluate(64)  # starting threads and libraries
    before = machine.peak_mib()
    start = time.perf_counter()
    evaluate(size)
    seconds = time.perf_counter() - start
    peak = machine.peak_mib()
    print(json.dumps({"seconds": seconds, "MiB before": before, "MiB": peak}))


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each method")
    parser.add_argument("--size", type=int, default=2048, help="points along each axis")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], int(options.measure[1]))
        return
    size, repeats = (128, 1) if options.smoke else (options.size, options.repeats)
    runs: dict[str, list[dict[str, float]]] = {PLAIN: [], RIVAL: [], OURS: [], SOLVED: []}
    for _ in range(repeats):
        for method, found in runs.items():
            found.append(measured(method, size))
    speeds = {method: [1 / each["seconds"] for each in found] for method, found in runs.items()}
    rows = [
        {
            "method": method,
            **machine.spreads(found),
            "times as fast": machine.ratios(speeds, method, PLAIN),
            "times the rival": machine.ratios(speeds, method, RIVAL),
        }
        for method, found in runs.items()
    ]
    machine.write("rendering", {"size": size, "methods": rows}, smoke=options.smoke)
    machine.show(f"evaluation at {size} x {size} points", rows)


if __name__ == "__main__":
    main()
