"""What is left of the speed of a fit beside another busy process, with a number of threads that stays or that is tried?

The cameraman at 256² is fitted for some seconds: on the machine as it is, with one thread and with all; and beside a
process that is busy all the time, with all threads, with as many as are found to be fastest, and with one.

    python benchmarks/busy.py            # two minutes, on a machine that does nothing else
    python benchmarks/busy.py --smoke    # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import skimage.data
import torch

import machine
import sinefield

BUSY = "while True: pass"


@contextmanager
def other_process() -> Iterator[None]:
    """Keep one core busy."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def speed(seconds: float, threads: int, *, trying: bool, size: int) -> float:
    """Return the points a second of a fit with so many threads, which stay so unless others are tried."""
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    picture = skimage.data.camera()[:: 512 // size, :: 512 // size]
    try:
        with patch("sinefield.threads.steps_are_alike", return_value=False) if not trying else nullcontext():
            problem = sinefield.problems.image(picture.copy())
            return sinefield.solve(problem, recipe="fast", seconds=seconds).speed.points
    finally:
        torch.set_num_threads(usual)


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    seconds, runs, size = (0.3, 1, 32) if options.smoke else (8.0, options.runs, 256)
    most = torch.get_num_threads()
    found: dict[str, list[dict[str, float]]] = {"quiet": [], "beside a busy process": []}
    for _ in range(runs):
        for name, rows in found.items():
            with other_process() if name != "quiet" else nullcontext():
                rows.append(
                    {
                        "one thread": speed(seconds, 1, trying=False, size=size),
                        "all threads": speed(seconds, most, trying=False, size=size),
                        "as many as are fastest": speed(seconds, most, trying=True, size=size),
                    }
                )
    results: dict[str, Any] = {name: machine.spreads(rows) for name, rows in found.items()}
    alone = results["quiet"]["one thread"]["median"]
    results["busy, as many as are fastest, over one thread, quiet"] = (
        results["beside a busy process"]["as many as are fastest"]["median"] / alone
    )
    machine.write("busy", {"points a second": results, "runs": runs, "seconds": seconds}, smoke=options.smoke)


if __name__ == "__main__":
    main()
