"""Tests of fields that are solved for, against closed forms off the samples, and of when they are chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import sinefield
from sinefield import problems, solve
from sinefield.domains import Grid
from sinefield.fields.tiled import TiledSiren
from sinefield.io import SignalWarning
from sinefield.jet import jets_of
from sinefield.problem import Problem
from sinefield.problems.solved import SolvedSamples

Function = Callable[[Tensor], Tensor]


def plane(points: Tensor) -> Tensor:
    """Return waves of up to 20 rad per field unit along each of 1 to 3 axes, ``(n, 1)``."""
    total = torch.zeros(len(points), dtype=points.dtype)
    for axis in range(points.shape[1]):
        total = total + torch.sin((9 + 5 * axis) * points[:, axis] + axis) * torch.cos(7 * points.sum(1))
    return total[:, None] / points.shape[1]


def sampled(function: Function, shape: tuple[int, ...]) -> NDArray[np.float64]:
    grid = Grid(shape, dtype=torch.float64)
    values = function(grid.at(torch.arange(grid.size)).points)
    found: NDArray[np.float64] = values.reshape(*shape).numpy()
    return found


def posed(samples: NDArray[Any]) -> Problem:
    match samples.ndim:
        case 1:
            return problems.audio(samples, rate=1000, full_scale=1.0)
        case 2:
            return problems.image(samples, value_range=(-1.0, 1.0))
        case _:
            return problems.volume(samples, value_range=(-1.0, 1.0))


def unasked(problem: Problem) -> Problem | None:
    """Return the problem of the field in closed form that is taken where nobody asks for one."""
    assert problem.solved is not None
    return problem.solved.problem(problem, asked=False)


def places(shape: tuple[int, ...], count: int = 500) -> Tensor:
    """Return points off the grid, half a sample or more from the border."""
    generator = torch.Generator().manual_seed(1)
    halves = [n / max(shape) - 1 / max(shape) for n in shape]
    draws = 2 * torch.rand(count, len(shape), generator=generator, dtype=torch.float64) - 1
    return draws * torch.tensor(halves, dtype=torch.float64)


def errors(function: Function, field: nn.Module, points: Tensor) -> list[float]:
    """Return the relative errors of value, gradient and Laplacian."""
    points = points.clone().requires_grad_()
    value = function(points)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    laplacian = sum(
        torch.autograd.grad(gradient[:, i].sum(), points, retain_graph=True)[0][:, i] for i in range(points.shape[1])
    )
    truths = [each.detach().flatten() for each in (value, gradient, torch.as_tensor(laplacian))]
    jets = list(jets_of(field, points.detach(), ["value", "jacobian", "laplacian"]))
    found = [
        torch.cat([getattr(each, name).double().flatten() for each in jets])
        for name in ("value", "jacobian", "laplacian")
    ]
    return [float((a - b).norm() / b.norm()) for a, b in zip(found, truths, strict=True)]


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [
        ((1000,), (3e-5, 3e-4, 0.2)),
        ((64, 80), (1e-5, 1e-4, 5e-4)),
        ((61, 47), (1e-4, 1e-3, 4e-3)),
        ((24, 28, 26), (1e-2, 2e-2, 8e-2)),
    ],
    ids=str,
)
def test_a_smooth_signal_is_right_between_its_samples(shape: tuple[int, ...], bounds: tuple[float, ...]) -> None:
    solution = solve(posed(sampled(plane, shape)))
    assert solution.recipe.name == "solved"
    assert isinstance(solution.field, TiledSiren)
    assert solution.metrics["psnr"] > 90
    scale = 1.0 if len(shape) > 1 else float(np.abs(sampled(plane, shape)).max())  # recordings reach full scale
    reached = errors(lambda points: plane(points) / scale, solution.field, places(shape))
    assert all(error < bound for error, bound in zip(reached, bounds, strict=True)), reached


def test_rounded_samples_are_smoothed_and_not_met() -> None:
    samples = np.round(sampled(plane, (96, 96)) * 127.5) / 127.5
    solution = solve(posed(samples))
    step = 1 / 127.5 / math.sqrt(12) / np.std(samples)
    assert solution.metrics["left_out"] == pytest.approx(step, rel=0.3)
    value, gradient, laplacian = errors(plane, solution.field, places((96, 96)))
    assert value < 0.5 * step
    assert gradient < 0.02
    assert laplacian < 0.05


def test_what_is_left_out_is_told_right() -> None:
    generator = np.random.default_rng(0)
    samples = sampled(plane, (96, 96))
    noise = 0.02 * np.std(samples)
    solution = solve(posed(samples + noise * generator.normal(size=samples.shape)), recipe="solved")
    assert solution.metrics["left_out"] == pytest.approx(0.02, rel=0.2)


def disc(size: int) -> NDArray[np.float64]:
    """Return an edge that is half a pixel of the halved picture wide, ``(size, size)``."""
    place = np.arange(size) - (size - 1) / 2
    found: NDArray[np.float64] = np.tanh((np.hypot(*np.meshgrid(place, place)) - size / 3.3) / 0.8)
    return found


def test_edges_of_a_picture_are_predicted_between_its_pixels() -> None:
    truth = disc(127)
    problem = posed(truth[::2, ::2])
    solution = solve(problem)
    assert solution.recipe.name == "solved"
    assert solution.metrics["psnr"] > 100
    assert problem.signal is not None
    finer = problem.signal.sample(solution.field, (127, 127), region=(0.25, 0.25, 63.75, 63.75))[..., 0]
    pixels = torch.from_numpy(truth[::2, ::2])[None, None]
    between = np.ones_like(truth, dtype=bool)
    between[::2, ::2] = False
    by_lines, by_cubics = (
        nn.functional.interpolate(pixels, (127, 127), mode=mode, align_corners=True)[0, 0].numpy()
        for mode in ("bilinear", "bicubic")
    )
    ours, lines, cubics = (np.square(each - truth)[between].mean() for each in (finer, by_lines, by_cubics))
    assert ours < 0.5 * min(lines, cubics)


def test_edges_are_trained_in_volumes_and_where_pixels_are_unknown() -> None:
    generator = np.random.default_rng(0)
    noise = generator.uniform(-1, 1, (16, 16, 16))
    holed = disc(48)
    holed[20:30, 20:30] = math.nan
    with pytest.warns(SignalWarning, match="100 of its"):
        unknown = posed(holed)
    for problem in (posed(noise), unknown):
        assert unasked(problem) is None
    assert solve(unknown, passes=0.1).recipe.name == "fast"


def test_samples_that_do_not_tell_their_neighbours_are_met_where_that_is_asked_for() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (50, 40))
    solution = solve(posed(samples), recipe="solved")
    assert solution.metrics["psnr"] > 80
    assert solution.metrics["left_out"] > 0.5


def test_colours_have_fields_of_their_own() -> None:
    smooth = sampled(plane, (40, 44))
    picture = np.stack([smooth, -smooth, 0.5 * smooth], -1)
    solution = solve(problems.image(picture, value_range=(-1.0, 1.0)))
    points = places((40, 44), 50)
    values = solution.field(points).double()
    assert torch.allclose(values, torch.cat([plane(points), -plane(points), 0.5 * plane(points)], 1), atol=1e-3)


def test_unknown_samples_are_predicted_by_the_others() -> None:
    samples = sampled(plane, (90, 90))
    samples[40:43, 20:23] = math.nan
    samples[10, 60] = math.nan
    with pytest.warns(SignalWarning, match="10 of its"):
        solution = solve(posed(samples))
    assert solution.recipe.name == "solved"
    grid = Grid((90, 90), dtype=torch.float64)
    hole = torch.tensor([41 * 90 + 21, 10 * 90 + 60])
    points = grid.at(hole).points
    assert torch.allclose(solution.field(points).double(), plane(points), atol=2e-3)


def cut_out() -> NDArray[np.uint8]:
    """Return a smooth picture of 180² in a disc, whose alpha has an edge that no tile known everywhere has."""
    y, x = np.mgrid[:180, :180]
    alpha = np.where(np.hypot(x - 90, y - 90) < 70, 255, 0)
    colours = [100 * np.sin(0.1 * x + 0.07 * y + k) + 128 for k in range(3)]
    picture: NDArray[np.uint8] = np.stack([*(each * (alpha > 0) for each in colours), alpha], -1).astype(np.uint8)
    return picture


def lettered() -> NDArray[np.uint8]:
    """Return a smooth picture of 240² with a few letters' strokes on it."""
    y, x = np.mgrid[:240, :240]
    picture: NDArray[np.uint8] = (100 * np.sin(0.02 * x + 0.01 * y) + 128).astype(np.uint8)
    picture[110:122, 110:140:5] = 255
    return picture


