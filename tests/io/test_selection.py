"""Tests of masks as people draw them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sinefield.io.selection import read_selection

HALF = np.array([[0, 127, 128, 255]] * 2, np.uint8)
EXPECTED = [[False, False, True, True]] * 2


@pytest.mark.parametrize(
    "mask",
    [
        HALF,
        HALF > 127,
        (HALF > 127).astype(np.uint8),
        HALF / 255,
        HALF.astype(np.uint16) * 257,
        np.repeat(HALF[..., None], 3, 2),
        np.stack([HALF, np.full_like(HALF, 255)], 2),
        np.stack([np.full_like(HALF, 255), HALF], 2),  # white everywhere, and more or less opaque
    ],
    ids=["bytes", "flags", "0 and 1", "floats", "16 bits", "colours", "opaque", "alpha"],
)
def test_white_is_selected(mask: np.ndarray) -> None:
    assert read_selection(mask, (2, 4), "it").tolist() == EXPECTED


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P"])
def test_files_are_read(tmp_path: Path, mode: str) -> None:
    Image.fromarray(np.where(HALF > 127, 255, 0).astype(np.uint8)).convert(mode).save(tmp_path / "mask.png")
    assert read_selection(tmp_path / "mask.png", (2, 4), "it").tolist() == EXPECTED


def test_all_may_be_selected() -> None:
    assert read_selection(np.full((2, 2), 255, np.uint8), (2, 2), "it").all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((3, 2)), "the mask is 2 x 3 pixels, and it is 2 x 2; a mask has the size of its picture"),
        (np.zeros((2, 2)), "the mask selects no pixel of it: none of it is white"),
        (np.array([["a", "b"]]), "the mask is no picture"),
    ],
)
def test_what_is_no_mask_is_refused(mask: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message) as told:
        read_selection(mask, (2, 2), "it")
    assert "\n" not in str(told.value)
