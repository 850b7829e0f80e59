"""The only training loop there is: batches, gradients, steps, records, until the budget is used."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.kernels import Execution, matmul
from sinefield.objective import Stream, System, pass_size
from sinefield.problem import Problem
from sinefield.recipe import Recipe
from sinefield.solution import Observer, Progress, Record, Speed, Stop

MEASURED = 4096
"""From how many points metrics are estimated while fitting."""

COMPILED_FROM = 1.5e13
"""The FLOP of a fit on a CPU from which compiling repays its seconds: about a minute's on two cores."""


class Descent:
    """The state of one descent, which trains the fields of a system in place.

    Args:
        system: what is solved.
        problem: that the system is of, for its metrics.
        recipe: how.
        seed: of the sampling.
    """

    def __init__(self, system: System, problem: Problem, recipe: Recipe, seed: int) -> None:
        self.system, self.problem, self.recipe = system, problem, recipe
        self.main = next(iter(system.fields.values()))
        self.parameters = [each for one in system.fields.values() for each in one.parameters() if each.requires_grad]
        self.optimisers = recipe.optimisers(list(system.fields.values()))
        self.rates = [(group, group["lr"]) for each in self.optimisers for group in each.param_groups]
        generator = torch.Generator().manual_seed(seed)
        self.streams = [Stream(domain, recipe.batch_of(pass_size(domain)), generator) for domain, *_ in system.groups]
        self.steps_per_pass = max(each.steps_per_pass for each in self.streams)
        self.step = 0
        self.history: list[Record] = []
        self.totals: dict[str, Tensor] = {}  # of each loss since the last record
        # The loss of a record is that of steps begun at the parameters of the record before, which are kept for it.
        self.begun = [each.detach().clone() for each in self.parameters]
        self.best, self.best_loss = self.begun, math.inf
        self.averages = [each.detach().clone() for each in self.parameters] if recipe.average else []
        self.clock = Clock()

    def execution(self, *, compiled: bool | None) -> Execution:
        """Return how jets are computed; ``compiled`` None: as is faster over the whole descent."""
        device = self.parameters[0].device
        if compiled is None:
            # On a CPU the gain is in sines and cosines, which weigh little where derivatives are carried.
            compiled = device.type != "cpu" or (self.system.order == 0 and self.is_long)
        return kernels.execution(device, compiling=compiled, rounding=self.recipe.backward == "bfloat16")

    @property
    def work_per_step(self) -> float:
        """FLOP of the jets of a step and of their gradients."""
        work = zip(self.streams, self.system.work, strict=True)
        return sum(min(stream.batch, stream.size) * each for stream, each in work)

    @property
    def is_long(self) -> bool:
        """Whether compiling repays its seconds."""
        if self.recipe.seconds is not None:
            return self.recipe.seconds >= COMPILED_FROM / matmul.trial(torch.get_num_threads()).best
        return (self.recipe.passes or 0) * self.steps_per_pass * self.work_per_step >= COMPILED_FROM

    @property
    def speed(self) -> Speed:
        """What was computed in a second, by the last record."""
        steps, seconds = (self.history[-1].step, self.history[-1].seconds) if self.history else (0, 0.0)
        per_second = steps / seconds if seconds > 0 else 0.0
        points = sum(min(each.batch, each.size) for each in self.streams)
        on_cpu = self.parameters[0].device.type == "cpu"
        peak = matmul.trial(torch.get_num_threads()).best if on_cpu else math.nan
        return Speed(points * per_second, self.work_per_step * per_second, peak)

    def run(self, observe: Observer | None) -> Stop:
        """Return what ended the descent: steps are taken until the budget is used, or something else happens."""
        stopped = self._run(observe)
        if stopped != "diverged":
            self._swap_averages()
        return stopped

    def _run(self, observe: Observer | None) -> Stop:
        # Twice a pass, and rarely enough that measuring costs a small part of the fit.
        size = max(stream.size for stream in self.streams)
        rarely = 4 * min(MEASURED, size) * self.steps_per_pass / size
        record_every = max(1, self.steps_per_pass // 2, math.ceil(rarely))
        for each in self.system.fields.values():
            each.train()
        self.clock.start()
        try:
            fraction = 0.0
            while fraction < 1:
                self.descend(fraction)
                fraction = self.fraction  # looked at once, so that the last step is always recorded
                if self.step % record_every == 0 or fraction >= 1:
                    record = self.record()
                    if not math.isfinite(record.loss):
                        self.restore()
                        return "diverged"
                    if self.reached(record):
                        return "psnr"
                if observe is not None:
                    seconds = self.clock.stop()
                    passes = self.step / self.steps_per_pass
                    last = self.history[-1] if self.history else None
                    observe(Progress(self.main, self.step, passes, seconds, min(fraction, 1.0), last))
                    self.clock.start()
        except KeyboardInterrupt:
            return self.interrupted()
        finally:
            for each in self.system.fields.values():
                each.eval()
        return "budget"

    @property
    def fraction(self) -> float:
        """How much of the budget is used."""
        by_passes = self.step / (self.recipe.passes * self.steps_per_pass) if self.recipe.passes else 0.0
        by_time = self.clock.seconds / self.recipe.seconds if self.recipe.seconds else 0.0
        return max(by_passes, by_time)

    def expected(self, fraction: float) -> float:
        """Return how many passes there will be: of a budget of time as the steps so far let expect."""
        if self.recipe.seconds is None or self.step == 0:
            return self.recipe.passes or 0.0
        return self.step / self.steps_per_pass / max(fraction, 1e-9)

    def descend(self, fraction: float) -> None:
        """Take one step, with the rates and the weights of when ``fraction`` of the budget is used."""
        rate = self.recipe.rate_at(fraction) * self.recipe.slowed(self.expected(fraction))
        for group, full_rate in self.rates:
            group["lr"] = full_rate * rate
        for each in self.optimisers:
            each.zero_grad()
        device = self.parameters[0].device
        batches = [stream.take() for stream in self.streams]
        for name, term in self.system.accumulate(batches, device, fraction).items():
            self.totals[name] = self.totals[name] + term if name in self.totals else term
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        for each in self.optimisers:
            each.step()
        self.step += 1
        if self.averages:
            # The first steps count fully, so that the start is forgotten.
            weight = max(1 - self.recipe.average, 1 / (self.step + 1))
            torch._foreach_lerp_(self.averages, [each.detach() for each in self.parameters], weight)

    def record(self) -> Record:
        """Return what the steps since the last record reached, and keep the parameters if they are the best so far."""
        steps = self.step - (self.history[-1].step if self.history else 0)
        losses = {name: float(total) / steps for name, total in self.totals.items()}
        self.totals = {}
        loss = sum(losses.values()) if self.intact else math.nan  # a last step can spoil what no loss has seen
        metrics: Mapping[str, float] = {}
        if math.isfinite(loss):
            with self.averaged():
                metrics = self.problem.measure(self.system.fields, MEASURED)
        record = Record(self.step, self.step / self.steps_per_pass, self.clock.seconds, loss, losses, metrics)
        self.history.append(record)
        if loss < self.best_loss:
            self.best, self.best_loss = self.begun, loss
        self.begun = [each.detach().clone() for each in self.parameters]
        return record

    def reached(self, record: Record) -> bool:
        """Return whether the PSNR asked for is reached: by the estimate, and then by all points."""
        wanted = self.recipe.psnr
        if wanted is None or record.metrics.get("psnr", -math.inf) < wanted:
            return False
        with self.averaged():
            return self.problem.measure(self.system.fields, None).get("psnr", -math.inf) >= wanted

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averages of the parameters in their place for a while, if there are any."""
        self._swap_averages()
        try:
            yield
        finally:
            self._swap_averages()

    def _swap_averages(self) -> None:
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.averages, strict=False):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)

    def interrupted(self) -> Stop:
        """Return that the descent was interrupted, once what it found is noted, or put right."""
        if not self.intact:
            self.restore()
        elif self.step > (self.history[-1].step if self.history else 0):
            self.record()
        return "interrupted"

    @property
    def intact(self) -> bool:
        """Whether the parameters are finite."""
        return all(bool(torch.isfinite(each).all()) for each in self.parameters)

    def restore(self) -> None:
        """Put the best parameters back."""
        with torch.no_grad():
            for parameter, kept in zip(self.parameters, self.best, strict=True):
                parameter.copy_(kept)


class Clock:
    """Counts the seconds between each start and stop."""

    def __init__(self) -> None:
        self._before = 0.0
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
