"""Tests of a picture as a function: targets, constraints, rendering, and fits from each supervision."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import checkpoint
from sinefield.domains import Grid
from sinefield.fields.field import build
from sinefield.fields.siren import Siren
from sinefield.io.image import Picture, read
from sinefield.jet import jet
from sinefield.kinds import signal_from_json
from sinefield.problem import Problem
from sinefield.problems import image
from sinefield.problems.image import targets_of
from sinefield.problems.supervision import SUPERVISED, five_point_laplacian, sobel
from sinefield.quantities import QUANTITIES
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.solve import solve


def signal_of(height: int, width: int, channels: int, low: float, high: float, bits: int) -> ImageSignal:
    """Return how the field of a picture of that size is read back."""
    return ImageSignal(Lattice.of_cubes((height, width), channels, low, high), bits)


def signal_in(problem: Problem) -> ImageSignal:
    """Return how the field of a problem is read back."""
    assert isinstance(problem.signal, ImageSignal)
    return problem.signal


def grid_of(problem: Problem) -> Grid:
    """Return the pixels that the first constraint of a problem is on."""
    domain = problem.constraints[0].domain
    assert isinstance(domain, Grid)
    return domain


EIGHT_BITS = signal_of(20, 30, 1, 0.0, 255.0, 8)


def photo(height: int = 24, width: int = 24, channels: int = 1) -> NDArray[np.uint8]:
    """Return a picture that is smooth, rich enough to have derivatives, and the same each time."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    layers = [np.sin(5 * x + k) * np.cos(4 * y - k) + x * y**2 for k in range(channels)]
    stacked = np.stack(layers, axis=-1)
    return np.asarray(np.rint(255 * (stacked - stacked.min()) / np.ptp(stacked)), dtype=np.uint8)


