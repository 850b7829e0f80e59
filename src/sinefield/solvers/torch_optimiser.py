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

    @property
    def _places(self) -> dict[str, Tensor]:
        """The parameters, by names that tell the optimiser's class, their numbers and their shapes."""
        parameters = [each for group in self.optimiser.param_groups for each in group["params"]]
        name = type(self.optimiser).__name__
        return {f"{name}/{k} of {'x'.join(map(str, each.shape))}": each for k, each in enumerate(parameters)}

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the optimiser's state as tensors.

        Numbers are tensors without axes, and lists tell their length, as they may hold None.

        Raises:
            ValueError: it holds something else.
        """
        found: list[tuple[str, Tensor]] = []
        for place, parameter in self._places.items():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                found += _flattened(f"{place}/{key}", value)
        return dict(found)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state that :meth:`tensors` gave.

        Raises:
            ValueError: it is of another optimiser, or of other parameters.
        """
        places = self._places
        found: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            place, _, key = name.rpartition("/")
            if place not in places:
                mine = type(self.optimiser).__name__
                raise ValueError(f"the state of the solver is of another one: {name!r} is not in that of {mine}")
            found.setdefault(place, {})[key] = value
        # Not by load_state_dict, which makes all numbers as precise as the parameters.
        self.optimiser.state.clear()
        for place, values in found.items():
            keys = dict.fromkeys(name.partition(":")[0] for name in values)
            self.optimiser.state[places[place]] = {key: _gathered(key, values) for key in keys}


def _flattened(name: str, value: Any) -> list[tuple[str, Tensor]]:
    match value:
        case Tensor():
            return [(f"{name}:tensor", value)]
        case bool() | int():
            return [(f"{name}:number", torch.tensor(value))]
        case float():
            return [(f"{name}:number", torch.tensor(value, dtype=torch.float64))]
        case list():
            length = (f"{name}:list", torch.tensor(len(value)))
            return [length, *(pair for k, each in enumerate(value) for pair in _flattened(f"{name}:{k}", each))]
        case None:
            return []
    raise ValueError(f"the optimiser keeps {name!r}, a {type(value).__name__}, which cannot be saved")


def _gathered(name: str, values: Mapping[str, Tensor]) -> Any:
    """Return what :func:`_flattened` took apart."""
    if (tensor := values.get(f"{name}:tensor")) is not None:
        return tensor.clone()
    if (number := values.get(f"{name}:number")) is not None:
        return number.item()
    if (length := values.get(f"{name}:list")) is not None:
        return [_gathered(f"{name}:{k}", values) for k in range(int(length))]
    return None
