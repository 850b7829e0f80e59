"""Any optimiser of PyTorch as a solver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from sinefield.objective import Batch, Objective
from sinefield.solvers.adam import check_rate
from sinefield.solvers.roles import Roles
from sinefield.solvers.solver import Solver

if TYPE_CHECKING:
    from torch.optim import Optimizer  # the classes load a compiler that takes longer than many a fit


@final
@dataclass(frozen=True)
class TorchOptimiser(Solver):
    """A ``torch.optim`` optimiser, or any with its interface.

    Args:
        make: the class, or a function of groups of parameters, each with its ``lr``: ``torch.optim.NAdam``,
            ``partial(torch.optim.LBFGS, max_iter=5)``. Classes that take a single group, as LBFGS, get all parameters
            with one rate.
        learning_rate: of all but first layers, which take 30/ω₀ of it.
        grouped: whether the optimiser takes several groups.

    Raises:
        ValueError: a rate that is not positive.
    """

    make: Callable[..., Optimizer]
    learning_rate: float = 1e-3
    grouped: bool = True

    def __post_init__(self) -> None:
        """Refuse a rate that is not positive.

        Raises:
            ValueError: as the class says.
        """
        check_rate("learning_rate", self.learning_rate)

    def init(self, objective: Objective) -> TorchState:
        """Return the optimiser, made for the parameters."""
        if not self.grouped:
            return TorchState(self.make(list(objective.parameters.values()), lr=self.learning_rate))
        by_scale: dict[float, list[Tensor]] = {}
        for name, scale in Roles.of(objective).scales.items():
            by_scale.setdefault(scale, []).append(objective.parameters[name])
        groups = [{"params": some, "lr": self.learning_rate * scale} for scale, some in by_scale.items()]
        return TorchState(self.make(groups))

    def step(self, objective: Objective, batch: Batch, state: TorchState, rate: float) -> Mapping[str, Tensor]:
        """Return the terms of the objective, and take a step, which may evaluate it at the batch several times."""
        found: list[Mapping[str, Tensor]] = []

        def closure() -> Tensor:
            with torch.enable_grad():
                losses = objective.gradient(batch)
            found.append(losses)
            return torch.stack(list(losses.values())).sum()

        for group, full in zip(state.optimiser.param_groups, state.rates, strict=True):
            group["lr"] = full * rate
        state.optimiser.step(closure)  # type: ignore[arg-type]  # PyTorch's closures return numbers or tensors
        return found[0]


@final
class TorchState:
    """An optimiser, whose own state is saved.

    Args:
        optimiser: made for the parameters.
    """

    def __init__(self, optimiser: Optimizer) -> None:
        self.optimiser = optimiser
        self.rates = [group["lr"] for group in optimiser.param_groups]

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the optimiser's state as tensors; numbers are tensors without axes.

        Raises:
            ValueError: it holds something else.
        """
        return dict(_flattened("", self.optimiser.state_dict()["state"]))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that :meth:`tensors` gave."""
        found: dict[Any, Any] = {}
        for name, value in tensors.items():
            *places, last = name.split("/")
            inner = found
            for place in places:
                inner = inner.setdefault(_key(place), {})
            kind, _, key = last.partition(":")
            inner[_key(key)] = value.clone() if kind == "tensor" else value.item()
        saved = self.optimiser.state_dict()
        saved["state"] = {key: _listed(value) for key, value in found.items()}
        self.optimiser.load_state_dict(saved)


def _flattened(prefix: str, value: Any) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        named = f"#{key}" if isinstance(value, list) else str(key)
        match each:
            case Tensor():
                found.append((f"{prefix}tensor:{named}", each))
            case bool() | int() | float():
                found.append((f"{prefix}number:{named}", torch.tensor(each, dtype=torch.float64)))
            case dict() | list():
                found += _flattened(f"{prefix}{named}/", each)
            case None:
                pass
            case _:
                raise ValueError(f"the optimiser keeps {key!r}, a {type(each).__name__}, which cannot be saved")
    return found


def _key(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _listed(value: Any) -> Any:
    """Return dictionaries whose keys are places, #0, #1, …, as lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(each) for key, each in value.items()}
    if inner and all(str(key).startswith("#") for key in inner):
        return [inner[f"#{k}"] for k in range(len(inner))]
    return inner
