"""Tests of schedules against their formulas."""

from __future__ import annotations

import itertools
import math

import pytest

from sinefield.solvers import Constant, Cosine


@pytest.mark.parametrize("fraction", [-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5])
@pytest.mark.parametrize("final_rate", [0.0, 0.005, 0.5])
def test_the_cosine(fraction: float, final_rate: float) -> None:
    within = min(max(fraction, 0), 1)
    expected = final_rate + (1 - final_rate) * math.cos(math.pi * within / 2) ** 2  # cos² is (1 + cos 2)/2
    assert Cosine(final_rate).rate_at(fraction) == pytest.approx(expected, abs=1e-12)


def test_the_cosine_ends_where_it_should() -> None:
    schedule = Cosine(0.1)
    assert schedule.rate_at(0.0) == 1.0
    assert schedule.rate_at(1.0) == pytest.approx(0.1)
    steps = [schedule.rate_at(k / 100) for k in range(101)]
    assert all(earlier > later for earlier, later in itertools.pairwise(steps))


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_the_constant(fraction: float) -> None:
    assert Constant().rate_at(fraction) == 1.0


@pytest.mark.parametrize("final_rate", [-0.1, 1.1, math.nan])
def test_a_final_rate_out_of_range_is_refused(final_rate: float) -> None:
    with pytest.raises(ValueError, match=r"final_rate of a schedule lies in \[0, 1\]"):
        Cosine(final_rate)
