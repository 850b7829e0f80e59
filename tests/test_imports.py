"""Tests of imports without the garbage collector's searches."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sinefield.imports import pause_garbage_collection


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    collecting = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if collecting else gc.disable)()


def test_nothing_is_collected_inside_and_what_was_made_is_kept_out_of_later_searches() -> None:
    gc.enable()
    with pause_garbage_collection():
        assert not gc.isenabled()
        made: list[object] = [[]]
    assert gc.isenabled()
    assert all(each is not made for each in gc.get_objects())  # which lists what the collector goes through
    gc.unfreeze()
    assert any(each is made for each in gc.get_objects())


def test_the_collector_goes_on_after_an_import_that_fails() -> None:
    gc.enable()
    with pytest.raises(ImportError), pause_garbage_collection():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with pause_garbage_collection():
        pass
    assert not gc.isenabled()


def test_garbage_made_afterwards_is_collected() -> None:
    with pause_garbage_collection():
        pass
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() > 0


def test_the_library_leaves_the_collector_alone() -> None:
    script = (
        "import gc; before = gc.get_freeze_count(); import sinefield; sinefield.solve, sinefield.problems\n"
        "print(gc.isenabled(), gc.get_freeze_count() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"]
