"""How long a fit will take, and how much memory: tried on a few steps before it begins."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from sinefield import kernels
from sinefield.constraint import Constraint
from sinefield.domains import FiniteDomain
from sinefield.fit import Fit, prepare
from sinefield.objective import Batch, Objective
from sinefield.problem import Problem
from sinefield.recipe import Recipe

_TRIED = 3  # steps, the first of which is not counted


@dataclass(frozen=True)
class Estimate:
    """What a fit will take on this machine.

    Args:
        seconds: of fitting, without what comes before and after.
        passes: over the points.
        points_per_second: at which constraints are evaluated and differentiated.
        memory: bytes, besides what Python and PyTorch take themselves.
    """

    seconds: float
    passes: float
    points_per_second: float
    memory: int

    def to_json(self) -> dict[str, float]:
        """Return the same as JSON; memory is in bytes."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the estimate in a line."""
        return (
            f"about {self.seconds:.0f} s for {self.passes:.3g} passes at {self.points_per_second:,.0f} points/s, "
            f"{self.memory / 2**20:.0f} MiB"
        )


def estimate(
    unknown: Problem | nn.Module | Mapping[str, nn.Module],
    constraints: Sequence[Constraint] = (),
    recipe: str | Recipe = "auto",
    *,
    device: str | torch.device | None = None,
    **changes: Any,
) -> Estimate:
    """Return what :func:`sinefield.solve` with the same arguments will take; no parameter is changed.

    Args:
        unknown: as for ``solve``.
        constraints: as for ``solve``.
        recipe: as for ``solve``.
        device: as for ``solve``.
        **changes: as for ``solve``.

    Raises:
        ValueError: as for ``solve``.

    >>> from sinefield.domains import Box
    >>> from sinefield.fields.siren import Siren
    >>> interval = Constraint(Box([-1.0], [1.0]), lambda u: u.gradient - 1)
    >>> estimate(Siren(1, 1, hidden_features=8), [interval], passes=2).passes
    2
    """
    with torch.random.fork_rng():
        objective, problem, chosen = prepare(unknown, constraints, recipe, changes, seed=0, device=device)
        fields = objective.unknowns
        parts = problem.parts(fields) if problem.parts else ()
        if parts:  # all are alike: one is tried
            objective = Objective(parts[0].fields, parts[0].problem.constraints)
        fit = Fit(objective, problem, chosen, seed=0, compiled=False)
        with kernels.executing(fit.execution):
            seconds = [_seconds(fit, step) for step in range(_TRIED)][1:]
    points = sum(each.points_per_step for each in fit.samplers)
    per_second = points / min(seconds)
    per_pass = points * fit.steps_per_pass * max(1, len(parts))
    passes = chosen.passes if chosen.passes is not None else math.inf
    if chosen.seconds is not None:
        passes = min(passes, chosen.seconds * per_second / per_pass)
    memory = _memory(fit, fields.values(), problem.constraints)
    return Estimate(passes * per_pass / per_second, passes, per_second, memory)


def _seconds(fit: Fit, step: int) -> float:
    """Return the seconds of a step, short of changing the parameters."""
    device = fit.objective.device
    start = time.perf_counter()
    fit.objective.gradient(Batch([each.take(step) for each in fit.samplers]))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    for each in fit.objective.parameters.values():
        each.grad = None
    return seconds


def _memory(fit: Fit, fields: Iterable[nn.Module], constraints: Sequence[Constraint]) -> int:
    """Return the bytes that a search takes, which may be one of many for parts of the fields, one after the other."""
    # Those that are looked for also have a gradient and two moments, and a record and the best so far keep them.
    parameters = sum(each.nbytes for field in fields for each in field.parameters())
    parameters += sum(5 * each.nbytes for each in fit.objective.parameters.values())
    targets: int = sum(
        each.nbytes
        for constraint in constraints
        if isinstance(constraint.domain, FiniteDomain)
        for each in getattr(constraint.domain, "targets", {}).values()
    )
    return parameters + targets + fit.objective.memory([each.batch for each in fit.samplers])
