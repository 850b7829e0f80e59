"""Tests of pictures by sphere tracing: silhouettes, shading and curvature of solids of closed form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.domains import Box
from sinefield.geometry import Camera, sphere_tracing, trace, trace_turntable
from sinefield.geometry.scalar_field import compute_mean_curvatures, estimate_lipschitz_bound
from sinefield.io import video

BOX = Box((-1, -1, -1), (1, 1, 1))


class Sphere(nn.Module):
    middle: Tensor

    def __init__(self, radius: float = 0.6, middle: tuple[float, float, float] = (0, 0, 0), factor: float = 1) -> None:
        super().__init__()
        self.radius, self.factor = radius, factor
        self.register_buffer("middle", torch.tensor(middle, dtype=torch.float32))

    def forward(self, points: Tensor) -> Tensor:
        distance: Tensor = (points - self.middle).norm(dim=1, keepdim=True) - self.radius
        return self.factor * distance


class Torus(nn.Module):
    def forward(self, points: Tensor) -> Tensor:
        ring: Tensor = points[:, :2].norm(dim=1) - 0.6
        return (ring.square() + points[:, 2].square()).sqrt()[:, None] - 0.2


def covered(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((picture < 255).any(2))


@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0])
def test_the_silhouette_of_a_sphere_is_its_cone(factor: float) -> None:
    """A sphere of radius R at the distance D covers the directions within arcsin R/D, whatever the slope of Φ."""
    camera = Camera(azimuth=50, elevation=30, distance=3, field_of_view=40)
    size = (60, 50)
    picture = trace(Sphere(factor=factor), camera, size, BOX, samples=1)
    assert picture.shape == (50, 60, 3)
    assert picture.dtype == np.uint8
    cosine = camera.rays(size) @ -camera.frame()[2]
    angle = np.arccos(cosine).reshape(50, 60)
    sure = np.abs(angle - math.asin(0.6 / 3)) > 0.01
    assert np.array_equal(covered(picture)[sure], (angle < math.asin(0.6 / 3))[sure])


def test_hits_are_on_the_surface_where_rays_first_meet_it() -> None:
    camera, size = Camera(azimuth=-20, elevation=70, distance=5), (40, 40)
    hit, points = sphere_tracing._find_hits(Sphere(0.7), camera, size, BOX, 1.2)
    rays, origin = camera.rays(size), camera.position()
    along = rays @ origin
    inside = along**2 - origin @ origin + 0.49
    first = -along - np.sqrt(inside.clip(min=0))
    assert len(hit) > 100
    near = 0.02 * 2 * math.tan(math.radians(35 / 2)) / 40 * 5  # a fiftieth of a pixel
    assert np.allclose(np.linalg.norm(points, axis=1), 0.7, atol=near)
    steep = inside[hit] > 0.05  # rays that graze the sphere come near it long before they meet it
    assert np.allclose(points[steep], (origin + first[hit, None] * rays[hit])[steep], atol=10 * near)


@pytest.mark.parametrize("up", ["x", "y", "z"])
@pytest.mark.parametrize("elevation", [-90, 0, 35, 90])
def test_frames_are_orthonormal_and_look_at_the_target(up: str, elevation: float) -> None:
    camera = Camera(azimuth=77, elevation=elevation, distance=2, target=(1, 2, 3), up=up)
    frame, upright = camera.frame(), np.eye(3)["xyz".index(up)]
    assert np.allclose(frame @ frame.T, np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(1)
    assert frame[1] @ upright >= -1e-12  # what is up is up in the picture
    assert abs(frame[0] @ upright) < 1e-12
    assert np.allclose(camera.position() - 2 * frame[2], [1, 2, 3])


def test_what_is_up_and_to_the_right_is_there_in_the_picture() -> None:
    """Seen from +x, as azimuth 0 is, y is to the right and z is up."""
    picture = covered(trace(Sphere(0.3, (0, 0.5, 0.4)), Camera(0, 0, 4), (64, 64), BOX, samples=1))
    rows, columns = np.nonzero(picture)
    assert columns.mean() > 40
    assert rows.mean() < 24


def test_light_comes_from_above_on_the_left() -> None:
    picture = trace(Sphere(0.9), Camera(0, 0, 4), (48, 48), BOX)[:, :, 0].astype(int)
    assert picture[15, 16] > picture[24, 24] > picture[34, 32]
    assert (trace(Sphere(0.9), Camera(0, 0, 4), (48, 48), BOX).std(2) == 0).all()


def test_curvature_of_a_torus_is_its_closed_form() -> None:
    """H = (1/r + cos v / (R + r cos v)) / 2 at the angle v around the tube."""
    v = np.linspace(0, 2 * math.pi, 25)
    points = np.stack([0.6 + 0.2 * np.cos(v), 0 * v, 0.2 * np.sin(v)], axis=1)
    expected = (5 + np.cos(v) / (0.6 + 0.2 * np.cos(v))) / 2
    assert np.allclose(compute_mean_curvatures(Torus(), points), expected, rtol=1e-4)


def test_curvature_does_not_depend_on_the_slope() -> None:
    points = np.array([[0.6, 0, 0], [0, 0.36, 0.48]])
    assert np.allclose(compute_mean_curvatures(Sphere(factor=7), points), 1 / 0.6, rtol=1e-4)


def test_convex_is_red_and_concave_is_blue() -> None:
    camera = Camera(0, 0, 4)
    ball = trace(Sphere(0.5), camera, (21, 21), BOX, colouring="curvature")[10, 10].astype(int)
    assert ball[0] > ball[2] + 50
    cave = trace(Sphere(0.9, (1, 0, 0), factor=-1), camera, (21, 21), BOX, colouring="curvature")[10, 10]
    assert int(cave[2]) > int(cave[0]) + 50


def test_a_side_of_the_box_that_cuts_a_solid_is_flat() -> None:
    """Of a ball around a corner of the box the sides show quarters of discs, each of one shade."""
    picture = trace(Sphere(0.8, (1, 1, 1)), Camera(45, 35, 5), (80, 80), BOX, samples=1)[:, :, 0]
    shades, counts = np.unique(picture[picture < 255], return_counts=True)
    assert len(shades[counts > 50]) in {2, 3}
    assert counts[counts > 50].sum() > 0.9 * counts.sum()


def test_samples_smooth_the_edges() -> None:
    rough, smooth = (trace(Sphere(), Camera(), (32, 32), BOX, samples=samples) for samples in (1, 3))
    assert len(np.unique(smooth)) > len(np.unique(rough))
    assert np.abs(smooth.astype(float).mean() - rough.astype(float).mean()) < 3


def test_nothing_is_white() -> None:
    assert (trace(Sphere(-0.1), Camera(), (16, 12), BOX, colouring="curvature") == 255).all()
    assert (trace(Sphere(), Camera(target=(0, 0, 9)), (16, 12), BOX) == 255).all()


def test_strips_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trace(Torus(), Camera(), (40, 30), BOX)
    monkeypatch.setattr(sphere_tracing, "_STRIP", 500)
    assert np.abs(whole.astype(int) - trace(Torus(), Camera(), (40, 30), BOX)).max() <= 1


@pytest.mark.parametrize("ending", [".gif", ".mp4"])
def test_a_turntable_is_a_clip(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"turn{ending}"
    frames = trace_turntable(Torus(), Camera(elevation=60), (48, 32), BOX, frames=4, colouring="curvature", samples=1)
    video.write(path, frames, 10)
    found = video.read(path)
    assert (found.frames, found.height, found.width) == (4, 32, 48)


def test_a_turntable_turns_once() -> None:
    off = Sphere(0.3, (0, 0.5, 0))
    places = [
        np.nonzero(covered(each))[1].mean() for each in trace_turntable(off, Camera(0, 0, 4), (41, 41), BOX, frames=4)
    ]
    assert places[0] == pytest.approx(40 - places[2], abs=0.6)
    assert places[0] > 25
    assert places[1] == pytest.approx(20, abs=0.6)
    assert places[3] == pytest.approx(20, abs=0.6)


def test_steepness_is_that_of_the_field() -> None:
    assert estimate_lipschitz_bound(Sphere(factor=3), BOX)[0] == pytest.approx(3.6, rel=1e-3)
    assert estimate_lipschitz_bound(Sphere(factor=0.1), BOX)[0] == pytest.approx(1.2, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"elevation": 91}, "elevation is 91; expected -90 to 90"),
        ({"distance": 0}, "distance is 0; expected a positive length"),
        ({"field_of_view": 180}, "field of view is 180; expected"),
        ({"up": "w"}, "up is 'w'; expected x, y or z"),
    ],
)
def test_cameras_that_cannot_be_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Camera(**settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"size": (0, 4)}, r"size of the picture is \(0, 4\)"),
        ({"colouring": "red"}, "colouring is 'red'; expected one of shaded, curvature"),
        ({"samples": 0}, "pixel of 0 samples"),
        ({"box": Box((2, 0), (3, 1))}, "give three coordinates each"),
    ],
)
def test_pictures_that_cannot_be_are_told(settings: dict[str, Any], told: str) -> None:
    usual: dict[str, Any] = {"size": (4, 4), "box": BOX}
    with pytest.raises(ValueError, match=told):
        trace(Sphere(), Camera(), **usual | settings)


def test_a_turn_of_no_frames_is_told() -> None:
    with pytest.raises(ValueError, match="a turn of 0 frames"):
        next(trace_turntable(Sphere(), Camera(), (4, 4), BOX, frames=0))
