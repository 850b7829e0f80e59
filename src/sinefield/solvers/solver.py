"""Solvers: values that tell one way to find Φ, with ``init`` and ``step``.

A solver is a frozen dataclass of its settings, one a file. ``init`` makes the state that it keeps between steps, which
can be saved; ``step`` evaluates the objective as it needs and changes the parameters. It knows nothing of budgets,
records or files; what is done to any solver (clipping, averaging, keeping the best) is a solver around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from functools import partial
from typing import Any, Protocol, Self, final

from torch import Tensor

from sinefield.objective import Batch, Objective


class State(Protocol):
    """What a solver keeps between steps."""

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the state as tensors by name, as they are."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that :meth:`tensors` gave.

        Raises:
            ValueError: it is of another solver or problem.
        """
        ...


@final
class Tensors:
    """A state of tensors by name, changed in place."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self.values = dict(values)

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor."""
        return self.values[name]

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the tensors."""
        return self.values

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take other values for the same tensors.

        Raises:
            ValueError: they have other names or shapes.
        """
        if tensors.keys() != self.values.keys():
            different = sorted(tensors.keys() ^ self.values.keys())
            raise ValueError(f"the state of the solver is of another one: {different[0]!r} is in one of them alone")
        for name, each in self.values.items():
            if tensors[name].shape != each.shape:
                raise ValueError(
                    f"the state of the solver has {name!r} of shape {tuple(tensors[name].shape)}, expected "
                    f"{tuple(each.shape)}"
                )
            each.copy_(tensors[name])


class Solver(ABC):
    """One way to find Φ; subclasses are frozen dataclasses of their settings."""

    @abstractmethod
    def init(self, objective: Objective) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def step(self, objective: Objective, batch: Batch, state: Any, rate: float) -> Mapping[str, Tensor]:
        """Change the parameters of the objective, and the state.

        Args:
            objective: what is made small.
            batch: at which points.
            state: that ``init`` gave.
            rate: the factor of the solver's own rates, as the schedule has it.

        Returns:
            the terms of the objective, by name, at the parameters before the step.
        """

    def answer(self, state: Any) -> Mapping[str, Tensor] | None:  # noqa: ARG002 - most have nothing else to offer
        """Return parameters to measure and to return in place of the last ones; None: the last ones."""
        return None

    def is_done(self, state: Any) -> bool:  # noqa: ARG002 - most never are
        """Return whether further steps would change nothing."""
        return False

    def report(self, objective: Objective, state: Any) -> Mapping[str, float]:  # noqa: ARG002 - most know no more
        """Return further metrics of the answer, that the solver alone can tell."""
        return {}

    def retreat(self, objective: Objective, state: Any) -> None:  # noqa: B027 - most have nowhere to go back to
        """Put back parameters that were good, after a divergence."""

    def changed(self, **changes: Any) -> Self:
        """Return this solver with settings replaced, its own or those of a solver within it.

        Raises:
            ValueError: it has no such setting.
        """
        own = {each.name for each in fields(self)}  # type: ignore[arg-type]  # subclasses are dataclasses
        mine = {name: value for name, value in changes.items() if name in own}
        others = {name: value for name, value in changes.items() if name not in own}
        inner = {
            each.name: getattr(self, each.name)
            for each in fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
            if isinstance(getattr(self, each.name), Solver)
        }
        if others and not inner:
            raise ValueError(
                f"{type(self).__name__} has no setting {', '.join(others)}; it has {', '.join(sorted(own))}"
            )
        for name, solver in inner.items() if others else ():
            mine[name] = solver.changed(**others)
        return replace(self, **mine)  # type: ignore[type-var]  # subclasses are dataclasses

    def to_json(self) -> dict[str, Any]:
        """Return the solver and its settings as JSON; that within it, if its name is ``solver``, as ``inner``."""
        return {"solver": type(self).__name__.lower()} | {
            "inner" if each.name == "solver" else each.name: value.to_json()
            if isinstance(value := getattr(self, each.name), Solver)
            else _plain(value)
            for each in fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, partial):
        return [_plain(value.func), *map(_plain, value.args), {k: _plain(each) for k, each in value.keywords.items()}]
    return value if isinstance(value, str | int | float | bool | None) else getattr(value, "__name__", str(value))
