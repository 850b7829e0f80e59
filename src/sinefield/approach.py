"""The way to a goal: how many passes the schedule is to be spread over, found from the records of the fit itself.

A schedule decides when what has been learnt is seen: while the rate is high, the noise of the steps hides it, and a
fit whose rate falls too late passes its goal by seconds, one whose rate falls too early crawls. So the length of the
schedule is found while fitting. In decibels, after p passes at the rate r,

    level = −10 log₁₀ (10^(−u/10) + 10^(−v/10)),   u = a + b log₂ p,   v = n − 20 log₁₀ r

u is what has been learnt, v what the noise of the steps, as large as they are, leaves of it. The constants a, b and n
are fitted to the records so far, the last ones weighing most, beside what six photographs had on average:
b = 7 ± 1.4 dB for twice the passes, a − n = −9.5 ± 0.5 dB. The passes planned are those after which the level at the
schedule's last rate is the goal. The less remains to be predicted, the less matters what the model has wrong.

All is computed from records alone, so that a fit that is resumed goes the same way.
"""

from __future__ import annotations

import math
from typing import Final, final

import torch

from sinefield.goal import Goal
from sinefield.history import Record
from sinefield.recipe import Recipe

LAST: Final = 0.95
"""The part of its schedule that a fit on the way to a goal goes to; only the end of its budget takes it to the end."""

MARGIN: Final = 0.15
"""Decibels beyond the goal that are aimed at, as metrics are estimated from some of the points while fitting."""

_GAIN, _BEHIND = (7.0, 1.4), (-9.5, 0.5)  # b and a − n of photographs: mean and spread, in dB
_NOISE = 0.8  # dB, of the levels beside the model
_FORGETTING = 4  # the weight of a record grows as this power of the passes
_ITERATIONS = 8  # of Gauss-Newton
_HALVINGS = 40
_UNSURE = 2  # records, by which no plan is kept, nor ends before twice their passes
_AGAIN = 3  # times the passes so far are planned after a plan that failed
_LATE, _OVERDUE = 0.85, 1.35  # a part of the schedule, and how many times its passes are none too many to the goal
_HOPELESS = 1.5  # dB, by which a fit is expected to end short of its goal if it has stalled
_TRIED = 0.3  # of the budget, before which nobody can tell


