"""Meshes of triangles: how closed they are, how many parts and handles they have, area and volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """A mesh of triangles.

    Args:
        vertices: ``(v, 3)``, in units of length.
        faces: the three vertices of each triangle, ``(f, 3)``, counter-clockwise as seen from outside.
        normals: outward, of length 1, one a vertex, ``(v, 3)``.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64]

    @property
    def area(self) -> float:
        """½ Σ ‖(b − a) × (c − a)‖ over the triangles a, b, c."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    @property
    def volume(self) -> float:
        """⅙ Σ a · (b × c) over the triangles: the volume inside of a closed mesh, by the divergence theorem.

        Negative where the faces look inward; of an open mesh it depends on the origin and means nothing.
        """
        # About the middle, so that a small mesh far from the origin does not drown in rounding.
        middle = self.vertices.mean(0) if len(self.vertices) else 0.0
        a, b, c = (self.vertices[self.faces[:, k]] - middle for k in range(3))
        return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)

    def open_edges(self) -> NDArray[np.int64]:
        """Return the edges, ``(e, 2)``, that are not shared by exactly two faces, once in each direction."""
        # One number for each edge and direction, sorted in place: there are three times as many as faces.
        size, count = len(self.vertices), len(self.faces)
        keys = np.empty(3 * count, np.int64)
        for k in range(3):
            start, end = self.faces[:, k], self.faces[:, (k + 1) % 3]
            part = keys[k * count : (k + 1) * count]
            np.minimum(start, end, out=part)
            part *= size
            part += np.maximum(start, end)
            part *= 2
            part += start > end
        keys.sort()
        same = np.zeros(len(keys) + 1, bool)  # whether each is of the same edge as the one before
        same[1:-1] = keys[1:] >> 1 == keys[:-1] >> 1
        # A pair begins where the next, but neither the one before nor the one after that is of the same edge.
        begins = ~same[:-1] & same[1:] & ~np.append(same[2:], False)
        begins[:-1] &= keys[1:] != keys[:-1]
        paired = begins.copy()
        paired[1:] |= begins[:-1]
        left = keys[~paired]
        ends = np.stack([left // 2 // size, left // 2 % size], -1)
        return np.where(left[:, None] % 2 == 1, ends[:, ::-1], ends)

    @property
    def watertight(self) -> bool:
        """Whether every edge is shared by exactly two faces, once in each direction."""
        return len(self.faces) > 0 and len(self.open_edges()) == 0

    def components(self) -> int:
        """Return into how many parts the faces fall that share no vertex."""
        return int(self._label_parts().max(initial=-1)) + 1

    def _label_parts(self) -> NDArray[np.int32]:
        """Return the number of the part that each face is of, ``(f,)``."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if len(self.faces) == 0:
            return np.empty(0, np.int32)
        used, faces = np.unique(self.faces, return_inverse=True)
        faces = faces.reshape(-1, 3)
        starts, ends = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
        graph = coo_array((np.ones(len(starts), np.int8), (starts, ends)), shape=(len(used), len(used)))
        labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
        return labels[faces[:, 0]]

    def remove_specks(self, part: float = 1e-3) -> Mesh:
        """Return the mesh without its smallest components.

        Args:
            part: of the faces of the largest component: those with fewer are left out. Faces of one grid are of about
                one size.
        """
        parts = self._label_parts()
        counts = np.bincount(parts)
        kept = (counts >= part * counts.max(initial=0))[parts]
        if kept.all():
            return self
        used, faces = np.unique(self.faces[kept], return_inverse=True)
        return Mesh(self.vertices[used], faces.reshape(-1, 3), self.normals[used])

    def genus(self) -> int | None:
        """Return how many handles the mesh has, over all its parts, or None if it is not watertight.

        χ = V − E + F = Σ (2 − 2 g) over the components: 0 handles of a sphere, 1 of a torus.
        """
        if not self.watertight:
            return None
        euler = len(np.unique(self.faces)) - len(self.faces) * 3 // 2 + len(self.faces)
        return self.components() - euler // 2

    def report(self) -> dict[str, Any]:
        """Return what is to be known of the mesh.

        ``vertices``, ``faces``, ``watertight``, ``components``, ``genus``, ``area`` and ``volume``; genus and volume
        are None of a mesh that is not watertight, as they mean nothing then.
        """
        closed = self.watertight
        return {
            "vertices": len(self.vertices),
            "faces": len(self.faces),
            "watertight": closed,
            "components": self.components(),
            "genus": self.genus() if closed else None,
            "area": self.area,
            "volume": self.volume if closed else None,
        }

    def transform(self, scale: float, offset: Sequence[float] = (0.0, 0.0, 0.0)) -> Mesh:
        """Return the mesh scaled, then moved: x ↦ scale · x + offset.

        Args:
            scale: positive.
            offset: three lengths.

        Raises:
            ValueError: the scale is not positive.
        """
        if not 0 < scale < np.inf:
            raise ValueError(f"the scale is {scale:g}; a positive number keeps the inside of a mesh inside")
        return Mesh(self.vertices * scale + np.asarray(offset, float), self.faces, self.normals)
