"""A network of others in our conventions: ω₀, coordinates and values, each converted exactly.

Whatever is affine in the coordinates becomes part of the first layer, and what is affine in the values of the last: the
function of the field at a sample is that of the network at the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch

from sinefield import kinds
from sinefield.fields import Siren, activation
from sinefield.foreign.layouts import Recognised
from sinefield.foreign.weights import Doubles
from sinefield.signals.signal import Signal

Ends = Literal["corners", "centres"]


@final
@dataclass(frozen=True)
class Conventions:
    """How a network was trained, which its weights do not tell.

    Args:
        kind: of its signal: image, audio, video, volume or shape; None: not told, and nothing is converted.
        shape: how many samples there are along each axis, in the order of ours, (rows, columns) of a picture.
        ends: what the ends of the range of coordinates are: the ``"corners"``, centres of the first and last sample,
            as ``linspace`` gives them, or the edges of these samples, which lie at ``"centres"`` of cells.
        span: the coordinates at the ends.
        reversed_axes: the network takes its coordinates in the other order, (x, y) of a picture.
        values: the network's values that are black and white, or the least and the most.
        final: the name of a curve after the last layer; None: none.
        rate: samples or frames a second, of sound and clips.
    """

    kind: str | None = None
    shape: tuple[int, ...] = ()
    ends: Ends = "corners"
    span: tuple[float, float] = (-1.0, 1.0)
    reversed_axes: bool = False
    values: tuple[float, float] = (-1.0, 1.0)
    final: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: one is empty.
        """
        for name, (low, high) in (("coordinates", self.span), ("values", self.values)):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f"the range of {name} is two numbers, the smaller first; got {low:g} and {high:g}")


def adopt(
    found: Recognised,
    conventions: Conventions,
    *,
    first_omega: float | None = None,
    hidden_omega: float | None = None,
) -> tuple[Siren, Signal | None]:
    """Return a network as a field, and how it is read back; None: that was not told.

    Args:
        found: the network.
        conventions: how it was trained.
        first_omega: ω₀ of the first layer; None: that of the layout.
        hidden_omega: ω₀ of the others; None: that of the layout, or as the first where that was told.

    Raises:
        ValueError: ω₀ is not known, or the network is not one of such a signal.
    """
    first = found.first_omega if first_omega is None else first_omega
    hidden = (found.hidden_omega if first_omega is None or found.first_omega else None) or first
    hidden = hidden if hidden_omega is None else hidden_omega
    if first is None or hidden is None:
        raise ValueError(
            f"the tensors of {found.layout.about} do not tell ω₀; tell it with --first-omega, and --hidden-omega"
        )
    layers = list(found.layers)
    final = conventions.final
    if found.sine_last:
        if final is not None:
            raise ValueError(f"a sine follows the last layer already; there is no {final} after it")
        layers.append((np.eye(len(layers[-1][0])), np.zeros(len(layers[-1][0]))))
    signal = None
    if conventions.kind is not None:
        inputs, outputs = layers[0][0].shape[1], len(layers[-1][0])
        signal = _signal(conventions, inputs, outputs)
        layers[0] = _in_our_coordinates(layers[0], conventions, signal)
    final = _in_our_values(layers, conventions.values, final)
    return _siren(layers, first, hidden, final), signal


def _siren(layers: Sequence[tuple[Doubles, Doubles]], first: float, hidden: float, final: str | None) -> Siren:
    """Return a SIREN of these weights; narrower layers get features that are zero, which change nothing."""
    width = max(len(weight) for weight, _ in layers[:-1])
    field = Siren(
        layers[0][0].shape[1],
        len(layers[-1][0]),
        width,
        len(layers) - 2,
        first,
        hidden,
        final_activation=None if final is None else activation(final),
    )
    with torch.no_grad():
        for k, (affine, (weight, bias)) in enumerate(zip(field.chain().affines, layers, strict=True)):
            rows = len(weight) if k == len(layers) - 1 else width
            columns = weight.shape[1] if k == 0 else width
            padded = np.pad(weight, ((0, rows - len(weight)), (0, columns - weight.shape[1])))
            affine.weight.copy_(torch.from_numpy(padded))
            assert affine.bias is not None, "a SIREN has biases"
            affine.bias.copy_(torch.from_numpy(np.pad(bias, (0, rows - len(bias)))))
    return field


