"""What second-order solvers have in common: double precision, and when nothing more is expected of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sinefield.objective import Objective
from sinefield.solvers.solver import Tensors


def first_state(objective: Objective, what: str) -> dict[str, Tensor]:
    """Return what these solvers keep: the objective, its least value, steps that did not lower it, and where θ was.

    Raises:
        ValueError: the parameters are not in double precision.
    """
    single = [name for name, each in objective.parameters.items() if each.dtype != torch.float64]
    if single:
        raise ValueError(
            f"{what} needs double precision: its last digits are differences of nearly equal numbers, and in single "
            f"precision it stops early and looks converged; {single[0]} is {objective.parameters[single[0]].dtype}: "
            "call field.double() first"
        )
    return {
        "objective": torch.tensor(math.inf, dtype=torch.float64),
        "least": torch.tensor(math.inf, dtype=torch.float64),
        "settled": torch.tensor(0),
        "start": objective.vector(),
    }


def note_objective(state: Tensors, before: float, after: float, settled: float) -> None:
    """Note the objective before and after a step, and whether steps still lower it.

    Where points are drawn anew, the objective before a step is at points that no step was made for.

    Args:
        state: that :func:`first_state` began.
        before: the objective at the points of the step.
        after: the same after it.
        settled: a decrease, as a part of the least value, that does not count as one.
    """
    gained = before < float(state["least"]) * (1 - settled)
    state["settled"].copy_((state["settled"] + 1) * int(not gained))
    state["least"].clamp_(max=before)
    state["objective"].fill_(after)


def is_settled(state: Tensors, tolerance: float, patience: int) -> bool:
    """Return whether the root of the objective is at the tolerance, or so many steps have not lowered it."""
    return float(state["objective"]) <= tolerance**2 or int(state["settled"]) >= patience
