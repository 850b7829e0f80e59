"""Tests of polygons cut into triangles, against their areas by the shoelace formula."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.io.shapes.content import Doubles
from sinefield.io.shapes.polygons import drop_missing, triangulate


def turned(flat: Doubles) -> Doubles:
    """Return a polygon of the plane in another plane of space."""
    rotation, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    return np.asarray(np.column_stack([flat, np.zeros(len(flat))]) @ rotation.T + [3, 1, 2])


def areas(vertices: Doubles, triangles: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Doubles:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def shoelace(flat: Doubles) -> float:
    x, y = flat.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2))


STAR = np.array(
    [[np.cos(t) * r, np.sin(t) * r] for t, r in zip(np.arange(14) * np.pi / 7, [2.0, 0.7] * 7, strict=True)]
)
POLYGONS = {
    "dart": np.array([[0, 0], [4, -2], [1, 0], [4, 2.0]]),
    "dart from its reflex corner": np.array([[1, 0], [4, 2], [0, 0], [4, -2.0]]),
    "hexagon": np.array([[np.cos(t), np.sin(t)] for t in np.arange(6) * np.pi / 3]),
    "letter U": np.array([[0, 0], [5, 0], [5, 4], [4, 4], [4, 1], [1, 1], [1, 4], [0, 4.0]]),
    "star": STAR,
    "star backwards": STAR[::-1],
    "comb": np.array([[0, 0], *[[x, y] for k in range(9) for x, y in ((k, 3), (k + 0.5, 1))], [9, 3], [9, 0.0]]),
    "a hole joined to the outline": np.array(
        [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1.0]]
    ),
    "corners in a line": np.array([[0, 0], [1, 0], [2, 0], [2, 2], [1, 2], [0, 2], [0, 1.0]]),
}


@pytest.mark.parametrize("name", POLYGONS)
def test_triangles_cover_a_polygon_once(name: str) -> None:
    flat = POLYGONS[name]
    vertices, count = turned(flat), len(flat)
    triangles = triangulate(vertices, np.array([count]), np.arange(count))
    assert len(triangles) == count - 2
    # Triangles that overlap, or lie outside, have a greater area together; and all turn one way.
    assert areas(vertices, triangles).sum() == pytest.approx(shoelace(flat), rel=1e-9)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    outwards = across @ across.sum(0)
    assert (outwards > -1e-9).all()


def test_polygons_of_several_sizes_are_cut_together() -> None:
    flats = list(POLYGONS.values())
    vertices = np.concatenate([turned(each) for each in flats])
    counts = np.array([len(each) for each in flats])
    triangles = triangulate(vertices, counts, np.arange(len(vertices)))
    assert areas(vertices, triangles).sum() == pytest.approx(sum(map(shoelace, flats)))
    assert len(triangulate(vertices, np.array([2, 1]), np.arange(3))) == 0


def test_a_polygon_of_many_corners_is_cut_in_time() -> None:
    angles = np.linspace(0, 6 * np.pi, 400)
    radii = np.linspace(1, 3, 400)
    arm = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    spiral = np.concatenate([arm, 0.97 * arm[::-1]])
    vertices = turned(spiral)
    triangles = triangulate(vertices, np.array([800]), np.arange(800))
    assert areas(vertices, triangles).sum() == pytest.approx(shoelace(spiral), rel=1e-6)


def test_what_has_a_corner_that_is_no_vertex_is_left_out() -> None:
    counts, corners, told = drop_missing(4, np.array([3, 4, 3]), np.array([0, 1, 2, 0, 1, 2, 4, -1, 2, 3]))
    assert counts.tolist() == [3]
    assert corners.tolist() == [0, 1, 2]
    assert told == ["has 2 of 3 faces with vertices that are not there; they are left out"]
