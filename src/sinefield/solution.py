"""Solutions: a field, what it solves and how it was found; and what is noted on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield import __version__, checkpoint
from sinefield.history import Record
from sinefield.kinds.kind import imported
from sinefield.problem import Problem
from sinefield.recipe import Recipe
from sinefield.snapshot import Snapshot
from sinefield.solvers.adam import learning_rate_of
from sinefield.verdict import judge


class Divergence(RuntimeWarning):
    """The loss became infinite or NaN; the best field before that is kept."""


@final
@dataclass(frozen=True)
class Progress:
    """What an observer sees after each step.

    Args:
        fields: the unknowns by name, as they are.
        step: steps taken.
        passes: how often each point has been visited.
        seconds: time spent fitting.
        fraction: the part of the budget that is used.
        record: the last one; None: there is none yet.
        notice: what is to be known meanwhile, in a line, such as that a goal is out of reach; empty: nothing.
    """

    fields: Mapping[str, nn.Module]
    step: int
    passes: float
    seconds: float
    fraction: float
    record: Record | None
    notice: str = ""

    @property
    def field(self) -> nn.Module:
        """The main unknown."""
        return next(iter(self.fields.values()))


Observer = Callable[[Progress], None]
Stop = Literal["budget", "goal", "interrupted", "diverged"]


@final
@dataclass(frozen=True)
class Speed:
    """What a fit computed in a second.

    Args:
        points: at which constraints were evaluated and differentiated.
        flop: of that, 6 for each weight and row carried; sines, the optimiser and metrics are left out.
        peak: FLOP per second of the machine's fastest float32 product; NaN where it is not known.
    """

    points: float
    flop: float
    peak: float

    @property
    def fraction(self) -> float:
        """The part of the machine's peak that was used."""
        return self.flop / self.peak


@final
@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Fields, and how they were found.

    Args:
        fields: every unknown by name, the main one first.
        problem: what they solve.
        recipe: how they were found.
        history: what was reached when.
        metrics: what was reached, from all points.
        stopped: why the search ended: its ``budget`` was used, the ``goal`` reached, it was ``interrupted``
            or it ``diverged``.
        seed: of the initial weights and of the sampling.
        speed: what was computed in a second.
        snapshot: to go on from, of a search that was interrupted and shall be resumed.
    """

    fields: Mapping[str, nn.Module]
    problem: Problem
    recipe: Recipe
    history: Sequence[Record]
    metrics: Mapping[str, float]
    stopped: Stop
    seed: int
    speed: Speed
    snapshot: Snapshot | None = None

    def __repr__(self) -> str:
        reached = "".join(f", {name} {each:.4g}" for name, each in self.metrics.items())
        return f"<Solution of {self.problem.name}: {', '.join(self.fields)}{reached}, in {self.seconds:.3g} s>"

    def _repr_html_(self) -> str:
        """Return what notebooks show: a picture and what was reached; see :mod:`sinefield.integrations.display`."""
        shown: str = imported("sinefield.integrations.display:html_of")(self)
        return shown

    @property
    def field(self) -> nn.Module:
        """The main unknown."""
        return next(iter(self.fields.values()))

    @property
    def seconds(self) -> float:
        """Time spent fitting."""
        return self.history[-1].seconds if self.history else 0.0

    @property
    def omega_found(self) -> bool:
        """Whether ω₀ of the first layer was chosen from the spectrum of the signal."""
        omega = getattr(self.field, "settings", {}).get("first_omega")
        return omega is not None and omega == self.problem.omega

    @property
    def converged(self) -> bool:
        """Whether an equation is solved: every constraint holds at points held out, and they determine the solution.

        Raises:
            ValueError: the problem is no equation, and has no residual to judge by.
        """
        if self.problem.accuracy is None:
            raise ValueError(
                f"the problem {self.problem.name!r} is no equation; its metrics tell how well it is fitted"
            )
        return judge(self.metrics, self.problem.accuracy)[0]

    @property
    def verdict(self) -> str:
        """Whether an equation is solved and its solution determined, in a sentence; if not, what keeps it from that.

        Raises:
            ValueError: as for :attr:`converged`.
        """
        _ = self.converged
        return judge(self.metrics, self.problem.accuracy or 0.0)[1]

    @property
    def advice(self) -> str:
        """What to do after a divergence; empty if there was none."""
        if self.stopped != "diverged":
            return ""
        last = self.history[-1]
        return (
            f"the loss became {last.loss} by step {last.step}, and the best field before that is kept; lower the "
            f"learning rate (it was {learning_rate_of(self.recipe.solver):g}) or the frequency of the first layer"
        )

    @property
    def shortfall(self) -> str:
        """How far a search that used its budget is from its goal, and what to try; empty if it has none or is there."""
        goal = self.recipe.until
        loss = self.history[-1].loss if self.history else math.nan
        if goal is None or self.stopped == "diverged" or goal.is_met(goal.read(self.metrics, loss)):
            return ""
        reached = goal.told(goal.read(self.metrics, loss))
        more = "a larger budget, more features or layers" + (
            ", or the recipe best" if self.recipe.name == "fast" else ""
        )
        return f"{goal.told(goal.value)} was not reached: the best is {reached}, which is kept; try {more}"

    def render(self, size: tuple[int, ...] | None = None, **options: Any) -> NDArray[np.float32]:
        """Return the signal sampled from the field at any resolution; see the signal's own ``sample``.

        Raises:
            ValueError: the problem is not a signal.
        """
        if self.problem.signal is None:
            raise ValueError(f"the problem {self.problem.name!r} is not a signal; call solution.field(points) instead")
        return self.problem.signal.sample(self.field, size, **options)

    def save(self, path: str | Path) -> None:
        """Write the fields to a file that :func:`sinefield.load` reads; see :mod:`sinefield.checkpoint`."""
        checkpoint.save(
            path,
            self.fields,
            snapshot=self.snapshot,
            **describe(self.problem, self.recipe, self.seed),
            metrics=dict(self.metrics),
        )


def describe(problem: Problem, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return what is stored with fields of their search, as JSON."""
    return {
        "signal": None if problem.signal is None else problem.signal.to_json(),
        "problem": problem.name,
        "source": None if problem.source is None else problem.source.to_json(),
        "recipe": recipe.to_json(),
        "seed": seed,
        "sinefield": __version__,
    }