def test_few_edges_on_a_smooth_ground_are_not_blurred() -> None:
    solution = solve(problems.image(lettered()))
    assert solution.recipe.name == "solved"
    assert solution.metrics["psnr"] > 100


def test_nothing_runs_wild_between_the_border_and_the_outermost_samples() -> None:
    solution = solve(problems.image(lettered()), recipe="solved")
    finer = solution.render((960, 960))
    assert finer.min() > -20
    assert finer.max() < 300


def test_what_the_tiles_with_holes_know_is_looked_at_too() -> None:
    problem = problems.image(cut_out())
    assert unasked(problem) is None
    assert solve(problem, recipe="solved").metrics["psnr"] > 80


def test_a_signal_without_a_part_that_is_known_is_trained() -> None:
    samples = sampled(plane, (40, 40))
    samples[::3, ::4] = math.nan
    with pytest.warns(SignalWarning, match="140 of its"):
        problem = posed(samples)
    assert unasked(problem) is None
    with pytest.raises(ValueError, match="samples are known together"):
        solve(problem, recipe="solved")


@pytest.mark.parametrize(
    "asked",
    [{"hidden_features": 16}, {"network": "relu"}, {"tile_size": 16}, {"tiles": (1, 1)}, {"first_omega": 10.0}],
    ids=str,
)
def test_a_network_that_is_asked_for_is_trained(asked: dict[str, Any]) -> None:
    assert problems.image(sampled(plane, (40, 40)), **asked).solved is None


