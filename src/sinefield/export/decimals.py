"""How many decimals each layer needs, so that a field written in decimals differs by no more than a bound.

Let W, b be the weights of a layer, and Ŵ, b̂ what is written of them. Where its inputs are at most h in size and
wrong by at most e, its outputs are wrong by at most

    |W − Ŵ| h + |b − b̂| + |Ŵ| e        and after a curve by steepest · that, as |σ(a) − σ(â)| ≤ max |σ'| |a − â|,

feature by feature. For a sine |σ'| ≤ 1, once ω is a part of the weights. So the error of the whole field is a sum over
layers: what the rounding of a layer does to its own outputs, times what the layers after it can make of that. Its parts
fall tenfold with each decimal of their layer, and decimals are added where they gain most for each character.

The bound is of exact arithmetic at any point of a box around the origin, and of the worst signs of all errors; those
of the reader's floats come on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sinefield.export.steps import Curve, Dense, Step, Steps

Doubles = NDArray[np.float64]

MOST: Final = 12
"""Decimals beyond which a float holds no more."""


@final
@dataclass(frozen=True, eq=False)
class Decimals:
    """A field in decimals.

    Args:
        steps: the field as it is written, ω of sines in the weights.
        counts: how many decimals each affine map has.
        value: a bound of the error of the value.
        gradient: a bound of the error of each component of the gradient; None: not known.
    """

    steps: Steps
    counts: tuple[int, ...]
    value: float
    gradient: float | None


def in_decimals(steps: Steps, error: float, box: Sequence[float] = ()) -> Decimals:
    """Return a field in as few digits as a bound of its error allows.

    Args:
        steps: the field.
        error: the bound.
        box: how large each coordinate may be; empty: 1.

    Raises:
        ValueError: the bound is not positive, or so small that floats do not hold enough digits; or the field is more
            than affine maps with curves between.
    """
    if not (error > 0 and math.isfinite(error)):
        raise ValueError(f"the error must be a positive number, got {error:g}")
    layers = _folded(steps)
    count = len(layers)
    sizes = _sizes(layers, np.array(box or [1.0] * steps.in_features))
    found = [0] * count
    # What an error of 1 in each output of a layer becomes in the field, at worst.
    reach = [np.eye(len(layers[-1][0].weight))] * count
    for k in range(count - 2, -1, -1):
        reach[k] = reach[k + 1] @ np.abs(layers[k + 1][0].weight) * _steepest(layers[k][1])
    reach = [_steepest(layers[-1][1]) * each for each in reach]

    def part(k: int) -> Doubles:
        written = _rounded(layers[k][0], found[k])
        off, moved = np.abs(layers[k][0].weight - written.weight), np.abs(layers[k][0].bias - written.bias)
        return np.asarray(reach[k] @ (off @ sizes[k] + moved))

    parts = [part(k) for k in range(count)]
    while (total := float(np.sum(parts, axis=0).max())) > 0.9 * error:  # a little room for products of two errors
        gains = [each.max() / layers[k][0].weight.size for k, each in enumerate(parts)]
        best = int(np.argmax(gains))
        if found[best] == MOST:
            raise ValueError(
                f"an error of {error:g} needs more digits than floats have; at least {total:.1g} is possible"
            )
        found[best] += 1
        parts[best] = part(best)
    written = [(_rounded(layer, found[k]), curve) for k, (layer, curve) in enumerate(layers)]
    value, gradient = _bounds(layers, written, sizes)
    made: list[Step] = [step for pair in written for step in pair if step is not None]
    return Decimals(Steps(tuple(made)), tuple(found), value, gradient)


def _folded(steps: Steps) -> list[tuple[Dense, Curve | None]]:
    """Return the layers in double precision, ω of sines in the weights.

    Raises:
        ValueError: there are other steps.
    """
    found: list[tuple[Dense, Curve | None]] = []
    for step in steps.folded().steps:
        if isinstance(step, Dense):
            found.append((Dense(step.weight.astype(np.float64), step.bias.astype(np.float64)), None))
        elif isinstance(step, Curve) and found and found[-1][1] is None:
            layer = found[-1][0]
            if step.name == "sine":  # whole turns of a phase change nothing, and cost digits
                layer = Dense(layer.weight, layer.bias - 2 * math.pi * np.round(layer.bias / (2 * math.pi)))
            found[-1] = layer, step
        else:
            raise ValueError("only affine maps with a curve after each are written in decimals")
    return found


def _rounded(layer: Dense, decimals: int) -> Dense:
    return Dense(np.round(layer.weight, decimals), np.round(layer.bias, decimals))


def _steepest(curve: Curve | None) -> float:
    if curve is None:
        return 1.0
    return curve.formulas.steepest * max(1.0, abs(curve.parameter) if curve.name != "sine" else 1.0)


def _sizes(layers: list[tuple[Dense, Curve | None]], size: Doubles) -> list[Doubles]:
    """Return a bound of the size of each input of each layer, from that of the coordinates."""
    found = []
    for layer, curve in layers:
        found.append(size)
        size = np.abs(layer.weight) @ size + np.abs(layer.bias)
        if curve is not None:
            size = np.minimum(curve.formulas.most, 1.0 + _steepest(curve) * size)  # |σ(0)| ≤ 1 for each curve
    return found


def _bounds(
    layers: list[tuple[Dense, Curve | None]], written: list[tuple[Dense, Curve | None]], sizes: list[Doubles]
) -> tuple[float, float | None]:
    """Return the bounds of the error of the value and of the gradient, of what is written.

    For the gradient t of a feature, |σ'(a) t − σ'(â) t̂| ≤ |a − â| |t| + |t − t̂| after a sine.
    """
    inputs = layers[0][0].weight.shape[1]
    error = np.zeros(inputs)
    slope, wrong = np.eye(inputs), np.zeros((inputs, inputs))  # of each feature along each axis
    for (layer, curve), (kept, _), size in zip(layers, written, sizes, strict=True):
        off, weight = np.abs(layer.weight - kept.weight), np.abs(kept.weight)
        error = off @ size + np.abs(layer.bias - kept.bias) + weight @ error
        wrong = off @ slope + weight @ wrong
        slope = np.abs(layer.weight) @ slope
        if curve is not None:
            wrong = error[:, None] * slope + wrong
            error = _steepest(curve) * error
    sines = all(curve is None or curve.name == "sine" for _, curve in layers)
    return float(error.max()), float(wrong.max()) if sines else None
