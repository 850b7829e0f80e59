"""Tests of pictures that fewer sines than pixels are solved for, against least squares by NumPy and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield import problems, solve
from sinefield.domains import Grid
from sinefield.fields.tiled import TiledSiren
from sinefield.io import SignalWarning
from sinefield.problem import Problem
from sinefield.problems import fewer_sines, tiles_of_sines
from sinefield.problems.fewer_sines import FewerSines
from sinefield.problems.tiles_of_sines import TilesOfSines
from sinefield.solution import Solution
from sinefield.solvers.leave_one_out import Band, Expected, LeaveOneOut


def photograph(side: int) -> NDArray[np.float64]:
    """Return the middle of the cameraman, from −1 to 1."""
    found: NDArray[np.float64] = skimage.data.camera()[100 : 100 + side, 180 : 180 + side] / 127.5 - 1
    return found


def posed(samples: NDArray[Any]) -> Problem:
    return problems.image(samples, value_range=(-1.0, 1.0))


def fewer(problem: Problem, psnr: float | None = None) -> TiledSiren:
    """Return the field of fewer sines, whatever the size of a picture."""
    (constraint,) = problem.constraints
    assert isinstance(constraint.domain, Grid)
    (field,) = FewerSines(constraint.domain).problem(problem, psnr).build(1.0).values()
    assert isinstance(field, TiledSiren)
    return field


def sampled(field: TiledSiren, shape: tuple[int, ...]) -> NDArray[np.float64]:
    grid = Grid(shape, dtype=torch.float64)
    found: NDArray[np.float64] = field(grid.at(torch.arange(grid.size)).points).detach().double().numpy()
    return found.reshape(*shape, -1)


def decibels(error: NDArray[np.float64]) -> float:
    return -10 * math.log10(np.square(error).mean() / 4)


def numbers(solution: Solution) -> int:
    return sum(each.numel() for each in solution.field.parameters())


def columns(field: TiledSiren, side: int) -> NDArray[np.float64]:
    """Return what each sine of a field of one tile is at its pixels, in the units of a tile, and the constant."""
    (weight, bias, *_) = (field.tiles.stored(name).detach().double().numpy() for name in field.tiles.weights())
    omega = float(field.settings["first_omega"])
    place = (2 * (np.arange(side) + 0.5) / side - 1) / (1 + field.overlap)
    points = np.stack(np.meshgrid(place, place, indexing="ij"), -1).reshape(-1, 2)
    sines = np.sin(omega * (points @ weight[0].T + bias[0]))
    return np.concatenate([sines, np.ones((len(sines), 1))], 1)


@pytest.mark.parametrize("psnr", [24.0, 31.0, 45.0])
def test_a_tile_is_the_least_squares_of_its_sines(psnr: float) -> None:
    samples = photograph(24)
    field = fewer(posed(samples), psnr)
    assert field.counts == (1, 1)
    left = columns(field, 24)
    coefficients = np.linalg.lstsq(left, samples.reshape(-1), rcond=None)[0]
    least = np.square(left @ coefficients - samples.reshape(-1)).mean()
    reached = np.square(sampled(field, (24, 24))[..., 0] - samples).mean()
    assert reached >= least * (1 - 1e-6)
    assert reached - least < 0.1 * 4 * 10 ** (-psnr / 10)  # what the sines near the limit are held back by


@pytest.mark.parametrize("psnr", [25.0, 28.0, 35.0, 42.0])
def test_as_few_sines_are_taken_as_reach_what_is_wanted(psnr: float, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = posed(photograph(120))
    solution = solve(problem, psnr=psnr)
    assert (solution.recipe.name, solution.stopped) == ("solved", "goal")
    assert solution.metrics["psnr"] >= psnr
    assert isinstance(solution.field, TiledSiren)
    width = int(solution.field.settings["hidden_features"])
    bands = [each for each in fewer_sines._BANDS if each.count((26, 26)) - 1 < width]
    monkeypatch.setattr(fewer_sines, "_BANDS", tuple(bands))
    less = decibels(sampled(fewer(problem, psnr), (120, 120))[..., 0] - photograph(120))
    assert less < psnr + 1.0


def test_a_goal_that_only_the_pixels_themselves_reach_is_met_by_them() -> None:
    assert solve(posed(photograph(60)), psnr=100).metrics["psnr"] > 100


def test_sines_are_found_again() -> None:
    x, y = np.meshgrid(np.arange(96), np.arange(80))
    samples = 0.5 * np.sin(0.21 * x + 0.4) * np.cos(0.17 * y)
    field = fewer(posed(samples), 65.0)
    finer = Grid((640, 768), dtype=torch.float64, extent=(80 / 96, 1.0))
    found = field(finer.at(torch.arange(finer.size)).points).detach().double().numpy().reshape(640, 768)
    u, v = np.meshgrid((np.arange(768) + 0.5) / 8 - 0.5, (np.arange(640) + 0.5) / 8 - 0.5)
    truth = 0.5 * np.sin(0.21 * u + 0.4) * np.cos(0.17 * v)
    inner = (slice(8, -8), slice(8, -8))
    assert decibels((found - truth)[inner]) > 60
    assert sum(each.numel() for each in field.parameters()) < samples.size / 2


def test_large_pictures_are_solved_for_with_no_more_numbers_than_values(monkeypatch: pytest.MonkeyPatch) -> None:
    smooth, rough = photograph(48).repeat(2, 0).repeat(2, 1), np.random.default_rng(0).uniform(-1, 1, (96, 96))
    for module in (tiles_of_sines, fewer_sines):
        monkeypatch.setattr(module, "SMALL", 1000)
    for samples in (smooth, rough):
        solution = solve(posed(samples))
        assert solution.recipe.name == "solved"
        assert isinstance(solution.field, TiledSiren)
        assert solution.field.overlap == fewer_sines._OVERLAP
        assert numbers(solution) < 1.1 * samples.size  # and the sines, which all share
    assert solve(posed(smooth), recipe="solved").metrics["psnr"] > 100  # whoever asks gets as many as it takes


def test_pixels_that_are_not_known_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.meshgrid(np.arange(96), np.arange(96))
    truth = 0.5 * np.sin(0.11 * x + 0.4) * np.cos(0.07 * y)
    rng = np.random.default_rng(0)
    truth += 0.3 * np.where(np.hypot(x - 20, y - 20) < 12, 1.0, 0.0) + 0.05 * rng.standard_normal(truth.shape)
    known = (x + y > 60) & (np.hypot(x - 70, y - 70) > 15)
    holed = np.where(known, truth, math.nan)
    for module in (tiles_of_sines, fewer_sines):
        monkeypatch.setattr(module, "SMALL", 1000)
    with pytest.warns(SignalWarning, match="of its 9,216 pixels"):
        problem = posed(holed)
    solution = solve(problem, psnr=50.0)
    assert solution.recipe.name == "solved"
    assert isinstance(solution.field, TiledSiren)
    found = sampled(solution.field, (96, 96))[..., 0]
    assert decibels((found - truth)[known]) > 50
    assert np.abs(found).max() < 2


def test_what_is_filled_in_leads_to_the_least_squares_of_what_is_known() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (27, 27))
    known = np.random.default_rng(1).uniform(size=(27, 27)) < 0.8
    system = LeaveOneOut(Band(0.3, 1.2), Expected(0.35), (27, 27))
    noise = 1e-2
    value = torch.from_numpy(np.where(known, samples, 0.0))[None, ..., None]
    there = torch.from_numpy(known)[None, ..., None]
    filled = fewer_sines._filled(value, there, system, noise)
    found = (filled - noise * system.solve(filled, noise))[0, ..., 0][torch.from_numpy(known)]
    matrix: Tensor = system.matrix
    index = torch.from_numpy(known.reshape(-1)).nonzero()[:, 0]
    some = matrix[index][:, index]
    right = torch.from_numpy(samples.reshape(-1))[index]
    exact = some @ torch.linalg.solve(some + noise * torch.eye(len(some), dtype=torch.float64), right)
    assert float((found - exact).norm() / exact.norm()) < 0.05


def test_tiles_that_nothing_is_known_of_are_as_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.full((96, 200), math.nan)
    samples[:, 150:] = photograph(96)[:, :50]
    for module in (tiles_of_sines, fewer_sines):
        monkeypatch.setattr(module, "SMALL", 1000)
    with pytest.warns(SignalWarning, match="of its 19,200 pixels"):
        problem = posed(samples)
    field = solve(problem, psnr=30.0).field
    values = field(torch.tensor([[0.0, -0.9], [0.2, -0.5]], dtype=torch.float64)).detach()
    assert float(values.std()) < 1e-3
    assert abs(float(values.mean()) - photograph(96)[:, :50].mean()) < 0.1


@pytest.mark.parametrize("overlap", [1 / 32, 1 / 16, 0.25, 1.0], ids=str)
@pytest.mark.parametrize("shape", [(512, 660), (97, 43), (71, 5)], ids=str)
def test_tiles_see_every_sample_that_they_have_a_weight_at(shape: tuple[int, int], overlap: float) -> None:
    tiles = TilesOfSines(Grid(shape, {"value": torch.arange(float(math.prod(shape)))[:, None]}), 1, overlap)
    everything = torch.arange(tiles.count)
    samples, _ = tiles.samples_of(everything)
    total = torch.zeros(math.prod(shape), dtype=torch.float64)
    total.index_add_(0, samples.flatten().long(), tiles.weights(everything).flatten())
    assert torch.allclose(total, torch.ones_like(total), atol=1e-9)


def test_colours_share_their_sines() -> None:
    samples = np.stack([photograph(72), -photograph(72), 0.5 * photograph(72)], -1)
    solution = solve(problems.image(samples, value_range=(-1.0, 1.0)), psnr=35.0)
    assert isinstance(solution.field, TiledSiren)
    found = sampled(solution.field, (72, 72))
    assert decibels(found - samples) >= 35
    assert np.allclose(found[..., 0], -found[..., 1], atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 40), (2, 2), (3, 50), (7, 9), (29, 30)], ids=str)
def test_small_and_narrow_pictures_are_solved_for_too(shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, shape)
    assert solve(posed(samples), psnr=20.0).metrics["psnr"] >= 20
