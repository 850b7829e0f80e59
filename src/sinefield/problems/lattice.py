"""Samples on a lattice, fitted on their values: what recordings, clips, volumes and large pictures share.

With a the samples, their least and greatest value becoming −1 and 1:

    value       Φ(x) − a(x) = 0     where a is known
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import Grid, Lookup
from sinefield.fields.field import build
from sinefield.fields.frequency import SAMPLED
from sinefield.io.known import Known
from sinefield.io.scaled_array import ScaledArray
from sinefield.jet import Jet
from sinefield.problem import Problem
from sinefield.problems.solved import SolvedSamples
from sinefield.problems.tiles import OVERLAP, counts_for, tiled
from sinefield.recipe import Changes
from sinefield.signals.sampling import compare, crop_middle
from sinefield.signals.signal import Signal

Settings = Mapping[str, int | float | str]
Measure = Callable[[Grid, nn.Module, int | None], dict[str, float]]


def pose_on_lattice(
    signal: Signal,
    grid: Grid,
    channels: int,
    omega: Callable[[Tensor, Sequence[float]], float],
    settings: Settings,
    *,
    network: str = "siren",
    tiles: Sequence[int] | None = None,
    asked: bool = False,
    measure: Measure | None = None,
    reference: object = None,
    tuning: Mapping[str, Changes] | None = None,
) -> Problem:
    """Return the problem of a signal on its samples, as one network or as a tiled field.

    Args:
        signal: how the field is read back.
        grid: of the samples: the target ``value``, and ``known`` where some are not, see
            :class:`sinefield.io.known.Known`.
        channels: c.
        omega: ω₀ of the first layer, of samples ``(…, c)`` and their distances along each axis; 0 where they tell none.
        settings: of the network, or of that of a tile.
        network: which network, of :data:`sinefield.fields.perceptron.NETWORKS`.
        tiles: how many there are along each axis; None: one network.
        asked: whether that is what the user asked for.
        measure: what is reached, see :class:`~sinefield.problem.Problem`; None: the PSNR.
        reference: the signal itself.
        tuning: what of a recipe is better otherwise for one network, and as ``"tiled"`` for tiles.

    Raises:
        ValueError: the network or a setting is unknown, or there are more tiles than samples.
    """
    middle = crop_middle(grid, SAMPLED)
    variance = float(middle.double().var(correction=0)) or 1.0
    known = grid.targets.get("known")
    residual: Callable[..., Tensor] = value_residual
    if isinstance(known, Known):
        residual, variance = known_residual, variance * known.part
    if tiles is None:
        build(network, grid.dimension, channels, **settings)  # what is unknown is refused here, not in solve
    of_one = {name: changes for name, changes in (tuning or {}).items() if name != "tiled"}
    problem = Problem.of_one(
        name=signal.kind,
        constraints=[Constraint(grid, residual, name="value", weight=1 / variance)],
        network=partial(_network, network, grid.dimension, channels, {} if tiles else settings),
        signal=signal,
        measure=partial(measure or psnr, grid),
        omega=omega(middle, grid.spacings) or None,
        reference=reference,
        tuning=of_one,
    )
    if network == "siren" and not settings and not asked:
        problem = replace(problem, solved=SolvedSamples(grid))
    if tiles is None:
        return problem
    # A tile's own coordinates are as many times finer as there are tiles along an axis.
    spacings = [2 * count / ((1 + OVERLAP) * size) for count, size in zip(tiles, grid.shape, strict=True)]
    frequency = omega(middle, spacings) or 30.0
    return tiled(problem, grid, channels, frequency, tiles, settings, (tuning or {}).get("tiled"))


def make_grid(
    stored: ScaledArray,
    shape: Sequence[int],
    extent: Sequence[float],
    *,
    in_tiles: bool,
    known: NDArray[np.bool_] | None = None,
) -> Grid:
    """Return the grid of samples; its points are in double precision for tiles, of which there may be many.

    Args:
        stored: the samples.
        shape: how many there are along each axis.
        extent: half the length of each axis.
        in_tiles: whether a tiled field is fitted.
        known: which samples are known, ``(n, 1)`` or ``(n, c)``; None: all.
    """
    targets: dict[str, Tensor | Lookup] = {"value": stored} | ({} if known is None else {"known": Known(known)})
    return Grid(shape, targets, extent, torch.float64 if in_tiles else torch.float32)


def choose_tiles(
    shape: Sequence[int],
    tiles: Sequence[int] | None,
    tile_size: int | None,
    network: str,
    *,
    usual: Sequence[int],
    large: bool,
) -> Sequence[int] | None:
    """Return how many tiles there are along each axis; None: one network.

    Args:
        shape: how many samples there are along each axis.
        tiles: that were asked for; a single one is one network.
        tile_size: samples along each axis of a tile, that were asked for instead.
        network: which network.
        usual: the size of a tile along each axis where nothing was asked for.
        large: whether tiles are used where nothing was asked for.

    Raises:
        ValueError: both were asked for, or either for another network, a size below 2, or more tiles than samples.
    """
    if tiles is not None and tile_size is not None:
        raise ValueError("tiles and tile_size say the same; give one of them")
    asked = tiles is not None or tile_size is not None
    if asked and network != "siren":
        raise ValueError(f"a tiled field is one of SIRENs, got the network {network!r}; leave it or the tiles out")
    if tile_size is not None and tile_size < 2:
        raise ValueError(f"a tile needs at least 2 samples along each axis, got the tile_size {tile_size}")
    if tiles is not None:
        if len(tiles) != len(shape) or any(not 1 <= k <= n for k, n in zip(tiles, shape, strict=True)):
            raise ValueError(
                f"tiles must be 1 to {' x '.join(map(str, shape))}, the samples, along each axis, got "
                f"{' x '.join(map(str, tiles))}"
            )
        return tiles if math.prod(tiles) > 1 else None
    if asked or (large and network == "siren"):
        return counts_for(shape, (tile_size,) * len(shape) if tile_size else usual)
    return None


def value_residual(u: Jet, value: Tensor) -> Tensor:
    """Return Φ − a."""
    return u.value - value


def known_residual(u: Jet, value: Tensor, known: Tensor) -> Tensor:
    """Return Φ − a where a is known, and 0 elsewhere."""
    return known * (u.value - value)


def psnr(grid: Grid, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the PSNR of a field, from ``count`` points spread over the grid or from all."""
    error, numbers = 0.0, 0
    for value, target in compare(field, grid, count):
        error += float((value - target).double().square().sum())
        numbers += target.numel()
    return {"psnr": 10 * math.log10(4 * numbers / error) if error > 0 < numbers else math.inf}


def _network(network: str, dimension: int, channels: int, settings: Settings, first_omega: float) -> nn.Module:
    frequency = {"first_omega": first_omega} if network == "siren" else {}
    return build(network, dimension, channels, **(frequency | dict(settings)))
