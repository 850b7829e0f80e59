"""Tests of stored samples: the scale, memory, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sinefield.io import stored
from sinefield.io.stored import Spool, Stored


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
def test_values_are_scaled_where_they_are_looked_up(dtype: type) -> None:
    numbers = np.arange(12).reshape(6, 2).astype(dtype)
    index = torch.tensor([5, 0, 0, 3])
    found = Stored(numbers, 0, 11)[index]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.from_numpy(numbers[index.numpy()] / 5.5 - 1).float())
    assert len(Stored(numbers, 0, 11)) == 6


def test_what_is_looked_up_is_a_copy() -> None:
    numbers = np.ones((3, 1), dtype=np.float32)
    Stored(numbers, 0, 2)[torch.arange(3)].fill_(7)
    assert (numbers == 1).all()


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_a_spool_gathers_blocks_in_memory_or_in_a_file_without_a_name(
    limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stored, "IN_MEMORY", limit)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    numbers = np.random.default_rng(0).integers(-9, 9, (1000, 3)).astype(np.int16)
    with Spool(3, np.int16) as spool:
        for block in np.array_split(numbers, 7):
            spool.add(block)
        gathered = spool.gathered()
    assert isinstance(gathered, np.memmap) == (limit == 0)
    assert np.array_equal(gathered, numbers)
    assert Stored(gathered, -9, 9).nbytes == (0 if limit == 0 else numbers.nbytes)
    found = Stored(gathered, -9, 9)[torch.tensor([999])]
    torch.testing.assert_close(found[0], torch.from_numpy(numbers[999] / 9).float())
    assert not list(tmp_path.iterdir())
