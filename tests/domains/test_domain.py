"""Tests of lookups, and of the distance to a distribution that tests of domains use."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from distributions import COUNT, CRITICAL, distance, uniform
from sinefield.domains import Grid


def test_the_distance_sees_another_law() -> None:
    values = torch.rand(COUNT, generator=torch.Generator().manual_seed(0))
    assert distance(values, uniform(0, 1)) < CRITICAL
    assert distance(values**1.1, uniform(0, 1)) > CRITICAL


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
