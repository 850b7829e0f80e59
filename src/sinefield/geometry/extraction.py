"""Extraction of a surface Φ = c as a mesh: marching cubes only where the surface can be, then Newton's method.

If ‖∇Φ‖ ≤ L, Φ cannot vanish within a block of half-diagonal r whose middle has |Φ| > L r. Blocks of the grid are halved
until they are two cells long, and dropped as soon as they cannot hold a part of the surface. The blocks that remain are
within about 2 L cells of the surface, so that time and memory grow as its area rather than as the volume of the box. ∇Φ
in the middle of the smallest blocks tells which of their cells the surface may cross.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as attribute

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Box
from sinefield.geometry import marching_cubes
from sinefield.geometry.mesh import Mesh
from sinefield.geometry.projection import move_to_level, normalise
from sinefield.geometry.scalar_field import (
    Floats,
    estimate_lipschitz_bound,
    evaluate,
    evaluate_with_gradients,
    find_corners,
)
from sinefield.io import SignalWarning
from sinefield.io.allocation import check_memory

RESOLUTIONS = (8, 4096)
"""The least and the greatest number of cells along the longest side of the box."""

_SLAB = 1 << 16  # blocks that are triangulated together, of a few hundred bytes each
_CHILDREN = marching_cubes.CORNERS
_NODES = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)  # corners of cells of a block
# The index among these 27 of each of the 8 corners of each of the 8 cells of a block, (8, 8).
_CELL_NODES = (marching_cubes.CORNERS[:, None] + marching_cubes.CORNERS) @ np.array([9, 3, 1])
_NEAR = 1e-3  # of an edge: distance of vertices from its ends, so that no triangle shrinks to a point
_CONVERGED = 1e-4  # of a cell: vertices nearer to the surface are not moved
_BENT, _KINKED = 0.4, 1.5  # of a cell: deviation of Φ from linear in a block; further deviation near a kink
_ATTEMPTS = 4
_STEEPER = 1.5
_PER_BLOCK = 1000  # bytes of vertices, faces and their sorting for each block at the surface

Keys = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Extraction:
    """A mesh and the effort of its extraction.

    Args:
        mesh: surface, whose faces look towards larger Φ.
        evaluated: number of points that Φ was evaluated at, without the steps of Newton's method.
        total: number of nodes of the whole grid.
        lipschitz: bound of ‖∇Φ‖ that was used.
    """

    mesh: Mesh
    evaluated: int
    total: int
    lipschitz: float


@dataclass
class _Tally:
    """Evaluates Φ − level, and records the number of values, their range, and those of nodes shared by two slabs."""

    level: float
    evaluated: int = 0
    low: float = np.inf
    high: float = -np.inf
    known: tuple[Keys, NDArray[np.float32]] = attribute(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.float32))
    )

    def values(self, field: nn.Module, points: Floats) -> NDArray[np.float32]:
        found = evaluate(field, points) - np.float32(self.level)
        self._seen(found)
        return found

    def jets(self, field: nn.Module, points: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        values, gradients = evaluate_with_gradients(field, points)
        values = values - np.float32(self.level)
        self._seen(values)
        return values, gradients

    def _seen(self, values: NDArray[np.float32]) -> None:
        if len(values):
            self.evaluated += len(values)
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))


@dataclass(frozen=True, eq=False)
class _Lattice:
    """A grid of cubic cells that begins at the lower corner of a box and ends less than a cell beyond the upper one."""

    lower: Floats
    cell: float
    cells: Keys  # (3,)

    @classmethod
    def over(cls, box: Box, resolution: int) -> _Lattice:
        lower, upper = find_corners(box)
        sides = upper - lower
        cell = float(sides.max()) / resolution
        # A side of a whole number of cells gets no further cell by rounding.
        return cls(lower, cell, np.maximum(1, np.ceil(sides / cell - 1e-6)).astype(np.int64))

    def points(self, places: Keys | Floats) -> Floats:
        found: Floats = self.lower + places * self.cell
        return found

    def keys(self, nodes: Keys) -> Keys:
        """Return one number for each node ``(…, 3)``, which orders nodes by their first coordinate."""
        _, m, n = self.cells + 1
        found: Keys = (nodes[..., 0] * m + nodes[..., 1]) * n + nodes[..., 2]
        return found

    def nodes(self, keys: Keys) -> Keys:
        _, m, n = self.cells + 1
        return np.stack([keys // (m * n), keys // n % m, keys % n], -1)


def extract(
    field: nn.Module,
    box: Box,
    resolution: int,
    *,
    level: float = 0.0,
    polish: int = 2,
    lipschitz: float | None = None,
) -> Extraction:
    """Return the surface Φ = level of a field as a mesh.

    Marching cubes run over the cells of a grid that are near the surface, and evaluate each node once. The vertices are
    then moved by Newton's method, see :func:`sinefield.geometry.projection.move_to_level`. Normals are ∇Φ / ‖∇Φ‖. A
    surface that leaves the box is cut there, and the mesh is open.

    Args:
        field: Φ, from ``(n, 3)`` to ``(n, 1)``, nearly a signed distance, negative inside.
        box: part of space that is searched; the grid may end up to a cell beyond its upper sides.
        resolution: number of cells along the longest side, 8 to 4096.
        level: value of Φ on the surface; where Φ is a signed distance, the offset of the surface to the outside.
        polish: number of steps of Newton's method.
        lipschitz: L, a bound of ‖∇Φ‖ in the box; None: 1.2 times the largest on a coarse grid, and at least 1.2.
            A larger one is tried if it proves too small because the surface ends inside the box.

    Raises:
        ValueError: the resolution is out of range, the box is not in space, Φ − level has no zero in the box or is not
            finite, or memory cannot hold the mesh.

    >>> class Ball(nn.Module):
    ...     def forward(self, points):
    ...         return points.norm(dim=1, keepdim=True) - 1
    >>> mesh = extract(Ball(), Box([-2, -2, -2], [2, 2, 2]), resolution=64).mesh
    >>> mesh.genus(), round(mesh.area / (4 * np.pi), 2)
    (0, 1.0)
    """
    if not RESOLUTIONS[0] <= resolution <= RESOLUTIONS[1] or resolution != int(resolution):
        raise ValueError(
            f"the resolution is {resolution}; expected a whole number of cells, {RESOLUTIONS[0]} to {RESOLUTIONS[1]}"
        )
    if polish < 0:
        raise ValueError(f"polish is {polish}; expected how many steps of Newton's method to take, 0 or more")
    if lipschitz is not None and not 0 < lipschitz < np.inf:
        raise ValueError(f"the Lipschitz bound is {lipschitz:g}; expected a positive number, about 1 of a distance")
    tally = _Tally(level)
    lattice = _Lattice.over(box, int(resolution))
    closely = lipschitz is None
    if lipschitz is None:
        lipschitz, tally.evaluated = estimate_lipschitz_bound(field, box)
    for _ in range(_ATTEMPTS):
        blocks, cells = _find_blocks(field, lattice, lipschitz, tally, closely=closely)
        check_memory(f"a mesh of resolution {resolution}", (len(blocks),), _PER_BLOCK)
        edges, vertices, faces = _weld(_march(field, lattice, blocks, cells, tally))
        if not _has_holes(lattice, edges, Mesh(vertices, faces, vertices).open_edges()):
            break
        lipschitz *= 1.0 if closely else _STEEPER
        closely = False
    else:
        warnings.warn(
            f"the surface has holes, as the field is steeper than {lipschitz:.3g} somewhere; give a larger lipschitz",
            SignalWarning,
            stacklevel=2,
        )
    if len(faces) == 0:
        raise ValueError(
            f"the field has no {'zero set' if level == 0 else f'level {level:.4g}'} in the box from "
            f"{list(box.lower)} to {list(box.upper)}: its values there go from {tally.low + level:.4g} to "
            f"{tally.high + level:.4g}; choose a box that the surface passes through, or fit the field anew"
        )
    vertices, _, gradients = move_to_level(
        field, vertices, level=level, steps=polish, reach=lattice.cell / 2, tolerance=_CONVERGED * lattice.cell
    )
    total = int(np.prod(lattice.cells + 1))
    return Extraction(Mesh(vertices, faces, normalise(gradients)), tally.evaluated, total, lipschitz)


def _find_blocks(
    field: nn.Module, lattice: _Lattice, lipschitz: float, tally: _Tally, *, closely: bool
) -> tuple[Keys, NDArray[np.bool_]]:
    """Return the blocks of 2³ cells that the surface may cross, and which of their cells it may cross.

    Args:
        field: Φ.
        lattice: grid.
        lipschitz: L.
        tally: record of evaluations.
        closely: whether cells are excluded by ∇Φ in the middle of their block; else all cells of a block are taken.

    Returns:
        Blocks ``(m, 3)`` in order, in units of two cells, and whether the surface may cross each cell, ``(m, 8)``.
    """
    size = 2
    while 16 * size < lattice.cells.max():
        size *= 2
    counts = -(-lattice.cells // size)
    blocks: Keys = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3)
    while True:
        # Blocks are cut off at the end of the grid, beyond which Φ may have any values.
        low = blocks * size
        high = np.minimum(low + size, lattice.cells)
        middle = lattice.points((low + high) / 2)
        reach = lipschitz * lattice.cell / 2 * np.linalg.norm(high - low, axis=1)
        if size > 2:
            kept = np.abs(tally.values(field, middle)) <= reach
            size //= 2
            blocks = (blocks[kept, None] * 2 + _CHILDREN).reshape(-1, 3)
            blocks = blocks[(blocks * size < lattice.cells).all(1)]
            continue
        if closely:
            values, gradients = tally.jets(field, middle)
            cells = _find_crossed_cells(values, gradients, lattice.cell) | (high - low < 2).any(1, keepdims=True)
        else:
            values = tally.values(field, middle)
            cells = np.ones((len(blocks), 8), bool)
        kept = (np.abs(values) <= reach) & cells.any(1)
        order = np.lexsort(blocks[kept].T[::-1])
        return blocks[kept][order], cells[kept][order]


def _find_crossed_cells(values: NDArray[np.float32], gradients: NDArray[np.float32], cell: float) -> NDArray[np.bool_]:
    """Return whether the surface may cross each cell, ``(m, 8)``, by Φ and ∇Φ in the middle of its block of 2³ cells.

    In a cell of side h around x a linear Φ differs from Φ(x) by up to ‖∇Φ‖₁ h / 2. The more ‖∇Φ‖ differs from 1, the
    slope of a distance, the nearer is a kink, and the less linear is Φ.
    """
    there = values[:, None] + gradients @ ((_CHILDREN - 0.5) * cell).T
    change = np.abs(gradients).sum(1, keepdims=True) / 2
    bent = _BENT + _KINKED * np.abs(1 - np.linalg.norm(gradients, axis=1, keepdims=True))
    return np.asarray(np.abs(there) <= (change + bent) * cell)


def _march(
    field: nn.Module, lattice: _Lattice, blocks: Keys, cells: NDArray[np.bool_], tally: _Tally
) -> Iterator[tuple[Keys, Floats, NDArray[np.int64]]]:
    """Yield the surface slab by slab: the edges that its vertices lie on, the vertices and the faces."""
    tally.known = np.empty(0, np.int64), np.empty(0, np.float32)
    layers = np.append(np.flatnonzero(np.diff(blocks[:, 0])) + 1, len(blocks))  # where each layer of blocks ends
    start = 0
    while start < len(blocks):
        # A slab has as many whole layers as fit, and at least one.
        fitting = layers[np.searchsorted(layers, start + _SLAB, side="right") - 1]
        stop = int(fitting if fitting > start else layers[np.searchsorted(layers, start, side="right")])
        some, used = blocks[start:stop], cells[start:stop]
        yield _triangulate(lattice, some, used, _evaluate_nodes(field, lattice, some, used, tally))
        start = stop


def _evaluate_nodes(
    field: nn.Module, lattice: _Lattice, blocks: Keys, cells: NDArray[np.bool_], tally: _Tally
) -> NDArray[np.float32]:
    """Return Φ at the 27 nodes of each block, ``(m, 27)``, NaN at nodes that are not a corner of a cell in ``cells``.

    Every node of the grid is evaluated once, and nodes between two slabs with the first of them. The value of a point
    differs in its last digits with its place in a batch, and if its sign differed the mesh would have a hole.
    """
    nodes = np.minimum(blocks[:, None] * 2 + _NODES, lattice.cells)
    needed = np.zeros((len(blocks), 27), bool)
    for cell, corners in enumerate(_CELL_NODES):
        needed[:, corners] |= cells[:, cell, None]
    keys, inverse = np.unique(lattice.keys(nodes)[needed], return_inverse=True)
    values = np.empty(len(keys), np.float32)
    old_keys, old_values = tally.known
    known = np.isin(keys, old_keys, assume_unique=True)
    values[known] = old_values[np.searchsorted(old_keys, keys[known])]
    values[~known] = tally.values(field, lattice.points(lattice.nodes(keys[~known])))
    last = np.searchsorted(keys, lattice.keys(np.array([nodes[..., 0].max(), 0, 0])))
    tally.known = keys[last:], values[last:]
    found = np.full((len(blocks), 27), np.nan, np.float32)
    found[needed] = values[inverse]
    return found


def _triangulate(
    lattice: _Lattice, blocks: Keys, cells: NDArray[np.bool_], values: NDArray[np.float32]
) -> tuple[Keys, Floats, NDArray[np.int64]]:
    """Return the surface in some blocks: the edges that its vertices lie on, in order, the vertices and the faces."""
    inside = values < 0
    case = np.zeros((len(blocks), 8), np.uint8)
    for corner in range(8):
        case |= inside[:, _CELL_NODES[:, corner]].astype(np.uint8) << corner
    beyond = (blocks[:, None] * 2 + _CHILDREN >= lattice.cells).any(2)
    case[beyond | ~cells] = 0
    block, cell = np.nonzero((case != 0) & (case != 255))
    table = marching_cubes.build_table()[case[block, cell]]
    which, _ = np.nonzero(table[..., 0] >= 0)
    edge = table[table[..., 0] >= 0].astype(np.int64)  # (f, 3)

    origin = blocks[block] * 2 + _CHILDREN[cell]
    low = origin[which][:, None] + marching_cubes.CORNERS[marching_cubes.STARTS[edge]]  # (f, 3, 3)
    keys, first, inverse = np.unique(
        lattice.keys(low) * 3 + marching_cubes.AXES[edge], return_index=True, return_inverse=True
    )
    owner, edge = which[first // 3], edge.ravel()[first]
    at = _CELL_NODES[cell[owner]]  # (v, 8)
    rows = np.arange(len(owner))
    start, end = (
        values[block[owner], at[rows, ends[edge]]].astype(float)
        for ends in (marching_cubes.STARTS, marching_cubes.ENDS)
    )
    places = lattice.nodes(keys // 3).astype(float)
    places[rows, marching_cubes.AXES[edge]] += np.clip(start / (start - end), _NEAR, 1 - _NEAR)
    return keys, lattice.points(places), inverse.reshape(-1, 3)


def _weld(parts: Iterator[tuple[Keys, Floats, NDArray[np.int64]]]) -> tuple[Keys, Floats, NDArray[np.int64]]:
    """Return the parts of a surface as one surface, in which vertices on the same edge of the grid are merged."""
    edges, vertices, faces, count = [np.empty(0, np.int64)], [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0
    for some_edges, some_vertices, some_faces in parts:
        edges.append(some_edges)
        vertices.append(some_vertices)
        faces.append(some_faces + count)
        count += len(some_edges)
    found, first, inverse = np.unique(np.concatenate(edges), return_index=True, return_inverse=True)
    return found, np.concatenate(vertices)[first], inverse[np.concatenate(faces)]


def _has_holes(lattice: _Lattice, edges: Keys, borders: NDArray[np.int64]) -> bool:
    """Return whether a surface has an open edge that is not on a side of the grid.

    Args:
        lattice: grid.
        edges: edges of the grid that the vertices lie on.
        borders: two vertices of each open edge of the mesh, ``(b, 2)``.
    """
    key = edges[borders]  # (b, 2)
    nodes, axes = lattice.nodes(key // 3), key % 3
    across = axes[..., None] != np.arange(3)
    at_sides = [((nodes == side) & across).all(1) for side in (np.zeros(3, np.int64), lattice.cells)]
    return not bool((at_sides[0] | at_sides[1]).any(1).all())
