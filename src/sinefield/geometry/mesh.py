"""Meshes of triangles: open edges, connected components, genus, area and volume."""

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
        vertices: coordinates ``(v, 3)``, in units of length.
        faces: indices of the three vertices of each triangle, ``(f, 3)``, counter-clockwise as seen from outside.
        normals: outward normals of length 1, one for each vertex, ``(v, 3)``.
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

        It is negative if the faces look inward. That of an open mesh depends on the origin and means nothing.
        """
        # Coordinates from the middle of the mesh keep rounding small where the mesh is far from the origin.
        middle = self.vertices.mean(0) if len(self.vertices) else 0.0
        a, b, c = (self.vertices[self.faces[:, k]] - middle for k in range(3))
        return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)

    def open_edges(self) -> NDArray[np.int64]:
        """Return the edges, ``(e, 2)``, that are not shared by exactly two faces, once in each direction."""
        # Each edge and direction is one number. They are sorted in place, as there are three times as many as faces.
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
        same = np.zeros(len(keys) + 1, bool)  # whether a number is of the same edge as the one before it
        same[1:-1] = keys[1:] >> 1 == keys[:-1] >> 1
        # A pair begins at a number whose edge is that of the next number, and of no other one.
        begins = ~same[:-1] & same[1:] & ~np.append(same[2:], False)
        begins[:-1] &= keys[1:] != keys[:-1]
        paired = begins.copy()
        paired[1:] |= begins[:-1]
        left = keys[~paired]
        ends = np.stack([left // 2 // size, left // 2 % size], -1)
        return np.where(left[:, None] % 2 == 1, ends[:, ::-1], ends)

    @property
    def watertight(self) -> bool:
        """Whether there are faces, and every edge is shared by exactly two of them, once in each direction."""
        return len(self.faces) > 0 and len(self.open_edges()) == 0

    def components(self) -> int:
        """Return the number of connected components; faces that share a vertex are connected."""
        return int(self._label_parts().max(initial=-1)) + 1

    def _label_parts(self) -> NDArray[np.int32]:
        """Return the index of the connected component that each face is in, ``(f,)``."""
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
        """Return the mesh without its smallest connected components.

        Args:
            part: least number of faces of a component that is kept, as a fraction of that of the largest one. Faces
                that marching cubes make from one grid are of similar size.
        """
        parts = self._label_parts()
        counts = np.bincount(parts)
        kept = (counts >= part * counts.max(initial=0))[parts]
        if kept.all():
            return self
        used, faces = np.unique(self.faces[kept], return_inverse=True)
        return Mesh(self.vertices[used], faces.reshape(-1, 3), self.normals[used])

    def genus(self) -> int | None:
        """Return the genus, the number of handles of all components together; None if the mesh is not watertight.

        χ = V − E + F = Σ (2 − 2 g) over the components: a sphere has 0 handles, a torus 1.
        """
        if not self.watertight:
            return None
        euler = len(np.unique(self.faces)) - len(self.faces) * 3 // 2 + len(self.faces)
        return self.components() - euler // 2

    def report(self) -> dict[str, Any]:
        """Return the numbers that describe the mesh, by name.

        These are ``vertices``, ``faces``, ``watertight``, ``components``, ``genus``, ``area`` and ``volume``. Genus and
        volume are None for a mesh that is not watertight, as they mean nothing then.
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
            scale: factor of the coordinates, positive.
            offset: distance that the mesh is moved by along each axis, three of them.

        Raises:
            ValueError: the scale is not positive.
        """
        if not 0 < scale < np.inf:
            raise ValueError(f"the scale is {scale:g}; a positive number keeps the inside of a mesh inside")
        return Mesh(self.vertices * scale + np.asarray(offset, float), self.faces, self.normals)
