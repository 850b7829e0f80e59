"""Tests of resampling, against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import skimage.transform

from sinefield.io.pictures.resampling import resample


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((64, 64), (32, 32)),
        ((65, 47), (32, 24)),
        ((40, 61), (17, 13)),
        ((33, 50), (32, 49)),
        ((30, 20), (30, 20)),
        ((9, 12), (21, 28)),
        ((7, 8), (14, 16)),
        ((8, 5), (3, 11)),
        ((5, 90), (2, 3)),
        ((2, 2), (5, 2)),
        ((3, 2), (2, 2)),
    ],
    ids=str,
)
@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 65535), (-3, 5)])
def test_is_what_scikit_image_does(
    old: tuple[int, int], new: tuple[int, int], channels: int, low: float, high: float
) -> None:
    values = np.random.default_rng(0).uniform(low, high, (*old, channels)).astype(np.float32)
    expected = skimage.transform.resize(values, new, anti_aliasing=True)
    found = resample(values, *new)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-6 * (high - low)


@pytest.mark.parametrize("size", [256, 255, 128, 100, 700])
def test_is_what_scikit_image_does_to_the_cameraman(size: int) -> None:
    values = skimage.data.camera()[:, :, None].astype(np.float32)
    expected = skimage.transform.resize(values, (size, size), anti_aliasing=True)
    assert np.abs(resample(values, size, size) - expected).max() <= 1e-6 * 255


def test_is_contiguous_and_leaves_the_original_alone() -> None:
    values = np.random.default_rng(0).random((12, 9, 3), dtype=np.float32)
    before = values.copy()
    assert resample(values, 5, 4).flags.c_contiguous
    assert np.array_equal(values, before)


def test_no_value_leaves_the_range_of_the_old_ones() -> None:
    values = np.random.default_rng(0).choice(np.array([0.1, 0.7], np.float32), (31, 17, 1))
    found = resample(values, 29, 40)
    assert found.min() >= values.min()
    assert found.max() <= values.max()
