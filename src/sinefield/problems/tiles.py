"""Signals in tiles: which tiles, what each of them sees, and how they are fitted.

The tiles of a :class:`~sinefield.fields.tiled.TiledSiren` are fitted to all they can see, overlaps included, each
alone:

    Φ_k(x) − a(x) = 0 where w_k(x) > 0

As Φ is a mean of the Φ_k, its square error is at most the mean of theirs. A few tiles at a time are solved together,
as one batched product; their parameters and samples fit the caches of a processor, and memory does not depend on how
many tiles there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from sinefield import metrics
from sinefield.constraint import Constraint
from sinefield.domains import FiniteDomain, Grid, Samples
from sinefield.fields.field import build, evaluating
from sinefield.fields.tiled import TiledSiren
from sinefield.problem import Part, Problem
from sinefield.randomness import order_of_window
from sinefield.recipe import Changes
from sinefield.signals.sampling import select_known

OVERLAP = 0.25
"""Of neighbouring tiles, as part of a tile."""

TOGETHER = 64
"""How many tiles are solved at a time, at most."""

PER_TILE = 256
"""Points of a step in each tile."""

PASSES = 8
"""How often a tile visits its samples."""

RATE = 1e-3
"""Adam's learning rate: small networks take larger steps."""


@final
@dataclass(frozen=True, eq=False)
class TileSamples(FiniteDomain):
    """The samples that some tiles of a grid see, in the coordinates of the tiles, tile after tile in turn.

    Point number n is the sample n // K of tile n mod K. All tiles see as many samples; those at the edge see some that
    lie beyond their overlap.

    Args:
        grid: all samples.
        counts: how many tiles there are along each axis.
        overlap: of neighbouring tiles, as part of a tile.
        tiles: the numbers of the K tiles, in C order.
    """

    grid: Grid
    counts: Sequence[int]
    overlap: float
    tiles: Tensor

    @property
    def seen(self) -> tuple[int, ...]:
        """How many samples a tile sees along each axis."""
        return tuple(
            min(size, math.ceil((1 + self.overlap) * size / count))
            for size, count in zip(self.grid.shape, self.counts, strict=True)
        )

    @property
    def size(self) -> int:
        """How many points there are: samples that two tiles see count twice."""
        return math.prod(self.seen) * len(self.tiles)

    @property
    def dimension(self) -> int:
        """D."""
        return self.grid.dimension

    @property
    def target_names(self) -> frozenset[str]:
        """The names of the targets."""
        return self.grid.target_names

    @property
    def granule(self) -> int:
        """K: batches hold as many points of each tile."""
        return len(self.tiles)

    @property
    def lattice(self) -> Sequence[int]:
        """The number of samples of a tile along each axis."""
        return self.seen

    def at(self, index: Tensor) -> Samples:
        """Return the points numbered ``index``; see :class:`~sinefield.domains.domain.FiniteDomain`."""
        tile = self.tiles.to(index.device)[index % len(self.tiles)]
        rest = index // len(self.tiles)
        flat = torch.zeros_like(index)
        stride, columns = 1, []
        for size, count, seen in reversed(list(zip(self.grid.shape, self.counts, self.seen, strict=True))):
            place, offset = tile % count, rest % seen
            tile, rest = tile // count, rest // seen
            width = size / count  # of a tile, in samples
            sample = first_seen(place, size, count, seen, self.overlap) + offset
            flat = flat + stride * sample
            stride *= size
            columns.append(((sample + 0.5).double() / width - place - 0.5) * (2 / (1 + self.overlap)))
        points = torch.stack(columns[::-1], dim=-1).to(torch.float32)
        return Samples(points, {name: values[flat] for name, values in self.grid.targets.items()})


def first_seen(place: Tensor, size: int, count: int, seen: int, overlap: float) -> Tensor:
    """Return the number of the first sample that tiles see along an axis.

    Args:
        place: of the tiles along the axis.
        size: how many samples there are along it.
        count: how many tiles.
        seen: how many samples a tile sees.
        overlap: of neighbouring tiles, as part of a tile.

    >>> first_seen(torch.arange(3), 24, 3, 10, 0.25).tolist()
    [0, 7, 14]
    """
    start = (place.double() - overlap / 2) * (size / count)
    return (start - 0.5).ceil().long().clamp(0, size - seen)  # whose middle is the first that the tile has a weight at


