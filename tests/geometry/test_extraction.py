"""Tests of surfaces extracted as meshes: closed forms of solids, and dense marching cubes of scikit-image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.measure import marching_cubes
from torch import Tensor, nn

from sinefield.domains import Box
from sinefield.fields.field import build
from sinefield.geometry import extract, extraction
from sinefield.geometry.scalar_field import evaluate

BOX = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


class Field(nn.Module):
    """Φ(x, y, z) of a function of the three coordinates."""

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, points: Tensor) -> Tensor:
        return self.function(*points.unbind(1))[:, None]


def sphere(radius: float, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Field:
    return Field(lambda a, b, c: ((a - x) ** 2 + (b - y) ** 2 + (c - z) ** 2).sqrt() - radius)


def box(*half: float) -> Field:
    def distance(*x: Tensor) -> Tensor:
        q = torch.stack([each.abs() - side for each, side in zip(x, half, strict=True)])
        outside: Tensor = q.clamp(min=0).norm(dim=0)
        return outside + q.amax(0).clamp(max=0)

    return Field(distance)


TORUS = Field(lambda x, y, z: (((x**2 + y**2).sqrt() - 0.6) ** 2 + z**2).sqrt() - 0.25)
GYROID = Field(
    lambda x, y, z: (
        (
            torch.sin(6 * x) * torch.cos(6 * y)
            + torch.sin(6 * y) * torch.cos(6 * z)
            + torch.sin(6 * z) * torch.cos(6 * x)
        )
        / 9
    )
)


def noise(seed: int, frequency: float = 9.0) -> nn.Module:
    """A smooth field with many ambiguous faces: sines of random directions, as a SIREN of its start."""
    torch.manual_seed(seed)
    return build("siren", 3, 1, hidden_features=16, hidden_layers=1, first_omega=frequency, hidden_omega=10.0)


def dense(field: nn.Module, resolution: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    axis = np.array(BOX.lower[0]) + np.arange(resolution + 1) * (2 / resolution)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    values = evaluate(field, points).reshape([resolution + 1] * 3)
    vertices = marching_cubes(values, 0.0)[0]
    return vertices, values


@pytest.mark.parametrize(
    ("field", "genus", "area", "volume"),
    [
        (sphere(0.8), 0, 4 * math.pi * 0.64, 4 / 3 * math.pi * 0.512),
        (TORUS, 1, 4 * math.pi**2 * 0.15, 2 * math.pi**2 * 0.6 * 0.0625),
    ],
    ids=["sphere", "torus"],
)
def test_area_and_volume_converge(field: Field, genus: int, area: float, volume: float) -> None:
    """Halving the cells quarters the error of area and volume."""
    errors = []
    for resolution in (24, 48, 96):
        report = extract(field, BOX, resolution).mesh.report()
        assert (report["watertight"], report["components"], report["genus"]) == (True, 1, genus)
        errors.append((abs(report["area"] / area - 1), abs(report["volume"] / volume - 1)))
    for coarse, fine in itertools.pairwise(errors):
        assert all(later < 0.35 * earlier for earlier, later in zip(coarse, fine, strict=True))
    assert max(errors[-1]) < 2e-3


def test_a_box_keeps_its_faces() -> None:
    mesh = extract(box(0.51, 0.62, 0.33), BOX, 64).mesh
    assert mesh.volume == pytest.approx(8 * 0.51 * 0.62 * 0.33, rel=0.01)
    assert mesh.genus() == 0
    assert np.abs(mesh.vertices).max(0) == pytest.approx([0.51, 0.62, 0.33], abs=1e-5)


@pytest.mark.parametrize("field", [sphere(0.8), TORUS, GYROID, noise(0), noise(1), noise(2, 30.0)])
def test_vertices_are_those_of_the_dense_grid(field: nn.Module) -> None:
    """What is pruned holds no surface: each edge of the whole grid where the sign changes has its vertex."""
    resolution = 64
    found = extract(field, BOX, resolution, polish=0, lipschitz=20.0 if field is not TORUS else None)
    cell = 2 / resolution
    vertices, values = dense(field, resolution)
    changes = sum(int((np.diff(np.sign(values + 1e-30), axis=axis) != 0).sum()) for axis in range(3))
    assert len(found.mesh.vertices) == changes
    # scikit-image adds vertices inside of cells; those on edges of the grid have two whole coordinates.
    on_edges = vertices[(vertices == np.round(vertices)).sum(1) >= 2]
    near = np.abs(found.mesh.vertices[_nearest(found.mesh.vertices, on_edges * cell - 1)] - (on_edges * cell - 1))
    assert near.max() < 2e-3 * cell


def _nearest(vertices: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    found: NDArray[np.int64] = cKDTree(vertices).query(points)[1]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_rough_fields_make_closed_manifolds(seed: int) -> None:
    """Inside of a ball, whatever the field: every edge has two faces, and the genus is a whole number."""
    rough = noise(seed, 40.0)
    field = Field(
        lambda x, y, z: torch.maximum(rough(torch.stack([x, y, z], 1))[:, 0], (x**2 + y**2 + z**2).sqrt() - 0.9)
    )
    mesh = extract(field, BOX, 40, polish=0, lipschitz=50.0).mesh
    report = mesh.report()
    assert report["watertight"]
    assert report["genus"] >= 0
    euler = len(mesh.vertices) - len(mesh.faces) // 2
    assert euler % 2 == 0


def test_slabs_make_the_same_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = extract(TORUS, BOX, 48)
    monkeypatch.setattr(extraction, "_SLAB", 100)
    parts = extract(TORUS, BOX, 48)
    assert np.allclose(whole.mesh.vertices, parts.mesh.vertices, atol=1e-6)
    assert np.array_equal(whole.mesh.faces, parts.mesh.faces)
    assert whole.evaluated == parts.evaluated


def test_few_nodes_are_evaluated() -> None:
    """The part that is evaluated falls as the cells get smaller: it follows the area, not the volume."""
    found = extract(sphere(0.8), BOX, 256)
    assert found.total == 257**3
    assert found.evaluated < 0.06 * found.total
    assert found.lipschitz == pytest.approx(1.2)


@pytest.mark.parametrize("field", [sphere(0.7), TORUS, GYROID])
def test_polished_vertices_are_on_the_surface(field: Field) -> None:
    rough = extract(field, BOX, 64, polish=0).mesh
    mesh = extract(field, BOX, 64).mesh
    assert np.abs(evaluate(field, mesh.vertices)).max() < 1e-5
    assert np.linalg.norm(mesh.vertices - rough.vertices, axis=1).max() <= 0.5 * 2 / 64 * (1 + 1e-9)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)


def test_normals_look_outward() -> None:
    mesh = extract(sphere(0.6, 0.1, -0.2, 0.3), BOX, 32).mesh
    assert np.allclose(mesh.normals, (mesh.vertices - [0.1, -0.2, 0.3]) / 0.6, atol=1e-5)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.einsum("ni,ni->n", np.cross(b - a, c - a), mesh.normals[mesh.faces[:, 0]]) > 0).all()


def test_a_surface_that_leaves_the_box_is_open() -> None:
    mesh = extract(sphere(0.8), Box((0, 0, 0), (1, 1, 1)), 40).mesh
    report = mesh.report()
    assert (report["watertight"], report["genus"], report["components"]) == (False, None, 1)
    assert report["area"] == pytest.approx(math.pi * 0.64 / 2, rel=0.01)
    ends = mesh.vertices[np.unique(mesh.open_edges())]
    assert np.abs(ends).min(1).max() < 0.5 / 40


def test_boxes_need_not_be_cubes() -> None:
    found = extract(sphere(0.4, 0.5), Box((-0.1, -0.45, -0.5), (1.0, 0.45, 0.52)), 37)
    assert found.mesh.volume == pytest.approx(4 / 3 * math.pi * 0.064, rel=0.01)
    assert found.mesh.genus() == 0
    assert found.total == 38 * (math.ceil(0.9 * 37 / 1.1) + 1) * (math.ceil(1.02 * 37 / 1.1) + 1)


def test_two_parts_are_found() -> None:
    one, other = sphere(0.3, -0.5, -0.5, -0.5), sphere(0.2, 0.6, 0.6, 0.6)
    both = Field(lambda x, y, z: torch.minimum(one.function(x, y, z), other.function(x, y, z)))
    report = extract(both, BOX, 64).mesh.report()
    assert (report["components"], report["genus"]) == (2, 0)


def test_a_bound_too_small_is_raised_until_the_surface_closes() -> None:
    """A field twice as steep as said: the first try leaves holes, as the surface ends inside of the box."""
    steep = Field(lambda x, y, z: 2 * ((2.4 * x**2 + y**2 + 0.4 * z**2).sqrt() - 0.5))
    found = extract(steep, BOX, 64, lipschitz=1.0)
    assert found.mesh.watertight
    assert found.lipschitz > 1


def test_zero_on_nodes_is_no_trouble() -> None:
    mesh = extract(Field(lambda x, y, z: x.abs() + y.abs() + z.abs() - 0.5), BOX, 32, polish=0).mesh
    assert (mesh.watertight, mesh.genus()) == (True, 0)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 0


@pytest.mark.parametrize("field", [sphere(-0.5), Field(lambda x, y, z: 0 * x - 1)], ids=["outside", "inside"])
def test_no_surface_is_told_with_the_values(field: Field) -> None:
    with pytest.raises(ValueError, match=r"no zero set in the box from \[-1.*: its values there go from -?[\d.]+ to"):
        extract(field, BOX, 32)


@pytest.mark.parametrize("resolution", [7, 4097, 20.5])
def test_resolutions_have_a_range(resolution: float) -> None:
    with pytest.raises(ValueError, match=rf"resolution is {resolution}; expected a whole number of cells, 8 to 4096"):
        extract(sphere(0.5), BOX, resolution)  # type: ignore[arg-type]


def test_what_is_not_finite_is_told() -> None:
    with pytest.raises(ValueError, match=r"the field is nan at \["):
        extract(Field(lambda x, y, z: (x - 0.9).sqrt() - 0.1), BOX, 16)


@pytest.mark.parametrize("dimension", [2, 4])
def test_boxes_that_are_not_in_space_are_told(dimension: int) -> None:
    with pytest.raises(ValueError, match=f"a box of 3 axes, got one of {dimension}; give three coordinates each"):
        extract(sphere(0.5), Box([0] * dimension, [1] * dimension), 16)


def test_other_settings_out_of_range_are_told() -> None:
    with pytest.raises(ValueError, match="polish is -1"):
        extract(sphere(0.5), BOX, 16, polish=-1)
    with pytest.raises(ValueError, match="Lipschitz bound is 0"):
        extract(sphere(0.5), BOX, 16, lipschitz=0)


def test_fields_of_several_outputs_are_told() -> None:
    with pytest.raises(ValueError, match=r"a field with one output"):
        extract(nn.Linear(3, 2), BOX, 16)
