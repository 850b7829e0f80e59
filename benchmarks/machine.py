"""Where a benchmark ran, how its figures are summed up, printed and kept: as JSON beside the machine's description."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import torch

import sinefield
from sinefield.checkpoint import finite
from sinefield.io.files import replacing
from sinefield.kernels.matmul import trial

RESULTS = Path(__file__).parent / "results"
CPU_INFORMATION = Path("/proc/cpuinfo")


def describe() -> dict[str, Any]:
    """Return what speed depends on: processor, cores, memory, what PyTorch was built with.

    Of float32 products there are the GFLOP/s of PyTorch's default, of oneDNN's (0 where it is not exact enough) and of
    factors rounded to bfloat16, as :func:`sinefield.kernels.matmul.trial` finds them.
    """
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "cores used": torch.get_num_threads(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mkl": torch.backends.mkl.is_available(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "products": {name: round(each / 1e9, 1) for name, each in asdict(trial(torch.get_num_threads())).items()},
        "sinefield": sinefield.__version__,
    }


def _processor() -> str:
    if CPU_INFORMATION.exists():
        lines = [line.partition(":") for line in CPU_INFORMATION.read_text().splitlines()]
        told = {name.strip(): value.strip() for name, _, value in lines}
        if "model name" in told:  # clouds leave the number of the model out of its name
            return f"{told['model name']} (family {told.get('cpu family')}, model {told.get('model')})"
    return platform.processor() or "unknown"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum.

    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'minimum': 1.0, 'maximum': 3.0}
    """
    return {"median": statistics.median(values), "minimum": min(values), "maximum": max(values)}


def spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the spread of each figure over several runs."""
    return {key: spread([run[key] for run in runs]) for key in runs[0]}


# ---- measuring, the methods taking turns

Measurement = Callable[[], float]


def interleaved(methods: Mapping[str, Measurement], repeats: int) -> dict[str, list[float]]:
    """Return what each method measures, taking turns."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, measure in methods.items():
            found[name].append(measure())
    return found


def seconds_per_call(action: Callable[[], object], count: int) -> Measurement:
    """Return the measurement of the mean time of an action, which is warmed up here."""
    action()

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(count):
            action()
        return (time.perf_counter() - start) / count

    return measure


def ratios(found: Mapping[str, Sequence[float]], name: str, reference: str) -> dict[str, float]:
    """Return how many times the reference's measurement each of a method's is, turn by turn."""
    return spread([each / base for each, base in zip(found[name], found[reference], strict=True)])


def alone(script: str, *arguments: object) -> Any:
    """Return what a script prints as JSON on its last line, run in a process of its own, whose memory is its own."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB.

    Of this process alone, where Linux tells: what ``getrusage`` gives includes the parent that it was forked from.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def own_mib() -> Iterator[list[float]]:
    """Note the largest memory of this process that is its own, in MiB, looked at a hundred times a second.

    Pages of mapped files are not counted, where Linux tells: the system takes them back when it needs them.

    Yields:
        a list whose one number is the largest so far.
    """
    largest, done = [0.0], threading.Event()
    status = Path("/proc/self/status")

    def look() -> None:
        while not done.wait(0.01):
            found = re.search(r"RssAnon:\s+(\d+) kB", status.read_text()) if status.exists() else None
            largest[0] = max(largest[0], int(found[1]) / 1024 if found else peak_mib())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield largest
    finally:
        done.set()
        watcher.join()


# ---- printing and keeping


def show(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows of the same columns as a table; a spread as its median and range, None as a dash."""
    cells = [list(rows[0]), *([_cell(each) for each in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for name, *rest in cells:
        print("  ".join([name.ljust(widths[0]), *(each.rjust(w) for each, w in zip(rest, widths[1:], strict=True))]))


def _cell(value: object) -> str:
    match value:
        case {"median": median, "minimum": minimum, "maximum": maximum}:
            return f"{median:.4g}" if minimum == maximum else f"{median:.4g} ({minimum:.4g}-{maximum:.4g})"
        case float():
            return f"{value:.4g}"
        case None:
            return "-"
    return str(value)


def write(name: str, results: Mapping[str, Any], *, smoke: bool) -> None:
    """Write results beside the machine's description, whole or not at all; those of a smoke run are only printed."""
    text = json.dumps(finite({"machine": describe(), "results": results}), indent=2)
    # What holds no list or object itself goes on one line: a spread, a point of a curve.
    text = re.sub(r"[\[{][^\[\]{}]*[\]}]", lambda found: " ".join(found[0].split()), text)
    if smoke:
        print(f"\n{text}")
        return
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")
    print(f"\n{path.relative_to(RESULTS.parent)}")
