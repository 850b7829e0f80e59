"""Tests of shapes as signed distances, against balls and rings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from sinefield import checkpoint, plots, problems, solve
from sinefield.domains import PointCloud
from sinefield.geometry import Camera
from sinefield.io import SignalWarning
from sinefield.io.clouds import Cloud
from sinefield.kinds import signal_from_json
from sinefield.plots import shapes as figures
from sinefield.problems import shape
from sinefield.signals.shape import ShapeSignal

SMALL: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 2}
CENTRE, RADIUS = np.array([10.0, -5.0, 3.0]), 4.0


def ball(count: int = 4000, dimension: int = 3) -> NDArray[np.float64]:
    """Return points and normals of a ball in units of its own."""
    normals = np.random.default_rng(0).standard_normal((count, dimension))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return np.concatenate([CENTRE[:dimension] + RADIUS * normals, normals], axis=1)


class Ball(nn.Module):
    """The signed distance from a ball of radius 0.9, as fitted shapes are scaled."""

    in_features, out_features = 3, 1

    def forward(self, points: Tensor) -> Tensor:
        distance: Tensor = points.norm(dim=1, keepdim=True)
        return distance - 0.9


@pytest.mark.parametrize("terms", ["distance", "published", "digs"])
@pytest.mark.parametrize("normals", [True, False])
def test_the_distance_from_a_ball_satisfies_every_term(terms: str, *, normals: bool) -> None:
    problem = shape(ball()[:, : 6 if normals else 3], terms=terms, **SMALL)
    reached = problem.measure({"u": Ball()}, None)
    assert reached["surface_error"] < 2e-3
    assert reached["slope_error"] < 1e-5
    if terms == "digs":
        assert "normal_consistency" not in reached
    else:
        assert reached["normal_consistency"] > 0.99
    generator = torch.Generator().manual_seed(0)
    from sinefield.domains import FiniteDomain
    from sinefield.jet import jet

    for each in problem.constraints:
        domain = each.domain
        samples = domain.at(torch.arange(500)) if isinstance(domain, FiniteDomain) else domain.draw(500, generator)
        residual = each.bound({"u": Ball()}).residual({"u": jet(Ball(), samples.points)}, samples.targets)
        if each.name == "laplacian":  # 2/r of a ball in space
            assert torch.allclose(residual, 2 / samples.points.norm(dim=1, keepdim=True), rtol=1e-3)
        elif each.name != "off the surface":
            assert residual.abs().mean() < (0.12 if not normals and each.name == "normal" else 0.02), each.name


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_ball_is_fitted(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = shape(ball(dimension=dimension), **SMALL)
    solution = solve(problem, passes=0.5, batch=512, learning_rate=3e-3)
    signal = problem.signal
    assert isinstance(signal, ShapeSignal)
    points = CENTRE[:dimension] + np.random.default_rng(1).uniform(-4.4, 4.4, (500, dimension))
    truth = np.linalg.norm(points - CENTRE[:dimension], axis=1) - RADIUS
    assert np.abs(signal.distances(solution.field, points) - truth).mean() < 0.1
    if dimension == 3:
        mesh, _ = signal.mesh(solution.field, 32)
        report = mesh.report()
        assert (report["watertight"], report["components"], report["genus"]) == (True, 1, 0)
        assert report["area"] == pytest.approx(4 * math.pi * RADIUS**2, rel=0.05)
        assert np.allclose(mesh.vertices.mean(0), CENTRE, atol=0.1)
    monkeypatch.setattr(figures, "_SIDE", 60)
    figure = plots.solution_figure(solution)
    assert len(figure.axes) >= 3


def test_a_glyph_is_fitted_and_drawn(tmp_path: Path) -> None:
    y, x = np.mgrid[0:40, 0:40] + 0.5
    Image.fromarray((255 * (np.hypot(y - 20, x - 20) > 12)).astype(np.uint8)).save(tmp_path / "disc.png")
    solution = solve(problems.of(tmp_path / "disc.png", "shape", **SMALL), passes=2, batch=512, learning_rate=3e-3)
    signal = solution.problem.signal
    assert isinstance(signal, ShapeSignal)
    places = np.array([[20.0, 20.0], [9.0, 9.0]])
    assert signal.distances(solution.field, places) == pytest.approx([-12, 11 * math.sqrt(2) - 12], abs=1.5)
    told = signal.write(solution.field, tmp_path / "distance.png", (60, 50))
    assert "60 x 50, distance from -" in told
    with Image.open(tmp_path / "distance.png") as written:
        assert written.size == (60, 50)
    with pytest.raises(ValueError, match="has no mesh"):
        signal.mesh(solution.field)
    with pytest.raises(ValueError, match="no turn around"):
        signal.write(solution.field, tmp_path / "turn.mp4")


def test_pictures_and_turns_are_written(tmp_path: Path) -> None:
    signal = ShapeSignal.of(ball()[:, :3])
    assert signal.scale == pytest.approx(RADIUS / 0.9, rel=0.01)
    picture = signal.sample(Ball(), (40, 30), camera=Camera(azimuth=10.0))
    assert picture.shape == (30, 40, 3)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[15, 20].max() < 250
    assert "40 x 30, curvature" in signal.write(Ball(), tmp_path / "a.png", (40, 30), colouring="curvature")
    assert signal.write(Ball(), tmp_path / "turn.gif", (16, 16), frames=3) == "3 frames around the shape"
    assert (tmp_path / "turn.gif").stat().st_size > 100


def test_what_is_upright_is_that_of_the_format(tmp_path: Path) -> None:
    trimesh.creation.icosphere(2).export(tmp_path / "a.obj")
    trimesh.creation.icosphere(2).export(tmp_path / "a.ply")
    found = [shape(tmp_path / name, samples=500, **SMALL).signal for name in ("a.obj", "a.ply")]
    assert [each.up for each in found if isinstance(each, ShapeSignal)] == ["y", "z"]

    class High(nn.Module):
        """A ball that is off the middle along y."""

        def forward(self, points: Tensor) -> Tensor:
            distance: Tensor = (points - torch.tensor([0.0, 0.5, 0.0])).norm(dim=1, keepdim=True)
            return distance - 0.3

    signal = ShapeSignal.of(ball()[:, :3], "y")
    rows, _ = np.nonzero(signal.sample(High(), (40, 40), camera=Camera(0, 0)).min(2) < 250)
    assert rows.max() < 20  # in the upper half
    columns = np.nonzero(signal.sample(High(), (40, 40), camera=Camera(0, 0, up="z")).min(2) < 250)[1]
    assert columns.min() >= 20  # seen from x, y is to the right


def test_the_signal_survives_a_file(tmp_path: Path) -> None:
    solution = solve(shape(ball(200), **SMALL), passes=0.01)
    solution.save(tmp_path / "ball.safetensors")
    _, header = checkpoint.read(tmp_path / "ball.safetensors")
    signal = signal_from_json(header["signal"])
    assert signal == solution.problem.signal
    with pytest.raises(ValueError, match="not plausible"):
        ShapeSignal.from_json({"centre": [0, 0, 0], "scale": -1, "extent": [1, 1, 1], "up": "z"})
    with pytest.raises(ValueError, match="incomplete"):
        ShapeSignal.from_json({"centre": [0, 0, 0]})


def test_questions_are_answered_in_the_units_of_the_file() -> None:
    signal = ShapeSignal.of(ball()[:, :3])
    points = CENTRE + np.random.default_rng(2).uniform(-4.3, 4.3, (200, 3))
    away = np.linalg.norm(points - CENTRE, axis=1)
    assert np.allclose(signal.distances(Ball(), points), away - RADIUS, atol=0.02)
    certain = abs(away - RADIUS) > 0.02
    assert np.array_equal(signal.inside(Ball(), points)[certain], (away < RADIUS)[certain])
    found, normals = signal.project(Ball(), points)
    assert np.allclose(found, CENTRE + RADIUS * (points - CENTRE) / away[:, None], atol=0.03)
    assert np.allclose(normals, (points - CENTRE) / away[:, None], atol=0.01)
    mesh, _ = signal.mesh(Ball(), 32, offset=-1.0)
    assert np.allclose(np.linalg.norm(mesh.vertices - CENTRE, axis=1), RADIUS - 1, atol=0.02)
    with pytest.raises(ValueError, match=r"the points of this shape are \(n, 3\); got shape \(200, 2\)"):
        signal.distances(Ball(), points[:, :2])


def test_slices_are_upright() -> None:
    """An axis across, the later of the others upwards: the distance of a ball that is off the middle of its box."""
    signal = ShapeSignal((0.0, 0.0, 0.0), 2.0, (0.9, 0.9, 0.4))

    class Above(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            return points[:, 2:]

    picture = signal.sample(Above(), axis="x")
    assert picture.shape == (256, 512)
    assert picture[0] == pytest.approx(np.full(512, 2 * 0.5 * (1 - 1 / 256)))
    assert picture[-1, 0] == -picture[0, 0]
    assert signal.sample(Above(), (8, 8), axis="z", at=0.5) == pytest.approx(np.full((8, 8), 0.5))


@pytest.mark.parametrize("estimate", [True, False])
@pytest.mark.filterwarnings("ignore:.*points are noisy")  # they look so beside such normals
def test_normals_are_estimated_where_they_are_asked_for(*, estimate: bool) -> None:
    points = Cloud(ball()[:, :3], np.tile([0.0, 0.0, 1.0], (4000, 1)), "a ball")  # wrong, and in agreement
    (surface, *_) = shape(points, estimate_normals=estimate, **SMALL).constraints
    assert isinstance(surface.domain, PointCloud)
    alike = (surface.domain.targets["normal"] * torch.from_numpy(ball()[:, 3:]).float()).sum(1)
    assert (float(alike.mean()) > 0.95) == estimate


def test_noise_is_smoothed_and_said() -> None:
    points = ball()
    points[:, :3] += 0.15 * np.random.default_rng(4).standard_normal((len(points), 3))
    with pytest.warns(SignalWarning, match=r"points are noisy; they are moved by 0\.\d+ on average"):
        (surface, *_) = shape(points, **SMALL).constraints
    assert isinstance(surface.domain, PointCloud)
    radii = surface.domain.points.norm(dim=1)
    assert float((radii - radii.mean()).abs().mean()) < 0.02  # of 0.027
    (surface, *_) = shape(points, terms="published", **SMALL).constraints
    assert isinstance(surface.domain, PointCloud)
    assert float((surface.domain.points.norm(dim=1) - radii.mean()).abs().mean()) > 0.02


def test_the_terms_of_digs_find_the_inside_of_points_alone() -> None:
    solution = solve(shape(ball()[:, :3], terms="digs", **SMALL), passes=4, batch=512)
    signal = solution.problem.signal
    assert isinstance(signal, ShapeSignal)
    assert signal.inside(solution.field, CENTRE[None]).all()
    away = CENTRE + 4.3 * ball(100)[:, 3:]
    assert not signal.inside(solution.field, away).any()


def test_unknown_terms_are_told() -> None:
    with pytest.raises(ValueError, match="unknown terms 'best'; choose one of distance, published, digs"):
        shape(ball(), terms="best")
    with pytest.raises(ValueError, match="unknown network"):
        shape(ball(), network="cnn")
