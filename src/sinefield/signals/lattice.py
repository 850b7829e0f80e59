"""The mapping between the samples of a signal and the coordinates and values of a field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.jet_views import Derivatives
from sinefield.quantities import Quantity
from sinefield.signals.signal import floats_of


@final
@dataclass(frozen=True)
class Lattice:
    """Samples at the centres of the cells of a box.

    Sample k of axis i, whose centre is at k + ½ samples from the beginning, lies at
    (2k + 1 − shape[i]) · extent[i] / shape[i]. Values low … high become −1 … 1.

    Args:
        shape: how many samples there are along each axis.
        extent: half the length of each axis in field coordinates, of the longest 1.
        channels: c.
        low: the value that becomes −1.
        high: the value that becomes 1.
    """

    shape: tuple[int, ...]
    extent: tuple[float, ...]
    channels: int
    low: float
    high: float

    @classmethod
    def of_cubes(cls, shape: tuple[int, ...], channels: int, low: float, high: float) -> Lattice:
        """Return the lattice whose cells are as long along every axis; the longest axis spans [−1, 1].

        >>> Lattice.of_cubes((20, 40), 1, 0.0, 255.0).extent
        (0.5, 1.0)
        """
        longest = max(shape)
        return cls(shape, tuple(each / longest for each in shape), channels, low, high)

    @property
    def spacings(self) -> tuple[float, ...]:
        """The distance of neighbouring samples along each axis, in field coordinates."""
        return tuple(2 * each / count for count, each in zip(self.shape, self.extent, strict=True))

    @property
    def contrast(self) -> float:
        """How much the signal changes when the field's value changes by 1: (high − low) / 2."""
        return (self.high - self.low) / 2

    def to_signal(self, values: Tensor) -> Tensor:
        """Return field values as values of the signal."""
        return (values + 1) * self.contrast + self.low

    def to_field(self, values: NDArray[Any]) -> Tensor:
        """Return samples ``(…, channels)`` of the signal as field values ``(n, channels)``, in C order."""
        scaled = (values - self.low) / self.contrast - 1
        return torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32)).reshape(-1, self.channels)

    def read(self, u: Derivatives, quantity: Quantity, spacing: float) -> Tensor:
        """Return a quantity ``(n, k)`` of a jet: a value in the units of the signal, a derivative per unit of length.

        Args:
            u: of the field.
            quantity: which.
            spacing: how long that unit is in field coordinates.
        """
        if quantity.order == 0:
            return self.to_signal(quantity.of(u))
        return quantity.of(u) * (self.contrast * spacing**quantity.order)

    def centres(self, axis: int, count: int, start: float = 0.0, stop: float | None = None) -> Tensor:
        """Return the coordinates ``(count,)`` of the centres of equal parts of an interval, in double precision.

        Args:
            axis: along which.
            count: how many parts.
            start: of the interval, in samples from the beginning of the signal.
            stop: its end; None: that of the signal.

        >>> Lattice((4,), (1.0,), 1, -1.0, 1.0).centres(0, 2).tolist()
        [-0.5, 0.5]
        """
        size = self.shape[axis]
        stop = float(size) if stop is None else stop
        place = start + (torch.arange(count, dtype=torch.float64) + 0.5) * ((stop - start) / count)
        return (2 * place / size - 1) * self.extent[axis]

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON."""
        return {
            "shape": list(self.shape),
            "extent": list(self.extent),
            "channels": self.channels,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], axes: int) -> Lattice:
        """Return the mapping that :meth:`to_json` stored.

        Raises:
            ValueError: something is missing, of the wrong kind, out of its range, or not of so many axes.
        """
        try:
            shape, extent, channels = tuple(stored["shape"]), floats_of(stored["extent"]), stored["channels"]
            low, high = float(stored["low"]), float(stored["high"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored mapping of samples is incomplete or malformed ({error!r})") from error
        sizes = (*shape, channels)
        plausible = len(shape) == len(extent) == axes and all(
            type(each) is int and 1 <= each <= 2**40 for each in sizes
        )
        plausible = plausible and channels <= 4096 and all(0 < each <= 1 for each in extent)
        if not (plausible and math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(
                f"the stored mapping of samples is not plausible: shape {shape}, extent {extent}, {channels} channels, "
                f"values {low} to {high}"
            )
        return cls(shape, extent, channels, low, high)
