"""Tests of the mapping between samples and coordinates."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from sinefield.domains import Grid
from sinefield.signals.lattice import Lattice

LATTICE = Lattice((4, 6), (0.5, 1.0), 3, -2.0, 6.0)


def test_centres_are_those_of_a_grid() -> None:
    grid = Grid(LATTICE.shape, extent=LATTICE.extent)
    points = grid.at(torch.arange(24)).points.reshape(4, 6, 2)
    torch.testing.assert_close(points[:, 0, 0].double(), LATTICE.centres(0, 4), rtol=0, atol=1e-7)
    torch.testing.assert_close(points[0, :, 1].double(), LATTICE.centres(1, 6), rtol=0, atol=1e-7)
    assert LATTICE.spacings == pytest.approx(grid.spacings)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (7, 5), (4, 4), (2, 333), (1024, 3)])
def test_cells_of_a_picture_are_squares(height: int, width: int) -> None:
    lattice, longest = Lattice.of_cubes((height, width), 1, 0.0, 1.0), max(height, width)
    ys, xs = lattice.centres(0, height), lattice.centres(1, width)
    assert ys.tolist() == pytest.approx([(2 * r + 1 - height) / longest for r in range(height)], abs=1e-12)
    assert xs.tolist() == pytest.approx([(2 * c + 1 - width) / longest for c in range(width)], abs=1e-12)
    grid = Grid((height, width)).at(torch.arange(height * width)).points
    torch.testing.assert_close(torch.cartesian_prod(ys, xs).float(), grid, rtol=0, atol=1e-7)
    assert lattice.spacings == pytest.approx((2 / longest, 2 / longest))


@pytest.mark.parametrize("scale", [2, 3, 7])
def test_finer_samples_average_to_the_centres(scale: int) -> None:
    for axis, count in enumerate(LATTICE.shape):
        fine = LATTICE.centres(axis, count * scale).reshape(-1, scale)
        torch.testing.assert_close(fine.mean(1), LATTICE.centres(axis, count), rtol=0, atol=1e-12)


def test_a_region_is_a_part_of_the_whole() -> None:
    whole = LATTICE.centres(1, 6)
    torch.testing.assert_close(LATTICE.centres(1, 3, 2, 5), whole[2:5], rtol=0, atol=1e-12)
    assert LATTICE.centres(1, 4, 1, 5).tolist() == pytest.approx([(2 * p - 6) / 6 for p in (1.5, 2.5, 3.5, 4.5)])


def test_values_become_those_of_a_field_and_back() -> None:
    values = np.linspace(-2, 6, 4 * 6 * 3).astype(np.float32).reshape(4, 6, 3)
    field = LATTICE.to_field(values)
    assert field.shape == (24, 3)
    assert field.flatten().tolist() == pytest.approx(np.linspace(-1, 1, 72), abs=1e-6)
    assert LATTICE.to_signal(field).flatten().tolist() == pytest.approx(values.ravel(), abs=1e-5)


def test_parts_of_an_interval() -> None:
    torch.testing.assert_close(LATTICE.centres(1, 2, 0, 3), torch.tensor([-0.75, -0.25], dtype=torch.float64))


def test_values() -> None:
    assert LATTICE.to_signal(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [-2.0, 2.0, 6.0]


def test_json() -> None:
    assert Lattice.from_json(json.loads(json.dumps(LATTICE.to_json())), axes=2) == LATTICE


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [4]},
        {"shape": [4, 0]},
        {"shape": [4, 2.5]},
        {"shape": "46"},
        {"extent": [0.5]},
        {"extent": [0, 1]},
        {"extent": [2, 1]},
        {"channels": 0},
        {"channels": None},
        {"low": 7},
        {"high": "many"},
        {"high": None},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the stored mapping of samples is"):
        Lattice.from_json(LATTICE.to_json() | change, axes=2)
    with pytest.raises(ValueError, match="the stored mapping of samples is"):
        Lattice.from_json(LATTICE.to_json(), axes=3)
