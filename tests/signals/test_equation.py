"""Tests of how solutions of equations are read back: coordinates, cuts, regions, and files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from PIL import Image
from torch import Tensor, nn

from sinefield.domains import Ball, Box
from sinefield.kinds import signal_from_json
from sinefield.signals.equation import EquationSignal


class Linear(nn.Module):
    """Φ = 1 + Σ (k + 1) x_k, and twice that as a second output."""

    point_dtype = torch.float64

    def __init__(self, inputs: int, outputs: int = 1) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs

    def forward(self, points: Tensor) -> Tensor:
        weights = torch.arange(1, points.shape[1] + 1, dtype=points.dtype)
        first = 1 + (points * weights).sum(1, keepdim=True)
        return torch.cat([first, 2 * first], 1)[:, : self.out_features]


SPACE_TIME = EquationSignal(("t", "x", "y"), (0.0, -1.0, 0.0), (2.0, 1.0, 4.0))


def test_the_last_two_axes_are_drawn_from_end_to_end_in_double_precision() -> None:
    found = SPACE_TIME.sample(Linear(3), (3, 5))
    x, y = np.linspace(-1, 1, 3), np.linspace(0, 4, 5)
    assert found.dtype == np.float64
    assert found[..., 0] == pytest.approx(1 + 2.0 + 2 * x[:, None] + 3 * y, rel=1e-15)  # the time is its end


def test_cuts() -> None:
    found = SPACE_TIME.sample(Linear(3), (2, 2), cuts=("t=0.5",))
    assert found[0, 0, 0] == 1 + 0.5 - 2
    box = EquationSignal(("x", "y", "z"), (0.0, 0.0, 0.0), (2.0, 1.0, 1.0))
    assert box.sample(Linear(3), (2, 2))[0, 0, 0] == 1 + 1.0  # a length is cut in the middle


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        ("t=3", "t=3 is outside of the domain, where t is from 0 to 2"),
        ("x=0", "cannot cut at 'x=0'; axes that can be cut: t=2"),
        ("t", "cannot cut at 't'"),
        ("t=nan", "cannot cut at 't=nan'"),
    ],
)
def test_cuts_that_are_refused(cut: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SPACE_TIME.sample(Linear(3), (2, 2), cuts=(cut,))


@pytest.mark.parametrize("size", [(1, 5), (5,), (5, 5, 5), (100_000, 100_000)])
def test_sizes_that_are_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the size of what to render is width and height"):
        SPACE_TIME.sample(Linear(3), size)


def test_the_default_size_keeps_the_proportion_of_lengths() -> None:
    assert EquationSignal(("x", "y"), (0.0, 0.0), (2.0, 1.0)).sample(Linear(2)).shape == (512, 256, 1)
    assert EquationSignal(("t", "x"), (0.0, 0.0), (2.0, 1.0)).sample(Linear(2)).shape == (512, 512, 1)
    assert EquationSignal(("x",), (0.0,), (2.0,)).sample(Linear(1)).shape == (512, 1)


def test_complex_quantities() -> None:
    signal = EquationSignal(("x", "y"), (0.0, 0.0), (1.0, 1.0), complex=True)
    field = Linear(2, 2)
    real, imaginary = (signal.sample(field, (3, 3), quantity=name) for name in ("real", "imaginary"))
    assert np.array_equal(signal.sample(field, (3, 3)), real)
    assert np.array_equal(imaginary, 2 * real)
    assert signal.sample(field, (3, 3), quantity="modulus") == pytest.approx(math.sqrt(5) * np.abs(real))
    assert signal.sample(field, (3, 3), quantity="phase") == pytest.approx(np.full(real.shape, math.atan2(2, 1)))
    with pytest.raises(ValueError, match="unknown quantity 'phase'; choose one of value, gradient, laplacian"):
        SPACE_TIME.sample(Linear(3), quantity="phase")


def test_outside_of_the_region_there_is_nothing() -> None:
    triangle = shapely.to_wkb(shapely.Polygon([(0, 0), (1, 0), (0, 1)]))
    signal = EquationSignal(("x", "y"), (0.0, 0.0), (1.0, 1.0), region=triangle)
    found = signal.sample(Linear(2), (5, 5))[..., 0]
    x, y = np.meshgrid(*[np.linspace(0, 1, 5)] * 2, indexing="ij")
    assert np.array_equal(np.isnan(found), x + y > 1 + 1e-12)
    assert signal_from_json(signal.to_json()) == signal


def test_a_damaged_region_is_refused() -> None:
    stored = EquationSignal(("x", "y"), (0.0, 0.0), (1.0, 1.0)).to_json()
    for region in (b"", b"polygon", shapely.to_wkb(shapely.Point(0, 0)), "text", [1]):
        with pytest.raises(ValueError, match="the stored box of an equation is not plausible"):
            signal_from_json(stored | {"region": region})


def test_bounds_are_those_of_the_domain() -> None:
    assert EquationSignal.of(Box([0, 1], [2, 3], axes="tx")) == EquationSignal(("t", "x"), (0.0, 1.0), (2.0, 3.0))
    assert EquationSignal.of(Ball([0, 1], 2), complex=True).lower == (-2.0, -1.0)


class TestFiles:
    def test_numbers_keep_all_digits(self, tmp_path: Path) -> None:
        signal, field = EquationSignal(("x", "y"), (0.0, 0.0), (1.0, 3.0)), Linear(2)
        found = signal.sample(field, (4, 3))
        signal.write(field, tmp_path / "a.npy", (4, 3))
        assert np.array_equal(np.load(tmp_path / "a.npy"), found)
        assert signal.write(field, tmp_path / "a.csv", (4, 3)) == "4 x 3, value from 1 to 8"
        lines = (tmp_path / "a.csv").read_text().splitlines()
        assert lines[0] == "x,y,value"
        table = np.array([[float(each) for each in line.split(",")] for line in lines[1:]])
        assert np.array_equal(table[:, 2], found.ravel())
        assert table[:, 2] == pytest.approx(1 + table[:, 0] + 2 * table[:, 1], rel=1e-15)

    def test_a_picture_has_its_last_axis_upwards(self, tmp_path: Path) -> None:
        signal = EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0))
        signal.write(Linear(2), tmp_path / "a.png", (64, 32))
        shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
        assert shown.shape == (32, 64, 3)
        redness = shown[..., 0] - shown[..., 2]
        assert redness[0, -1] > 50  # 1 + x + 2y is largest at the upper right, in red
        assert redness[-1, 0] < -20  # and least at the lower left, in blue

    def test_a_range_fixes_the_colours(self, tmp_path: Path) -> None:
        signal = EquationSignal(("x", "y"), (-1.0, -1.0), (1.0, 1.0))
        signal.write(Linear(2), tmp_path / "a.png", (8, 8), value_range=(-1000.0, 1000.0))
        assert np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).min() > 235  # all near 0, which is white

    def test_a_line_is_no_picture(self, tmp_path: Path) -> None:
        signal = EquationSignal(("x",), (0.0,), (1.0,))
        with pytest.raises(ValueError, match=r"a field of one coordinate is no picture; write \.npy or \.csv"):
            signal.write(Linear(1), tmp_path / "a.png")
        assert not list(tmp_path.iterdir())

    def test_an_unknown_ending(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="ending must be one of"):
            SPACE_TIME.write(Linear(3), tmp_path / "a.xyz")
