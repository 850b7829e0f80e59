"""Tests of the domains: cell centres, uniform laws, targets, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sinefield.domains import Ball, Box, ContinuousDomain, FiniteDomain, Grid, PointCloud

COUNT = 20_000
# The Kolmogorov–Smirnov distance of n draws to their own law exceeds x/√n with probability 2 e^(−2x²): here 7e-6.
CRITICAL = 2.5 / math.sqrt(COUNT)


def draw(domain: ContinuousDomain, count: int = COUNT, seed: int = 0) -> Tensor:
    return domain.draw(count, torch.Generator().manual_seed(seed)).points


def distance(values: Tensor, law: Callable[[Tensor], Tensor]) -> float:
    """Return the Kolmogorov–Smirnov distance of draws to a distribution function."""
    ordered = values.double().sort().values
    steps = torch.arange(len(values) + 1, dtype=torch.float64) / len(values)
    expected = law(ordered).clamp(0, 1)
    return float(torch.maximum(steps[1:] - expected, expected - steps[:-1]).max())


def uniform(low: float, high: float) -> Callable[[Tensor], Tensor]:
    return lambda x: (x - low) / (high - low)


def test_the_distance_sees_another_law() -> None:
    values = torch.rand(COUNT, generator=torch.Generator().manual_seed(0))
    assert distance(values, uniform(0, 1)) < CRITICAL
    assert distance(values**1.1, uniform(0, 1)) > CRITICAL


# Grids


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 4), (3, 2), (2, 3, 4)])
def test_grid_points_are_cell_centres_in_c_order(shape: tuple[int, ...]) -> None:
    grid = Grid(shape)
    assert (grid.size, grid.dimension) == (math.prod(shape), len(shape))
    longest = max(shape)
    axes = [torch.tensor([(2 * k + 1 - extent) / longest for k in range(extent)]) for extent in shape]
    expected = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(shape))
    points = grid.at(torch.arange(grid.size)).points
    assert points.dtype == torch.float32
    torch.testing.assert_close(points, expected, rtol=0, atol=1e-7)


def test_grids_keep_their_aspect() -> None:
    grid = Grid((3, 6))
    points = grid.at(torch.arange(18)).points.reshape(3, 6, 2)
    assert grid.spacings[0] == pytest.approx(1 / 3)
    torch.testing.assert_close(points.diff(dim=0)[..., 0], torch.full((2, 6), grid.spacings[0]))
    torch.testing.assert_close(points.diff(dim=1)[..., 1], torch.full((3, 5), grid.spacings[0]))
    # The cells of the longest side fill [−1, 1]; those of the shorter one as much as their share, about zero.
    half = grid.spacings[0] / 2
    assert float(points[..., 1].min()) - half == pytest.approx(-1)
    assert float(points[..., 1].max()) + half == pytest.approx(1)
    assert float(points[..., 0].min()) - half == pytest.approx(-0.5)
    assert float(points[..., 0].max()) + half == pytest.approx(0.5)


def test_grid_points_are_exact_in_large_grids() -> None:
    """Also where the flat index has more digits than a float32."""
    grid = Grid((5000, 5000))
    points = grid.at(torch.tensor([4999 * 5000 + 4997, 4999 * 5000 + 4998])).points
    torch.testing.assert_close(points, torch.tensor([[0.9998, 0.9990], [0.9998, 0.9994]]), rtol=0, atol=1e-7)


def test_grid_targets_go_with_their_points() -> None:
    values = torch.arange(6.0).reshape(6, 1)
    matrices = torch.arange(24.0).reshape(6, 2, 2)
    grid = Grid((2, 3), {"value": values, "jacobian": matrices})
    assert grid.target_names == {"value", "jacobian"}
    samples = grid.at(torch.tensor([4, 1]))
    assert samples.targets["value"].tolist() == [[4.0], [1.0]]
    assert torch.equal(samples.targets["jacobian"], matrices[[4, 1]])
    assert torch.equal(samples.points, grid.at(torch.arange(6)).points[[4, 1]])


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (-1, 2)])
def test_empty_grids_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one sample along each axis"):
        Grid(shape)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.zeros(5, 1), r"target 'a' of the grid \(2, 3\) must have shape \(6, …\).*got \(5, 1\)"),
        (torch.zeros(6), r"one row a point, got \(6,\); reshape it"),
        (torch.zeros(2, 3), r"got \(2, 3\)"),
        (torch.full((6, 1), math.nan), "holds NaN or infinity"),
        (torch.tensor([[0.0], [1.0], [math.inf], [0.0], [0.0], [0.0]]), "holds NaN or infinity"),
    ],
)
def test_targets_that_do_not_fit_are_refused(values: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Grid((2, 3), {"a": values})


def test_integer_targets_are_kept() -> None:
    labels = torch.tensor([[0], [1], [2]])
    assert torch.equal(Grid((3,), {"label": labels}).at(torch.arange(3)).targets["label"], labels)


# Point clouds


def test_point_clouds_answer_what_they_were_given() -> None:
    points = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    normals = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cloud = PointCloud(points, {"normal": normals})
    assert (cloud.size, cloud.dimension, cloud.target_names) == (2, 3, {"normal"})
    samples = cloud.at(torch.tensor([1, 0, 1]))
    assert torch.equal(samples.points, points[[1, 0, 1]])
    assert torch.equal(samples.targets["normal"], normals[[1, 0, 1]])


@pytest.mark.parametrize(
    ("points", "targets", "message"),
    [
        (torch.zeros(3), {}, r"points of shape \(n, d\) with n ≥ 1, got \(3,\)"),
        (torch.zeros(0, 2), {}, r"got \(0, 2\)"),
        (torch.zeros(2, 2, 2), {}, r"got \(2, 2, 2\)"),
        (torch.tensor([[0.0, math.nan]]), {}, "'points' of the point cloud holds NaN"),
        (torch.zeros(2, 2), {"a": torch.zeros(3, 1)}, r"target 'a' of the point cloud must have shape \(2, …\)"),
        (torch.zeros(1, 2), {"a": torch.tensor([[math.nan]])}, "target 'a' of the point cloud holds NaN"),
    ],
)
def test_bad_point_clouds_are_refused(points: Tensor, targets: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointCloud(points, targets)


# Continuous domains

BOXES = [Box([-1.0], [2.0]), Box([-1.0, 0.0], [1.0, 0.5]), Box([0, -3, 1], [1, 3, 2])]
BALLS = [Ball([0.5], 2.0), Ball([1.0, -2.0], 0.5), Ball([0, 1, 2], 3)]


@pytest.mark.parametrize("box", BOXES, ids=lambda box: f"{box.dimension}d")
def test_boxes_are_uniform(box: Box) -> None:
    points = draw(box)
    assert points.shape == (COUNT, box.dimension)
    assert points.dtype == torch.float32
    for axis, (low, high) in enumerate(zip(box.lower, box.upper, strict=True)):
        assert distance(points[:, axis], uniform(low, high)) < CRITICAL
    if box.dimension > 1:  # axes are independent: correlations vanish as 1/√n
        off = torch.corrcoef(points.T) - torch.eye(box.dimension)
        assert float(off.abs().max()) < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("box", BOXES, ids=lambda box: f"{box.dimension}d")
def test_box_boundaries_are_uniform(box: Box) -> None:
    points = draw(box.boundary)
    assert box.boundary.dimension == box.dimension
    assert points.dtype == torch.float32
    lower, upper = (torch.tensor(each, dtype=torch.float32) for each in (box.lower, box.upper))
    on_face = torch.stack([points == lower, points == upper], dim=-1)  # (n, d, 2)
    assert bool(on_face.any(-1).any(-1).all())
    assert bool(((points >= lower) & (points <= upper)).all())
    sides = upper - lower
    areas = (sides.prod() / sides)[:, None].expand(-1, 2)
    expected = areas / areas.sum()
    shares = on_face.float().mean(0)
    # A share p of n draws is known to √(p(1 − p)/n); four of these errors are allowed.
    assert bool(((shares - expected).abs() <= 4 * (expected * (1 - expected) / COUNT).sqrt()).all())
    for axis in range(box.dimension):  # along a face the law is uniform
        elsewhere = points[~on_face[:, axis].any(-1)]
        if len(elsewhere):
            law = uniform(float(lower[axis]), float(upper[axis]))
            assert distance(elsewhere[:, axis], law) < 2.5 / math.sqrt(len(elsewhere))


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: f"{ball.dimension}d")
def test_balls_are_uniform(ball: Ball) -> None:
    points = draw(ball)
    offsets = (points - torch.tensor(ball.centre, dtype=torch.float32)) / ball.radius
    assert points.shape == (COUNT, ball.dimension)
    assert float(offsets.norm(dim=1).max()) <= 1 + 1e-6
    # The volume within radius r grows as r^d, and no direction is preferred: a mean of 0, variances 1/(d + 2).
    assert distance(offsets.norm(dim=1), lambda r: r**ball.dimension) < CRITICAL
    spread = 1 / (ball.dimension + 2)
    assert float(offsets.mean(0).abs().max()) < 4 * math.sqrt(spread / COUNT)
    covariance = offsets.T @ offsets / COUNT
    torch.testing.assert_close(covariance, spread * torch.eye(ball.dimension), rtol=0, atol=0.012)


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: f"{ball.dimension}d")
def test_spheres_are_uniform(ball: Ball) -> None:
    points = draw(ball.boundary)
    offsets = (points - torch.tensor(ball.centre, dtype=torch.float32)) / ball.radius
    assert ball.boundary.dimension == ball.dimension
    torch.testing.assert_close(offsets.norm(dim=1), torch.ones(COUNT), rtol=0, atol=1e-5)
    for axis in range(ball.dimension):
        if ball.dimension == 1:  # two points, each half of the time
            assert float((offsets > 0).float().mean()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(COUNT))
        elif ball.dimension == 2:  # a coordinate of the circle follows the arcsine law
            assert distance(offsets[:, axis], lambda y: 0.5 + y.clamp(-1, 1).asin() / math.pi) < CRITICAL
        else:  # one of the sphere is uniform (Archimedes)
            assert distance(offsets[:, axis], uniform(-1, 1)) < CRITICAL


@pytest.mark.parametrize("domain", [*BOXES, *BALLS], ids=lambda each: f"{type(each).__name__} {each.dimension}d")
@pytest.mark.parametrize("boundary", [False, True], ids=["inside", "boundary"])
def test_draws_repeat_with_their_generator(domain: Box | Ball, boundary: bool) -> None:
    where = domain.boundary if boundary else domain
    state = torch.random.get_rng_state()
    assert torch.equal(draw(where, 50, seed=1), draw(where, 50, seed=1))
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing is taken from the global generator
    generator = torch.Generator().manual_seed(1)
    assert not torch.equal(where.draw(50, generator).points, where.draw(50, generator).points)
    assert where.draw(3, generator).targets == {}


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([0.0], [1.0, 2.0], "as many lower as upper bounds"),
        ([], [], "as many lower as upper bounds"),
        ([0.0, 1.0], [1.0, 1.0], "below the upper one"),
        ([2.0], [1.0], "below the upper one"),
        ([0.0], [math.nan], "below the upper one"),
    ],
)
def test_bad_boxes_are_refused(lower: list[float], upper: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Box(lower, upper)


@pytest.mark.parametrize(("centre", "radius"), [([], 1.0), ([0.0], 0.0), ([0.0], -1.0), ([0.0], math.nan)])
def test_bad_balls_are_refused(centre: list[float], radius: float) -> None:
    with pytest.raises(ValueError, match="a centre and a positive radius"):
        Ball(centre, radius)


def test_domains_are_finite_or_continuous() -> None:
    assert isinstance(Grid((2,)), FiniteDomain)
    assert isinstance(PointCloud(torch.zeros(1, 1)), FiniteDomain)
    for each in (*BOXES, *BALLS):
        assert isinstance(each, ContinuousDomain)
        assert isinstance(each.boundary, ContinuousDomain)
