"""Tests of signals in tiles: what tiles see, how they are fitted, and pictures that stay as they are stored."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from sinefield import problems, solve
from sinefield.domains import Grid
from sinefield.fields.functional import Batched
from sinefield.fields.tiled import TiledSiren
from sinefield.io.image import Picture
from sinefield.io.pictures import decoding
from sinefield.io.scaled_array import ScaledArray
from sinefield.problems.tiles import TileSamples, counts_for
from sinefield.sampler import Sampler

TILE: dict[str, Any] = {"hidden_features": 16, "hidden_layers": 1}


def ramp(*shape: int) -> Grid:
    """Return a grid whose target at a sample is its number."""
    numbers = np.arange(math.prod(shape), dtype=np.float32)[:, None]
    return Grid(shape, {"value": ScaledArray(numbers, -1.0, 1.0)})


@pytest.mark.parametrize(("shape", "counts"), [((100,), (7,)), ((20, 31), (3, 4)), ((6, 9, 8), (2, 3, 1))])
def test_tiles_see_all_samples_that_they_have_a_weight_at(shape: tuple[int, ...], counts: tuple[int, ...]) -> None:
    grid, overlap = ramp(*shape), 0.5
    total = math.prod(counts)
    domain = TileSamples(grid, counts, overlap, torch.arange(total))
    samples = domain.at(torch.arange(domain.size))
    assert domain.size == total * math.prod(domain.seen)
    seen = [set(samples.targets["value"][tile::total, 0].int().tolist()) for tile in range(total)]
    extent = "x".join(f"{n * h / 2:.15g}" for n, h in zip(shape, grid.spacings, strict=True))
    tiles = "x".join(map(str, counts))
    field = TiledSiren(len(shape), 1, hidden_features=4, tiles=tiles, extent=extent, overlap=overlap)
    points = grid.at(torch.arange(grid.size)).points.double()
    pairs = field._pairs(points, 0)
    point, tile = pairs.point, pairs.tile
    local = pairs.offset * torch.tensor(
        [count / ((1 + overlap) * e) for count, e in zip(counts, field.extent, strict=True)]
    )
    for one, other in zip(point.tolist(), tile.tolist(), strict=True):
        assert one in seen[other]
    # and see them where the field evaluates them
    place = {
        (int(v), n % total): row
        for n, (v, row) in enumerate(zip(samples.targets["value"][:, 0], samples.points, strict=True))
    }
    for one, other, row in zip(point.tolist(), tile.tolist(), local, strict=True):
        torch.testing.assert_close(place[one, other].double(), row, rtol=0, atol=1e-5)


def test_a_pass_is_every_point_once_and_batches_have_as_many_of_each_tile() -> None:
    grid = ramp(20, 30)
    domain = TileSamples(grid, (2, 3), 0.25, torch.tensor([1, 4, 5]))
    sampler = Sampler(domain, 30, seed=0)
    seen = [sampler.take(step) for step in range(sampler.steps_per_pass)]
    values = torch.cat([each.targets["value"] for each in seen])
    expected = domain.at(torch.arange(domain.size)).targets["value"]
    assert torch.equal(values.sort(dim=0).values, expected.sort(dim=0).values)
    assert len(seen[0].points) == 30
    # the same sample number in each tile, in turn: tiles are as far apart as their first samples are
    first = domain.at(torch.arange(3)).targets["value"].flatten()
    assert torch.equal(seen[0].targets["value"].reshape(10, 3).diff(dim=1), first.diff().expand(10, 2))
    assert domain.granule == 3


def test_a_picture_is_fitted_in_tiles_better_than_by_one_of_them(tmp_path: Path) -> None:
    tiled = problems.image("sample:camera", longest=96, tiles=(3, 3), **TILE)
    solution = solve(tiled, passes=15, learning_rate=4e-3)
    one = solve(problems.image("sample:camera", longest=96, tiles=(1, 1), **TILE), passes=15, learning_rate=4e-3)
    assert solution.metrics["psnr"] > one.metrics["psnr"] + 1
    assert [each.step for each in solution.history] == sorted({each.step for each in solution.history})
    assert solution.history[-1].passes == pytest.approx(15, rel=0.2)
    solution.save(tmp_path / "a.safetensors")
    picture = solution.render(scale=2)
    assert picture.shape == (192, 192, 1)


def test_more_tiles_than_are_solved_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinefield.problems.tiles.TOGETHER", 2)
    seen: list[float] = []
    problem = problems.image("sample:camera", longest=32, tiles=(1, 3), **TILE)
    solution = solve(problem, passes=2, batch=64, observe=lambda progress: seen.append(progress.fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert problem.parts is not None
    parts = [part.fields["u"] for part in problem.parts(solution.fields)]
    assert [len(each) for each in parts if isinstance(each, Batched)] == [1, 2]


def test_seconds_are_shared_by_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of our own, which each look moves on by a hundredth of a second."""
    looks = itertools.count()
    monkeypatch.setattr("sinefield.history.time", SimpleNamespace(perf_counter=lambda: next(looks) / 100))
    monkeypatch.setattr("sinefield.problems.tiles.TOGETHER", 1)
    problem = problems.image("sample:camera", longest=32, tiles=(2, 2), **TILE)
    seen: list[tuple[float, float]] = []
    solution = solve(problem, seconds=4.0, observe=lambda progress: seen.append((progress.fraction, progress.seconds)))
    assert 4.0 <= solution.seconds < 4.4  # each part ends with the step that uses its second up
    assert {int(4 * fraction) for fraction, _ in seen} == {0, 1, 2, 3, 4}
    assert all(abs(4 * fraction - seconds) < 0.4 for fraction, seconds in seen)


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".png"])
def test_large_pictures_stay_as_they_are_stored(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("sinefield.io.pictures.decoding.LARGE", "sinefield.io.image.LARGE"):
        monkeypatch.setattr(place, 1000)
    rows, columns = np.mgrid[0:40, 0:60]
    pixels = np.stack([4 * rows, 3 * columns, rows + columns], axis=-1).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, pixels)
    elif suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        import imageio.v3

        imageio.v3.imwrite(path, pixels)
    problem = problems.image(path, tile_size=20, **TILE)
    assert isinstance(problem.reference, Picture)
    stored = problem.reference.values
    assert stored.dtype == np.uint8
    assert isinstance(stored, np.memmap) == (suffix != ".png")
    grid = problem.constraints[0].domain
    assert isinstance(grid, Grid)
    target = grid.targets["value"][torch.tensor([61])]
    torch.testing.assert_close(target, torch.from_numpy(pixels.reshape(-1, 3)[[61]] / 127.5 - 1).float())
    solution = solve(problem, passes=30, learning_rate=8e-3)
    assert isinstance(solution.field, TiledSiren)
    assert solution.field.counts == counts_for((40, 60), (20, 20)) == (2, 3)
    assert solution.metrics["psnr"] > 25


def test_what_tiles_cannot_do_is_told() -> None:
    with pytest.raises(ValueError, match="fitted on value"):
        problems.image("sample:camera", ["gradient"], longest=32, tiles=(2, 2))
    with pytest.raises(ValueError, match="one of SIRENs"):
        problems.image("sample:camera", network="relu", longest=32, tile_size=8)
    for tiles in ((2,), (0, 1), (33, 1)):
        with pytest.raises(ValueError, match="tiles must be 1 to 32 x 32"):
            problems.image("sample:camera", longest=32, tiles=tiles)
    assert decoding.LARGE == 2**24
