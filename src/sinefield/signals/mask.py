"""Which samples of a lattice are known: a mask as field files hold it, and as it is read back at any resolution."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.signals.lattice import Lattice


@final
@dataclass(frozen=True)
class Mask:
    """Which samples of a lattice are known.

    Args:
        shape: how many samples there are along each axis.
        packed: a bit for each sample in C order, 1 where it is known, compressed by zlib.

    >>> Mask.of(np.array([[True, False]])).known.tolist()
    [[True, False]]
    """

    shape: tuple[int, ...]
    packed: bytes

    @classmethod
    def of(cls, known: NDArray[np.bool_]) -> Self:
        """Return the mask of the samples of an array that are known."""
        return cls(known.shape, zlib.compress(np.packbits(known.reshape(-1)).tobytes(), 9))

    @classmethod
    def of_bytes(cls, packed: object, shape: tuple[int, ...]) -> Self | None:
        """Return the mask that a field file holds; None: it holds none, and every sample is known.

        Raises:
            ValueError: what it holds is no mask of that shape.
        """
        if packed is None:
            return None
        size = (math.prod(shape) + 7) // 8
        try:
            inflater = zlib.decompressobj()
            bits = inflater.decompress(packed, size + 1)  # type: ignore[arg-type]  # a TypeError is caught
        except (TypeError, zlib.error) as error:
            raise ValueError("the stored mask of the samples that are known is damaged") from error
        if len(bits) != size or not inflater.eof:
            raise ValueError(f"the stored mask of the samples that are known is not of shape {shape}")
        return cls(shape, bytes(packed))  # type: ignore[call-overload]  # bytes, as zlib took it

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which samples are known, of the shape of the lattice."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=math.prod(self.shape)).astype(bool).reshape(self.shape)

    def at(self, lattice: Lattice, axes: Sequence[Tensor]) -> NDArray[np.bool_]:
        """Return whether the nearest sample is known, at every combination of coordinates.

        Args:
            lattice: of the samples.
            axes: field coordinates along each axis, as :func:`sinefield.signals.sampling.sample_grid` takes them.

        Returns:
            An array ``(len(axes[0]), …)``.
        """
        nearest = []
        for size, extent, each in zip(self.shape, lattice.extent, axes, strict=True):
            place = (each.numpy() / extent + 1) * (size / 2)  # in samples from the beginning
            nearest.append(np.clip(np.floor(place).astype(np.intp), 0, size - 1))
        return self.known[np.ix_(*nearest)]
