"""Records of a search, its clock, and how the records of independent problems make one curve."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Record:
    """What was reached when: one row of a solution's history.

    Args:
        step: steps taken.
        passes: how often each point has been visited.
        seconds: time spent fitting, without that spent in an observer.
        loss: the weighted sum, averaged over the steps since the last record.
        losses: its terms by the name of their constraint.
        metrics: the problem's metrics, estimated from a few thousand points.
    """

    step: int
    passes: float
    seconds: float
    loss: float
    losses: Mapping[str, float]
    metrics: Mapping[str, float]


def merge(histories: Sequence[Sequence[Record]]) -> list[Record]:
    """Return the records of independent problems, solved one after the other, as those of one search.

    The records that lie as far in their histories are made one: losses and the errors that a PSNR stands for are
    averaged, steps and seconds added up. So the curve is that of all problems advancing together.

    >>> one = Record(1, 0.5, 1.0, 4.0, {"value": 4.0}, {"psnr": 10.0})
    >>> other = Record(2, 0.5, 3.0, 2.0, {"value": 2.0}, {"psnr": 10.0})
    >>> merge([[one], [other]])[0]
    Record(step=3, passes=0.5, seconds=4.0, loss=3.0, losses={'value': 3.0}, metrics={'psnr': 10.0})
    """
    if len(histories) == 1:
        return list(histories[0])
    known = [each for each in histories if each]
    count = min(map(len, known), default=0)
    found = []
    for index in range(count):
        # The last record of each is the last of all, however many there are.
        rows = [each[math.ceil((index + 1) * len(each) / count) - 1] for each in known]
        found.append(
            Record(
                sum(each.step for each in rows),
                sum(each.passes for each in rows) / len(rows),
                sum(each.seconds for each in rows),
                sum(each.loss for each in rows) / len(rows),
                _means([each.losses for each in rows]),
                _means([each.metrics for each in rows]),
            )
        )
    return found


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the means of numbers by name; of decibels that of the powers they stand for."""
    return {name: _mean(name, [each[name] for each in rows if name in each]) for name in rows[0]}


def _mean(name: str, values: Sequence[float]) -> float:
    if name not in ("psnr", "snr"):
        return sum(values) / len(values)
    power = sum(10 ** (-each / 10) for each in values) / len(values)
    return -10 * math.log10(power) if power > 0 else math.inf


@final
class Clock:
    """Counts the seconds between each start and stop.

    Args:
        seconds: counted before.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._before = seconds
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """How many so far."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._before + running

    def start(self) -> None:
        """Begin to count."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """Return the seconds so far, counting no further."""
        self._before, self._started = self.seconds, None
        return self._before
