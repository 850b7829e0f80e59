"""Tiles in an ONNX graph: each point is evaluated by the few tiles that have a weight there.

Axis i is cut into K_i tiles; at a point x only the two on either side of the nearest seam weigh along it, by S(t) and
1 − S(t) across their overlap, see :mod:`sinefield.fields.tiled`. So there are at most 2^d tiles to a point, and

    Φ = Σ_k w_k Φ_k    ∂_i Φ = Σ_k w_k ∂_i Φ_k + ∂_i w_k Φ_k
    ∂_i ∂_j Φ = Σ_k w_k ∂_i ∂_j Φ_k + ∂_i w_k ∂_j Φ_k + ∂_j w_k ∂_i Φ_k + ∂_i ∂_j w_k Φ_k

Pairs of a point with a tile whose weight is not zero are sorted by their tile and laid into blocks of :data:`BLOCK`
rows, each block of one tile. Its weights are gathered once, and all blocks are multiplied in one batched product: the
work grows with the number of points and not with that of the tiles, however the points lie.
"""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import Final, final

import numpy as np

from sinefield.export.onnx_jet import Graph, Jet, onnx_kind, pairs_of
from sinefield.export.steps import Tiles

BLOCK: Final = 32
"""Rows of a block: enough that products outweigh the gathering of weights, and few are empty for a single point."""

_STEP: Final = (
    "a * a * a * (a * (6.0 * a - 15.0) + 10.0)",
    "30.0 * (a * (a - 1.0)) * (a * (a - 1.0))",
    "60.0 * (a * (a - 1.0)) * (2.0 * a - 1.0)",
)
"""S and its first two derivatives, which are zero at 0 and 1."""


def joined(graph: Graph, tiles: Tiles, points: str, *, derivatives: bool, double: bool) -> Jet:
    """Return the value of tiles, and its derivatives, at points in double precision ``(n, d)``.

    Args:
        graph: to which operators are added.
        tiles: the networks.
        points: the name of the points.
        derivatives: give the derivatives too.
        double: compute in double precision throughout; otherwise in floats after the first layers.
    """
    add, integers = graph.add, graph.integers
    d, c = tiles.steps.in_features, tiles.steps.out_features
    pairs = _Pairs(graph, tiles, points, orders=3 if derivatives else 1)

    # Row r of block b is the r-th pair from the head of the block on; what is beyond the block's own is not read.
    first, rank, counts = graph.unique(pairs.tile)
    zero, one, rows = (graph.constant(np.asarray(each, np.int64)) for each in (0, 1, BLOCK))
    count = add("Size", pairs.tile)
    position = add("Sub", add("Range", zero, count, one), add("Gather", first, rank))  # of a pair among its tile's
    blocks = add("Div", add("Add", counts, graph.constant(np.asarray(BLOCK - 1, np.int64))), rows)
    before = add("CumSum", blocks, zero, exclusive=1)
    row = add("Add", add("Mul", add("Gather", before, rank), rows), position)  # of a pair among all rows
    heads = add("Reshape", add("NonZero", add("Equal", add("Mod", position, rows), zero)), integers(-1))
    members = add("Add", add("Unsqueeze", heads, integers(1)), integers(*range(BLOCK)))
    members = add("Min", members, add("Sub", count, one))
    offsets = add("Gather", pairs.offset, members)  # (b, rows, d)

    local = Jet(graph, d, offsets, derivatives=derivatives, chosen=add("Gather", pairs.tile, heads))
    local.run(tiles.steps, double=double)

    def paired(name: str) -> str:
        """Return (derivatives, b, rows, c) as (derivatives, pairs, c)."""
        return add("Gather", add("Reshape", name, integers(0, -1, c)), row, axis=1)

    def weight(*axes: tuple[int, ...]) -> str:
        """Return derivatives of the weights, each along some axes, as (derivatives, pairs, 1)."""
        found = add("Concat", *(add("Unsqueeze", pairs.weight(each), integers(0)) for each in axes), axis=0)
        return found if double else add("Cast", found, to=onnx_kind(np.float32))

    plain, h = weight(()), paired(add("Unsqueeze", local.value, integers(0)))
    parts = [add("Mul", plain, h)]
    if local.first is not None:
        assert local.second is not None, "a SIREN has a sine"
        t, s = paired(local.first), paired(local.second)
        slopes = weight(*((i,) for i in range(d)))
        parts.append(add("Add", add("Mul", plain, t), add("Mul", slopes, h)))
        left, right = (integers(*(pair[k] for pair in local.pairs)) for k in range(2))
        crossed = [
            add("Mul", add("Gather", slopes, one_side), add("Gather", t, other))
            for one_side, other in ((left, right), (right, left))
        ]
        bent = add("Add", add("Mul", plain, s), add("Mul", weight(*local.pairs), h))
        parts.append(add("Add", bent, add("Add", *crossed)))
    local.value, *others = pairs.summed(parts, c, local.kind)
    if others:
        local.first, local.second = others
    return local


