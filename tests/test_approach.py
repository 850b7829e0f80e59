"""Tests of the way to a goal: synthetic fits whose course is known, then fits of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sinefield import problems
from sinefield.approach import LAST, Approach
from sinefield.goal import Goal
from sinefield.history import Record
from sinefield.recipe import PUBLISHED, Recipe
from sinefield.solution import Progress
from sinefield.solve import solve
from sinefield.solvers import Adam, Constant, Cosine, Muon

RECIPE = Recipe("r", Adam(), Cosine(0.05), passes=80, pace=16)


@dataclass
class Course:
    """A fit whose level is −10 log₁₀ of what is not learnt yet and of the noise: what remains of a signal.

    The rate of the noise follows the steps with a lag, and twice the passes bring ``gain`` decibels.
    """

    gain: float = 5.0
    noise: float = 24.0
    start: float = 22.0
    ceiling: float = math.inf

    def level(self, passes: float, rate: float) -> float:
        learnt = min(self.start + self.gain * math.log2(passes), self.ceiling)
        return -10 * math.log10(10 ** (-learnt / 10) + 10 ** (-(self.noise - 18 * math.log10(rate)) / 10))

    def run(self, approach: Approach, limit: float) -> list[Record]:
        """Return the records of a fit twice a pass, up to the goal or the limit."""
        records: list[Record] = []
        step = 0
        while True:
            step += 1
            passes = step / 2
            fraction = max(approach.fraction(passes), passes / limit)
            rate = approach.recipe.rates(min(fraction, 1.0), passes / fraction)
            record = Record(step, passes, passes, 1.0, {}, {"psnr": self.level(passes, rate)})
            records.append(record)
            approach.see(record)
            if approach.goal.is_met(record.metrics["psnr"]) or passes >= limit:
                return records

    def needed(self, goal: float, recipe: Recipe) -> float:
        """Return how many passes a fit takes that knows from the beginning how many it takes."""
        return next(n / 2 for n in range(1, 1000) if self.level(n / 2, recipe.rates(1.0, n / 2)) >= goal)


@pytest.mark.parametrize("goal", [30.0, 34.0, 38.0, 42.0])
@pytest.mark.parametrize("course", [Course(), Course(gain=6.5), Course(noise=27.0), Course(start=26.0), Course(4.5)])
def test_a_goal_is_reached_in_little_more_than_needed(course: Course, goal: float) -> None:
    records = course.run(Approach(Goal("psnr", goal), RECIPE), 80)
    assert records[-1].metrics["psnr"] >= goal
    assert records[-1].passes <= 1.35 * course.needed(goal, RECIPE) + 1


@pytest.mark.parametrize("solver", [Adam(), Muon()])
def test_little_noise_is_no_reason_to_wait(solver: Adam | Muon) -> None:
    """Where nothing is hidden by noise a rate that falls gains nothing, and the goal is reached all the same."""
    recipe = replace(RECIPE, solver=solver, pace=None)
    course = Course(noise=60.0)
    records = course.run(Approach(Goal("psnr", 36.0), recipe), 80)
    assert records[-1].passes <= 1.1 * course.needed(36.0, recipe) + 0.5


@pytest.mark.parametrize("wanted", [45.0, 60.0])
def test_a_goal_out_of_reach_is_told_early(wanted: float) -> None:
    approach = Approach(Goal("psnr", wanted), replace(RECIPE, passes=20))
    course = Course(ceiling=33.0)
    notices = []
    for record in course.run(Approach(approach.goal, approach.recipe), 20):
        approach.see(record)
        notices.append((record.passes / 20, approach.notice))
    assert not any(notice for part, notice in notices if part < 0.3)
    first = next(part for part, notice in notices if notice)
    assert first <= 0.8
    assert notices[-1][1].startswith(f"stalled: psnr {wanted:.2f} dB is out of reach of this budget, about psnr 3")


def test_a_goal_within_reach_is_not_called_stalled() -> None:
    approach = Approach(Goal("psnr", 36.0), replace(RECIPE, passes=20))
    stalled = []
    for record in Course().run(Approach(approach.goal, approach.recipe), 20):
        approach.see(record)
        stalled.append(approach.stalled)
    assert len(stalled) > 5
    assert not any(stalled)


@pytest.mark.parametrize(("gain", "stalled"), [(5.0, False), (0.2, True)])
def test_at_a_constant_rate_the_curve_is_continued(gain: float, stalled: bool) -> None:
    recipe = replace(PUBLISHED, passes=100)
    approach = Approach(Goal("psnr", 38.0), recipe)
    for passes in range(1, 50):
        level = 20.0 + 3 * min(math.log2(passes), 3) + gain * max(0.0, math.log2(passes / 8))
        approach.see(Record(passes, float(passes), 0.0, 1.0, {}, {"psnr": level}))
    assert approach.stalled is stalled
    assert approach.fraction(50.0) == 0.0  # the schedule is left as it is
    assert approach.expected == pytest.approx(29.0 + gain * math.log2(100 / 8))


def test_the_budget_of_seconds_is_a_limit() -> None:
    approach = Approach(Goal("psnr", 60.0), replace(RECIPE, passes=None, seconds=10.0))
    Course(ceiling=33.0).run(approach, 10)  # a pass takes a second
    assert approach.stalled
    assert approach.planned <= 12


def test_what_is_not_known_is_passed_over() -> None:
    approach = Approach(Goal("psnr", 40.0), RECIPE)
    for level in (math.nan, math.inf):
        approach.see(Record(1, 0.5, 0.0, 1.0, {}, {"psnr": level}))
    assert approach.seen == []
    assert approach.planned == 16


def test_the_end_of_the_schedule_is_left_to_the_end_of_the_budget() -> None:
    approach = Approach(Goal("psnr", 40.0), RECIPE)
    assert approach.fraction(8.0) == 0.5
    assert approach.fraction(1000.0) == LAST


def course_of(**changes: Any) -> tuple[list[float], float]:
    """Return the fractions of a small fit at each step, and how many passes it took."""
    problem = problems.image("sample:camera", longest=32, hidden_features=32, hidden_layers=1)
    fractions: list[float] = []
    observe: Callable[[Progress], None] = lambda progress: fractions.append(progress.fraction)  # noqa: E731 - typed
    found = solve(problem, batch=64, learning_rate=2e-3, compiled=False, observe=observe, **changes)
    return fractions, found.history[-1].passes


def test_a_nearer_goal_is_planned_nearer() -> None:
    """The rate falls on the way to the goal, at whichever pass this is reached."""
    near, soon = course_of(until="psnr=22", passes=300)
    far, late = course_of(until="psnr=28", passes=300)
    assert soon < late < 300
    for fractions, passes in ((near, soon), (far, late)):
        assert max(fractions) > 3 * passes / 300
        assert max(fractions) <= LAST


def test_the_goal_of_a_constant_schedule_changes_nothing_before_it() -> None:
    fractions, passes = course_of(until="psnr=19", schedule=Constant(), passes=300)
    assert fractions == pytest.approx([step / (300 * 16) for step in range(1, len(fractions) + 1)])
    assert passes < 300
