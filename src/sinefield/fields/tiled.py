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
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Affine, Chain
from sinefield.fields.compose import Composite, Evaluate, leibniz, leibniz_needs
from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial, highest_order
from sinefield.fields.field import register
from sinefield.fields.functional import Batched, chain_with
from sinefield.fields.siren import Siren, siren_initialisation


@register("tiled")
@final
class TiledSiren(Composite):
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
        first_layer: ``"own"`` of each tile, or ``"shared"`` by all, which see the same in their own coordinates.

    Raises:
        ValueError: a setting out of its range, or of other than d axes.

    >>> TiledSiren(2, 3, hidden_features=8, tiles="2x3")(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """

    architecture = "tiled"
    point_dtype = torch.float64
    chosen_by_points = True  # which tiles are evaluated: PyTorch cannot map that over points
    tiles: Batched

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
        first_layer: str = "own",
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
        if first_layer not in ("own", "shared"):
            raise ValueError(f"tiles have a first layer of their own or a shared one, got {first_layer!r}")
        self.in_features, self.out_features = in_features, out_features
        self.counts, self.overlap = tuple(int(each) for each in counts), float(overlap)
        self.extent = tuple(extents)
        self.settings: dict[str, int | float | str] = {
            "hidden_features": hidden_features,
            "hidden_layers": hidden_layers,
            "first_omega": float(first_omega),
            "hidden_omega": float(hidden_omega),
            "tiles": tiles,
            "extent": extent,
            "overlap": float(overlap),
        }
        if first_layer != "own":
            self.settings["first_layer"] = first_layer
        omegas = [float(first_omega)] + [float(hidden_omega)] * (hidden_layers + 1)
        with torch.device("meta"):
            member = Siren(in_features, out_features, hidden_features, hidden_layers, first_omega, hidden_omega)
        names = [name for name, _ in member.named_parameters()]
        self.tiles = Batched(member, math.prod(self.counts), shared=names[:2] if first_layer == "shared" else ())
        siren_initialisation(self.tiles.stored_chain().affines, omegas)

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the tiles, with the derivatives that Leibniz's rule takes."""
        return [(self.tiles, leibniz_needs(needs))]

    def forward(self, points: Tensor) -> Tensor:
        """Return Φ at points ``(…, d)`` as values ``(…, c)``."""
        values = super().forward(points.reshape(-1, self.in_features))
        return values.reshape(*points.shape[:-1], self.out_features)

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return Σ_k ∂^α(w_k Φ_k) at points ``(n, d)``; see :class:`~sinefield.fields.compose.Composite`."""
        wanted = leibniz_needs(needs)
        pairs = self._pairs(points, highest_order(wanted))
        like = next(self.tiles.parameters())
        order = torch.argsort(pairs.tile)
        point, tile, offset = pairs.point[order], pairs.tile[order], pairs.offset[order].to(like.dtype)
        weights = {need: each[order].to(like.dtype) for need, each in pairs.weights(wanted).items()}
        tiles, rank, counts = torch.unique_consecutive(tile, return_inverse=True, return_counts=True)
        position = torch.arange(len(tile), device=tile.device) - (counts.cumsum(0) - counts)[rank]
        sizes = {"jacobian": (self.in_features,), "hessian": (self.in_features,) * 2}
        found: dict[Derivative, Tensor] = {
            need: like.new_zeros(len(points), self.out_features, *sizes.get(str(need), ())) for need in needs
        }
        # Tiles of about as many points are evaluated together, so that no more than half of the rows stay empty.
        size = counts.double().log2().ceil().long()
        for each in size.unique().tolist():
            chosen = size == each
            renumbered = chosen.cumsum(0) - 1
            some = chosen[rank]
            place = (renumbered[rank[some]], position[some])
            rows = like.new_zeros(int(chosen.sum()), 2**each, self.in_features).index_put(place, offset[some])
            local = {need: values[place] for need, values in evaluate(self._some(tiles[chosen]), rows, wanted).items()}
            weight = {need: values[some] for need, values in weights.items()}
            for need in needs:
                found[need] = found[need].index_add(0, point[some], leibniz(weight, local, need))
        return found

    def _some(self, tiles: Tensor) -> Chain:
        """Return some tiles as networks side by side, in coordinates from their middles."""
        chain = chain_with(self.tiles.member, self.tiles.some(tiles))
        scales = [count / ((1 + self.overlap) * e) for count, e in zip(self.counts, self.extent, strict=True)]
        first, *others = chain.links
        assert isinstance(first, Affine), "a SIREN begins with an affine map"
        return Chain([Affine(first.weight * first.weight.new_tensor(scales), first.bias), *others])

    def _pairs(self, points: Tensor, order: int) -> _Pairs:
        """Return each tile that has a weight at a point, and derivatives of the weights up to an order."""
        counts = points.new_tensor(self.counts)
        width = 2 * points.new_tensor(self.extent) / counts  # of a tile
        place = (points + points.new_tensor(self.extent)) / width  # in tiles
        seam = place.detach().round().clamp(min=1).minimum((counts - 1).clamp(min=1))
        rising = rising_step((place - seam) / self.overlap + 0.5, order)
        alone = counts == 1
        rising = [torch.where(alone, torch.zeros_like(each), each) for each in rising]
        rising = [each / (self.overlap * width) ** power for power, each in enumerate(rising)]
        strides = [math.prod(self.counts[axis + 1 :]) for axis in range(self.in_features)]
        parts = []
        for sides in itertools.product((0, 1), repeat=self.in_features):
            upper = torch.tensor(sides, dtype=torch.bool, device=points.device)
            factors = [torch.where(upper, each, int(power == 0) - each) for power, each in enumerate(rising)]
            some = (factors[0].prod(-1) > 0).nonzero()[:, 0]
            index = seam[some].long() - 1 + upper
            offset = (place[some] - (index + 0.5)) * width
            tile = (index * torch.tensor(strides, device=points.device)).sum(-1)
            parts.append((some, tile, offset, torch.stack([each[some] for each in factors])))
        point, tile, offset = (torch.cat([part[k] for part in parts]) for k in range(3))
        return _Pairs(point, tile, offset, torch.cat([part[3] for part in parts], dim=1))


@final
@dataclass(frozen=True)
class _Pairs:
    """Points with tiles that have a weight there.

    Args:
        point: numbers of points ``(m,)``.
        tile: numbers of tiles ``(m,)``.
        offset: of the points from the middles of the tiles ``(m, d)``.
        factors: of the weights along each axis, and their derivatives, ``(orders, m, d)``.
    """

    point: Tensor
    tile: Tensor
    offset: Tensor
    factors: Tensor

    def weights(self, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
        """Return the derivatives ``needs`` of the weights, each with one output."""
        axes = range(self.offset.shape[1])

        def single(along: tuple[int, ...]) -> Tensor:
            factors = [self.factors[along.count(axis), :, axis] for axis in axes]
            return torch.stack(factors).prod(0).unsqueeze(-1)

        found: dict[Derivative, Tensor] = {}
        for need in needs:
            match need:
                case "value":
                    found[need] = single(())
                case "jacobian":
                    found[need] = torch.stack([single((i,)) for i in axes], dim=-1)
                case "hessian":
                    rows = [torch.stack([single((i, j)) for j in axes], dim=-1) for i in axes]
                    found[need] = torch.stack(rows, dim=-2)
                case Partial():
                    found[need] = single(need.axes)
                case _:
                    along = need.axes if isinstance(need, LaplacianAlong) else tuple(axes)
                    found[need] = torch.stack([single((i, i)) for i in along]).sum(0)
        return found


def rising_step(place: Tensor, order: int) -> list[Tensor]:
    """Return S(t), from 0 to 1 with t, and its derivatives up to an order (0 to 4); outside [0, 1] S is at its end."""
    t = place.clamp(0, 1)
    found = [t**3 * (t * (6 * t - 15) + 10)]
    if order == 0:
        return found
    within = ((place > 0) & (place < 1)).to(t.dtype)
    higher = [
        30 * (t * (t - 1)) ** 2,
        60 * t * (t - 1) * (2 * t - 1),
        60 * (6 * t * (t - 1) + 1),
        360 * (2 * t - 1),
    ]
    return found + [within * each for each in higher[:order]]


def _numbers(text: str, count: int, name: str, default: float) -> list[float]:
    try:
        found = [float(each) for each in text.split("x")] if text else [default] * count
    except ValueError:
        found = []
    if len(found) != count or not all(0 < each < math.inf for each in found):
        raise ValueError(f"{name} must be {count} positive numbers with x between, got {text!r}")
    return found
