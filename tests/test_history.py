"""Tests of records: those of independent problems make one curve."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sinefield import problems, solve
from sinefield.history import Record, merge


def record(step: int, loss: float = 1.0, *, seconds: float = 1.0, **metrics: float) -> Record:
    return Record(step, step / 4, seconds, loss, {"value": loss}, metrics)


def test_the_records_of_one_problem_are_left_as_they_are() -> None:
    rows = [record(1), record(2, math.nan, psnr=math.inf)]
    assert merge([rows]) == rows


def test_records_that_lie_as_far_are_made_one() -> None:
    one = [record(4, 3.0, seconds=1.0), record(8, 1.0, seconds=2.0)]
    other = [record(4, 5.0, seconds=10.0), record(8, 2.0, seconds=20.0)]
    first, last = merge([one, other])
    assert (first.step, first.passes, first.seconds, first.loss) == (8, 1.0, 11.0, 4.0)
    assert (last.step, last.passes, last.seconds, last.loss) == (16, 2.0, 22.0, 1.5)
    assert last.losses == {"value": 1.5}


@pytest.mark.parametrize("lengths", [(4, 4), (3, 7), (7, 3), (1, 5), (2, 3, 11)])
def test_the_curve_is_as_long_as_the_shortest_and_ends_where_all_end(lengths: tuple[int, ...]) -> None:
    histories = [[record(k + 1, seconds=k + 1.0) for k in range(length)] for length in lengths]
    found = merge(histories)
    assert len(found) == min(lengths)
    assert (found[-1].step, found[-1].seconds) == (sum(lengths), sum(lengths))
    for before, after in itertools.pairwise(found):
        assert before.step < after.step
        assert before.seconds < after.seconds
        assert before.passes < after.passes


def test_decibels_are_averaged_as_the_powers_they_stand_for() -> None:
    """Errors of 10⁻² and 3 · 10⁻² are 2 · 10⁻² together, which is 17 dB; other metrics are averaged as they are."""
    one = record(1, psnr=20.0, snr=20.0, gradient_error=0.5)
    other = record(1, psnr=-10 * math.log10(0.03), snr=-10 * math.log10(0.03), gradient_error=1.0)
    (found,) = merge([[one], [other]])
    assert found.metrics == {
        "psnr": pytest.approx(-10 * math.log10(0.02)),
        "snr": pytest.approx(-10 * math.log10(0.02)),
        "gradient_error": pytest.approx(0.75),
    }


def test_no_error_at_all_is_infinitely_many_decibels() -> None:
    (found,) = merge([[record(1, psnr=math.inf)], [record(1, psnr=math.inf)]])
    assert found.metrics["psnr"] == math.inf


def test_problems_without_a_record_are_left_out() -> None:
    assert merge([[], [record(1, 2.0)]]) == [record(1, 2.0)]
    assert merge([[], []]) == []


def test_the_curve_of_tiles_is_one_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups of tiles, of which each is a problem of its own: the picture's history is that of both."""
    monkeypatch.setattr("sinefield.problems.tiles.TOGETHER", 2)
    picture = np.random.default_rng(0).random((32, 32))
    problem = problems.image(picture, tiles=(2, 2), hidden_features=8, hidden_layers=1)
    solution = solve(problem, passes=20, batch=64)
    passes, steps, seconds = zip(*((each.passes, each.step, each.seconds) for each in solution.history), strict=True)
    assert len(solution.history) > 2
    for column in (passes, steps, seconds):
        assert sorted(set(column)) == list(column)
    assert passes[-1] == pytest.approx(20)
    assert solution.seconds == seconds[-1] > 0
    assert solution.history[-1].metrics["psnr"] == pytest.approx(solution.metrics["psnr"], abs=1.0)
