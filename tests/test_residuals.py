"""Tests of the points that residuals are looked at."""

from __future__ import annotations

import torch

from sinefield.domains import Grid
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples


def test_a_few_of_many_points_are_points_of_the_domain() -> None:
    few, many = Grid((20, 20)), Grid((400, 400))
    for domain in (few, many):
        found = draw_samples(domain, 9, generator_of(3)).points
        assert torch.equal(found, draw_samples(domain, 9, generator_of(3)).points)
        assert len(found.unique(dim=0)) == len(found) == 9
        everything = domain.at(torch.arange(domain.size)).points.double()
        assert torch.cdist(found, everything).min(1).values.max() < 1e-6


def test_all_of_a_small_domain_are_drawn() -> None:
    assert len(draw_samples(Grid((2, 3)), 9, generator_of(3)).points) == 6
