"""Tests of random orders whose steps are spread evenly over a lattice."""

from __future__ import annotations

import math

import pytest
import torch

from sinefield import Grid
from sinefield.randomness import Strata, generator_of, z_order
from sinefield.sampler import Sampler

SHAPES = [(1,), (100,), (16, 16), (50, 67), (7, 5, 3), (2, 300)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_curve_visits_each_point_once(shape: tuple[int, ...]) -> None:
    assert z_order(shape).sort().values.tolist() == list(range(math.prod(shape)))


def test_each_quarter_of_a_curve_is_a_square() -> None:
    for quarter in z_order((8, 8)).view(4, 16):
        rows, columns = quarter // 8, quarter % 8
        assert rows.max() - rows.min() == columns.max() - columns.min() == 3


@pytest.mark.parametrize("batch", [1, 7, 16, 1000])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_step_takes_no_two_points_of_a_cell(shape: tuple[int, ...], batch: int) -> None:
    strata, count = Strata.of(shape, batch), math.prod(shape)
    order = strata.order(3, 1)
    assert order.sort().values.tolist() == list(range(count))
    cell_of = torch.empty(count, dtype=torch.int64)
    cell_of[strata.curve] = strata.cells
    for step in order.split(batch):
        assert len(cell_of[step].unique()) == len(step)


def test_the_order_within_cells_is_uniform_and_each_cells_own() -> None:
    """The first point of each of two cells of two: four cases, χ² of 3 degrees below 16.3 in 999 cases of 1000."""
    strata, passes = Strata.of((4,), 2), 4000
    first = torch.stack([strata.order(0, number)[:2] for number in range(passes)])
    counts = torch.bincount(2 * first[:, 0] + first[:, 1] - 2, minlength=4).double()
    assert float(((counts - passes / 4) ** 2 / (passes / 4)).sum()) < 16.3


def test_steps_see_low_frequencies_alike() -> None:
    """The mean of a wave of one period over a step varies a tenth as much as over as many points drawn at random."""
    made = Sampler(Grid((64, 64)), 256, seed=0)
    spread = torch.stack([torch.cos(math.pi * made.take(step).points).mean(0) for step in range(16)]).std(0)
    random = torch.randperm(4096, generator=generator_of(0)).view(16, 256)
    alone = torch.stack([torch.cos(math.pi * Grid((64, 64)).at(each).points).mean(0) for each in random]).std(0)
    assert bool((spread < alone / 5).all())


def test_an_order_depends_on_its_key_alone() -> None:
    strata = Strata.of((16, 16), 32)
    torch.manual_seed(1)
    one = strata.order(5, 2)
    torch.manual_seed(2)
    assert torch.equal(one, strata.order(5, 2))
    assert not torch.equal(one, strata.order(5, 3))
