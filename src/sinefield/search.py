"""Searches: independent problems solved one after the other, watched, and written so that they can go on."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import FrameType
from typing import final

from torch import nn

from sinefield import checkpoint, kernels
from sinefield.fit import Fit
from sinefield.history import Record
from sinefield.objective import Objective
from sinefield.problem import Part, Problem
from sinefield.recipe import Recipe
from sinefield.resuming import restore, take_snapshot
from sinefield.snapshot import Snapshot, check_same, fingerprint
from sinefield.solution import Observer, Progress, Speed, Stop, describe

_ENDS: Sequence[Stop] = ("goal", "budget", "diverged", "interrupted")  # of parts, the last one tells of the whole

AfterStep = Callable[[Fit, float], None]
"""Called with a fit and the part of the budget that is used."""

Loop = Callable[[Fit, AfterStep | None], Stop]
"""Runs a fit to its end, and tells what ended it: :func:`sinefield.solve.run`."""


@final
@dataclass(frozen=True)
class Checkpointing:
    """Where and how often a search writes all that it needs to go on.

    Args:
        path: the field file, replaced whole or not at all.
        every: passes between two of them.

    Raises:
        ValueError: a number of passes that is not positive.
    """

    path: Path
    every: float

    def __post_init__(self) -> None:
        """Refuse a number of passes that is not positive.

        Raises:
            ValueError: it is not.
        """
        if not 0 < self.every < math.inf:
            raise ValueError(f"a field is written every so many passes, a positive number; got {self.every}")


@final
@dataclass
class Search:
    """Independent problems that are solved one after the other, their fields trained in place.

    Args:
        objective: of all unknowns.
        problem: the whole.
        parts: the independent problems that it falls into.
        recipe: how; each part takes its share of the seconds.
        seed: of the sampling of the first part.
        compiled: see :func:`solve`.
        observe: called after each step.
        checkpointing: where and how often to write all that is needed to go on.
        stopped: what ended the search.
        fit: that of the part that is being solved, or was the last.
        measured: the seconds of each part that was solved here, and what was computed in a second.
        histories: records of each part so far.
        resumed: where the search goes on; None: from the beginning.
        origin: the file that tells.
        kept: where it was interrupted, for it to go on later.
    """

    objective: Objective
    problem: Problem
    parts: Sequence[Part]
    recipe: Recipe
    seed: int
    compiled: bool | None = None
    observe: Observer | None = None
    checkpointing: Checkpointing | None = None
    stopped: Stop = "budget"
    fit: Fit | None = None
    measured: list[tuple[float, Speed]] = field(default_factory=list)
    histories: list[list[Record]] = field(default_factory=list)
    resumed: Snapshot | None = None
    origin: str | Path = ""
    kept: Snapshot | None = None

    @property
    def fields(self) -> Mapping[str, nn.Module]:
        """All unknowns by name."""
        return self.objective.unknowns

    def run(self, loop: Loop) -> None:
        """Solve all parts that are not solved yet, by the loop that solves one."""
        if self.checkpointing is None:
            self._run(loop, lambda: False)
            return
        with interrupts_between_steps() as pressed:
            self._run(loop, pressed)

    def _run(self, loop: Loop, pressed: Callable[[], bool]) -> None:
        watched = self.observe is not None or self.checkpointing is not None
        after_step = partial(self._after_step, pressed) if watched else None
        for number in range(0 if self.resumed is None else self.resumed.part, len(self.parts)):
            self.fit = fit = self._fit_of(number)  # one at a time: its state is several times as large as its fields
            self.histories.append(fit.history)
            with kernels.executing(fit.execution):
                stopped = loop(fit, after_step)
            self.measured.append((fit.seconds, fit.speed))
            self.stopped = stopped if len(self.measured) == 1 else max(self.stopped, stopped, key=_ENDS.index)
            if stopped == "interrupted":
                return

    def _fit_of(self, number: int) -> Fit:
        """Return the fit of a part, where it stood if it was interrupted.

        Raises:
            ValueError: the state of where it stood is not one of this fit.
        """
        part, recipe = self.parts[number], self.recipe
        if recipe.seconds is not None:
            recipe = replace(recipe, seconds=recipe.seconds / len(self.parts))
        # Of a problem that is solved as a whole the residuals have been looked at.
        whole = part.fields is self.fields
        objective = self.objective if whole else Objective(part.fields, part.problem.constraints)
        fit = Fit(objective, part.problem, recipe, self.seed + number, self.compiled)
        if self.resumed is not None and number == self.resumed.part:
            try:
                restore(fit, self.resumed)
            except (KeyError, ValueError, RuntimeError) as error:
                damaged = " ".join(str(error).split())
                raise ValueError(
                    f"cannot resume from {self.origin}: the state of its fit is damaged, or of another problem "
                    f"({damaged}); fit from the start"
                ) from error
        return fit

    def _after_step(self, pressed: Callable[[], bool], fit: Fit, fraction: float) -> None:
        if pressed():
            self.kept = self.snapshot()
            raise KeyboardInterrupt
        if self.checkpointing is not None and fraction < 1:
            every = max(1, round(self.checkpointing.every * fit.steps_per_pass))
            if fit.step % every == 0:
                self.save(self.checkpointing.path)
        if self.observe is not None:
            self.observe(self._progress(fit, fraction))

    def _progress(self, fit: Fit, fraction: float) -> Progress:
        """Return how far all parts are together."""
        parts, number = len(self.parts), len(self.histories) - 1
        before = [history[-1] for history in self.histories[:-1] if history]
        steps, seconds = sum(each.step for each in before), sum(each.seconds for each in before)
        passes = sum(each.passes for each in before)
        record = fit.history[-1] if fit.history else None
        if record is not None and parts > 1:
            record = replace(
                record,
                step=steps + record.step,
                passes=(passes + record.passes) / parts,
                seconds=seconds + record.seconds,
            )
        return Progress(
            self.fields,
            steps + fit.step,
            (passes + fit.passes) / parts,
            seconds + fit.clock.seconds,
            (number + min(fraction, 1.0)) / parts,
            record,
            "" if fit.approach is None else fit.approach.notice,
        )

    def measure(self) -> dict[str, float]:
        """Return the metrics of the fields as they are, from all points, and what the solver of a whole tells."""
        fit = self.fit
        told = fit.solver.report(fit.objective, fit.state) if fit is not None and len(self.parts) == 1 else {}
        return {**self.problem.measure(self.fields, None), **told}

    @property
    def speed(self) -> Speed:
        """What was computed in a second, over all parts."""
        seconds = sum(each for each, _ in self.measured)
        peak = self.measured[-1][1].peak if self.measured else math.nan
        if seconds <= 0:
            return Speed(0.0, 0.0, peak)
        points = sum(each * speed.points for each, speed in self.measured)
        flop = sum(each * speed.flop for each, speed in self.measured)
        return Speed(points / seconds, flop / seconds, peak)

    # ---- to go on later

    @cached_property
    def source(self) -> str:
        """A digest of what the problem is fitted to."""
        return fingerprint(self.problem)

    def snapshot(self) -> Snapshot:
        """Return all that is needed to go on from the last step."""
        assert self.fit is not None, "a search is written while it runs"
        return take_snapshot(self.fit, self.histories, self.source)

    def save(self, path: Path) -> None:
        """Write the fields as they are, with all that is needed to go on."""
        metrics = self.histories[-1][-1].metrics if self.histories[-1] else {}
        about = describe(self.problem, self.recipe, self.seed)
        checkpoint.save(path, self.fields, snapshot=self.snapshot(), metrics=dict(metrics), **about)

    def resume(self, path: str | Path) -> None:
        """Take the state of a search that was written, if it was this one.

        Raises:
            ValueError: it was another, or is over.
        """
        fields, header, snapshot = checkpoint.read_snapshot(path)
        about = describe(self.problem, self.recipe, self.seed) | {"source": self.source}
        about["fields"] = checkpoint.networks_of(self.fields)
        check_same(path, header | {"source": snapshot.source}, checkpoint.finite(about))
        for name, each in self.fields.items():
            each.load_state_dict(fields[name].state_dict())
        self.histories = [list(each) for each in snapshot.history[: snapshot.part]]
        self.resumed, self.origin = snapshot, path


@contextmanager
def interrupts_between_steps() -> Iterator[Callable[[], bool]]:
    """Have Ctrl-C wait for the end of a step, so that a search can go on from there; a second one does not wait.

    Yields:
        a function that tells whether it was pressed.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield lambda: False
        return
    usual = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        if pressed and callable(usual):
            usual(number, frame)
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, usual)
