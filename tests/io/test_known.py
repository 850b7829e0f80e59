"""Tests of samples that a signal does not tell: nothing is asked of the field there, and nothing measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sinefield.fields.siren import Siren
from sinefield.io.known import Known, fill_unknown
from sinefield.io.scaled_array import ScaledArray
from sinefield.problems.lattice import make_grid, pose_on_lattice, psnr
from sinefield.signals.lattice import Lattice
from sinefield.signals.volume import VolumeSignal
from sinefield.solve import solve

SHAPE = (8, 9, 10)


def test_unknown_samples_are_filled_by_their_nearest_neighbours_channel_by_channel() -> None:
    values = np.arange(12.0).reshape(2, 3, 2)
    known = np.ones((2, 3, 2), dtype=bool)
    known[0, 0, 0] = False
    found = fill_unknown(values, known)
    assert found[0, 0, 0] in (values[0, 1, 0], values[1, 0, 0])
    assert np.array_equal(found[known], values[known])


@pytest.mark.parametrize("tiles", [None, (2, 1, 1)])
def test_what_is_not_known_changes_neither_the_field_nor_its_metrics(tiles: tuple[int, ...] | None) -> None:
    values = np.sin(np.mgrid[0:8, 0:9, 0:10].sum(0) / 4).reshape(-1, 1).astype(np.float32)
    known = np.ones((len(values), 1), dtype=bool)
    known[::3] = False
    found = []
    for wrong in (-1.0, 1.0):
        spoilt = np.where(known, values, np.float32(wrong))
        grid = make_grid(ScaledArray(spoilt, -1, 1), SHAPE, (0.8, 0.9, 1.0), in_tiles=tiles is not None, known=known)
        lattice = Lattice(SHAPE, (0.8, 0.9, 1.0), 1, -1.0, 1.0)
        signal = VolumeSignal(lattice, (1.0, 1.0, 1.0), "voxel", 8)
        problem = pose_on_lattice(
            signal, grid, 1, lambda _values, _spacings: 10.0, {"hidden_features": 16, "hidden_layers": 1}, tiles=tiles
        )
        solution = solve(problem, passes=20, device="cpu", batch=240)
        found.append(solution.render().reshape(-1, 1))
        truth = 10 * math.log10(4 / np.square(found[-1] - values)[known].mean())
        assert solution.metrics["psnr"] == pytest.approx(truth, abs=1e-3)
    # Only the weight of the constraint differs, as the variance of the samples does; Adam does not see it.
    assert np.abs(found[0] - found[1]).max() < 0.02


def test_metrics_of_a_signal_of_which_nothing_is_known() -> None:
    stored = ScaledArray(np.zeros((720, 1), np.float32), -1, 1)
    grid = make_grid(stored, SHAPE, (0.8, 0.9, 1.0), in_tiles=False, known=np.zeros((720, 1), dtype=bool))
    assert psnr(grid, Siren(3, 1, hidden_features=4), None) == {"psnr": math.inf}


def test_the_part_that_is_known() -> None:
    known = Known(np.array([[True, False], [True, True]]))
    assert known.part == 0.75
    assert known[torch.tensor([0, 1, 0])].tolist() == [[1, 0], [1, 1], [1, 0]]
