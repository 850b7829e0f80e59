"""Tests of grids: cell centres, targets, the names of axes, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield.domains import Grid


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_extents_stretch_the_cells(dtype: torch.dtype) -> None:
    """Axis i spans [−extent[i], extent[i]] with its outermost centres half a cell inside."""
    grid = Grid((4, 5), extent=(3.0, 0.5), dtype=dtype)
    assert grid.spacings == pytest.approx((1.5, 0.2))
    points = grid.at(torch.arange(20)).points
    assert points.dtype == dtype
    assert points.amax(0).tolist() == pytest.approx([3 - 0.75, 0.5 - 0.1])
    assert points.amin(0).tolist() == pytest.approx([-3 + 0.75, -0.5 + 0.1])


@pytest.mark.parametrize("extent", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, math.inf), (1.0, math.nan)])
def test_bad_extents_are_refused(extent: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="the extent of a grid is a positive number for each of 2 axes"):
        Grid((2, 3), extent=extent)


def test_axes_have_names() -> None:
    assert Grid((2, 3), axes="yx").axes == ("y", "x")
    with pytest.raises(ValueError, match=r"the grid \(2, 3\) needs 2 different names for its axes, got 't', 'y', 'x'"):
        Grid((2, 3), axes="tyx")
