"""What exporters write: a field as arrays and names of functions, which no longer need PyTorch.

A field is a sequence of steps: affine maps, squared distances, and curves σ applied to each number. Every curve is told
once, as formulas of σ(a), σ'(a) and σ''(a), which each exporter translates into its own language.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.fields import Affine, Composite, Field, Sine, SquaredDistances

Array = NDArray[np.floating[Any]]


@final
@dataclass(frozen=True)
class Formulas:
    """A curve σ and its first two derivatives as formulas.

    The formulas are Python expressions of ``a``, of the value ``y = σ(a)``, of the curve's parameter ``w`` and of the
    functions ``sin``, ``cos``, ``tanh``, ``exp``, ``log``, ``erf``, ``abs``, ``max``, ``min`` and
    ``where(condition, then, otherwise)``.

    Args:
        value: σ(a).
        slope: σ'(a).
        curvature: σ''(a).
        steepest: an upper bound of |σ'|, for a parameter of 1.
        most: an upper bound of |σ|, infinite where there is none.
    """

    value: str
    slope: str
    curvature: str
    steepest: float = 1.0
    most: float = math.inf


_LOGISTIC = "(0.5 + 0.5 * tanh(0.5 * a))"  # which overflows nowhere
_BELL = "(0.25 - 0.25 * tanh(0.5 * a) * tanh(0.5 * a))"
_NORMAL = "(0.3989422804014327 * exp(-0.5 * a * a))"
_SELU, _SELU_ALPHA = 1.0507009873554805, 1.0507009873554805 * 1.6732632423543772
_BELOW = "exp(min(a, 0.0))"

CURVES: Mapping[str, Formulas] = {
    "sine": Formulas("sin(w * a)", "w * cos(w * a)", "-w * w * y", most=1.0),
    "relu": Formulas("max(a, 0.0)", "where(a > 0.0, 1.0, 0.0)", "0.0 * a"),
    "leaky-relu": Formulas("where(a > 0.0, a, w * a)", "where(a > 0.0, 1.0, w)", "0.0 * a"),
    "tanh": Formulas("tanh(a)", "1.0 - y * y", "-2.0 * y * (1.0 - y * y)", most=1.0),
    "sigmoid": Formulas(_LOGISTIC, _BELL, f"{_BELL} * (1.0 - 2.0 * y)", steepest=0.25, most=1.0),
    "softplus": Formulas("max(a, 0.0) + log(1.0 + exp(-abs(a)))", _LOGISTIC, _BELL),
    "elu": Formulas(
        f"where(a > 0.0, a, w * ({_BELOW} - 1.0))",
        f"where(a > 0.0, 1.0, w * {_BELOW})",
        f"where(a > 0.0, 0.0, w * {_BELOW})",
    ),
    "selu": Formulas(
        f"where(a > 0.0, {_SELU} * a, {_SELU_ALPHA} * ({_BELOW} - 1.0))",
        f"where(a > 0.0, {_SELU}, {_SELU_ALPHA} * {_BELOW})",
        f"where(a > 0.0, 0.0, {_SELU_ALPHA} * {_BELOW})",
        steepest=_SELU_ALPHA,
    ),
    "silu": Formulas(
        f"a * {_LOGISTIC}", f"{_LOGISTIC} + a * {_BELL}", f"{_BELL} * (2.0 - a * tanh(0.5 * a))", steepest=1.1
    ),
    "gelu": Formulas(
        "0.5 * a * (1.0 + erf(0.7071067811865476 * a))",
        f"0.5 + 0.5 * erf(0.7071067811865476 * a) + a * {_NORMAL}",
        f"{_NORMAL} * (2.0 - a * a)",
        steepest=1.13,
    ),
    "exponential": Formulas("exp(a)", "y", "y", most=1.0),  # of squared distances below zero
}
"""Every curve that can be written, by name."""


@final
@dataclass(frozen=True, eq=False)
class Dense:
    """The map x ↦ W x + b, with W ``(m, n)`` and b ``(m,)``."""

    weight: Array
    bias: Array


@final
@dataclass(frozen=True, eq=False)
class Radial:
    """The map q_j(x) = −σ_j² ‖x − c_j‖², with centres c ``(m, n)`` and inverse widths σ ``(m,)``."""

    centres: Array
    inverse_widths: Array


@final
@dataclass(frozen=True)
class Curve:
    """A curve of :data:`CURVES`, with its parameter: ω of a sine, the slope or the scale below zero of others."""

    name: str
    parameter: float = 1.0

    @property
    def formulas(self) -> Formulas:
        """The curve and its derivatives."""
        return CURVES[self.name]


Step = Dense | Radial | Curve


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """A field as steps, from its input to its output.

    Args:
        steps: the steps; at least one is affine or radial.
    """

    steps: tuple[Step, ...]

    @property
    def in_features(self) -> int:
        """The number of inputs, d."""
        return int(next(_matrix(each).shape[-1] for each in self.steps if not isinstance(each, Curve)))

    @property
    def out_features(self) -> int:
        """The number of outputs, c."""
        return int(next(_matrix(each).shape[-2] for each in reversed(self.steps) if not isinstance(each, Curve)))

    @property
    def curves(self) -> tuple[str, ...]:
        """The names of the curves, each once."""
        return tuple(dict.fromkeys(each.name for each in self.steps if isinstance(each, Curve)))

    def folded(self) -> Steps:
        """Return the same function with ω of sines in the weights before them, which are doubles."""
        found: list[Step] = []
        for step in self.steps:
            before = found[-1] if found else None
            if isinstance(step, Curve) and step.name == "sine" and isinstance(before, Dense):
                found[-1] = Dense(*(each.astype(np.float64) * step.parameter for each in (before.weight, before.bias)))
                found.append(Curve("sine"))
            else:
                found.append(step)
        return Steps(tuple(found))


@final
@dataclass(frozen=True, eq=False)
class Tiles:
    """A grid of networks of one shape, joined by a partition of unity.

    Args:
        steps: of the places from the middle of a tile; weights have a leading axis, one for each tile, in C order, or
            one that all tiles share.
        counts: how many tiles there are along each axis.
        extent: half the length of each axis.
        overlap: of neighbouring tiles, as part of a tile.
    """

    steps: Steps
    counts: tuple[int, ...]
    extent: tuple[float, ...]
    overlap: float


def _matrix(step: Dense | Radial) -> Array:
    return step.weight if isinstance(step, Dense) else step.centres


def steps_of(field: nn.Module) -> Steps:
    """Return what a field is made of.

    Args:
        field: a field with a chain, or a module of affine maps and usual activations, in sequence.

    Raises:
        ValueError: a part of it is neither an affine map nor a known curve, or there is no affine map.

    >>> found = steps_of(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))
    >>> found.in_features, found.curves, found.out_features
    (2, ('tanh',), 1)
    """
    steps = tuple(each for each in _steps(field) if each is not None)
    if not any(isinstance(each, Dense | Radial) for each in steps):
        raise ValueError(
            f"a {type(field).__name__} without an affine map cannot be exported; give it one layer at least"
        )
    for each in steps:
        if isinstance(each, Dense) and each.weight.ndim != 2:
            raise ValueError(f"fields side by side, with weights {each.weight.shape}, are exported one by one")
    return Steps(steps)


def tiles_of(field: nn.Module) -> Tiles | None:
    """Return a grid of networks, see :mod:`sinefield.fields.tiled`; None: the field is none."""
    if getattr(field, "architecture", None) != "tiled":
        return None
    tiled: Any = field
    steps = [each for each in map(_step, tiled.tiles.stored_chain().links) if each is not None]
    first = steps[0]
    assert isinstance(first, Dense), "a SIREN begins with an affine map"
    # In places from the middle of the tile, in the coordinates of the whole.
    scales = [count / ((1 + tiled.overlap) * e) for count, e in zip(tiled.counts, tiled.extent, strict=True)]
    steps[0] = Dense(first.weight.astype(np.float64) * scales, first.bias.astype(np.float64))
    return Tiles(Steps(tuple(steps)), tiled.counts, tiled.extent, tiled.overlap)


def made_of(field: nn.Module) -> Steps | Tiles:
    """Return what a field is made of: steps, or tiles of such.

    Raises:
        ValueError: as for :func:`steps_of`.
    """
    return tiles_of(field) or steps_of(field)


def _steps(module: nn.Module) -> Iterator[Step | None]:
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for each in module:
            yield from _steps(each)
    elif isinstance(module, Field):
        try:
            links = module.chain().links
        except TypeError as error:
            raise ValueError(f"a {type(module).__name__} cannot be exported: {error}") from error
        for link in links:
            yield _step(link)
    else:
        yield _step(module)


_LAYERS: Mapping[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    nn.Identity: "identity",
    nn.Dropout: "identity",
}


def _step(part: object) -> Step | None:
    """Return a link of a chain, or a layer, as a step; None: it changes nothing.

    Raises:
        ValueError: it is none that can be written.
    """
    match part:
        case Affine() | nn.Linear() if not isinstance(part, nn.Linear) or type(part).forward is nn.Linear.forward:
            return _dense(part.weight, part.bias)
        case SquaredDistances():
            return Radial(_array(part.centres), _array(part.inverse_widths))
        case Sine():
            return Curve("sine", part.omega)
        case nn.LeakyReLU():
            return Curve("leaky-relu", float(part.negative_slope))
        case nn.ELU():
            return Curve("elu", float(part.alpha))
    _check(part)
    known = {kind: name for kind, name in _LAYERS.items() if type(part) is kind}
    name = next(iter(known.values()), getattr(part, "name", ""))
    return None if name == "identity" else Curve(str(name))


def _check(part: object) -> None:
    """Check that a curve without a parameter is one that can be written.

    Raises:
        ValueError: it is none, or has settings that the formulas do not have.
    """
    match part:
        case nn.Softplus() if (part.beta, part.threshold) != (1, 20):
            raise ValueError(
                f"a softplus of beta {part.beta:g} cannot be exported; use nn.Softplus(), scaled by its layers"
            )
        case nn.GELU() if part.approximate != "none":
            raise ValueError("a GELU that is approximated cannot be exported; use nn.GELU()")
        case Composite():
            raise ValueError(
                f"a {type(part).__name__} is made of several fields, which such a file does not hold; "
                "export a page (.html), a folder, or its parts one by one"
            )
        case _ if type(part) not in _LAYERS and getattr(part, "name", "") not in (*CURVES, "identity"):
            raise ValueError(
                f"a {type(part).__name__} is none of the layers that can be exported: affine maps, squared distances, "
                f"and {', '.join(CURVES)}"
            )


def _dense(weight: Tensor, bias: Tensor | None) -> Dense:
    array = _array(weight)
    return Dense(array, np.zeros(array.shape[:-1], array.dtype) if bias is None else _array(bias))


def _array(tensor: Tensor) -> Array:
    """Return a tensor as an array of floats or doubles, which hold all that is in half precision too."""
    found = tensor.detach().cpu()
    return found.numpy() if found.element_size() == 8 else found.float().numpy()
