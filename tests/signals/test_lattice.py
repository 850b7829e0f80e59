"""Tests of the mapping between samples and coordinates."""

from __future__ import annotations

import json
from typing import Any

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