class Formula(nn.Module):
    """A field in closed form, without parameters: any module is a field."""

    def __init__(self, *formulas: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formulas = formulas

    def forward(self, points: Tensor) -> Tensor:
        y, x = points[:, 0], points[:, 1]
        return torch.stack([formula(y, x) for formula in self.formulas], dim=-1)


class WithParameter(Formula):
    """The same with a parameter, which tells the device and the precision."""

    def __init__(self, *formulas: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__(*formulas)
        self.scale = nn.Parameter(torch.ones(()))


def wave(y: Tensor, x: Tensor) -> Tensor:
    return torch.sin(3 * x + 1) * torch.cos(2 * y)


def samples(signal: ImageSignal, height: int, width: int, region: tuple[float, ...] | None = None) -> tuple[Any, Any]:
    """Return y ``(height, 1)`` and x ``(1, width)`` in field coordinates, by the formula of the coordinates."""
    high, wide = signal.lattice.shape
    left, top, right, bottom = region or (0, 0, wide, high)
    rows = top + (np.arange(height) + 0.5) * (bottom - top) / height
    columns = left + (np.arange(width) + 0.5) * (right - left) / width
    longest = max(high, wide)
    return (2 * rows - high)[:, None] / longest, (2 * columns - wide)[None] / longest


class TestOperators:
    @pytest.mark.parametrize(("height", "width"), [(9, 13), (3, 3), (20, 4)])
    @pytest.mark.parametrize("spacing", [1.0, 0.25])
    def test_sobel_is_that_of_scipy_inside(self, height: int, width: int, spacing: float) -> None:
        values = np.random.default_rng(0).random((height, width, 2))
        found = sobel(torch.from_numpy(values), spacing).numpy()
        assert found.shape == (height, width, 2, 2)
        for axis in (0, 1):
            for channel in (0, 1):
                expected = scipy.ndimage.sobel(values[..., channel], axis=axis) / (8 * spacing)
                assert np.allclose(found[1:-1, 1:-1, channel, axis], expected[1:-1, 1:-1], atol=1e-12)

    @pytest.mark.parametrize(("height", "width"), [(9, 13), (3, 3), (20, 4)])
    @pytest.mark.parametrize("spacing", [1.0, 0.25])
    def test_laplacian_is_that_of_scipy_inside(self, height: int, width: int, spacing: float) -> None:
        values = np.random.default_rng(0).random((height, width, 2))
        found = five_point_laplacian(torch.from_numpy(values), spacing).numpy()
        assert found.shape == (height, width, 2)
        for channel in (0, 1):
            expected = scipy.ndimage.laplace(values[..., channel]) / spacing**2
            assert np.allclose(found[1:-1, 1:-1, channel], expected[1:-1, 1:-1], atol=1e-10)

    @pytest.mark.parametrize(
        "coefficients", [(1, 0, 0, 0, 0, 0), (2, 3, -1, 0, 0, 0), (1, -2, 0.5, 3, -1, 2), (0, 0, 0, 1, 1, 0)]
    )
    @pytest.mark.parametrize(("height", "width"), [(3, 3), (7, 12)])
    def test_exact_on_quadratics_up_to_the_corners(
        self, coefficients: tuple[float, ...], height: int, width: int
    ) -> None:
        spacing = 0.3
        rows, columns = (torch.arange(each, dtype=torch.float64) * spacing for each in (height, width))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        c, cy, cx, cyy, cxx, cyx = coefficients
        values = (c + cy * y + cx * x + cyy * y**2 + cxx * x**2 + cyx * y * x)[..., None]
        gradient = torch.stack([cy + 2 * cyy * y + cyx * x, cx + 2 * cxx * x + cyx * y], dim=-1)[:, :, None]
        assert torch.allclose(sobel(values, spacing), gradient, rtol=0, atol=1e-12)
        laplacian = torch.full_like(values, 2 * cyy + 2 * cxx)
        assert torch.allclose(five_point_laplacian(values, spacing), laplacian, rtol=0, atol=1e-11)

    @pytest.mark.parametrize("quantity", ["gradient", "laplacian"])
    def test_error_falls_with_the_square_of_the_spacing(self, quantity: str) -> None:
        errors = []
        for size in (32, 64, 128):
            centres = (2 * torch.arange(size, dtype=torch.float64) + 1 - size) / size
            y, x = torch.meshgrid(centres, centres, indexing="ij")
            if quantity == "gradient":
                found = sobel(wave(y, x)[..., None], 2 / size)[:, :, 0, 1]
                expected = 3 * torch.cos(3 * x + 1) * torch.cos(2 * y)
            else:
                found = five_point_laplacian(wave(y, x)[..., None], 2 / size)[..., 0]
                expected = -13 * wave(y, x)
            errors.append(float((found - expected)[1:-1, 1:-1].abs().max()))
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
        assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


class TestTargets:
    @pytest.mark.parametrize("size", [(48, 64), (96, 128)])
    def test_are_the_derivatives_of_the_function_whatever_the_resolution(self, size: tuple[int, int]) -> None:
        height, width = size
        pixels = signal_of(height, width, 1, 0.0, 255.0, 8)
        y, x = samples(pixels, height, width)
        function = np.sin(3 * x + 1) * np.cos(2 * y)
        picture = Picture(((function + 1) * 127.5)[..., None].astype(np.float32), 0.0, 255.0, 8, "wave")
        targets = targets_of(picture, tuple(SUPERVISED))
        assert {name: tuple(each.shape) for name, each in targets.items()} == {
            "value": (height * width, 1),
            "gradient": (height * width, 1, 2),
            "laplacian": (height * width, 1),
        }
        assert np.allclose(targets["value"].reshape(size), function, atol=1e-5)
        slopes = [-2 * np.sin(3 * x + 1) * np.sin(2 * y), 3 * np.cos(3 * x + 1) * np.cos(2 * y)]
        for axis in (0, 1):
            assert np.allclose(targets["gradient"].reshape(*size, 2)[..., axis], slopes[axis], atol=0.05)
        assert np.allclose(targets["laplacian"].reshape(size)[1:-1, 1:-1], -13 * function[1:-1, 1:-1], atol=0.15)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_points_and_targets_belong_together(self, channels: int) -> None:
        values = photo(6, 9, channels)
        found = grid_of(image(values)).at(torch.tensor([2 * 9 + 7]))  # row 2, column 7
        assert found.points[0].tolist() == pytest.approx([(2 * 2 + 1 - 6) / 9, (2 * 7 + 1 - 9) / 9])
        assert found.targets["value"][0].tolist() == pytest.approx((values[2, 7] / 127.5 - 1).tolist(), abs=1e-6)

    @pytest.mark.parametrize("on", [["value"], ["gradient"], ["laplacian"], ["laplacian", "value"], list(SUPERVISED)])
    def test_weights_balance_the_constraints(self, on: list[str]) -> None:
        problem = image(photo(channels=3), on, start="nothing")
        assert isinstance(problem.reference, Picture)
        assert [each.name for each in problem.constraints] == on
        for each in problem.constraints:
            target = targets_of(problem.reference, on)[each.name].double()
            variance = float((target - target.mean(0)).square().mean())
            assert each.weight == pytest.approx(1 / variance, rel=1e-4)

    def test_constraints_of_a_mixture_share_one_grid(self) -> None:
        problem = image(photo(), tuple(SUPERVISED))
        domains = {id(each.domain) for each in problem.constraints}
        assert len(domains) == 1
        assert grid_of(problem).target_names == set(SUPERVISED)

    def test_a_quantity_named_twice_counts_once(self) -> None:
        assert [each.name for each in image(photo(), ["value", "value"]).constraints] == ["value"]

    @pytest.mark.parametrize("on", SUPERVISED)
    def test_residual_vanishes_for_the_function_itself(self, on: str) -> None:
        """The differences of a cubic are exact but for one term in h²; rounding of the picture does the rest."""

        def cubic(y: Any, x: Any) -> Any:
            return 0.5 + 0.2 * y * x + 0.2 * x**3 - 0.1 * y**2

        height, width = 24, 32
        y, x = samples(signal_of(height, width, 1, 0.0, 1.0, 32), height, width)
        problem = image(cubic(y, x), [on])
        assert signal_in(problem).lattice.contrast == 0.5
        inside = (torch.arange(height)[1:-1, None] * width + torch.arange(width)[None, 1:-1]).flatten()
        constraint = problem.constraints[0]
        batch = grid_of(problem).at(inside)

        def loss_of(factor: float) -> float:
            field = Formula(lambda y, x: factor * cubic(y, x) - 1)
            return constraint.bound({"u": field}).loss({"u": jet(field, batch.points)}, batch.targets, 0.0).item()

        assert loss_of(2.0) < 1e-4
        assert loss_of(2.2) > 5e-3

    def test_channels_are_in_the_network_and_settings_reach_it(self) -> None:
        problem = image(photo(channels=4), hidden_features=12, hidden_layers=2)
        field = problem.build(17.0)["u"]
        assert isinstance(field, Siren)
        assert (field.in_features, field.out_features) == (2, 4)
        assert field.settings["first_omega"] == 17.0
        assert field.settings["hidden_features"] == 12
        given = image(photo(), first_omega=5.0).build(17.0)["u"]
        assert isinstance(given, Siren)
        assert given.settings["first_omega"] == 5.0
        assert image(photo(), network="tanh").build(17.0)["u"].architecture == "tanh"

    def test_longest_scales_the_picture(self) -> None:
        problem = image(photo(40, 60), longest=15)
        assert grid_of(problem).shape == (10, 15)
        assert signal_in(problem).lattice.shape[1] == 15


class TestRefusals:
    @pytest.mark.parametrize("on", [[], ["nothing"], ["value", "hessian"], "value", [""]])
    def test_quantities(self, on: Any) -> None:
        with pytest.raises(ValueError, match="fitted on value, gradient, laplacian or several of them"):
            image(photo(), on)

    @pytest.mark.parametrize("on", [["gradient"], ["laplacian"], ["value", "gradient"]])
    @pytest.mark.parametrize("shape", [(2, 9), (9, 2)])
    def test_too_small_for_derivatives(self, on: list[str], shape: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="derivatives need at least 3 each way"):
            image(photo(*shape), on)
        assert grid_of(image(photo(*shape))).shape == shape

    @pytest.mark.parametrize(
        "picture",
        [
            np.tile(np.arange(24, dtype=np.uint8), (20, 1)),
            np.tile(np.arange(20, dtype=np.uint16)[:, None] * 3000, (1, 24)),
            np.add.outer(np.arange(24) ** 2, -(np.arange(24) ** 2)).astype(np.int32),
            np.add.outer(np.arange(24) / 7, np.arange(20) / 3),
        ],
        ids=["ramp", "deep ramp", "saddle", "plane"],
    )
    def test_laplacian_that_is_zero_everywhere(self, picture: NDArray[Any]) -> None:
        with pytest.raises(ValueError, match=r"the laplacian of an array .* is the same everywhere; fit it on value"):
            image(picture, ["laplacian"])

    @pytest.mark.parametrize(
        "picture",
        [
            np.tile(np.arange(24, dtype=np.uint8), (20, 1)),
            np.add.outer(np.arange(24) / 7, np.arange(20) / 3),
        ],
        ids=["ramp", "plane"],
    )
    def test_gradient_that_is_the_same_everywhere(self, picture: NDArray[Any]) -> None:
        with pytest.raises(ValueError, match=r"the gradient of an array .* is the same everywhere; fit it on value"):
            image(picture, ["value", "gradient"])

    def test_faint_pictures_are_not_taken_for_flat_ones(self) -> None:
        faint = np.full((24, 24), 100, dtype=np.uint8)
        faint[10, 12] = 101
        assert [each.name for each in image(faint, tuple(SUPERVISED)).constraints] == list(SUPERVISED)

    def test_network_and_settings_are_checked_before_solving(self) -> None:
        with pytest.raises(ValueError, match="unknown network 'nope'; choose one of"):
            image(photo(), network="nope")
        with pytest.raises(ValueError, match="does not take these settings: nope"):
            image(photo(), nope=3)
        with pytest.raises(ValueError, match="hidden_features"):
            image(photo(), hidden_features=0)

    def test_missing_file_and_constant_picture(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"none\.png"):
            image(tmp_path / "none.png")
        with pytest.raises(ValueError, match="constant"):
            image(np.zeros((8, 8)))


class TestRender:
    @pytest.mark.parametrize("kind", [WithParameter, Formula], ids=["parameter", "no parameter"])
    @pytest.mark.parametrize("quantity", QUANTITIES)
    @pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-2.0, 6.0)])
    def test_quantities_in_the_units_of_pixels(
        self, kind: type[Formula], quantity: str, low: float, high: float
    ) -> None:
        pixels = signal_of(20, 30, 1, low, high, 8)
        y, x = samples(pixels, 20, 30)
        contrast, spacing = (high - low) / 2, 2 / 30
        expected = {
            "value": low + (np.sin(3 * x + 1) * np.cos(2 * y) + 1) * contrast,
            "gradient": contrast
            * spacing
            * np.hypot(3 * np.cos(3 * x + 1) * np.cos(2 * y), 2 * np.sin(3 * x + 1) * np.sin(2 * y)),
            "laplacian": contrast * spacing**2 * -13 * np.sin(3 * x + 1) * np.cos(2 * y),
        }[quantity]
        found = pixels.sample(kind(wave), quantity=quantity)
        assert found.shape == (20, 30, 1)
        assert found.dtype == np.float32
        assert np.allclose(found[..., 0], expected, rtol=1e-4, atol=1e-5 * contrast)

    def test_derivatives_are_those_of_the_rendered_picture(self) -> None:
        """Per pixel of the original: what finite differences of the picture itself give."""
        signal = signal_of(90, 120, 1, 0.0, 255.0, 8)
        picture = signal.sample(WithParameter(wave))[..., 0].astype(np.float64)
        norm = np.hypot(*np.gradient(picture))[2:-2, 2:-2]
        laplacian = scipy.ndimage.laplace(picture)[2:-2, 2:-2]
        assert np.allclose(signal.sample(WithParameter(wave), quantity="gradient")[2:-2, 2:-2, 0], norm, atol=0.02)
        found = signal.sample(WithParameter(wave), quantity="laplacian")[2:-2, 2:-2, 0]
        assert np.allclose(found, laplacian, atol=0.005)

    @pytest.mark.parametrize("quantity", ["gradient", "laplacian"])
    def test_derivatives_are_per_pixel_of_the_original_at_any_scale(self, quantity: str) -> None:
        signal, field = EIGHT_BITS, WithParameter(wave)
        coarse = signal.sample(field, quantity=quantity)
        fine = signal.sample(field, scale=3, quantity=quantity)  # the middle of three samples is the pixel's centre
        assert np.allclose(fine[1::3, 1::3], coarse, rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize(
        ("options", "shape"),
        [
            ({}, (20, 30)),
            ({"scale": 2}, (40, 60)),
            ({"scale": 0.5}, (10, 15)),
            ({"size": (7, 5)}, (5, 7)),
            ({"region": (3, 4, 13, 9)}, (5, 10)),
            ({"region": (3, 4, 13, 9), "scale": 4}, (20, 40)),
            ({"region": (3, 4, 13, 9), "size": (2, 3)}, (3, 2)),
            ({"region": (0.25, 0.5, 1.75, 2.5)}, (2, 2)),
            ({"size": (1, 1)}, (1, 1)),
        ],
        ids=str,
    )
    def test_size_scale_and_region(self, options: dict[str, Any], shape: tuple[int, int]) -> None:
        found = EIGHT_BITS.sample(WithParameter(wave), **options)
        y, x = samples(EIGHT_BITS, *shape, options.get("region"))
        assert found.shape == (*shape, 1)
        assert np.allclose(found[..., 0], (np.sin(3 * x + 1) * np.cos(2 * y) + 1) * 127.5, atol=1e-3)

    @pytest.mark.parametrize("quantity", QUANTITIES)
    @pytest.mark.parametrize("scale", [1, 3])
    def test_region_is_a_crop_of_the_whole(self, quantity: str, scale: int) -> None:
        torch.manual_seed(0)
        field = build("siren", 2, 3, hidden_features=16, hidden_layers=1, first_omega=5.0)
        signal = signal_of(20, 30, 3, 0.0, 255.0, 8)
        whole = signal.sample(field, scale=scale, quantity=quantity)
        part = signal.sample(field, scale=scale, region=(5, 2, 17, 11), quantity=quantity)
        crop = whole[2 * scale : 11 * scale, 5 * scale : 17 * scale]
        assert part.shape == crop.shape
        assert np.allclose(part, crop, rtol=1e-3, atol=1e-3 * np.abs(crop).max())

    def test_region_may_lie_outside(self) -> None:
        found = EIGHT_BITS.sample(WithParameter(wave), region=(-6, -4, 0, 0))
        y, x = samples(EIGHT_BITS, 4, 6, (-6, -4, 0, 0))
        assert np.allclose(found[..., 0], (np.sin(3 * x + 1) * np.cos(2 * y) + 1) * 127.5, atol=1e-3)

    @pytest.mark.parametrize("size", [(128, 128), (127, 130), (331, 101)])  # 2^14 samples, and more than one block
    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_blocks_join_without_a_seam(self, size: tuple[int, int], quantity: str) -> None:
        field = WithParameter(lambda y, x: y + 2 * x, lambda y, x: x**2 - 3 * y**2)
        pixels = signal_of(20, 30, 2, -1.0, 1.0, 32)
        found = pixels.sample(field, size, quantity=quantity)
        width, height = size
        y, x = samples(pixels, height, width)
        spacing = 2 / 30
        expected = {
            "value": (y + 2 * x, x**2 - 3 * y**2),
            "gradient": (spacing * math.sqrt(5) + 0 * x * y, spacing * np.hypot(2 * x, 6 * y)),
            "laplacian": (0 * x * y, spacing**2 * -4 + 0 * x * y),
        }[quantity]
        assert found.shape == (height, width, 2)
        for channel in (0, 1):
            assert np.allclose(found[..., channel], expected[channel], atol=1e-5)

    def test_no_block_is_larger_than_the_bound(self) -> None:
        sizes = []

        class Counting(WithParameter):
            def forward(self, points: Tensor) -> Tensor:
                sizes.append(len(points))
                return super().forward(points)

        EIGHT_BITS.sample(Counting(wave), (200, 200))
        assert sum(sizes) == 200 * 200
        assert max(sizes) <= 16_384

    def test_dropout_is_off_and_the_field_is_left_as_it_was(self) -> None:
        torch.manual_seed(0)
        field = build("siren", 2, 1, hidden_features=16, hidden_layers=1, dropout=0.5)
        signal = EIGHT_BITS
        expected = signal.sample(field.eval())
        found = signal.sample(field.train())
        assert field.training
        assert np.array_equal(found, expected)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("quantity", QUANTITIES)
    def test_field_of_another_precision(self, tmp_path: Path, dtype: torch.dtype, quantity: str) -> None:
        torch.manual_seed(0)
        field = build("siren", 2, 1, hidden_features=16, hidden_layers=1, first_omega=3.0, hidden_omega=3.0)
        expected = EIGHT_BITS.sample(field, quantity=quantity)
        checkpoint.save(tmp_path / "f.safetensors", field.to(dtype))
        loaded = checkpoint.load(tmp_path / "f.safetensors")
        assert isinstance(loaded, nn.Module)
        found = EIGHT_BITS.sample(loaded, quantity=quantity)
        assert found.dtype == np.float32
        precision = {torch.float64: 1e-5, torch.float16: 0.02, torch.bfloat16: 0.15}[dtype]
        assert np.abs(found - expected).max() < precision * np.abs(expected).max()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"quantity": "hessian"}, "unknown quantity 'hessian'; choose one of value, gradient, laplacian"),
            ({"region": (5, 0, 5, 9)}, "left < right and top < bottom"),
            ({"region": (5, 9, 8, 2)}, "got"),
            ({"region": (0, 0, math.nan, 5)}, "a region is left, top, right, bottom"),
            ({"region": (0, 0, math.inf, 5)}, "a region is left, top, right, bottom"),
            ({"size": (0, 5)}, "0 x 5; both must be at least 1"),
            ({"size": (5, -1)}, "at least 1"),
            ({"scale": 0.001}, "at least 1"),
            ({"scale": -1}, "scale"),
            ({"scale": 0}, "scale"),
            ({"scale": math.nan}, "scale"),
            ({"scale": math.inf}, "scale"),
        ],
        ids=str,
    )
    def test_refusals(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words) as caught:
            EIGHT_BITS.sample(WithParameter(wave), **options)
        assert "\n" not in str(caught.value)

    def test_field_of_other_channels_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"1 output.*3 channel"):
            signal_of(20, 30, 3, 0.0, 255.0, 8).sample(WithParameter(wave))


