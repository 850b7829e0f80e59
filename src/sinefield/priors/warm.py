"""A warm start: the weights of a field that was fitted to a signal of the same kind, the simplest of priors."""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import nn

from sinefield.problem import Problem


def begun_from(problem: Problem, field: nn.Module) -> Problem:
    """Return a problem whose search begins with the weights of a fitted field; that is left as it is.

    Args:
        problem: of one unknown; what it has in closed form is not looked at.
        field: of the network that the problem looks for, whatever its ω₀.

    Raises:
        ValueError: the problem has several unknowns; or, when it is solved, the networks differ.

    >>> import numpy, sinefield
    >>> problem = sinefield.problems.image(numpy.eye(8), hidden_features=8)
    >>> first = sinefield.solve(problem, recipe="fast", passes=2)
    >>> again = begun_from(problem, first.field).build(30.0)["u"]
    >>> all((a == b).all() for a, b in zip(again.parameters(), first.field.parameters()))
    True
    """
    if len(problem.unknowns) != 1:
        raise ValueError(f"a warm start is of one field, and {problem.name} looks for {', '.join(problem.unknowns)}")
    ((name, build),) = problem.unknowns.items()

    def begin(first_omega: float) -> nn.Module:
        wanted, given = (_shapes(each) for each in (build(first_omega), field))
        if wanted != given:
            raise ValueError(
                f"the field to start from has another network: {_told(given)} in place of {_told(wanted)}; fit with "
                "its --width, --depth and --tile-size, or start from another"
            )
        return copy.deepcopy(field).train()

    return replace(problem, unknowns={name: begin}, solved=None)


def _shapes(field: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(each.shape) for name, each in field.state_dict().items()}


def _told(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(" x ".join(map(str, each)) for name, each in shapes.items() if name.endswith("weight")) or "none"
