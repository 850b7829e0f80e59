"""Tiled fields, for signals that one network cannot hold: a grid of small SIRENs, joined smoothly.

Axis i of the box [−e_i, e_i] is divided into K_i equal parts. Tile k has a SIREN Φ_k of its own, which sees its part
and half of an overlap beyond as [−1, 1], and a weight w_k that is 1 in the middle of the tile and falls to 0 across
the overlap with each neighbour, as the quintic S(t) = t³ (6t² − 15t + 10) along each axis:

    Φ(x) = Σ_k w_k(x) Φ_k(x)        Σ_k w_k = 1

S and its first two derivatives are continuous, so that value, gradient and Laplacian of Φ are so across seams. At most
two tiles overlap along an axis.

Source of the partition of unity: Moseley et al., "Finite basis physics-informed neural networks", 2023,
arXiv 2107.07871, section 3.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from sinefield.siren import siren_initialisation


@final
class AffineStack(nn.Module):
    """Affine maps side by side: of the points of tile k, ``(K, m, n)`` to ``(K, m, h)``.

    Args:
        tiles: K.
        inputs: n.
        outputs: h.
    """

    def __init__(self, tiles: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tiles, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(tiles, outputs))

    def forward(self, rows: Tensor, tiles: Tensor | slice) -> Tensor:
        """Return the maps of ``tiles`` at their rows."""
        return torch.baddbmm(self.bias[tiles].unsqueeze(1), rows, self.weight[tiles].transpose(1, 2))


@final
class SirenStack(nn.Module):
    """SIRENs of one shape side by side, evaluated as one batched product a layer.

    As a field it takes the points of its tiles in turn: row r is of tile r mod K, in the coordinates of that tile.

    Args:
        maps: the affine maps, from the input to the output.
        omegas: ω₀ of each but the last.
    """

    def __init__(self, maps: Sequence[AffineStack], omegas: Sequence[float]) -> None:
        super().__init__()
        self.maps: Sequence[AffineStack] = nn.ModuleList(maps)  # type: ignore[assignment]  # a list, to a checker
        self.omegas = tuple(omegas)
        self.settings: dict[str, int | float | str] = {"first_omega": float(omegas[0])}

    def __len__(self) -> int:
        """Return K."""
        return len(self.maps[0].bias)

    def at(self, rows: Tensor, tiles: Tensor | slice) -> Tensor:
        """Return the values ``(K, m, c)`` of ``tiles`` at ``rows`` ``(K, m, d)``."""
        for affine, omega in zip(self.maps, self.omegas, strict=False):
            rows = torch.sin(omega * affine(rows, tiles))
        values: Tensor = self.maps[-1](rows, tiles)
        return values

    def forward(self, points: Tensor) -> Tensor:
        """Return the values ``(n, c)`` of the tiles in turn, at points ``(n, d)``; n is a multiple of K.

        Raises:
            ValueError: it is not.
        """
        if len(points) % len(self):
            raise ValueError(f"a stack of {len(self)} tiles takes a multiple of as many points, got {len(points)}")
        rows = points.unflatten(0, (-1, len(self))).transpose(0, 1)
        return self.at(rows, slice(None)).transpose(0, 1).flatten(0, 1)

    def part(self, start: int, stop: int) -> SirenStack:
        """Return the tiles from ``start`` to ``stop``; what is learnt in their place is learnt here."""
        maps = []
        for affine in self.maps:
            some = AffineStack(0, 0, 0)
            some.weight = nn.Parameter(affine.weight.detach()[start:stop])
            some.bias = nn.Parameter(affine.bias.detach()[start:stop])
            maps.append(some)
        return SirenStack(maps, self.omegas)


@final
class TiledSiren(nn.Module):
    """A grid of small SIRENs, joined by a smooth partition of unity; see this module.

    Points may be in double precision where coordinates have more digits than a float; tiles see their own coordinates.

    Args:
        in_features: d, 1 to 3.
        out_features: c.
        hidden_features: the width of each hidden layer of a tile.
        hidden_layers: of a tile, after its first.
        first_omega: ω₀ of the first layer, in the coordinates of a tile.
        hidden_omega: ω₀ of the other layers.
        tiles: how many along each axis, as ``"4x6"``.
        extent: e, half the length of each axis, as ``"0.5x1.0"``; empty: 1.
        overlap: of neighbouring tiles, as part of a tile, in (0, 1].

    Raises:
        ValueError: a setting out of its range, or of other than d axes.

    >>> TiledSiren(2, 3, hidden_features=8, tiles="2x3")(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """

    architecture = "tiled"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden_features: int = 64,
        hidden_layers: int = 2,
        first_omega: float = 30.0,
        hidden_omega: float = 30.0,
        tiles: str = "",
        extent: str = "",
        overlap: float = 0.25,
    ) -> None:
        super().__init__()
        counts = _numbers(tiles, in_features, "tiles", 1.0)
        extents = _numbers(extent, in_features, "extent", 1.0)
        if not (1 <= in_features <= 3 and min(out_features, hidden_features) >= 1 and hidden_layers >= 0):
            raise ValueError(
                "a tiled field needs 1 to 3 in_features, out_features and hidden_features ≥ 1 and hidden_layers ≥ 0, "
                f"got {in_features}, {out_features}, {hidden_features} and {hidden_layers}"
            )
        if not all(each == int(each) for each in counts) or math.prod(counts) > 2**24:
            raise ValueError(f"tiles must be integers as 4x6, together at most {2**24}, got {tiles!r}")
        if not (first_omega > 0 and hidden_omega > 0 and 0 < overlap <= 1):
            raise ValueError(
                f"frequencies must be positive and the overlap in (0, 1], got {first_omega}, {hidden_omega}, {overlap}"
            )
        self.in_features, self.out_features = in_features, out_features
        self.counts, self.overlap = tuple(int(each) for each in counts), float(overlap)
        self.extent = tuple(extents)
        self.settings: dict[str, int | float | str] = {
            "hidden_features": hidden_features, "hidden_layers": hidden_layers,
            "first_omega": float(first_omega), "hidden_omega": float(hidden_omega),
            "tiles": tiles, "extent": extent, "overlap": float(overlap),
        }  # fmt: skip
        widths = [in_features] + [hidden_features] * (hidden_layers + 1) + [out_features]
        omegas = [float(first_omega)] + [float(hidden_omega)] * (hidden_layers + 1)
        maps = [AffineStack(math.prod(self.counts), n, m) for n, m in itertools.pairwise(widths)]
        siren_initialisation([_Fan(each) for each in maps], omegas)  # type: ignore[misc]  # bounds depend on the inputs alone
        self.stack = SirenStack(maps, omegas[:-1])

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(…, d)`` as values ``(…, c)``."""
        if points.ndim != 2:
            return self(points.reshape(-1, self.in_features)).reshape(*points.shape[:-1], self.out_features)  # type: ignore[no-any-return]
        like = self.stack.maps[0].bias
        point, tile, weight, local = self._pairs(points)
        weight, local = weight.to(like.dtype), local.to(like.dtype)
        order = torch.argsort(tile)
        point, tile, weight, local = point[order], tile[order], weight[order], local[order]
        tiles, rank, counts = torch.unique_consecutive(tile, return_inverse=True, return_counts=True)
        position = torch.arange(len(tile), device=tile.device) - (counts.cumsum(0) - counts)[rank]
        values = like.new_zeros(len(points), self.out_features)
        # Tiles of about as many points are evaluated together, so that no more than half of the rows stay empty.
        size = counts.double().log2().ceil().long()
        for each in size.unique().tolist():
            chosen = size == each
            renumbered = chosen.cumsum(0) - 1
            some = chosen[rank]
            place = (renumbered[rank[some]], position[some])
            rows = like.new_zeros(int(chosen.sum()), 2**each, self.in_features).index_put(place, local[some])
            found = self.stack.at(rows, tiles[chosen])[place]
            values = values.index_add(0, point[some], weight[some, None] * found)
        return values

    def _pairs(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return point, tile, weight and local coordinates of each tile that has a weight at a point."""
        counts = points.new_tensor(self.counts)
        extent = points.new_tensor(self.extent)
        place = (points + extent) * (counts / (2 * extent))  # in tiles
        seam = place.detach().round().clamp(min=1).minimum((counts - 1).clamp(min=1))
        rising = _smooth(((place - seam) / self.overlap + 0.5).clamp(0, 1))
        rising = torch.where(counts == 1, torch.zeros_like(rising), rising)
        strides = [math.prod(self.counts[axis + 1 :]) for axis in range(self.in_features)]
        parts = []
        for sides in itertools.product((0, 1), repeat=self.in_features):
            upper = torch.tensor(sides, dtype=torch.bool, device=points.device)
            weight = torch.where(upper, rising, 1 - rising).prod(-1)
            some = (weight > 0).nonzero()[:, 0]
            index = seam[some].long() - 1 + upper
            local = (place[some] - (index + 0.5)) * (2 / (1 + self.overlap))
            tile = (index * torch.tensor(strides, device=points.device)).sum(-1)
            parts.append((some, tile, weight[some], local))
        point, tile, weight, local = (torch.cat(each) for each in zip(*parts, strict=True))
        return point, tile, weight, local


def _smooth(t: Tensor) -> Tensor:
    """Return S(t), from 0 to 1."""
    return t**3 * (t * (6 * t - 15) + 10)


def _numbers(text: str, count: int, name: str, default: float) -> list[float]:
    try:
        found = [float(each) for each in text.split("x")] if text else [default] * count
    except ValueError:
        found = []
    if len(found) != count or not all(0 < each < math.inf for each in found):
        raise ValueError(f"{name} must be {count} positive numbers with x between, got {text!r}")
    return found


class _Fan:
    """An affine stack as an initialisation sees it: the bounds of its weights depend on the inputs alone."""

    def __init__(self, stack: AffineStack) -> None:
        self.in_features = stack.weight.shape[2]
        self.weight, self.bias = stack.weight, stack.bias
