"""Tests of pictures that are solved for from their derivatives, against the pictures themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import sinefield
from sinefield import problems, solve
from sinefield.fields.tiled import TiledSiren
from sinefield.io import SignalWarning
from sinefield.io import image as pictures
from sinefield.problem import Problem
from sinefield.problems import tiles_of_sines
from sinefield.problems.supervision import five_point_laplacian, sobel
from sinefield.signals.image import ImageSignal


def waves(size: tuple[int, int], channels: int = 1) -> NDArray[np.float64]:
    """Return waves of one to three periods as pixels ``(h, w, c)`` in [0, 1]."""
    rows, columns = np.meshgrid(*((np.arange(n) + 0.5) / max(size) for n in size), indexing="ij")
    found = [0.5 + 0.2 * np.sin(9 * rows + c) * np.cos(6 * columns) + 0.2 * rows * columns for c in range(channels)]
    return np.stack(found, -1)


def posed(picture: NDArray[np.float64], start: str = "integral", on: str = "gradient") -> Problem:
    return problems.image(picture, on=[on], value_range=(0.0, 1.0), start=start)  # type: ignore[arg-type]  # tried


@pytest.mark.parametrize(("size", "channels", "part"), [((40, 56), 1, 0.01), ((64, 64), 3, 0.01), ((7, 30), 1, 0.04)])
def test_a_smooth_picture_follows_from_its_gradients(size: tuple[int, int], channels: int, part: float) -> None:
    """What the stencil of the gradients misses falls with the square of the distance of the pixels."""
    picture = waves(size, channels)
    solution = solve(posed(picture), seed=0)
    off = solution.render((size[1], size[0])).reshape(picture.shape) - picture
    assert np.std(off - off.mean((0, 1))) < part * np.std(picture)
    assert solution.metrics["left_out"] < 0.05
    assert solution.metrics["psnr"] > 36


def test_the_gradients_of_the_field_are_those_of_the_pixels() -> None:
    picture = waves((48, 48))
    solution = solve(posed(picture))
    signal = ImageSignal.of(pictures.read(picture, value_range=(0.0, 1.0)))
    values = signal.lattice.to_field(picture).unflatten(0, signal.lattice.shape)
    grid = sinefield.Grid((48, 48))
    found = sinefield.jet(solution.field, grid.at(torch.arange(grid.size)).points).jacobian
    wanted = sobel(values, signal.spacing).flatten(0, 1)
    assert float((found.detach() - wanted).norm() / wanted.norm()) < 5e-3


@pytest.mark.parametrize(("size", "channels"), [((60, 41), 1), ((48, 48), 3), ((5, 26), 1)])
def test_the_laplacian_of_the_field_is_that_of_the_pixels(size: tuple[int, int], channels: int) -> None:
    picture = waves(size, channels)
    solution = solve(posed(picture, on="laplacian"))
    signal = ImageSignal.of(pictures.read(picture, value_range=(0.0, 1.0)))
    values = signal.lattice.to_field(picture).unflatten(0, signal.lattice.shape)
    grid = sinefield.Grid(size)
    found = sinefield.jet(solution.field, grid.at(torch.arange(grid.size)).points).laplacian
    wanted = five_point_laplacian(values, signal.spacing).flatten(0, 1)
    assert float((found.detach() - wanted).norm() / wanted.norm()) < 0.05
    assert solution.metrics["laplacian_correlation"] > 0.999


def test_a_smooth_picture_follows_from_its_laplacian_but_for_what_is_harmonic() -> None:
    assert solve(posed(waves((60, 60)), on="laplacian")).metrics["psnr"] > 40


@pytest.mark.parametrize("on", ["gradient", "laplacian"])
def test_neighbouring_tiles_agree(on: str) -> None:
    field = solve(posed(waves((96, 96)), on=on)).field
    assert isinstance(field, TiledSiren)
    assert math.prod(field.counts) == 16
    rows = torch.linspace(-0.9, 0.9, 4001, dtype=torch.float64)
    points = torch.stack([rows, torch.full_like(rows, 0.13)], -1)
    values = field.double()(points)[:, 0].detach()
    steps = values.diff()
    assert float(steps.diff().abs().max()) < 1e-4 * float(values.max() - values.min())  # no kink where they meet


def test_the_same_whatever_the_seed_and_the_threads() -> None:
    problem, threads = posed(waves((40, 40))), torch.get_num_threads()
    one = solve(problem, seed=0).field.state_dict()
    try:
        torch.set_num_threads(3)
        other = solve(posed(waves((40, 40))), seed=1).field.state_dict()
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(each, other[name]) for name, each in one.items())


@pytest.mark.parametrize("change", ["nothing", "hole", "large", "mixture"])
def test_what_is_trained_as_before(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = waves((40, 40))
    match change:
        case "hole":
            picture[10:14, 10:20] = np.nan
            with pytest.warns(SignalWarning):
                problem = posed(picture)
        case "large":
            monkeypatch.setattr(tiles_of_sines, "SMALL", 100)
            problem = posed(picture)
        case "mixture":
            problem = problems.image(picture, on=["gradient", "value"], value_range=(0.0, 1.0))
        case _:
            problem = posed(picture, "nothing")
    solution = solve(problem, passes=1)
    assert "left_out" not in solution.metrics
    if change != "large":
        with pytest.raises(ValueError, match="solved for where"):
            solve(problem, recipe="solved")
