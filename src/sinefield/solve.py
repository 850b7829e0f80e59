"""Find Φ: sample the domains, evaluate jets and residuals, sum, step. The only training loop there is."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield import recipe as recipes
from sinefield.constraint import Constraint, Problem, moved
from sinefield.domains import Domain, FiniteDomain, Samples
from sinefield.jet import jet
from sinefield.kernels import QUANTITIES
from sinefield.recipe import Recipe
from sinefield.solution import Divergence, Observer, Progress, Record, Solution, Stop

CONTINUOUS_PASS = 65_536
"""How many points of a continuous domain count as one pass over it."""

STOCK = 65_536
"""How many points of a finite domain are looked up at a time."""

MEASURED = 4096
"""From how many points metrics are estimated while fitting."""


@dataclass
class _Stream:
    """The endless sequence of batches of one domain; of a finite one each pass visits every point once."""

    domain: Domain
    batch: int
    generator: torch.Generator
    _order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # of what is left of the pass
    _stock: list[Samples] = field(default_factory=list)  # the next batches, last first

    def take(self) -> Samples:
        if not isinstance(self.domain, FiniteDomain):
            return self.domain.draw(self.batch, self.generator)
        size = self.domain.size
        if self.batch >= size:
            return self.domain.at(torch.arange(size))
        if not self._stock:
            self._refill(self.domain)
        return self._stock.pop()

    def _refill(self, domain: FiniteDomain) -> None:
        """Look up points for many batches at once, which takes far less time than one by one."""
        if len(self._order) == 0:
            self._order = torch.randperm(domain.size, generator=self.generator)
        count = max(STOCK // self.batch, 1) * self.batch
        samples, self._order = domain.at(self._order[:count]), self._order[count:]
        starts = range(0, len(samples.points), self.batch)
        self._stock = [_rows(samples, start, start + self.batch) for start in reversed(starts)]

    @property
    def size(self) -> int:
        return _size(self.domain)

    @property
    def steps_per_pass(self) -> int:
        return math.ceil(self.size / self.batch)


@dataclass(frozen=True)
class _System:
    """Constraints grouped by domain, with what each group reads of each field."""

    fields: Mapping[str, nn.Module]
    groups: Sequence[tuple[Domain, Sequence[Constraint], Mapping[str, frozenset[str]]]]

    @classmethod
    def of(cls, fields: Mapping[str, nn.Module], constraints: Sequence[Constraint]) -> _System:
        names = [each.name for each in constraints]
        if not fields or not constraints or len(set(names)) < len(names):
            raise ValueError(
                f"solve needs a field and constraints of different names, got {len(fields)} fields and "
                f"constraints {names}; name each with Constraint(…, name=…)"
            )
        domains = {id(each.domain): each.domain for each in constraints}
        groups = []
        for key, domain in domains.items():
            members = [each for each in constraints if id(each.domain) == key]
            reads = [each.needs(fields) for each in members]
            for member, read in zip(members, reads, strict=True):
                if not any(read.values()):
                    raise ValueError(
                        f"the residual of constraint {member.name!r} reads nothing of any field; "
                        "it must depend on u.value, u.gradient or another quantity of a jet"
                    )
            groups.append((domain, members, {name: frozenset().union(*(r[name] for r in reads)) for name in fields}))
        return cls(fields, groups)

    @property
    def order(self) -> int:
        """The highest derivative that any constraint reads."""
        return max(QUANTITIES[quantity] for *_, reads in self.groups for need in reads.values() for quantity in need)

    def accumulate(self, batches: Sequence[Samples], device: torch.device) -> dict[str, Tensor]:
        """Return the terms of the weighted sum over ``batches``; its gradient is added to that of the parameters."""
        terms: dict[str, Tensor] = {}
        for (_, members, reads), batch in zip(self.groups, batches, strict=True):
            count = len(batch.points)
            size = min(kernels.block_size(each, reads[name]) for name, each in self.fields.items())
            for start in range(0, count, size):
                block = moved(_rows(batch, start, start + size), device)
                share = len(block.points) / count  # norms are averages, so blocks add up by their share
                for name, loss in self._descend(block, members, reads, share).items():
                    terms[name] = terms[name] + loss if name in terms else loss
        return terms

    def _descend(
        self, block: Samples, members: Sequence[Constraint], reads: Mapping[str, frozenset[str]], share: float
    ) -> dict[str, Tensor]:
        """Return the terms of one block; their gradient is added, and all that it took is forgotten."""
        jets = {name: jet(each, block.points, reads[name]) for name, each in self.fields.items()}
        losses = {each.name: share * each.loss(jets, block.targets) for each in members}
        torch.stack(list(losses.values())).sum().backward()
        return {name: loss.detach() for name, loss in losses.items()}


def _rows(samples: Samples, start: int, stop: int) -> Samples:
    return Samples(samples.points[start:stop], {name: each[start:stop] for name, each in samples.targets.items()})


def solve(
    unknown: Problem | nn.Module | Mapping[str, nn.Module],
    constraints: Sequence[Constraint] = (),
    recipe: str | Recipe = "fast",
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    observe: Observer | None = None,
    **changes: Any,
) -> Solution:
    """Find Φ such that every constraint C_m(x, a_m(x), Φ, ∇Φ, ΔΦ, …) = 0 on Ω_m holds as well as can be.

    Minimises Σ_m weight_m · norm_m(C_m) over the parameters of the fields by stochastic gradients, points
    being drawn from each domain. Which derivatives are computed is found by looking at what residuals read;
    constraints on one domain object share one evaluation.

    Args:
        unknown: a problem, which brings its own field and constraints; or a field; or fields by name.
        constraints: C_1 … C_M, for ``unknown`` fields.
        recipe: how, by name or as a value; a name is made to fit the order of the constraints.
        seed: of the initial weights of a problem's field, and of the sampling.
        device: where to compute; None: where the field is.
        observe: called after each step; the time it takes is not counted.
        **changes: settings of the recipe to replace, such as ``passes=5`` or ``seconds=10``.

    Returns:
        The solution. The fields given are trained in place, and left in evaluation mode.

    Raises:
        ValueError: nothing to solve, two constraints of one name, a residual that asks for an unknown name,
            an unknown recipe or setting.

    >>> from sinefield.domains import Box
    >>> from sinefield.siren import Siren
    >>> _ = torch.manual_seed(0)
    >>> omega = Box([-1.0], [1.0])  # u' = 2x with u(±1) = 1: the solution is u = x²
    >>> u = Siren(1, 1, hidden_features=32, hidden_layers=1, first_omega=5)
    >>> solution = solve(u, [
    ...     Constraint(omega, lambda u: u.gradient - 2 * u.points, name="slope"),
    ...     Constraint(omega.boundary, lambda u: u.value - 1, name="ends"),
    ... ], passes=8, batch=256, learning_rate=2e-3)
    >>> bool((u(torch.tensor([[0.5]])) - 0.25).abs() < 0.05)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(unknown, Problem):
            if constraints:
                raise ValueError("a problem brings its own constraints; give further ones with a field instead")
            problem = unknown
            # A problem's field depends on the recipe's frequency and the recipe on the order of the
            # constraints, which any field of the problem shows.
            order = _System.of({"u": problem.network(30.0)}, problem.constraints).order
            chosen = _chosen(recipe, order, changes)
            torch.manual_seed(seed)
            fields: dict[str, nn.Module] = {"u": problem.network(chosen.first_omega)}
            system = _System.of(_on(fields, device), problem.constraints)
        else:
            fields = {"u": unknown} if isinstance(unknown, nn.Module) else dict(unknown)
            system = _System.of(_on(fields, device), constraints)
            first = next(iter(fields.values()))
            problem = Problem("constraints", constraints, network=lambda _omega: first)
            chosen = _chosen(recipe, system.order, changes)
        search = _Search(system, problem, chosen, seed)
        stopped = search.run(observe)
    main = search.main
    metrics = problem.measure(main, None)
    solution = Solution(main, system.fields, problem, chosen, search.history, metrics, stopped, seed)
    if stopped == "diverged":
        warnings.warn(solution.advice, Divergence, stacklevel=2)
    return solution


