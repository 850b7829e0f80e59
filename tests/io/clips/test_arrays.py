"""Tests of arrays as clips: axes, truths, numbers from 0 to 1, and what is refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from films import waves
from sinefield.io import SignalWarning, video


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_that_are_first_are_taken_so_and_told(channels: int) -> None:
    frames = waves(channels=channels)
    first = torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, 3, 1)))
    with pytest.warns(SignalWarning, match=r"its channels are taken to be first, \(t, c, h, w\)"):
        found = video.read(first, rate=25)
    assert np.array_equal(found.values, frames.reshape(-1, channels))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_numbers_from_0_to_1_are_rounded_to_bytes_and_told(kind: type) -> None:
    with pytest.warns(SignalWarning, match="its numbers from 0 to 1 are rounded to bytes"):
        found = video.read((waves() / 255).astype(kind), rate=25)
    assert np.array_equal(found.values, waves().reshape(-1, 3))


def test_truths_are_black_and_white() -> None:
    found = video.read(waves(channels=1) > 128, rate=25)
    assert set(np.unique(found.values)) == {0, 255}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (waves().astype(np.uint16), "of uint16 is no clip; .* or numbers from 0 to 1: divide it by its white"),
        (waves() / 100, r"has values from [\d.]+ to [\d.]+; expected"),
        (np.full((3, 4, 4), np.nan), "has values from nan to nan"),
        (waves(channels=4), r"of 4 channels; alpha is not fitted, give \[..., :3\]"),
        (waves(channels=2), "is no clip of 2 channels; expected"),
        (np.zeros((2, 3), np.uint8), "is no clip; expected"),
    ],
)
def test_what_is_no_clip_is_told_in_words(array: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        video.read(array, rate=25)
    assert "\n" not in str(told.value)