@pytest.mark.parametrize("changes", [{"passes": 1.0}, {"batch": 64}, {"until": "loss=0.1"}], ids=str)
def test_settings_of_a_search_are_of_a_search(changes: dict[str, Any]) -> None:
    problem = problems.image(sampled(plane, (40, 40)))
    solution = solve(problem, **(changes | ({} if "passes" in changes else {"passes": 0.5})))
    assert solution.recipe.name == "fast"


@pytest.mark.parametrize("goal", ["snr=30", "psnr=40", "1e-4"])
def test_a_recording_with_a_goal_of_its_values_is_solved_for(goal: str) -> None:
    solution = solve(posed(0.5 * np.sin(0.05 * np.arange(900.0))), until=goal)
    assert (solution.recipe.name, solution.stopped) == ("solved", "goal")


def test_mixtures_are_trained() -> None:
    problem = problems.image(sampled(plane, (40, 40)), on=["value", "laplacian"])
    assert problem.solved is None
    with pytest.raises(ValueError, match="choose one of fast, best, samples, published here"):
        solve(problem, recipe="solved")


@pytest.mark.parametrize("shape", [(2, 2), (30,), (3, 200), (5, 5)], ids=str)
def test_few_samples_have_a_field_too(shape: tuple[int, ...]) -> None:
    samples = np.linspace(-1, 1, math.prod(shape)).reshape(shape)
    solution = solve(posed(samples), recipe="solved")
    assert solution.metrics["psnr"] > 30


def test_a_solved_field_is_stored_with_its_first_layer_once(tmp_path: Path) -> None:
    solution = solve(posed(sampled(plane, (64, 64))))
    solution.save(tmp_path / "f.safetensors")
    loaded = sinefield.load(tmp_path / "f.safetensors")
    points = places((64, 64), 50)
    assert isinstance(loaded, TiledSiren)
    assert torch.equal(loaded(points), solution.field(points))
    first, second = list(loaded.tiles.parameters())[:2]
    assert len(first) == len(second) == 1
    again = solve(posed(sampled(plane, (64, 64))), seed=5)
    assert torch.equal(again.field(points), solution.field(points))


@pytest.mark.parametrize("kind", ["noise", "clicks", "tone at 0.9 of the limit"])
def test_every_recording_is_solved_for_and_met(kind: str) -> None:
    generator, time = np.random.default_rng(0), np.arange(3000)
    samples = {
        "noise": generator.uniform(-1, 1, 3000),
        "clicks": (time % 500 == 0).astype(np.float64),
        "tone at 0.9 of the limit": np.sin(0.9 * np.pi * time),
    }[kind]
    solution = solve(problems.audio(samples, rate=8000))
    assert solution.recipe.name == "solved"
    assert solution.metrics["snr"] > 80


def test_a_quiet_part_is_quiet() -> None:
    time = torch.arange(4000).double()[:, None]
    loud = torch.sin(0.8 * time) * torch.exp(-(((time - 1000) / 500) ** 8))
    solution = solve(problems.audio(loud.numpy(), rate=8000))
    assert solution.recipe.name == "solved"
    assert solution.problem.signal is not None
    sound = solution.problem.signal.sample(solution.field, None)
    assert np.sqrt(np.mean(np.square(sound[2000:]))) < 10 ** (-90 / 20)


def test_a_clip_is_solved_for() -> None:
    frames = np.round((sampled(plane, (12, 20, 24)) + 1) * 127.5).astype(np.uint8)
    problem = problems.video(frames, rate=25.0)
    assert isinstance(problem.solved, SolvedSamples)
    solution = solve(problem, recipe="solved")
    assert solution.metrics["psnr"] > 40


def test_seconds_count_what_solving_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = posed(sampled(plane, (40, 40)))
    ticks = iter(range(10**6))
    monkeypatch.setattr("sinefield.problems.solved.time.perf_counter", lambda: float(next(ticks)))
    assert solve(problem).seconds >= 2


def test_a_budget_of_time_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10**6))
    monkeypatch.setattr("sinefield.problems.solved.time.perf_counter", lambda: float(next(ticks)))
    solution = solve(posed(disc(40)), seconds=1.0)
    assert solution.recipe.name == "solved"
    assert solution.seconds >= 2


def test_the_bits_do_not_depend_on_the_threads() -> None:
    usual = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(solve(posed(disc(60)), recipe="solved").field.state_dict())
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(usual)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