def _chosen(recipe: str | Recipe, order: int, changes: Mapping[str, Any]) -> Recipe:
    chosen = recipes.named(recipe, order) if isinstance(recipe, str) else recipe
    return chosen.changed(**changes) if changes else chosen


def _on(fields: Mapping[str, nn.Module], device: str | torch.device | None) -> dict[str, nn.Module]:
    return {name: each if device is None else each.to(device) for name, each in fields.items()}


def _size(domain: Domain) -> int:
    """Return how many points make a pass."""
    return domain.size if isinstance(domain, FiniteDomain) else CONTINUOUS_PASS


class _Search:
    """The state of one descent, which trains the fields of a system in place."""

    def __init__(self, system: _System, problem: Problem, recipe: Recipe, seed: int) -> None:
        self.system, self.problem, self.recipe = system, problem, recipe
        self.main = next(iter(system.fields.values()))
        self.parameters = [each for one in system.fields.values() for each in one.parameters() if each.requires_grad]
        self.optimisers = recipe.optimisers(list(system.fields.values()))
        self.rates = [(group, group["lr"]) for each in self.optimisers for group in each.param_groups]
        generator = torch.Generator().manual_seed(seed)
        self.streams = [_Stream(domain, recipe.batch or _size(domain), generator) for domain, *_ in system.groups]
        self.steps_per_pass = max(each.steps_per_pass for each in self.streams)
        self.step = 0
        self.history: list[Record] = []
        self.totals: dict[str, Tensor] = {}  # of each loss since the last record
        # The loss of a record is that of steps begun at the parameters of the record before, which are kept for it.
        self.begun = [each.detach().clone() for each in self.parameters]
        self.best, self.best_loss = self.begun, math.inf
        self.clock = _Clock()

    def run(self, observe: Observer | None) -> Stop:
        """Return what ended the search: steps are taken until the budget is used, or something else happens."""
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
                self.descend(self.recipe.rate_at(fraction))
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

    def descend(self, rate: float) -> None:
        """Take one step, at ``rate`` times the learning rates."""
        for group, full_rate in self.rates:
            group["lr"] = full_rate * rate
        for each in self.optimisers:
            each.zero_grad()
        device = self.parameters[0].device
        for name, term in self.system.accumulate([stream.take() for stream in self.streams], device).items():
            self.totals[name] = self.totals[name] + term if name in self.totals else term
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        for each in self.optimisers:
            each.step()
        self.step += 1

    def record(self) -> Record:
        """Return what the steps since the last record reached, and keep the parameters if they are the best so far."""
        steps = self.step - (self.history[-1].step if self.history else 0)
        losses = {name: float(total) / steps for name, total in self.totals.items()}
        self.totals = {}
        loss = sum(losses.values()) if self.intact else math.nan  # a last step can spoil what no loss has seen
        metrics = self.problem.measure(self.main, MEASURED) if math.isfinite(loss) else {}
        record = Record(self.step, self.step / self.steps_per_pass, self.clock.seconds, loss, losses, metrics)
        self.history.append(record)
        if loss < self.best_loss:
            self.best, self.best_loss = self.begun, loss
        self.begun = [each.detach().clone() for each in self.parameters]
        return record

    def reached(self, record: Record) -> bool:
        """Return whether the PSNR asked for is reached: by the estimate, and then by all points."""
        wanted = self.recipe.psnr
        return (
            wanted is not None
            and record.metrics.get("psnr", -math.inf) >= wanted
            and self.problem.measure(self.main, None).get("psnr", -math.inf) >= wanted
        )

    def interrupted(self) -> Stop:
        """Return that the search was interrupted, once what it found is noted, or put right."""
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


class _Clock:
    """Counts the seconds between each start and stop."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._before + running

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self) -> float:
        self._before, self._started = self.seconds, None
        return self._before
