"""Tests of masks: packed, read back at any resolution, and refused where they are damaged."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from sinefield.signals.lattice import Lattice
from sinefield.signals.mask import Mask


def test_a_mask_comes_back_from_its_bytes() -> None:
    known = np.random.default_rng(0).random((7, 5, 3)) < 0.5
    mask = Mask.of_bytes(Mask.of(known).packed, (7, 5, 3))
    assert mask == Mask.of(known)
    assert mask is not None
    assert np.array_equal(mask.known, known)
    assert Mask.of_bytes(None, (7, 5, 3)) is None


def test_the_nearest_sample_tells_what_is_known_at_any_resolution() -> None:
    known = np.array([[True, False, False], [True, True, False]])
    lattice = Lattice.of_cubes((2, 3), 1, 0.0, 1.0)
    axes = [lattice.centres(0, 4), lattice.centres(1, 6)]
    assert np.array_equal(Mask.of(known).at(lattice, axes), known.repeat(2, 0).repeat(2, 1))
    beyond = [lattice.centres(0, 1, -5, -4), lattice.centres(1, 1, 8, 9)]  # the nearest is the upper right one
    assert Mask.of(known).at(lattice, beyond).tolist() == [[False]]


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"text",
        7,
        "text",
        zlib.compress(b"\0"),
        zlib.compress(bytes(10**7)),
        Mask.of(np.ones((4, 4), dtype=bool)).packed[:-3],
    ],
)
def test_what_is_no_mask_is_refused(packed: object) -> None:
    with pytest.raises(ValueError, match="the stored mask of the samples that are known is"):
        Mask.of_bytes(packed, (4, 4))
