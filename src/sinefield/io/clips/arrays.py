"""Arrays as clips: which axis is which, and samples that are no bytes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io import SignalWarning
from sinefield.io.clips.colours import Pixels

_CHANNELS = (1, 3)


def frames_of(array: NDArray[Any], name: str) -> Iterator[Pixels]:
    """Return the frames ``(h, w, c)`` of an array as bytes, made as they are asked for.

    Args:
        array: ``(t, h, w)`` or ``(t, h, w, c)``, c = 1 or 3, of bytes, of truths or of numbers from 0 to 1. Channels
            first, ``(t, c, h, w)``, are taken and told.
        name: name of the array in messages.

    Raises:
        ValueError: it is no clip.
    """
    expected = "expected (t, h, w) or (t, h, w, c) of bytes, with 1 or 3 channels"
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4:
        raise ValueError(f"{name} is no clip; {expected}")
    if array.shape[3] not in _CHANNELS and array.shape[1] in _CHANNELS:
        warnings.warn(
            f"{name}: its channels are taken to be first, (t, c, h, w); give (t, h, w, c) to be sure",
            SignalWarning,
            stacklevel=3,
        )
        array = np.moveaxis(array, 1, 3)
    if array.shape[3] not in _CHANNELS:
        rest = "; alpha is not fitted, give [..., :3]" if array.shape[3] == 4 else ""
        raise ValueError(f"{name} is no clip of {array.shape[3]} channels{rest}; {expected}")
    if array.dtype == np.uint8:
        return iter(array)
    if array.dtype == np.bool_:
        return (255 * each.astype(np.uint8) for each in array)
    if array.dtype.kind != "f":
        raise ValueError(
            f"{name} of {array.dtype} is no clip; {expected}, or numbers from 0 to 1: divide it by its white"
        )
    least, most = (float(find(array)) if array.size else 0.0 for find in (np.min, np.max))
    if not 0 <= least <= most <= 1:
        raise ValueError(
            f"{name} of {array.dtype} has values from {least:g} to {most:g}; {expected}, or numbers from 0 to 1"
        )
    warnings.warn(f"{name}: its numbers from 0 to 1 are rounded to bytes", SignalWarning, stacklevel=3)
    return (np.rint(255 * each).astype(np.uint8) for each in array)
