"""Tests of random orders and lookups, and of the distance to a distribution that tests of domains use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distributions import COUNT, CRITICAL, distance, uniform
from sinefield.domains import Grid, random_order
from sinefield.domains.domain import RUN


def test_the_distance_sees_another_law() -> None:
    values = torch.rand(COUNT, generator=torch.Generator().manual_seed(0))
    assert distance(values, uniform(0, 1)) < CRITICAL
    assert distance(values**1.1, uniform(0, 1)) > CRITICAL


@pytest.mark.parametrize(("count", "window"), [(10, 10), (5 * RUN + 7, 2 * RUN), (3 * RUN, 1)])
def test_random_orders_visit_everything_once(count: int, window: int) -> None:
    parts = list(random_order(count, torch.Generator().manual_seed(0), window))
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(count))
    assert all(len(each) <= max(window, RUN) for each in parts)
    again = list(random_order(count, torch.Generator().manual_seed(0), window))
    assert all(torch.equal(one, other) for one, other in zip(parts, again, strict=True))


def test_windows_hold_runs_from_everywhere() -> None:
    """A window of 4 of 64 runs holds these from end to end, in an order that is not theirs."""
    first = next(random_order(64 * RUN, torch.Generator().manual_seed(0), 4 * RUN))
    assert len(first) == 4 * RUN
    runs = (first // RUN).unique()
    assert len(runs) == 4
    assert int(runs.max() - runs.min()) > 16
    assert float((first.diff() == 1).float().mean()) < 0.01


class Squares:
    """Squares of the numbers from 0, computed when they are looked up."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return index[:, None].float() ** 2


def test_lookups_are_targets() -> None:
    grid = Grid((2, 3), {"square": Squares(6)})
    assert grid.at(torch.tensor([5, 2])).targets["square"].tolist() == [[25.0], [4.0]]
    with pytest.raises(
        ValueError, match=r"target 'square' of the grid \(2, 3\) must have one row for each of 6, got 5"
    ):
        Grid((2, 3), {"square": Squares(5)})
