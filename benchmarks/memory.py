"""Does memory stay flat as signals grow?

Recordings, clips and pictures of three sizes are made, each four times the one before, and fitted for the same few
seconds in eight tiles along each axis, and in as many as are usual; each in a process of its own. Its largest memory is
noted, without the pages of mapped files, which the system takes back when it needs them. The field is told apart, as
larger signals usually have more tiles.

    python benchmarks/memory.py                 # 10 minutes, 2 GB of temporary files
    python benchmarks/memory.py --smoke         # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

import machine
import sinefield
from sinefield.fields.network import Network
from sinefield.io import audio, video

RATE, MEASURED = 44_100, 1 << 20
TILES: Mapping[str, int | None] = {"8 an axis": 8, "usual": None}


def recording(folder: Path, minutes: float) -> Path:
    """Return a file of as many minutes of a sweeping tone, in stereo."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        for second in range(max(1, round(60 * minutes))):
            times = second + np.arange(RATE) / RATE
            yield np.stack([0.5 * np.sin(times * (300 + 100 * np.sin(times)))] * 2, axis=1).astype(np.float32)

    audio.write(folder / "tone.wav", blocks(), RATE, 2, 16)
    return folder / "tone.wav"


def clip(folder: Path, frames: float) -> Path:
    """Return a file of as many frames of waves that travel."""
    y, x = np.mgrid[0:180, 0:320]

    def each(time: int) -> NDArray[np.uint8]:
        wave = 127 + 60 * np.sin(x / 9 + time / 5) + 60 * np.sin(y / 7 - time / 8)
        return np.repeat(wave[:, :, None], 3, axis=2).astype(np.uint8)

    video.write(folder / "waves.mp4", map(each, range(int(frames))), 25)
    return folder / "waves.mp4"


def picture(folder: Path, side: float) -> Path:
    """Return a file of a square picture of waves, which can be mapped."""
    side = int(side)
    mapped = tifffile.memmap(folder / "waves.tif", shape=(side, side, 3), dtype=np.uint8, photometric="rgb")
    columns = np.arange(side)
    for row in range(side):
        mapped[row] = (127 + 60 * np.sin(columns / 9 + row / 40) + 60 * np.sin(row / 7))[:, None]
    mapped.flush()
    return folder / "waves.tif"


SIGNALS: Mapping[str, tuple[Callable[[Path, float], Path], tuple[float, float, float], str]] = {
    "recording": (recording, (4, 16, 64), "minutes"),
    "clip": (clip, (250, 1000, 4000), "frames"),
    "picture": (picture, (4096, 8192, 16_384), "pixels a side"),
}


def fitted(path: Path, kind: str, tiles: str, seconds: float) -> dict[str, Any]:
    """Return the memory that a fit takes."""
    axes = {"recording": 1, "picture": 2, "clip": 3}[kind]
    count = TILES[tiles]
    with machine.own_mib() as peak:
        problem = sinefield.problems.of(path, tiles=None if count is None else (count,) * axes)
        # Metrics of a part: those of all samples take as much memory, and far longer than the fit.
        some = replace(problem, measure=lambda field, count: problem.measure(field, min(count or MEASURED, MEASURED)))
        solution = sinefield.solve(some, recipe="fast", seconds=seconds)
    grid = problem.constraints[0].domain
    assert isinstance(grid, sinefield.Grid)
    channels = Network.of(solution.field).out_features
    size = 1 if kind != "recording" else 2
    return {
        "kind": kind,
        "tiles": tiles,
        "decoded MiB": grid.size * channels * size / 2**20,
        "field MiB": sum(each.nbytes for each in solution.field.parameters()) / 2**20,
        "own MiB": peak[0],
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of fitting, each")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        path, kind, tiles = options.only
        print(json.dumps(fitted(Path(path), kind, tiles, options.seconds)))
        return
    rows = []
    for kind, (made, sizes, unit) in SIGNALS.items():
        for size in [sizes[0] / 16] if options.smoke else sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = made(Path(folder), size)
                for tiles in ["8 an axis"] if options.smoke else TILES:
                    row = (
                        fitted(path, kind, tiles, 0.2)
                        if options.smoke
                        else machine.alone(__file__, "--seconds", options.seconds, "--only", path, kind, tiles)
                    )
                    rows.append({"kind": kind, "size": f"{size:g} {unit}"} | row)
    machine.write("memory", {"fits": rows}, smoke=options.smoke)
    machine.show("memory", rows)


if __name__ == "__main__":
    main()
