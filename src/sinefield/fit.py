"""The state of a fit: fields, the solver's state, samplers, step, records and clock; and how one begins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield import recipe as recipes
from sinefield.approach import Approach
from sinefield.constraint import Constraint
from sinefield.domains import Domain, FiniteDomain
from sinefield.history import Clock, Record
from sinefield.kernels import Execution, matmul
from sinefield.objective import Batch, Objective
from sinefield.problem import Problem
from sinefield.recipe import SOLVED, Changes, Recipe
from sinefield.sampler import Sampler, pass_size
from sinefield.solution import Speed, Stop
from sinefield.solvers import BestSoFar

_Unknown = Problem | nn.Module | Mapping[str, nn.Module]

MEASURED: Final = 4096
"""From how many points metrics are estimated while fitting."""

COMPILED_FROM: Final = 1.5e13
"""The FLOP of a fit on a CPU from which compiling repays its seconds: about a minute's on two cores."""


_GOALS: Final = {"psnr", "until"}  # settings of a recipe
_OF_PICTURES: Final = ("", "psnr")  # metrics that a goal of a picture's values is of
_OF_VALUES: Final = (*_OF_PICTURES, "mse", "snr")
_NAMED: Final = 64  # points that are measured to know the names of metrics


@final
class Fit:
    """The state of one fit, which trains the unknowns of an objective in place; :func:`sinefield.solve.run` runs it.

    Args:
        objective: what is made small.
        problem: that the objective is of, for its metrics.
        recipe: how.
        seed: of the sampling.
        compiled: whether kernels are compiled; None: as is faster over the whole fit.
    """

    def __init__(
        self, objective: Objective, problem: Problem, recipe: Recipe, seed: int, compiled: bool | None = None
    ) -> None:
        self.objective, self.problem, self.recipe = objective, problem, recipe
        self.samplers = [
            Sampler(group.domain, _batch_of(recipe, group.domain), seed, stream, dtype=objective.precision)
            for stream, group in enumerate(objective.groups)
        ]
        self.steps_per_pass = max(each.steps_per_pass for each in self.samplers)
        # Twice a pass, and rarely enough that measuring costs a small part of the fit.
        size = max(sampler.size for sampler in self.samplers)
        rarely = 4 * min(MEASURED, size) * self.steps_per_pass / size
        self.record_every = max(1, self.steps_per_pass // 2, math.ceil(rarely))
        self.solver = BestSoFar(recipe.solver, self.record_every)
        self.state = self.solver.init(objective)
        self.step = 0
        self.history: list[Record] = []
        self.totals: dict[str, Tensor] = {}  # of each loss since the last record
        self.clock = Clock(problem.spent)
        self.approach = None if recipe.until is None else Approach(recipe.until, recipe)
        self.execution = self._execution(compiled)

    def _execution(self, compiled: bool | None) -> Execution:
        """Return how jets are computed."""
        device = self.objective.device
        if compiled is None:
            # On a CPU the gain is in sines and cosines, which weigh little where derivatives are carried.
            compiled = device.type != "cpu" or (self.objective.order == 0 and self.is_long)
        return kernels.execution(device, compiling=compiled, rounding=self.recipe.rounding)

    @property
    def work_per_step(self) -> float:
        """FLOP of the jets of a step and of their gradients."""
        pairs = zip(self.samplers, self.objective.work, strict=True)
        return sum(sampler.points_per_step * each for sampler, each in pairs)

    @property
    def is_long(self) -> bool:
        """Whether compiling repays its seconds."""
        if self.recipe.seconds is not None:
            return self.recipe.seconds >= COMPILED_FROM / matmul.trial(torch.get_num_threads()).best
        passes = self.approach.planned if self.approach is not None else self.recipe.passes
        return (passes or 0) * self.steps_per_pass * self.work_per_step >= COMPILED_FROM

    @property
    def passes(self) -> float:
        """How often each point has been visited."""
        return self.step / self.steps_per_pass

    @property
    def seconds(self) -> float:
        """Time spent fitting, by the last record."""
        return self.history[-1].seconds if self.history else 0.0

    @property
    def speed(self) -> Speed:
        """What was computed in a second, by the last record."""
        steps = self.history[-1].step if self.history else 0
        per_second = steps / self.seconds if self.seconds > 0 else 0.0
        points = sum(each.points_per_step for each in self.samplers)
        on_cpu = self.objective.device.type == "cpu"
        peak = matmul.trial(torch.get_num_threads()).best if on_cpu else math.nan
        return Speed(points * per_second, self.work_per_step * per_second, peak)

    @property
    def fraction(self) -> float:
        """The part of the budget, or of the way to a goal, that is used; all of it where the solver is done."""
        by_passes = self.step / (self.recipe.passes * self.steps_per_pass) if self.recipe.passes else 0.0
        by_time = self.clock.seconds / self.recipe.seconds if self.recipe.seconds else 0.0
        by_goal = self.approach.fraction(self.passes) if self.approach is not None else 0.0
        return max(by_passes, by_time, by_goal, self.solver.is_done(self.state))

    def expected_passes(self, fraction: float) -> float:
        """Return how many passes there will be: of a budget of time, or to a goal, as the steps so far let expect."""
        if self.step == 0 or (self.recipe.seconds is None and self.approach is None):
            return (self.approach.planned if self.approach is not None else self.recipe.passes) or 0.0
        return self.passes / max(fraction, 1e-9)

    # ---- a step

    def begin(self) -> None:
        """Put the unknowns in training, and start the clock."""
        for each in self.objective.unknowns.values():
            each.train()
        self.clock.start()

    def take_step(self, fraction: float) -> None:
        """Take one step, with the rates and the weights of when ``fraction`` of the budget is used."""
        rate = self.recipe.rates(fraction, self.expected_passes(fraction))
        batch = Batch([sampler.take(self.step) for sampler in self.samplers], fraction)
        for name, term in self.solver.step(self.objective, batch, self.state, rate).items():
            self.totals[name] = self.totals[name] + term if name in self.totals else term
        self.step += 1

    def end(self, stopped: Stop) -> None:
        """Leave the unknowns in evaluation, with what was found: noted, or put right."""
        if stopped == "diverged" or not self.intact:
            self.solver.retreat(self.objective, self.state)
        else:
            if stopped == "interrupted" and self.step > (self.history[-1].step if self.history else 0):
                self.record()
            self.put(self.solver.answer(self.state))
        self.clock.stop()
        for parameter in self.objective.parameters.values():
            parameter.grad = None  # of one of many parts it would only take memory
        for each in self.objective.unknowns.values():
            each.eval()

    # ---- records

    def record(self) -> Record:
        """Return what the steps since the last record reached."""
        steps = self.step - (self.history[-1].step if self.history else 0)
        losses = {name: float(total) / steps for name, total in self.totals.items()}
        self.totals = {}
        loss = sum(losses.values()) if self.intact else math.nan  # a last step can spoil what no loss has seen
        metrics: Mapping[str, float] = {}
        if math.isfinite(loss):
            with self.answering():
                metrics = self.problem.measure(self.objective.unknowns, MEASURED)
        record = Record(self.step, self.passes, self.clock.seconds, loss, losses, metrics)
        self.history.append(record)
        if self.approach is not None:
            self.approach.see(record)
        return record

    def has_reached(self, record: Record) -> bool:
        """Return whether the goal is reached: by the estimate, and then by all points."""
        goal = self.recipe.until
        if goal is None or not goal.is_met(goal.read(record.metrics, record.loss)):
            return False
        with self.answering():
            return goal.is_met(goal.read(self.problem.measure(self.objective.unknowns, None), record.loss))

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Put what the solver would return in the place of its parameters for a while."""
        answer = self.solver.answer(self.state)
        if answer is None:
            yield
            return
        kept = {name: each.detach().clone() for name, each in self.objective.parameters.items()}
        self.put(answer)
        try:
            yield
        finally:
            self.put(kept)

    @torch.no_grad()
    def put(self, values: Mapping[str, Tensor] | None) -> None:
        """Set parameters by name; None: none."""
        for name, each in (values or {}).items():
            self.objective.parameters[name].copy_(each)

    @property
    def intact(self) -> bool:
        """Whether the parameters are finite."""
        return all(bool(torch.isfinite(each).all()) for each in self.objective.parameters.values())


def prepare(
    unknown: _Unknown,
    constraints: Sequence[Constraint],
    recipe: str | Recipe,
    changes: Mapping[str, Any],
    *,
    seed: int,
    device: str | torch.device | None,
) -> tuple[Objective, Problem, Recipe]:
    """Return what :func:`solve` solves, with its fields on ``device``; the arguments are those of it.

    Raises:
        ValueError: as for ``solve``.
    """
    unknown, recipe = _settled(unknown, recipe, changes)
    if recipe is SOLVED:  # which is done before any budget of time ends
        changes = {name: each for name, each in changes.items() if name != "seconds"}
    if not isinstance(unknown, Problem):
        fields = {"u": unknown} if isinstance(unknown, nn.Module) else dict(unknown)
        objective = Objective(_on(fields, device), constraints)
        built = {name: partial(_as_it_is, each) for name, each in fields.items()}
        problem = Problem("constraints", constraints, built)
        return objective, problem, _aimed(_chosen(recipe, objective.order, changes).tuned(None), objective, problem)
    if constraints:
        raise ValueError("a problem brings its own constraints; give further ones with a field instead")
    # A problem's fields depend on the recipe's frequency and the recipe on the order of the constraints, which any
    # fields of the problem show.
    order = Objective(unknown.build(30.0), unknown.constraints).order
    chosen = _chosen(recipe, order, changes, unknown.tuning).tuned(unknown.omega)
    torch.manual_seed(seed)
    fields = unknown.build(chosen.first_omega or 30.0)
    objective = Objective(_on(fields, device), unknown.constraints)
    return objective, unknown, _aimed(chosen, objective, unknown)


def _settled(unknown: _Unknown, recipe: str | Recipe, changes: Mapping[str, Any]) -> tuple[_Unknown, str | Recipe]:
    """Return what is solved and how, where that was left to be chosen, or has a field in closed form.

    Raises:
        ValueError: it has none.
    """
    if isinstance(unknown, Problem) and (solved := unknown.solved) is not None:
        goal = SOLVED.changed(**{name: changes[name] for name in _GOALS & changes.keys()}).until
        of_values = goal is None or goal.metric in _OF_VALUES
        if recipe == "solved" or (recipe == "auto" and of_values and changes.keys() <= {"seconds"} | _GOALS):
            psnr = goal.value if goal is not None and goal.metric in _OF_PICTURES else None
            found = solved.problem(unknown, asked=recipe == "solved", psnr=psnr)
            return (unknown, recipe) if found is None else (found, SOLVED)
    if recipe == "solved":
        raise ValueError(
            "a field is solved for where samples on a lattice are fitted on their values, or pixels on their gradients "
            "or their Laplacian alone, by a network and tiles that are not chosen; choose one of "
            f"{', '.join(recipes.RECIPES)} here"
        )
    return unknown, recipe


def _aimed(recipe: Recipe, objective: Objective, problem: Problem) -> Recipe:
    """Return a recipe whose goal is of a metric that the problem has."""
    if recipe.until is None:
        return recipe
    return replace(recipe, until=recipe.until.among(problem.measure(objective.unknowns, _NAMED)))


def _as_it_is(field: nn.Module, _omega: float) -> nn.Module:
    return field


def _chosen(
    recipe: str | Recipe, order: int, changes: Mapping[str, Any], tuning: Mapping[str, Changes] | None = None
) -> Recipe:
    chosen = recipes.named(recipe, order, tuning) if isinstance(recipe, str) else recipe
    return chosen.changed(**changes) if changes else chosen


def _on(fields: Mapping[str, nn.Module], device: str | torch.device | None) -> dict[str, nn.Module]:
    return {name: each if device is None else each.to(device) for name, each in fields.items()}


def _batch_of(recipe: Recipe, domain: Domain) -> int:
    """Return how many points a step takes from a domain."""
    problems = domain.problems if isinstance(domain, FiniteDomain) else 1
    return recipe.batch_of(pass_size(domain) // problems) * problems