def counts_for(shape: Sequence[int], sides: Sequence[int]) -> tuple[int, ...]:
    """Return how many tiles of about so many samples along each axis a grid falls into.

    >>> counts_for((5400, 10800), (96, 96))
    (56, 112)
    """
    return tuple(max(1, round(size / side)) for size, side in zip(shape, sides, strict=True))


def batch_of(counts: Sequence[int], points: int = PER_TILE) -> int:
    """Return the batch of a step that takes so many points of each tile."""
    return points * min(TOGETHER, math.prod(counts))


def tiled(
    problem: Problem,
    grid: Grid,
    channels: int,
    omega: float,
    counts: Sequence[int],
    settings: Mapping[str, Any],
    changes: Changes | None = None,
) -> Problem:
    """Return the problem of a signal with a tiled field in place of one network.

    Args:
        problem: of the signal, whose one constraint is on the target ``value`` of ``grid``.
        grid: of its samples.
        channels: c.
        omega: ω₀ of the first layer, in coordinates in which all of the signal has the extent of the grid.
        counts: how many tiles along each axis.
        settings: of the network of a tile.
        changes: what of a recipe is better otherwise for the tiles of this kind of signal.

    Raises:
        ValueError: a setting that tiles do not have.
    """
    extent = tuple(size * each / 2 for size, each in zip(grid.shape, grid.spacings, strict=True))
    network = partial(_network, grid.dimension, channels, counts, extent, dict(settings))
    build("tiled", grid.dimension, channels, **_settings(counts, extent, settings, None, probe=True))
    return replace(
        problem,
        unknowns={"u": network},
        omega=omega,
        tuning={
            "fast": {
                "batch": batch_of(counts),
                "learning_rate": RATE,
                "passes": PASSES,
                "pace": PASSES,
                **(changes or {}),
            }
        },
        parts=partial(_parts, problem, grid, problem.constraints[0].weight),
    )


def _settings(
    counts: Sequence[int],
    extent: Sequence[float],
    settings: Mapping[str, Any],
    first_omega: float | None,
    *,
    probe: bool = False,
) -> dict[str, Any]:
    frequency = {} if first_omega is None else {"first_omega": first_omega}
    shape = {
        "tiles": "x".join("1" if probe else str(each) for each in counts),
        "extent": "x".join(f"{each:.15g}" for each in extent),
        "overlap": OVERLAP,
    }
    return {"hidden_features": 64, "hidden_layers": 2} | shape | frequency | dict(settings)


def _network(
    dimension: int,
    channels: int,
    counts: Sequence[int],
    extent: Sequence[float],
    settings: Mapping[str, Any],
    first_omega: float,
) -> nn.Module:
    return build("tiled", dimension, channels, **_settings(counts, extent, settings, first_omega))


def _parts(
    whole: Problem, grid: Grid, weight: float | Callable[[float], float], fields: Mapping[str, nn.Module]
) -> Sequence[Part]:
    field = fields["u"]
    if not isinstance(field, TiledSiren):
        raise TypeError(f"a tiled problem is solved by a TiledSiren, got a {type(field).__name__}")
    parts = []
    # Of about as many tiles each, as they share the seconds.
    count = math.ceil(len(field.tiles) / TOGETHER)
    bounds = [len(field.tiles) * number // count for number in range(count + 1)]
    for start, stop in itertools.pairwise(bounds):
        domain = TileSamples(grid, field.counts, field.overlap, torch.arange(start, stop))
        constraint = Constraint(domain, whole.constraints[0].residual, name="value", weight=weight)
        problem = replace(whole, constraints=[constraint], measure=partial(_measure, domain), parts=None)
        parts.append(Part({"u": field.tiles.part(start, stop)}, problem))
    return parts


def _measure(domain: TileSamples, fields: Mapping[str, nn.Module], count: int | None) -> dict[str, float]:
    """Return the PSNR of the tiles of a stack, from about ``count`` of the points they see."""
    each = domain.size // domain.granule if count is None else max(1, min(count, domain.size) // domain.granule)
    some = order_of_window(domain.size // domain.granule, 0, 0)[:each]
    samples = domain.at((some[:, None] * domain.granule + torch.arange(domain.granule)).flatten())
    stack = fields["u"]
    with evaluating(stack) as like:
        values = stack(samples.points.to(like)).float().cpu()
    found, target = select_known(values, samples.targets["value"], samples.targets.get("known"))
    return {"psnr": metrics.psnr(found, target, peak=2.0) if found.numel() else math.inf}
