"""Solutions: a field, what it solves and how it was found; and what is noted on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield import __version__, checkpoint
from sinefield.problem import Problem
from sinefield.recipe import Recipe


class Divergence(RuntimeWarning):
    """The loss became infinite or NaN; the best field before that is kept."""


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


@dataclass(frozen=True)
class Progress:
    """What an observer sees after each step: the field as it is, the fraction of the budget used, the last record."""

    field: nn.Module
    step: int
    passes: float
    seconds: float
    fraction: float
    record: Record | None


Observer = Callable[[Progress], None]
Stop = Literal["budget", "psnr", "interrupted", "diverged"]


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


@dataclass(frozen=True, eq=False)
class Solution:
    """A field, and how it was found.

    Args:
        field: Φ; of several unknowns the first.
        fields: every unknown by name.
        problem: what it solves.
        recipe: how it was found.
        history: what was reached when.
        metrics: what was reached, from all points.
        stopped: why the search ended: its ``budget`` was used, the ``psnr`` reached, it was ``interrupted``
            or it ``diverged``.
        seed: of the initial weights and of the sampling.
        speed: what was computed in a second.
    """

    field: nn.Module
    fields: Mapping[str, nn.Module]
    problem: Problem
    recipe: Recipe
    history: Sequence[Record]
    metrics: Mapping[str, float]
    stopped: Stop
    seed: int
    speed: Speed

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
    def advice(self) -> str:
        """What to do after a divergence; empty if there was none."""
        if self.stopped != "diverged":
            return ""
        last = self.history[-1]
        return (
            f"the loss became {last.loss} by step {last.step}, and the best field before that is kept; lower the "
            f"learning rate (it was {self.recipe.learning_rate:g}) or the frequency of the first layer"
        )

    def render(self, size: tuple[int, int] | None = None, **options: Any) -> NDArray[np.float32]:
        """Return the signal sampled from the field at any resolution; see the signal's own ``sample``.

        Raises:
            ValueError: the problem is not a signal.
        """
        if self.problem.signal is None:
            raise ValueError(f"the problem {self.problem.name!r} is not a signal; call solution.field(points) instead")
        return self.problem.signal.sample(self.field, size, **options)

    def save(self, path: str | Path) -> None:
        """Write the field to a file that :func:`sinefield.load` reads; see :mod:`sinefield.checkpoint`."""
        signal = self.problem.signal
        checkpoint.save(
            path,
            self.field,
            signal=None if signal is None else signal.to_json(),
            problem=self.problem.name,
            recipe=asdict(self.recipe),
            metrics=dict(self.metrics),
            seed=self.seed,
            sinefield=__version__,
        )