@final
class _Pairs:
    """Points with tiles that have a weight there, sorted by tile.

    Args:
        graph: to which operators are added.
        tiles: the networks.
        points: the name of the points ``(n, d)``.
        orders: how many derivatives of the weights are wanted, with the weight itself.

    Attributes:
        place: of each pair among all sides of all points, ``(pairs,)``.
        tile: its number, ``(pairs,)``, ascending.
        offset: of the point from the middle of the tile, ``(pairs, d)``.
    """

    def __init__(self, graph: Graph, tiles: Tiles, points: str, orders: int) -> None:
        self._graph, self._points = graph, points
        add, integers = graph.add, graph.integers
        counts = np.array(tiles.counts, float)
        d, width = len(counts), 2 * np.array(tiles.extent) / counts
        sides = np.array(list(itertools.product((0, 1), repeat=d)), float)[:, None, :]  # (sides, 1, d)
        self._sides = len(sides)

        place = add("Div", add("Add", points, graph.constant(np.array(tiles.extent, float))), graph.constant(width))
        last = graph.constant(np.maximum(counts - 1, 1))
        seam = add("Min", add("Max", add("Round", place), graph.scalar(1.0, np.float64)), last)
        across = add("Div", add("Sub", place, seam), graph.scalar(float(tiles.overlap), np.float64))
        across = add("Add", across, graph.scalar(0.5, np.float64))
        across = add("Min", add("Max", across, graph.scalar(0.0, np.float64)), graph.scalar(1.0, np.float64))
        factors = []
        for order, formula in enumerate(_STEP[:orders]):
            rising = graph.formula(formula, {"a": across}, 1.0, np.float64)
            # Upwards of a seam S, downwards 1 − S; where there is one tile there is no seam.
            sign = (2 * sides - 1) * (counts > 1) / (tiles.overlap * width) ** order
            found = add("Mul", graph.constant(sign), rising)
            factors.append(add("Add", found, graph.constant(1 - sides)) if order == 0 else found)

        weights = add("ReduceProd", factors[0], integers(-1), keepdims=0)
        some = add("NonZero", add("Reshape", add("Greater", weights, graph.scalar(0.0, np.float64)), integers(-1)))
        some = add("Reshape", some, integers(-1))
        index = add("Add", seam, graph.constant(sides - 1))
        strides = [float(math.prod(tiles.counts[axis + 1 :])) for axis in range(d)]
        number = add("Reshape", add("MatMul", index, graph.constant(np.array(strides))), integers(-1))
        tile = add("Cast", add("Gather", number, some), to=onnx_kind(np.int64))
        self.tile, origin = graph.sorted(tile)
        self.place = add("Gather", some, origin)
        middle = add("Add", index, graph.scalar(0.5, np.float64))
        offset = add("Mul", add("Sub", place, middle), graph.constant(width))
        self.offset, *self._factors = (
            add("Gather", add("Reshape", each, integers(-1, d)), self.place) for each in (offset, *factors)
        )
        self._dimension = d

    def weight(self, axes: tuple[int, ...]) -> str:
        """Return the derivative of the weights along some axes, ``(pairs, 1)``."""
        add, integers = self._graph.add, self._graph.integers
        found = [
            add("Gather", self._factors[axes.count(axis)], integers(axis), axis=1) for axis in range(self._dimension)
        ]
        return reduce(lambda one, other: add("Mul", one, other), found)

    def summed(self, parts: list[str], channels: int, kind: type) -> list[str]:
        """Return sums over the tiles of each point: of parts (derivatives, pairs, c) as (derivatives, points, c).

        The first part is the value, and returned as (points, c).
        """
        add, integers = self._graph.add, self._graph.integers
        rows = [1, self._dimension, len(pairs_of(self._dimension))][: len(parts)]
        total = sum(rows)
        stacked = add("Transpose", add("Concat", *parts, axis=0), perm=[1, 0, 2])  # (pairs, derivatives, c)
        # Each side of each point has a place of its own, so that no two pairs are added at once: no order of sums.
        points = add("Slice", add("Shape", self._points), integers(0), integers(1))
        shape = add("Concat", integers(self._sides), points, integers(total, channels), axis=0)
        places = add("Mul", points, integers(self._sides))
        empty = self._graph.zeros(add("Concat", places, integers(total, channels), axis=0), kind)
        laid = add("ScatterND", empty, add("Unsqueeze", self.place, integers(1)), stacked)
        found = add("ReduceSum", add("Reshape", laid, shape), integers(0), keepdims=0)
        found = add("Transpose", found, perm=[1, 0, 2])  # (derivatives, points, c)
        ends = list(itertools.accumulate(rows, initial=0))
        value, *others = (
            add("Slice", found, integers(start), integers(end), integers(0)) for start, end in itertools.pairwise(ends)
        )
        return [add("Squeeze", value, integers(0)), *others]
