"""Tests of room for arrays: in memory, in files without a name, and none at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sinefield.io.allocation import Spool, TooLargeError, allocate, find_extremes, iterate_slabs, release
from sinefield.io.scaled_array import ScaledArray


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_a_spool_gathers_blocks_in_memory_or_in_a_file_without_a_name(
    limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sinefield.io.allocation.IN_MEMORY", limit)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    numbers = np.random.default_rng(0).integers(-9, 9, (1000, 3)).astype(np.int16)
    with Spool(3, np.int16) as spool:
        for block in np.array_split(numbers, 7):
            spool.add(block)
        gathered = spool.gather()
    assert isinstance(gathered, np.memmap) == (limit == 0)
    assert np.array_equal(gathered, numbers)
    assert ScaledArray(gathered, -9, 9).nbytes == (0 if limit == 0 else numbers.nbytes)
    found = ScaledArray(gathered, -9, 9)[torch.tensor([999])]
    torch.testing.assert_close(found[0], torch.from_numpy(numbers[999] / 9).float())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_a_large_array_is_filled_in_a_file_without_a_name(
    limit: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sinefield.io.allocation.IN_MEMORY", limit)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    numbers = np.arange(30_000, dtype=np.float32).reshape(100, 300)
    filled = allocate("a picture", (100, 300), np.float32)
    for row, values in zip(filled, numbers, strict=True):
        row[:] = values
        release(filled)
    assert isinstance(filled, np.memmap) == (limit == 0)
    assert np.array_equal(filled, numbers)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinefield.io.allocation.IN_MEMORY", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    with pytest.raises(TooLargeError, match=r"a picture is too large: 40000 x 40000 values .* 6.0 GiB and 1.0 GiB on"):
        allocate("a picture", (40_000, 40_000), np.float32)


def test_slabs_are_all_of_an_array_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinefield.io.allocation._SLAB", 100)
    numbers = np.arange(100.0).reshape(20, 5)
    some = [numbers[each] for each in iterate_slabs(numbers)]
    assert len(some) == 10
    assert np.array_equal(np.concatenate(some), numbers)
    assert find_extremes(numbers) == (0.0, 99.0)


def test_ends_tell_what_is_no_number() -> None:
    assert np.isnan(find_extremes(np.array([1.0, np.nan, 2.0]))).all()
    assert find_extremes(np.array([1.0, np.inf])) == (1.0, np.inf)
