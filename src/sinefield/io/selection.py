"""Masks as people draw them: pictures that are white where pixels are selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.pictures import decoding

Selection = NDArray[np.bool_]


def read_selection(source: str | Path | NDArray[Any] | Tensor, shape: tuple[int, int], of: str) -> Selection:
    """Return which pixels a mask selects, ``(height, width)``: those at least half as bright, and as opaque, as white.

    White is 1 where nothing is brighter, and else the greatest number of the type of the samples.

    Args:
        source: a picture file, or an array ``(height, width)`` or ``(height, width, channels)``.
        shape: height and width of the picture that the mask is for.
        of: the name of that picture, for messages.

    Raises:
        ValueError: the mask has another size, is no picture, or selects nothing.
        FileNotFoundError: there is no such file.

    >>> read_selection(np.array([[0, 200], [90, 255]], np.uint8), (2, 2), "it").tolist()
    [[False, True], [False, True]]
    """
    if isinstance(source, str | Path):
        stored = decoding.read_file(Path(source), 0)
        values, alpha, name = stored.values, stored.details.alpha, f"the mask {source}"
    else:
        values, alpha, name = np.asarray(source), None, "the mask"
    if values.ndim not in (2, 3) or values.dtype.kind not in "buif":
        raise ValueError(f"{name} is no picture: its shape is {values.shape} of {values.dtype}")
    if values.shape[:2] != shape:
        raise ValueError(
            f"{name} is {values.shape[1]} x {values.shape[0]} pixels, and {of} is {shape[1]} x {shape[0]}; "
            "a mask has the size of its picture"
        )
    values = values.reshape(*shape, -1).astype(np.float64) / _white_of(values)
    count = values.shape[2]
    bright = values
    if alpha or (alpha is None and count in (2, 4)):
        bright = values[..., :-1] * values[..., -1:]
    selected: Selection = bright.mean(2) >= 0.5
    if not selected.any():
        raise ValueError(f"{name} selects no pixel of {of}: none of it is white")
    return selected


def _white_of(values: NDArray[Any]) -> float:
    greatest = float(values.max(initial=0))
    if greatest <= 1:
        return 1.0
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else greatest
