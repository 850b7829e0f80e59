"""Tests of point clouds: points and targets as given, the names of axes, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sinefield.domains import PointCloud


def test_point_clouds_answer_what_they_were_given() -> None:
    points = torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    normals = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    cloud = PointCloud(points, {"normal": normals})
    assert (cloud.size, cloud.dimension, cloud.target_names) == (2, 3, frozenset({"normal"}))
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


def test_axes_have_names() -> None:
    assert PointCloud(torch.zeros(1, 2), axes="xy").axes == ("x", "y")
    with pytest.raises(ValueError, match="the point cloud needs 2 different names for its axes, got 'x'"):
        PointCloud(torch.zeros(1, 2), axes="x")
