"""Tests of stored samples: the scale, memory, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sinefield.io.scaled_array import ScaledArray


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_values_are_scaled_where_they_are_looked_up(dtype: type[np.generic]) -> None:
    numbers: NDArray[Any] = np.arange(12).reshape(6, 2).astype(dtype)
    index = torch.tensor([5, 0, 0, 3])
    found = ScaledArray(numbers, 0, 11)[index]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.from_numpy(numbers[index.numpy()] / 5.5 - 1).float())
    assert len(ScaledArray(numbers, 0, 11)) == 6


def test_what_is_looked_up_is_a_copy() -> None:
    numbers = np.ones((3, 1), dtype=np.float32)
    ScaledArray(numbers, 0, 2)[torch.arange(3)].fill_(7)
    assert (numbers == 1).all()
