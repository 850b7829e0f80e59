"""Pictures turned and flipped upright, as EXIF and TIFF tell by the tag 274."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.allocation import IN_MEMORY, allocate, iterate_slabs
from sinefield.io.pictures.stored import StoredPicture

# The flips and turns that put an array of rows upright, by EXIF orientation (tag 274).
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def turn_upright(picture: StoredPicture, orientation: int) -> StoredPicture:
    """Return a picture with its rows of pixels turned as an orientation says, 1 to 8; others leave it as it is."""
    turn = _UPRIGHT.get(orientation)
    if turn is None:
        return picture
    details, notes = picture.details, picture.notes
    if details.place is not None:
        details, notes = replace(details, place=None), (*notes, "its place on Earth is left out, as it is turned")
    if details.resolution is not None and orientation >= 5:
        details = replace(details, resolution=details.resolution[::-1])
    return replace(
        picture,
        values=contiguous(turn(picture.values)),
        known=None if picture.known is None else np.ascontiguousarray(turn(picture.known)),
        details=details,
        notes=notes,
    )


def contiguous(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose samples lie in order, as those should that are looked up at random."""
    if array.flags.c_contiguous or array.nbytes <= IN_MEMORY:
        return np.ascontiguousarray(array)
    copy = allocate("the turned picture", array.shape, array.dtype)
    for some in iterate_slabs(copy):
        copy[some] = array[some]
    return copy