def _in_our_coordinates(
    layer: tuple[Doubles, Doubles], conventions: Conventions, signal: Signal
) -> tuple[Doubles, Doubles]:
    """Return the first layer with the map from our coordinates u to those of the network before it.

    With n samples along an axis that ends at ±e for us, a sample k lies at u = (2k + 1 − n) e / n. On [−1, 1] it lies
    at u / e where the ends are edges, and at u n / (e (n − 1)) where they are the first and the last sample.
    """
    weight, bias = layer
    lattice = getattr(signal, "lattice", None)
    if lattice is None:  # a shape, in coordinates of its own
        factors = np.ones(weight.shape[1])
    else:
        counts, extents = np.array(lattice.shape, float), np.array(lattice.extent)
        factors = 1 / extents
        if conventions.ends == "corners":
            factors = factors * counts / np.maximum(counts - 1, 1)
    low, high = conventions.span
    if conventions.reversed_axes:
        weight = weight[:, ::-1]
    return weight * factors * ((high - low) / 2), bias + weight.sum(1) * ((high + low) / 2)


def _in_our_values(layers: list[tuple[Doubles, Doubles]], values: tuple[float, float], final: str | None) -> str | None:
    """Return the curve after the last layer, which is made to give −1 for the least value and 1 for the most.

    Raises:
        ValueError: there is a curve after the last layer, and no affine map before it does the same.
    """
    low, high = values
    weight, bias = layers[-1]
    if values == (-1.0, 1.0):
        return final
    if final is None:
        scale = 2 / (high - low)
        layers[-1] = weight * scale, (bias - low) * scale - 1
        return None
    if (final, values) == ("sigmoid", (0.0, 1.0)):
        layers[-1] = weight / 2, bias / 2  # 2 / (1 + e^(−a)) − 1 = tanh(a / 2)
        return "tanh"
    raise ValueError(f"values {low:g} to {high:g} after a {final} cannot be converted; only 0 to 1 after a sigmoid can")


def _signal(conventions: Conventions, inputs: int, outputs: int) -> Signal:
    """Return how the field is read back.

    Raises:
        ValueError: the network takes or gives another number of numbers, or something is not told.
    """
    name, shape = str(conventions.kind), conventions.shape
    dimensions = {"image": 2, "audio": 1, "video": 3, "volume": 3, "shape": inputs}
    if name not in dimensions:
        raise ValueError(f"unknown kind of signal {name!r}; choose one of {', '.join(dimensions)}")
    if dimensions[name] != inputs:
        raise ValueError(f"the network takes {inputs} coordinates, and a signal of kind {name} has {dimensions[name]}")
    if name == "shape":
        return kinds.signal_from_json(
            {"kind": "shape", "centre": [0.0] * inputs, "scale": 1.0, "extent": [0.9] * inputs, "up": "y"}
        )
    if len(shape) != inputs:
        raise ValueError(f"a signal of kind {name} needs a shape of {inputs} numbers, as 480x640; got {len(shape)}")
    if name in ("audio", "video") and conventions.rate is None:
        raise ValueError(f"a signal of kind {name} needs its rate, in samples or frames a second")
    across = max(shape[1:] if name == "video" else shape)
    extent = [each / across for each in shape]
    if name == "video":
        extent[0] = 1.0
    stored: dict[str, Any] = {"kind": name, "shape": list(shape), "extent": extent, "channels": outputs}
    stored |= {"low": 0.0, "high": 255.0, "bits": 8}
    if name == "audio":
        stored |= {"low": -1.0, "high": 1.0, "bits": 16, "rate": round(conventions.rate or 0)}
    if name == "video":
        stored["rate"] = conventions.rate
    if name == "volume":
        stored |= {"sizes": [1.0, 1.0, 1.0], "unit": "voxel"}
    return kinds.signal_from_json(stored)