VERSION_1 = {"kind": "image", "height": 20, "width": 30, "channels": 3, "low": 0.0, "high": 1.0, "bits": 8}
"""What the first version stored of a picture."""


class TestStoredSignal:
    def test_round_trip(self) -> None:
        signal = signal_of(20, 30, 3, -1.5, 2.5, 16)
        assert signal_from_json(signal.to_json()) == signal
        assert signal.to_json()["kind"] == "image"

    def test_that_of_the_first_version_is_the_same(self) -> None:
        assert signal_from_json(VERSION_1) == signal_of(20, 30, 3, 0.0, 1.0, 8)

    @pytest.mark.parametrize(
        "change",
        [
            {"height": 0},
            {"width": -3},
            {"height": 2.5},
            {"height": None, "width": "many"},
            {"channels": "3"},
            {"bits": None},
            {"height": True},
            {"width": 10**12},
            {"low": "dark"},
            {"low": None},
            {"high": math.nan},
            {"high": math.inf},
            {"low": 1.0, "high": 1.0},
            {"low": 2.0, "high": 1.0},
            {"channels": 2},
            {"channels": 2**31},
            {"bits": 7},
            {"high": 10**400},
        ],
        ids=lambda each: str(each)[:30],
    )
    def test_implausible(self, change: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"the stored (mapping of samples|picture) is"):
            signal_from_json(VERSION_1 | change)

    @pytest.mark.parametrize("name", ["height", "width", "channels", "low", "high", "bits"])
    def test_incomplete(self, name: str) -> None:
        stored = {key: value for key, value in VERSION_1.items() if key != name}
        with pytest.raises(ValueError, match=r"the stored (mapping of samples|picture) is"):
            signal_from_json(stored)

    @pytest.mark.parametrize("stored", [{}, {"kind": None}, {"kind": "sound"}, {"kind": ["image"]}])
    def test_other_kinds(self, stored: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="cannot read a signal of kind"):
            signal_from_json(stored)


