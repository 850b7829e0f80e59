"""How many threads take the steps of a fit: as many as are fastest on a machine that does other work too.

Threads of a step wait for each other. Beside another busy process one of them is often not running, and the rest wait:
a step of two threads then takes several times as long as one of a single thread. So others are tried now and then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

import torch
from torch import Tensor

from sinefield.fit import Fit
from sinefield.objective import Batch
from sinefield.solvers.adam import setting_of

_SETTLED: Final = 3  # steps before anything is timed
_TRIAL: Final = 0.03  # seconds that a trial lasts at least
_SOONEST, _LATEST = 0.5, 16.0  # seconds between trials, which wait for each other longer the more often they fail
_SHARE: Final = 20  # times as long as a trial took is waited for the next
_CLEARLY: Final = 0.8  # of the time of a step: what is sooner by less is not changed to


@final
class Threads:
    """Times steps, tries other numbers of threads and goes on with the fastest.

    Only where a step of other threads gives the same bits, which is tried before the first change: what a fit reaches
    depends on its seed, and not on what else a machine does.

    Args:
        fit: whose steps.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.most = self.usual = torch.get_num_threads()
        on_cpu = fit.objective.device.type == "cpu"
        by_gradients = setting_of(fit.recipe.solver, "learning_rate") is not None
        self.others = sorted({1, (self.most + 1) // 2} - {self.most}) if on_cpu and by_gradients else []
        self.steps, self.next_trial, self.waiting = 0, 0.0, _SOONEST
        self.best = float("inf")  # seconds of a step, of late, with the usual threads
        self.trial: tuple[int, float] | None = None  # steps and seconds of the trial that goes on
        self.alike: bool | None = None

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Take a step with the threads that are usual, or on trial, and note the time."""
        if not self.others:
            yield
            return
        start = time.perf_counter()
        yield
        now = time.perf_counter()
        self.steps += 1
        if self.steps > _SETTLED:
            self._note(now - start, now)

    def _note(self, seconds: float, now: float) -> None:
        if self.trial is None:
            self.best = min(seconds, 1.2 * self.best)  # the least of late: it forgets what was long ago
            if now >= self.next_trial and self._may_change():
                self.others.append(self.others.pop(0))
                torch.set_num_threads(self.others[-1])
                self.trial = (0, 0.0)
            return
        steps, spent = self.trial[0] + 1, self.trial[1] + seconds
        self.trial = (steps, spent)
        if spent < _TRIAL and spent < steps * _CLEARLY * self.best * 2:
            return
        if spent / steps < _CLEARLY * self.best:
            self.others[-1], self.usual = self.usual, self.others[-1]
            self.best, self.waiting = spent / steps, _SOONEST
        else:
            self.waiting = min(2 * self.waiting, _LATEST)
        torch.set_num_threads(self.usual)
        self.trial, self.next_trial = None, now + max(self.waiting, _SHARE * spent)

    def _may_change(self) -> bool:
        if self.alike is None:
            self.alike = steps_are_alike(self.fit, [self.most, *self.others])
            if not self.alike:
                self.others = []
        return self.alike

    def end(self) -> None:
        """Put back the number of threads that was found."""
        torch.set_num_threads(self.most)


@torch.no_grad()
def steps_are_alike(fit: Fit, counts: list[int]) -> bool:
    """Return whether a step gives the same bits with each number of threads; all is left as it was."""
    objective, usual = fit.objective, torch.get_num_threads()
    kept = {name: each.detach().clone() for name, each in objective.parameters.items()}
    batch = Batch([each.take(fit.step) for each in fit.samplers], 0.0)
    found: list[dict[str, Tensor]] = []
    try:
        for count in counts:
            torch.set_num_threads(count)
            with torch.enable_grad(), torch.random.fork_rng(devices=[]):
                fit.solver.step(objective, batch, fit.solver.init(objective), 1.0)
            found.append({name: each.detach().clone() for name, each in objective.parameters.items()})
            fit.put(kept)
    finally:  # Ctrl-C keeps what was found, which this step is no part of
        fit.put(kept)
        torch.set_num_threads(usual)
    return all(torch.equal(each[name], found[0][name]) for each in found for name in each)
