"""Arrays of a field on the lattice of its signal, in units of a person, that are evaluated where they are looked at."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Final, Literal, final

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from sinefield.fields.derivatives import Derivative, LaplacianAlong, Partial
from sinefield.jet import Jet
from sinefield.signals.audio import AudioSignal
from sinefield.signals.equation import EquationSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import sample_grid
from sinefield.signals.shape import ShapeSignal
from sinefield.signals.signal import Signal
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal

Quantity = Literal["value", "gradient", "laplacian"]

LONGEST: Final = 256  # samples along the longest side of what was not sampled


@final
@dataclass(frozen=True)
class Line:
    """Places along one axis, at the centres of equal cells or from end to end.

    Args:
        name: of the axis.
        unit: of places; empty: none that is known.
        low: where it begins, in that unit.
        high: where it ends.
        start: its beginning in field coordinates.
        stop: its end in field coordinates.
        count: how many places there are.
        from_end_to_end: whether the first and the last place are the ends.

    >>> Line("x", "pixel", 0.0, 4.0, -1.0, 1.0, 4).places.tolist()
    [0.5, 1.5, 2.5, 3.5]
    """

    name: str
    unit: str
    low: float
    high: float
    start: float
    stop: float
    count: int
    from_end_to_end: bool = False

    @property
    def places(self) -> NDArray[np.float64]:
        """The places ``(count,)`` in their unit."""
        return self.low + (self.high - self.low) * self._parts(np.arange(self.count))

    def coordinates(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the field coordinates of the places numbered ``index``."""
        return self.start + (self.stop - self.start) * self._parts(index)

    def _parts(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        return index / max(1, self.count - 1) if self.from_end_to_end else (index + 0.5) / self.count

    @property
    def factor(self) -> float:
        """How long the unit is in field coordinates."""
        return (self.stop - self.start) / (self.high - self.low)


class Lazy(ABC):
    """An array that is evaluated where it is looked at: what is asked of its shape."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Its lengths."""

    @property
    @final
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    @final
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @final
    def __len__(self) -> int:
        return self.shape[0]


@final
@dataclass(frozen=True, eq=False)
class Sampled(Lazy):
    """A quantity of a field on a lattice, ``(line, …, channel)``: an array that evaluates what is taken of it.

    Indices are integers, slices and arrays of integers or truth values, each along its own axis.

    Args:
        field: Φ.
        signal: that it is read back as.
        lines: places along each axis.
        quantity: the value, the derivative along ``axis``, or the Laplacian along all lengths.
        axis: of the derivative.
    """

    field: nn.Module
    signal: Signal
    lines: tuple[Line, ...]
    quantity: Quantity = "value"
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths, channels last."""
        return (*(each.count for each in self.lines), self.signal.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Single precision, or double of a field that has it."""
        double = any(each.dtype == torch.float64 for each in self.field.parameters())
        return np.dtype(np.float64 if double else np.float32)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        taken = [numbered(count, each) for count, each in zip(self.shape, key_of(key, self.ndim), strict=True)]
        dropped = tuple(n for n, each in enumerate(taken) if each.ndim == 0)
        *rows, columns = map(np.atleast_1d, taken)
        if any(each.size == 0 for each in (*rows, columns)):
            found = np.empty([len(each) for each in (*rows, columns)], self.dtype)
        else:
            axes = [torch.from_numpy(line.coordinates(each)) for line, each in zip(self.lines, rows, strict=True)]
            found = sample_grid(self.field, axes, self.signal.channels, self._read, self._needs, self.dtype.type)
            known = _known_at(self.signal, axes)
            if known is not None:
                found[~known] = math.nan
            found = found[..., columns]
        return found.squeeze(dropped)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The axes of lengths: those but time; of time alone that."""
        names = [each.name for each in self.lines]
        return tuple(n for n, name in enumerate(names) if name != "t") or (0,)

    @property
    def _needs(self) -> tuple[Derivative, ...]:
        match self.quantity:
            case "value":
                return ("value",)
            case "gradient":
                return (Partial((self.axis,)),)
        factors = {self.lines[each].factor for each in self.lengths}
        return (LaplacianAlong(self.lengths),) if len(factors) == 1 else tuple(Partial((n, n)) for n in self.lengths)

    def _read(self, u: Jet) -> Tensor:
        """Return the quantity ``(n, channels)`` of a jet."""
        scale, shift = _values_of(self.signal)
        if self.quantity == "value":
            return u.value * scale + shift
        if self.quantity == "gradient":
            return u.d(self.axis) * (scale * self.lines[self.axis].factor)
        first, *others = self._needs
        if not others and isinstance(first, LaplacianAlong):
            return u.laplacian_along(*first.axes) * (scale * self.lines[first.axes[0]].factor ** 2)
        terms = [u.d(n, n) * (scale * self.lines[n].factor ** 2) for n in self.lengths]
        return torch.stack(terms).sum(0)


def key_of(key: Any, ndim: int) -> list[Any]:
    """Return an index for each axis of an array of so many.

    >>> key_of((2, ...), 3)
    [2, slice(None, None, None), slice(None, None, None)]
    """
    given = list(key) if isinstance(key, tuple) else [key]
    place = next((n for n, each in enumerate(given) if each is Ellipsis), len(given))
    given[place : place + 1] = [slice(None)] * (ndim - len(given) + (place < len(given)))
    return given


def numbered(count: int, key: Any) -> NDArray[np.intp]:
    """Return which of so many places an index takes, without a list of all of them.

    Raises:
        IndexError: one of them is not there.
    """
    if isinstance(key, slice):
        return np.arange(*key.indices(count))
    found = np.asarray(key)
    if found.dtype == bool:
        return np.flatnonzero(found)
    if np.any((found < -count) | (found >= count)):
        raise IndexError(f"index {key} is out of bounds for an axis of {count}")
    return np.where(found < 0, found + count, found)


def sampled(field: nn.Module, signal: Signal, size: Mapping[str, int] | None = None) -> dict[str, Sampled]:
    """Return the value, the derivative along each axis and the Laplacian of a field by name.

    Args:
        field: Φ.
        signal: that it is read back as.
        size: how many samples there are along some axes; along others as many as the original has.

    Raises:
        ValueError: an axis that the signal does not have, or a number of samples below 1.
    """
    lines = lines_of(signal)
    names = [each.name for each in lines]
    wanted = {each.name: each.count for each in lines} | dict(size or {})
    wrong = {name: count for name, count in wanted.items() if name not in names or not count >= 1}
    if wrong:
        raise ValueError(f"size has numbers of samples, at least 1, along {', '.join(names)}; got {wrong}")
    value = Sampled(field, signal, tuple(replace(each, count=int(wanted[each.name])) for each in lines))
    slopes = {f"gradient_{name}": replace(value, quantity="gradient", axis=n) for n, name in enumerate(names)}
    return {"value": value, **slopes, "laplacian": replace(value, quantity="laplacian")}


@singledispatch
def lines_of(signal: Signal) -> tuple[Line, ...]:
    """Return the places of the samples of a signal.

    Raises:
        ValueError: it is of a kind that has none.
    """
    raise ValueError(f"signals of kind {signal.kind!r} are not on a lattice of samples")


def _on(lattice: Lattice, signal: Signal, units: Sequence[tuple[str, float]]) -> tuple[Line, ...]:
    """Return the lines of a lattice, each in a unit of which a sample is so much."""
    return tuple(
        Line(axis.name, unit, 0.0, count * size, -extent, extent, count)
        for axis, count, extent, (unit, size) in zip(signal.axes, lattice.shape, lattice.extent, units, strict=True)
    )


@lines_of.register
def _(signal: ImageSignal) -> tuple[Line, ...]:
    return _on(signal.lattice, signal, [("pixel", 1.0)] * 2)


@lines_of.register
def _(signal: AudioSignal) -> tuple[Line, ...]:
    return _on(signal.lattice, signal, [("s", 1 / signal.rate)])


@lines_of.register
def _(signal: VideoSignal) -> tuple[Line, ...]:
    return _on(signal.lattice, signal, [("s", 1 / signal.rate), ("pixel", 1.0), ("pixel", 1.0)])


@lines_of.register
def _(signal: VolumeSignal) -> tuple[Line, ...]:
    return _on(signal.lattice, signal, [(signal.unit, each) for each in signal.sizes])


@lines_of.register
def _(signal: ShapeSignal) -> tuple[Line, ...]:
    sides = [min(1.0, each + 0.1) for each in signal.extent]
    return tuple(
        Line(
            axis.name,
            signal.unit or "",
            centre - side * signal.scale,
            centre + side * signal.scale,
            -side,
            side,
            max(1, round(LONGEST * side / max(sides))),
        )
        for axis, centre, side in zip(signal.axes, signal.centre, sides, strict=True)
    )


@lines_of.register
def _(signal: EquationSignal) -> tuple[Line, ...]:
    sides = {n: high - low for n, low, high in zip(signal.names, signal.lower, signal.upper, strict=True) if n != "t"}
    counts = {n: max(2, round(LONGEST * side / max(sides.values()))) for n, side in sides.items()}
    return tuple(
        Line(name, "", low, high, low, high, counts.get(name, LONGEST), from_end_to_end=True)
        for name, low, high in zip(signal.names, signal.lower, signal.upper, strict=True)
    )


def _values_of(signal: Signal) -> tuple[float, float]:
    """Return by what values of the field are multiplied, and what is added then, to be those of the signal."""
    match signal:
        case ImageSignal() | AudioSignal() | VideoSignal() | VolumeSignal():
            return signal.lattice.contrast, signal.lattice.low + signal.lattice.contrast
        case ShapeSignal():
            return signal.scale, 0.0
    return 1.0, 0.0


def _known_at(signal: Signal, axes: Sequence[Tensor]) -> NDArray[np.bool_] | None:
    """Return where there is a value, at every combination of field coordinates; None: everywhere."""
    match signal:
        case ImageSignal() | VolumeSignal() if signal.mask is not None:
            return signal.mask.at(signal.lattice, axes)
        case EquationSignal() if signal.region is not None:
            import shapely

            polygon = shapely.from_wkb(signal.region).buffer(1e-9 * max(map(abs, (*signal.lower, *signal.upper))))
            inside = shapely.intersects_xy(polygon, *np.meshgrid(*(each.numpy() for each in axes[-2:]), indexing="ij"))
            return np.broadcast_to(inside, [len(each) for each in axes])
    return None