class TestMeasure:
    @pytest.fixture
    def field(self) -> nn.Module:
        torch.manual_seed(0)
        return build("siren", 2, 1, hidden_features=16, hidden_layers=1, first_omega=3.0, hidden_omega=5.0)

    class Shifted(nn.Module):
        """A field and a function added to it."""

        def __init__(self, field: nn.Module, shift: Callable[[Tensor, Tensor], Tensor]) -> None:
            super().__init__()
            self.field, self.shift = field, shift

        def forward(self, points: Tensor) -> Tensor:
            values: Tensor = self.field(points)
            return values + self.shift(points[:, :1], points[:, 1:])

    def psnr(self, on: list[str], field: nn.Module) -> float:
        return image(photo(), on).measure({"u": field}, None)["psnr"]

    def test_psnr_is_that_of_the_rendered_picture(self, field: nn.Module) -> None:
        problem = image(photo(), ["value"])
        rendered = signal_in(problem).sample(field)
        mse = np.square(rendered.astype(np.float64) - photo()).mean()
        assert problem.measure({"u": field}, None)["psnr"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)

    def test_constant_counts_where_values_are_known_and_not_where_gradients_are(self, field: nn.Module) -> None:
        shifted = self.Shifted(field, lambda y, x: 0 * x + 0.7)
        assert self.psnr(["gradient"], shifted) == pytest.approx(self.psnr(["gradient"], field), abs=1e-3)
        assert self.psnr(["laplacian"], shifted) == pytest.approx(self.psnr(["laplacian"], field), abs=1e-3)
        for on in (["value"], ["value", "gradient"], ["laplacian", "value"]):
            assert abs(self.psnr(on, shifted) - self.psnr(on, field)) > 0.1

    @pytest.mark.parametrize(
        "shift",
        [
            lambda y, x: x * y,
            lambda y, x: 2 * x - y,
            lambda y, x: torch.exp(x) * torch.sin(y),
            lambda y, x: x**3 - 3 * x * y**2,
        ],
        ids=["saddle", "plane", "exponential", "cubic"],
    )
    def test_harmonic_function_counts_where_gradients_are_known_and_not_where_only_laplacians_are(
        self, field: nn.Module, shift: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        shifted = self.Shifted(field, shift)
        assert self.psnr(["laplacian"], shifted) == pytest.approx(self.psnr(["laplacian"], field), abs=1e-2)
        for on in (["gradient"], ["gradient", "laplacian"]):
            assert abs(self.psnr(on, shifted) - self.psnr(on, field)) > 0.1

    def test_other_functions_count(self, field: nn.Module) -> None:
        shifted = self.Shifted(field, lambda y, x: x**2 + y**2)
        assert abs(self.psnr(["laplacian"], shifted) - self.psnr(["laplacian"], field)) > 0.1

    @pytest.mark.parametrize(
        ("on", "names"),
        [
            (["value"], {"psnr", "ssim"}),
            (["gradient"], {"psnr", "gradient_error"}),
            (["laplacian"], {"psnr", "laplacian_correlation"}),
            (list(SUPERVISED), {"psnr", "ssim", "gradient_error", "laplacian_correlation"}),
        ],
    )
    def test_which_metrics(self, field: nn.Module, on: list[str], names: set[str]) -> None:
        found = image(photo(), on).measure({"u": field}, None)
        assert set(found) == names
        assert all(math.isfinite(each) for each in found.values())
        assert set(image(photo(), on).measure({"u": field}, 100)) == names - {"ssim"}

    def test_estimate_is_near_and_always_the_same(self, field: nn.Module) -> None:
        problem = image(photo(48, 48), ["value"])
        first = problem.measure({"u": field}, 500)["psnr"]
        assert problem.measure({"u": field}, 500)["psnr"] == first
        assert first == pytest.approx(problem.measure({"u": field}, None)["psnr"], abs=0.6)
        assert problem.measure({"u": field}, 10**6) == problem.measure({"u": field}, None)

    def test_dropout_is_off_and_the_field_is_left_as_it_was(self) -> None:
        torch.manual_seed(0)
        field = build("siren", 2, 1, hidden_features=16, hidden_layers=1, dropout=0.5)
        problem = image(photo(), ["value"])
        assert problem.measure({"u": field.train()}, None) == problem.measure({"u": field.train()}, None)
        assert field.training

    def test_any_module_is_a_field(self) -> None:
        found = image(photo(), ["value"]).measure({"u": Formula(wave)}, None)
        assert math.isfinite(found["psnr"])


class TestFit:
    @pytest.mark.parametrize(
        ("on", "metric", "better"),
        [
            (["value"], "psnr", 1),
            (["gradient"], "gradient_error", -1),
            (["laplacian"], "laplacian_correlation", 1),
            (["value", "gradient", "laplacian"], "psnr", 1),
            (["gradient", "laplacian"], "gradient_error", -1),
        ],
        ids=str,
    )
    def test_each_supervision_improves_its_metric(self, on: list[str], metric: str, better: int) -> None:
        problem = image(photo(), on, hidden_features=32, hidden_layers=1, first_omega=10.0)
        torch.manual_seed(0)
        before = problem.measure({"u": problem.build(10.0)["u"]}, None)
        rates: dict[str, Any] = {"learning_rate": 2e-3}  # of Adam
        if on != ["value"]:
            rates["matrix_rate"] = 3e-3  # of Muon
        solution = solve(problem, passes=30, batch=96, **rates)
        assert solution.stopped == "budget"
        assert better * (solution.metrics[metric] - before[metric]) > 0.3 * abs(
            before[metric] if metric != "laplacian_correlation" else 1
        )
        assert solution.metrics["psnr"] > before["psnr"] + 3

    def test_colour_is_fitted_in_each_channel(self) -> None:
        picture = read(photo(channels=3))
        problem = image(photo(channels=3), hidden_features=32, hidden_layers=1, first_omega=10.0)
        solution = solve(problem, passes=60, batch=288, learning_rate=2e-3)
        assert solution.metrics["psnr"] > 25
        rendered = solution.render()
        for channel in range(3):
            assert np.corrcoef(rendered[..., channel].ravel(), picture.values[..., channel].ravel())[0, 1] > 0.95


def test_a_rendering_that_the_disk_cannot_hold_is_refused() -> None:
    signal = signal_of(4, 4, 1, 0.0, 255.0, 8)
    with pytest.raises(ValueError, match="what is to be rendered is too large: 2000000 x 2000000 x 1"):
        signal.sample(build("siren", 2, 1, hidden_features=4), (2_000_000, 2_000_000))
