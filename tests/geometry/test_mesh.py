"""Tests of meshes: closed forms of solids, and trimesh."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trimesh
from trimesh import creation

from sinefield.geometry import Mesh


def mesh_of(made: trimesh.Trimesh) -> Mesh:
    return Mesh(np.array(made.vertices), np.array(made.faces), np.array(made.vertex_normals))


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(each.vertices) for each in meshes)])
    return Mesh(
        np.concatenate([each.vertices for each in meshes]),
        np.concatenate([each.faces + start for each, start in zip(meshes, starts, strict=False)]),
        np.concatenate([each.normals for each in meshes]),
    )


BALL = mesh_of(creation.icosphere(4, 0.5))
RING = mesh_of(creation.torus(0.6, 0.2, 128, 64))
CUBE = mesh_of(creation.box((1, 2, 3)))


@pytest.mark.parametrize(
    ("mesh", "genus", "area", "volume", "close"),
    [
        (BALL, 0, math.pi, math.pi / 6, 5e-3),
        (RING, 1, 4 * math.pi**2 * 0.12, 2 * math.pi**2 * 0.024, 5e-3),
        (CUBE, 0, 22, 6, 1e-12),
    ],
)
def test_a_report_is_the_closed_form(mesh: Mesh, genus: int, area: float, volume: float, close: float) -> None:
    report = mesh.report()
    assert report == {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "watertight": True,
        "components": 1,
        "genus": genus,
        "area": pytest.approx(area, rel=close),
        "volume": pytest.approx(volume, rel=close),
    }


@pytest.mark.parametrize("mesh", [BALL, RING, CUBE, joined(BALL, RING)])
def test_a_report_is_that_of_trimesh(mesh: Mesh) -> None:
    same = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    report = mesh.report()
    assert report["watertight"] == (same.is_watertight and same.is_winding_consistent)
    assert report["components"] == same.body_count
    assert report["area"] == pytest.approx(same.area, rel=1e-12)
    assert report["volume"] == pytest.approx(same.volume, rel=1e-12)
    assert report["genus"] == report["components"] - same.euler_number // 2


def test_parts_add_up() -> None:
    two = joined(BALL, BALL.transform(1, (2, 0, 0)), RING)
    report = two.report()
    assert (report["components"], report["genus"], report["watertight"]) == (3, 1, True)
    assert report["volume"] == pytest.approx(2 * BALL.volume + RING.volume)


def test_a_hole_is_seen() -> None:
    """Of a mesh that lacks a face the three edges around it are open."""
    holed = Mesh(BALL.vertices, BALL.faces[1:], BALL.normals)
    report = holed.report()
    assert (report["watertight"], report["genus"], report["volume"]) == (False, None, None)
    assert {frozenset(each) for each in holed.open_edges().tolist()} == {
        frozenset(BALL.faces[0][[k, (k + 1) % 3]].tolist()) for k in range(3)
    }


def test_a_face_turned_round_is_no_closed_mesh() -> None:
    turned = BALL.faces.copy()
    turned[0] = turned[0, ::-1]
    assert not Mesh(BALL.vertices, turned, BALL.normals).watertight


def test_an_edge_of_four_faces_is_no_closed_mesh() -> None:
    """Two tetrahedra joined along an edge: every edge has an opposite, but one has two."""
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1]])
    one = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    other = np.array([0, 1, 4, 5])[one]
    assert Mesh(corners, one, corners).watertight
    assert not Mesh(corners, np.concatenate([one, other]), corners).watertight


def test_vertices_of_no_face_do_not_count() -> None:
    more = Mesh(np.concatenate([BALL.vertices, np.ones((3, 3))]), BALL.faces, np.concatenate([BALL.normals] * 2)[:-1])
    assert (more.components(), more.genus()) == (1, 0)


def test_an_empty_mesh_is_not_watertight() -> None:
    nothing = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int64), np.empty((0, 3)))
    assert nothing.report() == {
        "vertices": 0,
        "faces": 0,
        "watertight": False,
        "components": 0,
        "genus": None,
        "area": 0,
        "volume": None,
    }


def test_scaling_and_moving() -> None:
    found = BALL.transform(3, (10, 0, -1))
    assert found.area == pytest.approx(9 * BALL.area)
    assert found.volume == pytest.approx(27 * BALL.volume)
    assert found.vertices.mean(0) == pytest.approx([10, 0, -1])
    assert np.array_equal(found.normals, BALL.normals)
    with pytest.raises(ValueError, match="the scale is -1; a positive number"):
        BALL.transform(-1)


def test_specks_are_left_out() -> None:
    """Of two balls the small one is left out where it has less than the part asked for of the large one's faces."""
    ball, small = trimesh.creation.icosphere(3), trimesh.creation.icosphere(1, radius=0.1)
    vertices = np.concatenate([ball.vertices, small.vertices + 3])
    faces = np.concatenate([ball.faces, small.faces + len(ball.vertices)])
    both = Mesh(vertices, faces, vertices)
    assert both.remove_specks() is both  # 80 of 1,280
    left = both.remove_specks(0.1)
    assert (left.components(), len(left.faces), left.watertight) == (1, 1280, True)
    assert np.allclose(left.vertices, ball.vertices)
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int64), np.empty((0, 3)))
    assert empty.remove_specks() is empty
