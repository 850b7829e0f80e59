"""Tests of squares of neighbouring samples: every sample is in the middle of one, with its neighbours."""

from __future__ import annotations

import pytest
import torch

from sinefield.domains import Grid, Patches


def middle(patches: Patches, values: torch.Tensor) -> torch.Tensor:
    start = patches.before
    square = values.reshape(-1, patches.width, patches.width)
    return square[:, start : start + patches.side, start : start + patches.side].flatten()


@pytest.mark.parametrize(("side", "before", "after"), [(3, 0, 1), (4, 1, 1), (9, 2, 0), (1, 0, 0)])
def test_each_sample_is_in_the_middle_of_one(side: int, before: int, after: int) -> None:
    patches = Patches((5, 7), {"number": torch.arange(1.0, 36.0)[:, None]}, side=side, before=before, after=after)
    found = patches.at(torch.arange(patches.size))
    own = middle(patches, found.targets["number"])
    assert own[own > 0].sort().values.tolist() == list(range(1, 36))


def test_points_are_those_of_a_grid_and_targets_are_0_outside() -> None:
    number = torch.arange(1.0, 36.0)[:, None]
    patches, grid = Patches((5, 7), {"number": number}, side=4, before=1), Grid((5, 7), {"number": number})
    found = patches.at(torch.arange(patches.size))
    there = found.targets["number"][:, 0] > 0
    torch.testing.assert_close(
        found.points[there], grid.at(found.targets["number"][there, 0].long() - 1).points, rtol=0, atol=0
    )
    limits = torch.tensor([5 / 7, 1.0])
    assert torch.equal((found.points.abs() < limits).all(1), there)


def test_neighbours_are_side_by_side() -> None:
    points = Patches((6, 6), side=2, before=1).at(torch.arange(16)).points.reshape(4, 4, 2)
    torch.testing.assert_close(points[1:] - points[:-1], torch.tensor([1 / 3, 0.0]).expand(3, 4, 2))
    torch.testing.assert_close(points[:, 1:] - points[:, :-1], torch.tensor([0.0, 1 / 3]).expand(4, 3, 2))


@pytest.mark.parametrize("wrong", [{"shape": (4,)}, {"side": 0}, {"before": -1}, {"shape": (0, 4)}])
def test_what_is_no_square_of_samples_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="patches are squares of samples of a plane"):
        Patches(**({"shape": (4, 4)} | wrong))  # type: ignore[arg-type]
