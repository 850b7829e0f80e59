"""Tests of tiled fields: the partition of unity, continuity across seams, derivatives, tiles on their own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sinefield import checkpoint, jet
from sinefield.fields.chain import Affine
from sinefield.fields.field import build
from sinefield.fields.tiled import TiledSiren

SHAPES = [(1, "5", "1"), (2, "3x4", "0.75x1"), (3, "2x1x3", "1x0.5x0.25")]


def field(inputs: int, tiles: str, extent: str, outputs: int = 2, *, overlap: float = 0.25) -> TiledSiren:
    torch.manual_seed(0)
    return TiledSiren(inputs, outputs, 8, 1, 4.0, tiles=tiles, extent=extent, overlap=overlap).double()


def bias_of(affine: Affine) -> Tensor:
    assert affine.bias is not None
    return affine.bias


def points_in(extent: str, count: int = 300) -> Tensor:
    half = torch.tensor([float(each) for each in extent.split("x")], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(count, len(half), dtype=torch.float64, generator=generator) * 2 - 1) * half


@pytest.mark.parametrize(("inputs", "tiles", "extent"), SHAPES)
@pytest.mark.parametrize("overlap", [0.1, 0.5, 1.0])
def test_weights_are_a_partition_of_unity(inputs: int, tiles: str, extent: str, overlap: float) -> None:
    """Tiles that all answer 1 make a field that is 1 everywhere, with no derivative."""
    one = field(inputs, tiles, extent, overlap=overlap)
    with torch.no_grad():
        last = one.tiles.chain().affines[-1]
        last.weight.zero_()
        bias_of(last).fill_(1.0)
    u = jet(one, points_in(extent), ["jacobian", "hessian"])
    torch.testing.assert_close(u.value, torch.ones(300, 2, dtype=torch.float64))
    assert u.jacobian.abs().max() < 1e-10
    assert u.hessian.abs().max() < 1e-7


@pytest.mark.parametrize(("inputs", "tiles", "extent"), SHAPES)
def test_the_value_is_the_weighted_mean_of_the_tiles(inputs: int, tiles: str, extent: str) -> None:
    """Every tile is evaluated at every point, in plain loops, with weights written as their definition."""
    tiled, points, overlap = field(inputs, tiles, extent), points_in(extent, 50), 0.25
    counts = [int(each) for each in tiles.split("x")]
    half = [float(each) for each in extent.split("x")]

    def weight(u: float, k: int, count: int) -> float:
        def rise(t: float) -> float:
            t = min(max(t, 0.0), 1.0)
            return 6 * t**5 - 15 * t**4 + 10 * t**3

        left = rise((u - k) / overlap + 0.5) if k > 0 else 1.0
        right = rise((k + 1 - u) / overlap + 0.5) if k + 1 < count else 1.0
        return left * right

    for point in points:
        total = torch.zeros(2, dtype=torch.float64)
        for number in range(math.prod(counts)):
            rest, share, local = number, 1.0, []
            for axis in reversed(range(inputs)):
                k, rest = rest % counts[axis], rest // counts[axis]
                u = (float(point[axis]) + half[axis]) * counts[axis] / (2 * half[axis])
                share *= weight(u, k, counts[axis])
                local.append((u - k - 0.5) * 2 / (1 + overlap))
            row = torch.tensor(local[::-1], dtype=torch.float64)
            *hidden, last = tiled.tiles.chain().affines
            for affine, omega in zip(hidden, (4.0, 30.0), strict=True):
                row = torch.sin(omega * (affine.weight[number] @ row + bias_of(affine)[number]))
            total += share * (last.weight[number] @ row + bias_of(last)[number])
        torch.testing.assert_close(tiled(point[None])[0], total)


@pytest.mark.parametrize(("inputs", "tiles", "extent"), SHAPES)
def test_derivatives_are_those_of_differences(inputs: int, tiles: str, extent: str) -> None:
    tiled, points, h = field(inputs, tiles, extent), 0.99 * points_in(extent, 60), 1e-4
    u = jet(tiled, points, ["value", "jacobian", "laplacian"])
    laplacian = torch.zeros(60, 2, dtype=torch.float64)
    for axis in range(inputs):
        step = torch.zeros(inputs, dtype=torch.float64)
        step[axis] = h
        after, before = tiled(points + step), tiled(points - step)
        torch.testing.assert_close((after - before) / (2 * h), u.jacobian[:, :, axis], rtol=1e-4, atol=1e-4)
        laplacian += (after - 2 * u.value + before) / h**2
    torch.testing.assert_close(laplacian, u.laplacian, rtol=1e-3, atol=1e-3 * float(u.laplacian.detach().abs().max()))


def test_value_gradient_and_laplacian_are_continuous_where_the_overlap_begins_and_ends() -> None:
    """Seams of "4" are at −½, 0, ½; with an overlap of ¼ tile they begin and end 1/16 from them."""
    tiled = field(1, "4", "1")
    places = torch.tensor([[seam + side / 16] for seam in (-0.5, 0.0, 0.5) for side in (-1, 1)], dtype=torch.float64)
    before, after = (jet(tiled, places + side * 1e-12, ["jacobian", "laplacian"]) for side in (-1, 1))
    for name in ("value", "jacobian", "laplacian"):
        one, other = getattr(before, name), getattr(after, name)
        assert (one - other).abs().max() < 1e-6 * (1 + getattr(after, name).abs().max())


def test_a_single_tile_is_a_siren() -> None:
    tiled = field(2, "1x1", "1x1", outputs=3)
    siren = build("siren", 2, 3, hidden_features=8, hidden_layers=1, first_omega=4.0).double()
    affine = [each for each in siren.modules() if isinstance(each, nn.Linear)]
    with torch.no_grad():
        for one, other in zip(affine, tiled.tiles.chain().affines, strict=True):
            one.weight.copy_(other.weight[0])
            one.bias.copy_(bias_of(other)[0])
    points = points_in("1x1")
    torch.testing.assert_close(tiled(points), siren(points / 1.25))


def test_points_in_double_precision_are_told_apart_where_floats_are_not() -> None:
    tiled = field(1, "4096", "1").float()
    near = torch.tensor([[0.7], [0.7 + 1e-8]], dtype=torch.float64)
    assert near.float()[0] == near.float()[1]
    values = tiled(near)
    assert values.dtype == torch.float32
    assert not torch.equal(values[0], values[1])


def test_no_points_have_no_values() -> None:
    assert field(2, "2x2", "1x1")(torch.zeros(0, 2, dtype=torch.float64)).shape == (0, 2)


def test_a_part_learns_in_the_place_of_the_whole() -> None:
    tiled = field(1, "4", "1")
    part = tiled.tiles.part(1, 3)
    with torch.no_grad():
        for each in part.parameters():
            each.fill_(0.5)
    first = tiled.tiles.chain().affines[0].weight
    assert bool((first[1:3] == 0.5).all())
    assert not bool((first[0] == 0.5).any())
    with pytest.raises(ValueError, match="multiple of as many points, got 3"):
        part(torch.zeros(3, 1, dtype=torch.float64))


def test_tiles_take_points_in_turn() -> None:
    tiles = field(1, "3", "1").tiles
    points = points_in("1", 12)
    for tile in range(3):
        torch.testing.assert_close(tiles(points)[tile::3], tiles.part(tile, tile + 1)(points[tile::3]))


def test_tiles_are_initialised_as_sirens() -> None:
    torch.manual_seed(0)
    first, second, *_ = TiledSiren(2, 1, hidden_features=32, tiles="20x20").tiles.chain().affines
    assert first.weight.abs().max() <= 1 / 2
    assert second.weight.abs().max() <= math.sqrt(6 / 32) / 30
    assert float(second.weight.detach().std()) == pytest.approx(math.sqrt(2 / 32) / 30, rel=0.01)


def test_a_tiled_field_is_saved_and_loaded(tmp_path: object) -> None:
    path = f"{tmp_path}/field.safetensors"
    tiled = field(2, "2x3", "0.75x1").float()
    checkpoint.save(path, tiled)
    points = points_in("0.75x1").float()
    again = checkpoint.load(path)
    assert isinstance(again, nn.Module)
    assert torch.equal(again(points), tiled(points))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tiles": "2"}, "tiles must be 2 positive numbers"),
        ({"tiles": "2xtwo"}, "tiles must be 2 positive numbers"),
        ({"tiles": "0x2"}, "tiles must be 2 positive numbers"),
        ({"tiles": "1.5x2"}, "tiles must be integers"),
        ({"tiles": "99999x99999"}, "together at most"),
        ({"tiles": "2x2", "extent": "1x-1"}, "extent must be 2 positive numbers"),
        ({"tiles": "2x2", "overlap": 0.0}, "overlap in"),
        ({"tiles": "2x2", "overlap": 1.5}, "overlap in"),
        ({"tiles": "2x2", "first_omega": 0.0}, "frequencies must be positive"),
        ({"tiles": "2x2", "hidden_features": 0}, "hidden_features ≥ 1"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float | str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("tiled", 2, 1, **settings)
