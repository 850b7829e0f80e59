"""Tests of pictures of distances, against where lines must be."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.geometry.level_sets import choose_spacing, draw_contours


@pytest.mark.parametrize(
    ("largest", "spacing"), [(1.2, 0.1), (1.21, 0.2), (2.5, 0.5), (6.1, 1.0), (0.0, 1.0), (0.0121, 0.002)]
)
def test_lines_are_at_round_distances(largest: float, spacing: float) -> None:
    assert choose_spacing(np.array([-largest, 0.0])) == pytest.approx(spacing)


@pytest.mark.parametrize("size", [128, 512])
def test_the_surface_is_drawn_where_the_distance_vanishes(size: int) -> None:
    """A circle of radius ½: dark on it, blue inside, red outside."""
    ticks = (2 * np.arange(size) + 1) / size - 1
    distance = np.hypot(*np.meshgrid(ticks, ticks)) - 0.5
    picture = draw_contours(distance).astype(int)
    assert picture.shape == (size, size, 3)
    dark = picture.max(2) < 90
    assert dark.any()
    assert abs(distance[dark]).max() < 2 * (2 / size)
    inside, outside = picture[distance < -0.1], picture[distance > 0.1]
    assert (inside[:, 2] >= inside[:, 0]).all()
    assert (outside[:, 0] >= outside[:, 2]).all()


def test_a_constant_has_a_picture() -> None:
    assert draw_contours(np.zeros((4, 4))).shape == (4, 4, 3)
