"""Tests of arrays of fields on the lattices of their signals: values, units of derivatives, and indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fields_of_kinds import field_of
from sinefield.domains import Ball, Difference
from sinefield.integrations import sampled as module
from sinefield.integrations.sampled import Sampled, lines_of, sampled
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.mask import Mask
from sinefield.signals.sampling import sample_grid
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

KINDS = ["grey", "colour", "tiled", "video", "volume", "audio", "shape", "outline", "plane", "heat", "line"]
KEYS: list[Any] = [
    (3, slice(2, 9, 3), 0),
    (slice(None, None, -2), np.array([7, 1, 1]), slice(None)),
    (..., 0),
    -1,
    np.array([True, False] * 12),
    (slice(5, 5), 3),
]


def values_of(name: str) -> tuple[Signal, dict[str, Sampled]]:
    field, signal = field_of(name)
    size = {each.name: 20 for each in signal.axes} if isinstance(signal, ShapeSignal | EquationSignal) else None
    return signal, sampled(field.double(), signal, size)


@pytest.mark.parametrize("name", ["grey", "colour", "tiled", "video", "volume", "audio", "plane"])
def test_values_are_those_that_are_rendered(name: str) -> None:
    signal, arrays = values_of(name)
    size = (20, 20) if name == "plane" else None
    rendered = signal.sample(arrays["value"].field, size).reshape(arrays["value"].shape)
    np.testing.assert_allclose(arrays["value"][...], rendered, rtol=1e-4, atol=1e-4 * np.abs(rendered).max())


def test_distances_are_in_the_units_of_the_file() -> None:
    signal, arrays = values_of("shape")
    assert isinstance(signal, ShapeSignal)
    points = np.stack(np.meshgrid(*(each.places for each in arrays["value"].lines), indexing="ij"), -1)
    expected = signal.distances(arrays["value"].field, points.reshape(-1, 3))
    np.testing.assert_allclose(arrays["value"][...].ravel(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_derivatives_are_by_the_places(name: str) -> None:
    """They are the slopes of the values between places that are a thousandth of a sample apart."""
    signal, arrays = values_of(name)
    value = arrays["value"]
    middle = tuple(each.count // 2 for each in value.lines)
    total = 0.0
    for axis, line in enumerate(value.lines):
        step = 1e-3 * (line.places[1] - line.places[0])

        def at(shift: float, axis: int = axis) -> NDArray[np.float64]:
            points = [float(each.coordinates(np.array(n))) for n, each in zip(middle, value.lines, strict=True)]
            points[axis] += shift * value.lines[axis].factor
            scale, offset = module._values_of(signal)
            with torch.no_grad():
                found: Tensor = value.field(torch.tensor([points], dtype=torch.float64))
            return np.asarray(found[0].numpy() * scale + offset)

        slope = (at(step) - at(-step)) / (2 * step)
        found = arrays[f"gradient_{line.name}"][middle]
        assert np.abs(found).max() > 0
        np.testing.assert_allclose(found, slope, rtol=1e-3, atol=1e-5 * np.abs(slope).max())
        if axis in value.lengths:
            total = total + (at(step) - 2 * at(0) + at(-step)) / step**2
    np.testing.assert_allclose(arrays["laplacian"][middle], total, rtol=2e-2, atol=2e-3 * np.abs(total).max())


def test_a_laplacian_is_along_lengths_and_not_time() -> None:
    assert [values_of(name)[1]["laplacian"].lengths for name in ("video", "heat", "audio")] == [(1, 2), (1, 2), (0,)]


def test_samples_that_are_longer_one_way_have_their_own_factors() -> None:
    """x² + y² over pixels of 2 x 1 mm: the Laplacian in mm is that of each axis by its own factor."""

    class Bowl(nn.Module):
        in_features, out_features = 3, 1

        def forward(self, points: Tensor) -> Tensor:
            return (points * points.new_tensor([1.0, 10.0, 100.0])).square().sum(1, keepdim=True)

    lattice = Lattice((4, 4, 4), (1.0, 1.0, 1.0), 1, -1.0, 1.0)
    arrays = sampled(Bowl(), VolumeSignal(lattice, (4.0, 2.0, 1.0), "mm", 8))
    factors = np.array([2 / 16, 2 / 8, 2 / 4])
    np.testing.assert_allclose(arrays["laplacian"][0, 0, 0], 2 * (factors**2 @ [1.0, 100.0, 1e4]), rtol=1e-5)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_what_is_taken_is_what_numpy_takes(key: Any) -> None:
    _, arrays = values_of("grey")
    whole = np.asarray(arrays["value"])
    assert whole.shape == arrays["value"].shape == (24, 32, 1)
    found = arrays["value"][key]
    assert found.shape == whole[key].shape
    np.testing.assert_allclose(found, whole[key], rtol=1e-12)


@pytest.mark.parametrize("key", [24, -25, (0, 32), (..., 1), ([3, 24],)], ids=str)
def test_what_is_not_there_is_refused(key: Any) -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        values_of("grey")[1]["value"][key]


def test_arrays_of_indices_are_each_along_their_own_axis() -> None:
    _, arrays = values_of("grey")
    some = arrays["value"][[1, 2, 5], [0, 30], 0]
    np.testing.assert_allclose(some, np.asarray(arrays["value"])[np.ix_([1, 2, 5], [0, 30], [0])][..., 0], rtol=1e-12)


def test_no_other_point_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def noted(field: nn.Module, axes: Any, *more: Any) -> Any:
        seen.append([len(each) for each in axes])
        return sample_grid(field, axes, *more)

    monkeypatch.setattr(module, "sample_grid", noted)
    field, signal = field_of("grey")
    huge = sampled(field, signal, {"y": 10**9, "x": 10**9})["laplacian"]
    assert huge[10**8, 5 * 10**8 : 5 * 10**8 + 7].shape == (7, 1)
    assert seen == [[1, 7]]
    assert huge[7:9, 3:3].shape == (2, 0, 1)
    assert len(seen) == 1


def test_what_is_not_known_is_nan() -> None:
    field, _ = field_of("grey")
    known = np.ones((24, 32), dtype=bool)
    known[3, 4] = False
    signal = ImageSignal(Lattice.of_cubes((24, 32), 1, 0.0, 255.0), 8, mask=Mask.of(known))
    for name, each in sampled(field, signal).items():
        np.testing.assert_array_equal(np.isnan(each[..., 0]), ~known, err_msg=name)
    ring = EquationSignal.of(Difference(Ball([1.0, 2.0], 2.0), Ball([1.0, 2.0], 1.0)))
    value = sampled(field, ring, {"x": 41, "y": 41})["value"]
    x, y = np.meshgrid(*(each.places for each in value.lines), indexing="ij")
    distance = np.hypot(x - 1, y - 2)
    clear = (np.abs(distance - 1) > 0.01) & (np.abs(distance - 2) > 0.01)
    np.testing.assert_array_equal(np.isnan(value[..., 0])[clear], ((distance < 1) | (distance > 2))[clear])


def test_precision_is_that_of_the_field() -> None:
    field, signal = field_of("grey")
    assert sampled(field, signal)["value"][0].dtype == np.float32
    assert sampled(field.double(), signal)["value"][0].dtype == np.float64


def test_units() -> None:
    told = {name: [(each.name, each.unit) for each in lines_of(field_of(name)[1])] for name in KINDS}
    assert told["grey"] == [("y", "pixel"), ("x", "pixel")]
    assert told["video"] == [("t", "s"), ("y", "pixel"), ("x", "pixel")]
    assert told["audio"] == [("t", "s")]
    assert told["shape"] == [("x", "mm"), ("y", "mm"), ("z", "mm")]
    assert told["heat"] == [("t", ""), ("x", ""), ("y", "")]
    clip = field_of("video")[1]
    assert isinstance(clip, VideoSignal)
    np.testing.assert_allclose(lines_of(clip)[0].places, (np.arange(10) + 0.5) / 5)


@pytest.mark.parametrize("size", [{"z": 4}, {"x": 0}, {"x": -3}])
def test_sizes_that_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="size has numbers of samples, at least 1, along y, x; got"):
        sampled(*field_of("grey"), size)