@final
class Approach:
    """How a fit goes to its goal, as far as its records tell.

    Args:
        goal: with the name of its metric.
        recipe: with the budget, and the schedule that is spread over the way to the goal.
    """

    def __init__(self, goal: Goal, recipe: Recipe) -> None:
        self.goal, self.recipe = goal, recipe
        self.planned = recipe.pace or recipe.passes or math.inf  # passes that the schedule is spread over
        self.expected = math.nan  # the level at the end of the budget
        self.least = 0.0  # passes, after plans that failed
        self.late = math.inf  # passes when the schedule came to its last part
        self.stalled = False  # the goal is out of reach of the budget, as far as can be told
        self.seen: list[tuple[float, float, float]] = []  # passes, rate and level of each record

    def fraction(self, passes: float) -> float:
        """Return the part of the schedule that is used after so many passes; 0 where it is not spread anew."""
        return min(passes / self.planned, LAST) if self.recipe.plans else 0.0

    def see(self, record: Record) -> None:
        """Take a record into account."""
        level = self.goal.level(self.goal.read(record.metrics, record.loss))
        used = self._used(record)
        fraction = max(self.fraction(record.passes), used)
        rate = self.recipe.rates(fraction, record.passes / max(fraction, 1e-9))
        if not math.isfinite(level) or not self.recipe.is_first_order:
            return
        self.seen.append((record.passes, max(rate, 1e-6), level))
        limit = record.passes / max(used, 1e-9)
        if self.recipe.plans:
            self._plan(record.passes, limit)
        else:
            self.expected = level + _slope(self.seen) * math.log2(limit / record.passes)
        self.expected = max(self.expected, level)
        self.stalled = used >= _TRIED and self.expected < self.goal.wanted - _HOPELESS

    def _plan(self, passes: float, limit: float) -> None:
        """Find after how many passes, up to a limit, the goal is reached."""
        a, b, n = _fitted(self.seen)
        low, high = math.log2(passes), math.log2(max(limit, passes))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            level = _level(a, b, n, 2**middle, self.recipe.rates(1.0, 2**middle))
            low, high = (low, middle) if level >= self.goal.wanted + MARGIN else (middle, high)
        sure = len(self.seen) > _UNSURE
        wanted = 2**high if sure else max(2**high, 2 * passes)
        before = self.planned if sure else wanted
        self.planned = max(math.sqrt(before * wanted), self.least)  # every record has noise of its own
        if self.fraction(passes) < _LATE:
            self.late = math.inf
        elif passes > _OVERDUE * self.late:  # what falling rates were to show is not there
            self.planned = self.least = _AGAIN * passes
            self.late = math.inf
        else:
            self.late = min(self.late, passes)
        self.expected = _level(a, b, n, limit, self.recipe.rates(1.0, limit))
        if self.least:  # the model has been wrong by much
            onwards = self.seen[-1][2] + max(2 * _slope(self.seen), 0.0) * math.log2(max(limit / passes, 1.0))
            self.expected = min(self.expected, onwards)

    def _used(self, record: Record) -> float:
        """Return the part of the budget that was used at a record."""
        by_passes = record.passes / self.recipe.passes if self.recipe.passes else 0.0
        return max(by_passes, record.seconds / self.recipe.seconds if self.recipe.seconds else 0.0)

    @property
    def notice(self) -> str:
        """What is to be known of a fit that has stalled, in a line; empty of one that has not."""
        if not self.stalled:
            return ""
        expected = self.goal.told(self.goal.value_at(self.expected))
        return f"stalled: {self.goal.told(self.goal.value)} is out of reach of this budget, about {expected} expected"


def _level(a: float, b: float, n: float, passes: float, rate: float) -> float:
    """Return the level of the model."""
    learnt = a + b * math.log2(passes)
    noise = n - 20 * math.log10(rate)
    least = min(learnt, noise)
    return least - 10 * math.log10(1 + 10 ** (-abs(learnt - noise) / 10))


def _fitted(seen: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return a, b and n of the model by Gauss-Newton steps, from what was seen and what is usual."""
    passes, rate, level = torch.tensor(seen, dtype=torch.float64).unbind(1)
    doublings, weight = passes.log2(), (passes / passes[-1]) ** _FORGETTING / _NOISE
    a = float(level[-1]) - _GAIN[0] * float(doublings[-1])
    found = torch.tensor([a, _GAIN[0], a - _BEHIND[0]], dtype=torch.float64)
    usual = torch.tensor([[0, 1 / _GAIN[1], 0], [1 / _BEHIND[1], 0, -1 / _BEHIND[1]]], dtype=torch.float64)
    means = torch.tensor([_GAIN[0] / _GAIN[1], _BEHIND[0] / _BEHIND[1]], dtype=torch.float64)
    for _ in range(_ITERATIONS):
        learnt = found[0] + found[1] * doublings
        noise = found[2] - 20 * rate.log10()
        share = torch.sigmoid((noise - learnt) * (math.log(10) / 10))  # of the error, of what is not learnt yet
        model = learnt + 10 * share.log10()
        jacobian = torch.cat([weight[:, None] * torch.stack([share, share * doublings, 1 - share], 1), usual])
        residuals = torch.cat([weight * (model - level), usual @ found - means])
        found = found - torch.linalg.lstsq(jacobian, residuals[:, None]).solution[:, 0]
    a, b, n = found.tolist()
    return a, max(b, 0.5), n


def _slope(seen: list[tuple[float, float, float]]) -> float:
    """Return how many decibels twice the passes bring, at an unchanging rate, by the later half of the records."""
    passes, _, level = torch.tensor(seen[len(seen) // 2 :], dtype=torch.float64).unbind(1)
    doublings = passes.log2() - passes.log2().mean()
    return float((doublings @ level) / (doublings @ doublings).clamp(min=1e-12))
