"""Recipes: how Φ is found. A recipe is a frozen value: solver, schedule, batch, frequency, budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypedDict, final

from sinefield.goal import Goal
from sinefield.solvers import Adam, Averaged, Clipped, Constant, Cosine, Muon, Prepared, Schedule, Solver
from sinefield.solvers.adam import setting_of


class Changes(TypedDict, total=False):
    """Settings of a recipe, of its solver or of its schedule that override its own; see :meth:`Recipe.changed`."""

    solver: Solver
    learning_rate: float
    matrix_rate: float
    betas: tuple[float, float]
    clip: float
    final_rate: float
    batch: int | None
    passes: float
    pace: float
    first_omega: float


@final
@dataclass(frozen=True)
class Proportional:
    """A batch that grows with the domain: the power of two next to its size over ``steps``, within bounds.

    A few hundred steps find what there is to be found at the full rate; beyond that the noise of small batches keeps
    detail from being fitted, and the more the more samples there are.

    Args:
        steps: that a pass takes, about.
        least: points of a step, at least.
        most: points of a step, at most.
    """

    steps: int = 32
    least: int = 1024
    most: int = 4096

    def of(self, size: int) -> int:
        """Return how many points a step takes from a domain of ``size``.

        >>> [Proportional().of(size) for size in (100, 65_536, 10**6)]
        [1024, 2048, 4096]
        """
        return int(min(max(2 ** round(math.log2(max(size, 1) / self.steps)), self.least), self.most))


@final
@dataclass(frozen=True)
class Recipe:
    """How Φ is found.

    Args:
        name: under which it is stored with a field.
        solver: what takes a step.
        schedule: of the solver's rates, over the budget.
        batch: points a step takes from each domain, for each of the problems that are solved side by side; None: all
            points of a finite domain; or a rule.
        rounding: whether the factors of hidden layers' backward products are rounded to bfloat16 where the machine is
            faster so: gradients are then right to a few thousandths; values and jets stay exact.
        first_omega: ω₀ of the first layer of the field that a problem builds; None: from the signal's spectrum, see
            :meth:`tuned`.
        passes: budget: how often each point is visited; a pass over a continuous domain is 65,536 points.
        seconds: budget: time spent fitting; it takes the place of ``passes`` in the schedule.
        pace: the passes that the rates are made for. A longer fit takes them √(passes / pace) smaller: at the full
            rate for so long, the noise of its batches would carry it away from detail. None: whatever its length.
        until: stop as soon as this goal is reached, see :class:`sinefield.goal.Goal`; a schedule that falls is spread
            over as many passes of the budget as that takes.

    Raises:
        ValueError: a batch or budget that is not positive, or a goal that cannot be reached.
    """

    name: str
    solver: Solver = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Cosine)
    batch: int | Proportional | None = 1024
    rounding: bool = False
    first_omega: float | None = 30.0
    passes: float | None = 20.0
    seconds: float | None = None
    until: Goal | None = None
    pace: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be followed.

        Raises:
            ValueError: as the class says.
        """
        for name in ("batch", "first_omega", "passes", "seconds", "pace"):
            value = getattr(self, name)
            if value is None or isinstance(value, Proportional):
                continue
            if isinstance(value, str) or not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} of a recipe must be a positive number, got {value!r}")
        if not isinstance(self.until, Goal | None):
            raise ValueError(f"until of a recipe is a Goal, as Goal.of('psnr=40') gives; got {self.until!r}")
        if self.passes is None and self.seconds is None:
            raise ValueError("a recipe needs a budget: give passes or seconds")
        if not isinstance(self.solver, Solver) or not isinstance(self.schedule, Schedule):
            raise ValueError(
                f"a recipe has a solver and a schedule of sinefield.solvers, such as Adam() and Cosine(); got "
                f"{self.solver!r} and {self.schedule!r}"
            )

    @property
    def is_first_order(self) -> bool:
        """Whether the solver goes by a learning rate: it then takes as many steps as it is given."""
        return setting_of(self.solver, "learning_rate") is not None

    @property
    def plans(self) -> bool:
        """Whether the schedule falls, so that it can be spread over the way to a goal."""
        return self.is_first_order and not isinstance(self.schedule, Constant)

    def rates(self, fraction: float, passes: float) -> float:
        """Return the factor of the rates when a part of the schedule is used, of a fit of so many passes."""
        return self.schedule.rate_at(fraction) * self.slowed(passes)

    def slowed(self, passes: float) -> float:
        """Return the factor of the rates of a fit of so many passes.

        >>> named("fast").slowed(64), named("fast").slowed(8)
        (0.5, 1.0)
        """
        return 1.0 if self.pace is None else min(1.0, math.sqrt(self.pace / max(passes, 1e-9)))

    def batch_of(self, size: int) -> int:
        """Return how many points a step takes from a domain of ``size``."""
        return self.batch.of(size) if isinstance(self.batch, Proportional) else self.batch or size

    def tuned(self, omega: float | None) -> Recipe:
        """Return this recipe with ω₀ chosen, where it is left open.

        Args:
            omega: that of the problem, from the spectrum of its signal; None: 30, the published one.

        >>> named("fast").tuned(80.0).first_omega
        80.0
        """
        return self if self.first_omega is not None else replace(self, first_omega=omega or 30.0)

    def changed(self, **changes: Any) -> Recipe:
        """Return this recipe with settings replaced: its own, its solver's or its schedule's.

        ``seconds`` alone lifts the limit on passes; ``until``, a number, a text or a goal, alone makes it five times
        as large where the schedule falls, and ``psnr=40`` is short for ``until="psnr=40"``; ``clip`` and ``average``
        are put around a solver that has none.

        Raises:
            ValueError: there is no such setting, or the value is refused.
        """
        if changes.get("seconds") is not None and changes.get("passes") is None:
            changes["passes"] = None
        if changes.get("psnr") is not None:
            changes["until"] = Goal("psnr", changes["psnr"])
        changes.pop("psnr", None)
        if changes.get("until") is not None:
            changes["until"] = Goal.of(changes["until"])
        own = {each.name for each in fields(self)}
        mine = {name: value for name, value in changes.items() if name in own}
        solver: Solver = mine.pop("solver", self.solver)
        inner = {name: value for name, value in changes.items() if name not in own}
        if "final_rate" in inner:
            mine["schedule"] = Cosine(inner.pop("final_rate"))
        for name, around in (("clip", Clipped), ("average", Averaged)):
            if name in inner and setting_of(solver, name) is None:
                solver = around(solver, inner.pop(name))
        unknown = [name for name in inner if setting_of(solver, name) is None]
        if unknown:
            raise ValueError(
                f"a recipe has no such setting: {', '.join(unknown)}; it has {', '.join(sorted(own))}, and its "
                f"solver those of {solver}"
            )
        if inner:
            solver = solver.changed(**inner)
        changed = replace(self, solver=solver, **mine)
        if mine.get("until") is None or "passes" in mine or not (changed.plans and changed.passes):
            return changed
        return replace(changed, passes=BEST_PASSES * changed.passes)  # it ends sooner where the goal is nearer

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON."""
        others = ("batch", "rounding", "first_omega", "passes", "seconds", "pace")
        return {
            "name": self.name,
            **self.solver.to_json(),
            "schedule": type(self.schedule).__name__.lower(),
            **asdict(self.schedule),  # type: ignore[call-overload]  # schedules are dataclasses
            **{name: getattr(self, name) for name in others},
            "until": None if self.until is None else asdict(self.until),
            **({"batch": asdict(self.batch)} if isinstance(self.batch, Proportional) else {}),
        }


PUBLISHED = Recipe("published", Adam(1e-4, (0.9, 0.999)), Constant(), batch=None, passes=1000)
"""Full batch, Adam at 1e-4, ω₀ = 30: arXiv 2006.09661 and its released code."""

_FAST: Mapping[int, Recipe] = {
    # Muon on evenly spread batches leaves less noise between the samples, which derivatives show most. Larger steps,
    # more passes or a higher ω₀ fit the samples better and what lies between them worse.
    0: Recipe(
        "fast",
        Muon(1.3e-3, rest=Adam(5e-4, (0.9, 0.95)), iterations=3),
        Cosine(0.05),
        batch=Proportional(),
        rounding=True,
        first_omega=None,
        passes=16,
        pace=16,
    ),
    # Derivatives weigh an error of frequency k by k or k²: the loss is ill-conditioned, Adam has to go slowly
    # (at 5e-4 it collapses) and leaves low frequencies unfitted. Muon moves every direction of a matrix alike,
    # and the larger the batch, the less noise drowns the low frequencies, whose share of the loss is small.
    1: Recipe("fast", Muon(1e-3, rest=Adam(4e-4)), batch=4096, passes=60),
    # A Laplacian is nearly all high frequencies: a high ω₀ starts from them.
    2: Recipe("fast", Muon(5e-4, rest=Adam(1e-4)), batch=1024, first_omega=120.0, passes=15),
}

SOLVED = Recipe("solved", Prepared(None, math.inf), Constant(), passes=1)
"""Of fields that follow in closed form, see :mod:`sinefield.problems.solved`: nothing is left to be searched for."""

RECIPES = ("fast", "best", "samples", "published")
"""The recipes of a search by name, that which ``"auto"`` stands for first."""

BEST_PASSES = 5
"""How many times the passes of ``fast`` the recipe ``best`` takes."""

SAMPLES_RATE = 1.5
"""The rate of hidden matrices of ``samples``, as part of that of ``fast``."""


def named(name: str, order: int = 0, tuning: Mapping[str, Changes] | None = None) -> Recipe:
    """Return a recipe by name, for constraints that read derivatives up to ``order``.

    Args:
        name: ``"fast"``: mini-batches with a cosine schedule, tuned to quality per second for each order;
            ``"best"``: slower, with five times the passes and nothing rounded; ``"samples"``: on values, larger steps,
            for decibels at the samples at the cost of what lies between; ``"published"``: the paper's.
        order: 0 if only values are constrained, 1 for first derivatives, 2 for second ones.
        tuning: settings that a problem overrides, those of ``"fast"``, for ``"best"`` too, and of
            ``"published"``, where what was published for that problem is not what was for pictures.

    Raises:
        ValueError: there is no such recipe, or no such setting.

    >>> type(named("fast", order=1).solver).__name__
    'Muon'
    """
    name = RECIPES[0] if name == "auto" else name
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; choose one of auto, {', '.join(RECIPES)} or solved")
    overridden = tuning or {}
    if name == "published":
        return PUBLISHED.changed(**overridden.get("published", {}))
    fast = _FAST[min(order, 2)].changed(**overridden.get("fast", {}))
    if name == "fast":
        return fast
    if name == "samples":
        rate = None if order else setting_of(fast.solver, "matrix_rate")
        return fast.changed(name=name, **({} if rate is None else {"matrix_rate": SAMPLES_RATE * rate}))
    return fast.changed(name=name, passes=BEST_PASSES * (fast.passes or 0), rounding=False)
