"""Resampling of pictures to other sizes without aliasing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resample(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return a picture at another size, as ``skimage.transform.resize(…, anti_aliasing=True)`` does.

    Along an axis of n samples that become m, with f = n/m, the new sample k is read at f (k + ½) − ½ by linear
    interpolation from the old ones convolved with a Gaussian of σ = max(0, (f − 1)/2), cut off at 4σ. Beyond
    its ends the axis is mirrored about its outermost samples. No value leaves the range of the old ones.

    Published figures refer to pictures that scikit-image resized. scikit-image itself takes long to import, and smooths
    all old samples where only those around the new ones are needed.

    Args:
        values: picture ``(rows, columns, channels)`` of at least 2 rows and columns.
        height: new number of rows.
        width: new number of columns.

    Returns:
        ``(height, width, channels)``.

    >>> resample(np.float32([[[0], [6]], [[0], [6]]]), height=2, width=3)[0, :, 0].tolist()
    [1.0, 3.0, 5.0]
    """
    rows = _resample_first_axis(values, height)
    both = _resample_first_axis(rows.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(np.clip(both, values.min(), values.max()), dtype=np.float32)


def _resample_first_axis(values: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Return values ``(count, …)`` at ``size`` places along the first axis; see :func:`resample`."""
    count = len(values)
    step = count / size
    sigma = max(0.0, (step - 1) / 2)
    radius = int(4 * sigma + 0.5)
    gaussian = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (sigma or 1.0)) ** 2)
    gaussian /= gaussian.sum()
    place = step * (np.arange(size) + 0.5) - 0.5
    before = np.floor(place).astype(np.intp)
    part = place - before
    # Linear interpolation between the smoothed samples before and after a place is one kernel with one tap more.
    weights = np.outer(1 - part, np.append(gaussian, 0)) + np.outer(part, np.insert(gaussian, 0, 0))
    result = np.zeros((size, *values.shape[1:]))
    period = 2 * (count - 1)
    for tap, weight in enumerate(weights.T, start=-radius):
        phase = (before + tap) % period
        result += weight[:, None, None] * values[np.minimum(phase, period - phase)]
    return result


def resample_known(
    values: NDArray[Any], weight: NDArray[np.float32], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a picture at another size of which some pixels count less than others, and the weights at that size.

    The mean that :func:`resample` takes is weighted; where all weights are 0, nothing is known and the result is some
    value within the range of the old ones.

    Args:
        values: picture ``(rows, columns, channels)``.
        weight: of each pixel, ``(rows, columns, 1)``, not negative.
        height: new number of rows.
        width: new number of columns.

    >>> edge, part = resample_known(np.float32([[[9], [1]]] * 2), np.float32([[[1], [0]]] * 2), height=2, width=3)
    >>> edge[0, :, 0].tolist(), part[0, :, 0].tolist()
    ([9.0, 9.0, 9.0], [0.8333333134651184, 0.5, 0.1666666716337204])
    """
    total = resample(weight, height, width)
    plain = resample(values, height, width)
    least, most = values.min(), values.max()
    weighted = resample((values - least) * weight, height, width)
    mean = np.divide(weighted, total, out=plain - least, where=total > 1e-30) + least
    return np.clip(mean, least, most).astype(np.float32), total
