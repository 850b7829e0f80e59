"""Tests of domains side by side: whose point is which, and what is refused."""

from __future__ import annotations

import pytest
import torch

from sinefield.domains import FiniteDomain, Grid, PointCloud, SideBySide


def clouds(count: int, size: int, axes: str | None = None) -> list[PointCloud]:
    """Return clouds of points (k, n) with the target k + n/10, for cloud k and point n."""
    made = []
    for k in range(count):
        points = torch.stack([torch.full((size,), float(k)), torch.arange(float(size))], dim=1)
        made.append(PointCloud(points, {"value": points[:, :1] + points[:, 1:] / 10}, axes=axes))
    return made


def test_points_take_turns() -> None:
    both = SideBySide.of(clouds(3, 4, axes="ab"))
    assert (both.size, both.dimension, both.granule, both.axes) == (12, 2, 3, ("a", "b"))
    assert both.target_names == frozenset({"value"})
    index = torch.tensor([7, 0, 11])
    samples = both.at(index)
    assert samples.points.tolist() == [[float(n % 3), float(n // 3)] for n in index.tolist()]
    torch.testing.assert_close(samples.targets["value"], samples.points[:, :1] + samples.points[:, 1:] / 10)


@pytest.mark.parametrize(
    "domains",
    [
        [],
        [*clouds(1, 4), *clouds(1, 5)],
        [*clouds(1, 4), Grid((4,), {"value": torch.zeros(4, 1)})],
        [*clouds(1, 4), PointCloud(torch.zeros(4, 2))],
        [*clouds(1, 4, axes="ab"), *clouds(1, 4, axes="xy")],
    ],
    ids=["none", "size", "dimension", "targets", "axes"],
)
def test_domains_that_differ_are_refused(domains: list[FiniteDomain]) -> None:
    with pytest.raises(
        ValueError, match=r"one size, dimension and targets, and the same axes, got .*; solve such problems one"
    ):
        SideBySide.of(domains)
