"""The contract of a signal: axes with names, units and counts, quantities, and JSON that is refused when damaged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sinefield.kinds import signal_from_json, views
from sinefield.quantities import QUANTITIES, quantity_named
from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Axis, Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

SIGNALS: dict[str, Signal] = {
    "image": ImageSignal(Lattice.of_cubes((5, 8), 3, 0.0, 255.0), 8),
    "audio": AudioSignal(Lattice((40,), (1.0,), 2, -0.5, 0.5), 8000, 16),
    "video": VideoSignal(Lattice((3, 4, 8), (1.0, 0.5, 1.0), 1, 0.0, 255.0), 12.5),
    "volume": VolumeSignal(Lattice((4, 8, 6), (1.0, 1.0, 0.75), 1, -3.0, 5.0), (2.0, 1.0, 1.0), "mm", 16),
    "shape": ShapeSignal((1.0, 2.0, 3.0), 4.0, (0.9, 0.5, 0.25), "y"),
    "equation": EquationSignal(("t", "x"), (0.0, -1.0), (2.0, 1.0)),
}

AXES = {
    "image": (Axis("y", "pixel", 5), Axis("x", "pixel", 8)),
    "audio": (Axis("t", "s", 40),),
    "video": (Axis("t", "s", 3), Axis("y", "pixel", 4), Axis("x", "pixel", 8)),
    "volume": (Axis("z", "voxel", 4), Axis("y", "voxel", 8), Axis("x", "voxel", 6)),
    "shape": tuple(Axis(name, "unit of the file", None) for name in "xyz"),
    "equation": tuple(Axis(name, "unit of the equation", None) for name in "tx"),
}


class Quadratic(nn.Module):
    """Φ_k = k + |x|² / 2, whose gradient is x and whose Laplacian is d."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, points: Tensor) -> Tensor:
        half = points.square().sum(-1, keepdim=True) / 2
        return half + torch.arange(self.channels, dtype=points.dtype)


def test_every_kind_is_here() -> None:
    assert list(SIGNALS) == list(views())


@pytest.mark.parametrize("name", SIGNALS)
def test_it_is_a_signal_of_its_kind(name: str) -> None:
    signal = SIGNALS[name]
    assert isinstance(signal, views()[name].signal_class())
    assert signal.kind == type(signal).kind == name
    assert signal.axes == AXES[name]
    assert signal.channels == {"image": 3, "audio": 2}.get(name, 1)
    with pytest.raises(AttributeError):
        signal.kind = "other"  # type: ignore[misc]  # it is frozen


@pytest.mark.parametrize("name", SIGNALS)
def test_it_survives_json(name: str) -> None:
    signal = SIGNALS[name]
    stored = json.loads(json.dumps(signal.to_json()))
    assert stored["kind"] == name
    assert signal_from_json(stored) == signal


def damaged(stored: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is stored with each entry missing and replaced by what it cannot be."""
    found = []
    for key, value in stored.items():
        found.append({name: each for name, each in stored.items() if name != key})
        wrong: list[Any] = [None, {}, [], math.nan, "?"]
        if isinstance(value, list):
            wrong += [
                value[:-1],
                [*value[:-1], None],
                [*value[:-1], math.inf],
                [*value, 1],
                "".join("1" for _ in value),
            ]
            wrong += [] if key in ("centre", "lower") else [[*value[:-1], -1]]  # which lies anywhere
        elif not isinstance(value, str):
            wrong += [math.inf, -math.inf]
        found += [stored | {key: each} for each in wrong]
    return found


@pytest.mark.parametrize("name", SIGNALS)
def test_damaged_json_is_refused(name: str) -> None:
    for stored in damaged(SIGNALS[name].to_json()):
        with pytest.raises(ValueError, match=r"the stored|cannot read a signal of kind") as caught:
            signal_from_json(stored)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, each in SIGNALS.items() if hasattr(each, "lattice")])
def test_its_samples_are_the_field_at_the_centres_of_cells(name: str) -> None:
    signal: Any = SIGNALS[name]
    lattice = signal.lattice
    found = signal.sample(Quadratic(lattice.channels))
    centres = [(2 * np.arange(n) + 1 - n) * e / n for n, e in zip(lattice.shape, lattice.extent, strict=True)]
    half = sum(each**2 for each in np.meshgrid(*centres, indexing="ij")) / 2
    expected = ((half[..., None] + np.arange(lattice.channels) + 1) / 2) * (lattice.high - lattice.low) + lattice.low
    assert found.reshape(expected.shape) == pytest.approx(expected, rel=1e-5, abs=1e-6 * (lattice.high - lattice.low))


@pytest.mark.parametrize("name", ["image", "volume"])
def test_derivatives_are_per_unit_of_length(name: str) -> None:
    signal: Any = SIGNALS[name]
    lattice, field = signal.lattice, Quadratic(signal.channels)
    centres = [(2 * np.arange(n) + 1 - n) * e / n for n, e in zip(lattice.shape, lattice.extent, strict=True)]
    distance = np.sqrt(sum(each**2 for each in np.meshgrid(*centres, indexing="ij")))
    contrast = (lattice.high - lattice.low) / 2
    unit = {"image": 2 / 8, "volume": 2 / 8}[name]  # a pixel of 8 along the longest side; a millimetre of 8
    gradient = signal.sample(field, quantity="gradient").reshape(*lattice.shape, -1)
    assert gradient == pytest.approx(np.repeat((contrast * unit * distance)[..., None], signal.channels, -1), rel=1e-5)
    laplacian = signal.sample(field, quantity="laplacian")
    assert laplacian == pytest.approx(np.full(laplacian.shape, contrast * unit**2 * len(lattice.shape)), rel=1e-5)


@pytest.mark.parametrize("name", SIGNALS)
def test_its_quantities_are_those_of_the_table(name: str) -> None:
    assert set(SIGNALS[name].quantities) <= set(QUANTITIES)
    assert SIGNALS[name].quantities[0] == "value"


def test_an_unknown_quantity_is_one_line_that_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"^unknown quantity 'curl'; choose one of value, gradient, laplacian$"):
        quantity_named("curl")
    for name in ("image", "volume"):
        with pytest.raises(ValueError, match="unknown quantity 'curl'"):
            SIGNALS[name].sample(Quadratic(SIGNALS[name].channels), quantity="curl")


def test_a_signal_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Signal()  # type: ignore[abstract]  # it is made to be refused
