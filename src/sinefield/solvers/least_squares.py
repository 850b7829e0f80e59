"""Least squares for the last layer: linear equations solved to the digits of double precision.

With one sine layer that stays as it is,

    Φ(x) = Σ_j c_j sin(w_j·x + b_j) + c_0,     w_j uniform in an ellipsoid, b_j uniform in a period

a linear equation is a linear least-squares problem for c. What decides is the bandwidth, the half axes of the
ellipsoid: below that of the solution nothing helps, and far above it the features do not suffice. It is found by
residuals at points held out, see :mod:`sinefield.solvers.bandwidth`.

Source: extreme learning machines for equations (Dong & Li, "Local extreme learning machines and domain decomposition
for solving linear and nonlinear partial differential equations", 2021, section 2), with the first layer of a SIREN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from sinefield.domains import Domain
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples, relative_residuals
from sinefield.solvers.bandwidth import LEAST, Plan, Trial
from sinefield.solvers.last_layer import Around, is_linear
from sinefield.solvers.newton import Newton, closed_forms_beside, orders_of
from sinefield.solvers.sine_layers import extents, sine_layers
from sinefield.solvers.solved import Solved
from sinefield.solvers.solver import Solver, Tensors
from sinefield.solvers.spectrum import bands_of_right_sides
from sinefield.solvers.stability import stability
from sinefield.solvers.windows import SolvedByWindows, solve_by_windows, windows_of

_BEGINNING = 0.1  # a residual below it is that of a field that Newton's method begins from
_CONTRADICTED, _HOLDS = 0.03, 1e-3  # residuals of constraints that do not hold, and of those that do
_PER_CLOSED_FORM = 10  # points of the conditions for each function in closed form
_BY_WINDOWS = 3.4  # times the products of numbers for a window as for a layer of its size
_HELD_OUT = 1000  # points of each domain that bandwidths are judged at


@final
@dataclass(frozen=True)
class LeastSquares(Solver):
    """Solves the last layer exactly, for one bandwidth of the first layer after the other; the best is kept.

    A step is a bandwidth with a number of features, see :mod:`sinefield.solvers.bandwidth`, until the tolerance is
    reached.

    Args:
        tolerance: relative residual at points held out, see :func:`sinefield.residuals.relative_residuals`, that is
            good enough.
        enough: relative residual from which on only features that are expected to reach the tolerance are added.
        most: features that networks are given at most, for all outputs together; 0: they keep theirs.
        work: products of numbers that bandwidths may take, 8 n³ for each solution with n features.
        rows: points of the constraints of the highest order, for each feature.
        boundary_rows: points of the other constraints together, for each feature; more beyond three dimensions.
        boundary_weight: of the rows of the other constraints, beside those of the highest order.
        iterations: steps of Newton at most, for nonlinear equations; a linear one takes one.
    """

    tolerance: float = 1e-12
    enough: float = 1e-7
    most: int = 0
    work: float = 1.5e12
    rows: float = 3.0
    boundary_rows: float = 1.0
    boundary_weight: float = 10.0
    iterations: int = 30

    def init(self, objective: Objective) -> Tensors:
        """Return what was tried: nothing yet.

        Raises:
            ValueError: an unknown is not one sine layer with an affine map after it, in double precision.
        """
        first = sine_layers(objective)
        if not first:
            raise ValueError(
                "least squares solves for the last layer of networks with one sine layer in double precision, such as "
                "Siren(2, 1, hidden_features=1000, hidden_layers=0).double(); there is none among the unknowns"
            )
        dimension = max(group.domain.dimension for group in objective.groups)
        state = {
            "bandwidths": torch.zeros(self.steps, dimension, dtype=torch.float64),
            "centres": torch.zeros(self.steps, dimension, dtype=torch.float64),
            "features": torch.zeros(self.steps, dtype=torch.int64),
            "residuals": torch.full((self.steps,), math.inf, dtype=torch.float64),
            "steps": torch.tensor(0),
            "terms": torch.full((len(orders_of(objective)),), math.inf, dtype=torch.float64),
            "reported": torch.full((len(self._reported(objective)),), math.inf, dtype=torch.float64),
            "done": torch.tensor(False),
            "seed": _seed_of(first[0].first.weight),
        }
        points = _Points(objective, self, int(state["seed"]))
        state["linear"] = torch.tensor(is_linear(objective, points.drawn(16, 2)))
        if windows_of(objective) and not bool(state["linear"]):
            raise ValueError("windows are for linear equations, and this one is not; leave windows out")
        known = bands_of_right_sides(objective, points.drawn(64, 2), points.box)
        state["known"] = torch.tensor([each or (math.inf, math.inf) for each in known], dtype=torch.float64)
        state |= {f"best/{name}": each.detach().clone() for name, each in objective.parameters.items()}
        return Tensors(state)

    @property
    def steps(self) -> int:
        """How many bandwidths are tried at most."""
        return 64

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - all is solved at once
        """Return the squares of the relative residuals by constraint, the best after solving for one more bandwidth."""
        trial = self._next(objective, state)
        if trial is not None:
            points = _Points(objective, self, int(state["seed"]))
            around = self._known(objective, state)
            self._place(objective, points, trial)
            if strips := len(windows_of(objective)):
                drawn = points.drawn(trial.features * strips, 0)
                solved: Solved | SolvedByWindows = solve_by_windows(objective, drawn, self.boundary_weight)
            else:
                newton = Newton(bool(state["linear"]), self.iterations, self.boundary_weight)
                solved = newton.solve(objective, points.drawn(trial.features, 0), trial.features, around)
            held_out = points.drawn(_HELD_OUT, 1)
            found = relative_residuals(objective.groups, objective.unknowns, held_out.samples)
            number, better = int(state["steps"]), found.worst < float(state["residuals"].min())
            state["bandwidths"][number] = torch.tensor(trial.bandwidths, dtype=torch.float64)
            state["centres"][number] = torch.tensor(trial.centres, dtype=torch.float64)
            state["features"][number], state["residuals"][number] = trial.features, found.worst
            state["steps"].add_(1)
            if better or not number:
                known = stability(
                    objective, solved.linear, solved.weakest, held_out, linear_equation=bool(state["linear"])
                )
                for place, name in enumerate(self._reported(objective)):
                    state["reported"][place] = known.get(name, math.inf)
                state["terms"].copy_(torch.tensor(list(found.relative.values()), dtype=torch.float64) ** 2)
                state.values |= {f"best/{name}": each.detach().clone() for name, each in objective.parameters.items()}
            self.put_back(objective, state)
        state["done"].fill_(self._next(objective, state) is None)
        return dict(zip(orders_of(objective), state["terms"].clone(), strict=True))

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or every bandwidth was tried."""
        return bool(state["done"])

    def answer(self, state: Tensors) -> Mapping[str, Tensor]:
        """Return the parameters of the least residual."""
        return {name.removeprefix("best/"): each for name, each in state.tensors().items() if name.startswith("best/")}

    def report(self, objective: Objective, state: Tensors) -> Mapping[str, float]:
        """Return how well the equation determines its solution, see :mod:`sinefield.solvers.stability`."""
        told = zip(self._reported(objective), state["reported"].tolist(), strict=True)
        contradicted = bool(state["linear"]) and float(state["residuals"].min()) > _CONTRADICTED
        contradicted = contradicted and not windows_of(objective)
        without = self._without(objective, state) if contradicted else {}
        return {**{name: each for name, each in told if math.isfinite(each)}, **without}

    @staticmethod
    def _known(objective: Objective, state: Tensors) -> Around | None:
        """Return the networks of the best trial, which Newton's method begins from; None: there are none as yet."""
        if bool(state["linear"]) or not float(state["residuals"].min()) < _BEGINNING:
            return None
        return {each.last.weight: deepcopy(each.network) for each in sine_layers(objective)}

    @torch.no_grad()
    def _without(self, objective: Objective, state: Tensors) -> Mapping[str, float]:
        """Return ``without_NAME``: the residual of the other constraints without one that holds alone."""
        orders = orders_of(objective)
        highest = [name for name, each in orders.items() if each == max(orders.values())]
        points = _Points(objective, self, int(state["seed"]))
        size = min(LEAST, max(each.first.out_features for each in sine_layers(objective)))
        trial = self._plan(objective, state).moderate(size)
        self._place(objective, points, trial)
        solving, held_out = points.drawn(trial.features, 0), points.drawn(_HELD_OUT, 1).samples
        found = {}
        for name in orders if len(orders) > 1 else ():
            if highest == [name]:
                continue  # without the equation anything holds
            alone = orders.keys() - {name}
            residuals = []
            for left_out in (frozenset({name}), frozenset(alone)):
                Newton(True, 1, self.boundary_weight).solve(objective, solving, trial.features, None, left_out)
                relative = relative_residuals(objective.groups, objective.unknowns, held_out).relative
                residuals.append(max(each for key, each in relative.items() if key not in left_out))
            if residuals[1] < _HOLDS:
                found[f"without_{name}"] = residuals[0]
        self.put_back(objective, state)
        return found

    @staticmethod
    def _reported(objective: Objective) -> Sequence[str]:
        return ["stability", "free_waves", *(f"free_share_{name}" for name in objective.unknowns)]

    # ---- which bandwidth

    def _next(self, objective: Objective, state: Tensors) -> Trial | None:
        """Return what to try next; None: it is good enough, or all was tried."""
        number = int(state["steps"])
        if number >= self.steps or (number and all(each.stays for each in sine_layers(objective))):
            return None
        layers = sine_layers(objective)
        if all(each.stays for each in layers):  # once, at points for all of them
            nowhere = (0.0,) * len(state["known"])
            return Trial(nowhere, sum(each.first.out_features for each in layers), nowhere)
        return self._plan(objective, state).following(state["residuals"][:number].tolist())

    def _plan(self, objective: Objective, state: Tensors) -> Plan:
        layers = sine_layers(objective)
        outputs = sum(each.last.out_features for each in layers)
        moving = [each for each in layers if not each.stays]
        most = min(each.first.out_features for each in moving or layers)
        known = tuple(None if math.isinf(low) else (low, high) for low, high in state["known"].tolist())
        work = self.work / outputs**3
        if strips := len(windows_of(objective)):
            boxes = torch.stack([torch.as_tensor(each.network.extent) for each in layers])
            shares = (boxes[0, 1] - boxes[0, 0]) / (boxes[:, 1].max(0).values - boxes[:, 0].min(0).values)
            known = tuple(
                each and (float(share) * each[0], float(share) * each[1])
                for each, share in zip(known, shares, strict=True)
            )
            work *= strips**2 / _BY_WINDOWS
        return Plan(
            len(known),
            max(LEAST, self.most // outputs) if self.most else most,
            self.tolerance,
            self.enough,
            work,
            known,
        )

    def _place(self, objective: Objective, points: _Points, trial: Trial) -> None:
        """Give the networks features of a trial."""
        for number, each in enumerate(sine_layers(objective)):
            if not each.stays:
                if self.most and each.first.out_features != trial.features:
                    each.resize(trial.features)
                each.place(points.boxes[each.unknown], trial.centres, trial.bandwidths, points.seed + number)

    def put_back(self, objective: Objective, state: Tensors) -> None:
        """Give the networks what is the best so far."""
        answer = self.answer(state)
        for each in sine_layers(objective):
            name = next(name for name, one in objective.parameters.items() if one is each.last.weight)
            if answer[name].shape != each.last.weight.shape:
                each.resize(answer[name].shape[1])
        for name, parameter in objective.parameters.items():
            parameter.copy_(answer[name])


@final
class _Points:
    """Points of an objective's domains, as many as a number of features takes, by a seed."""

    def __init__(self, objective: Objective, settings: LeastSquares, seed: int) -> None:
        self.objective, self.settings, self.seed = objective, settings, seed

    def drawn(self, count: int, purpose: int) -> Batch:
        """Return points for so many features: to solve with (purpose 0), held out (1), or to see the extent (2)."""
        highest, others = _groups_by_order(self.objective)
        shares = dict(zip(others, _shares([self.objective.groups[place].domain for place in others]), strict=True))
        # Of a domain of many dimensions most is near the boundary.
        many = max(1.0, max(group.domain.dimension for group in self.objective.groups) / 3)
        per_group = [
            self.settings.rows / len(highest)
            if place in highest
            else many * self.settings.boundary_rows / max(1, len(others))
            for place in range(len(self.objective.groups))
        ]
        # Functions in closed form are seen by a part of a boundary alone: a corner, a small hole.
        more = 0 if purpose else closed_forms_beside(self.objective)
        extra = [
            more if place in highest else _PER_CLOSED_FORM * more * shares[place] for place in range(len(per_group))
        ]
        samples = [
            draw_samples(group.domain, max(16, math.ceil(part * count + also)), generator_of(self.seed, purpose, place))
            for place, (group, part, also) in enumerate(zip(self.objective.groups, per_group, extra, strict=True))
        ]
        return Batch(samples)

    @cached_property
    def boxes(self) -> Mapping[str, Tensor]:
        """The box that each unknown is looked for in."""
        return extents(self.objective, self.drawn(4096, 2))

    @cached_property
    def box(self) -> Tensor:
        """The box around all points."""
        points = torch.cat([each.points for each in self.drawn(4096, 2).samples])
        return torch.stack([points.min(0).values, points.max(0).values])


def _shares(domains: Sequence[Domain]) -> Sequence[float]:
    """Return the part of the points that each of some domains gets: all the same, or half by size where that is known.

    >>> from sinefield.domains import Ball
    >>> [round(each, 3) for each in _shares([Ball([0, 0], radius).boundary for radius in (1, 3)])]
    [0.375, 0.625]
    """
    sizes = [float(getattr(each, "measure", 0.0)) for each in domains]
    equal = 1 / max(1, len(sizes))
    return [(equal + each / sum(sizes)) / 2 if all(sizes) else equal for each in sizes]


def _seed_of(weight: Tensor) -> Tensor:
    """Return the seed of frequencies, phases and points: that of the initial weights, by way of their bits."""
    bits = weight.detach().cpu().contiguous().view(torch.int64)
    return bits.sum() & (2**31 - 1)


def _groups_by_order(objective: Objective) -> tuple[list[int], list[int]]:
    """Return which groups have a constraint of the highest order, and which have none."""
    orders = orders_of(objective)
    highest = max(orders.values())
    found = [
        place
        for place, group in enumerate(objective.groups)
        if any(orders[each.constraint.name] == highest for each in group.members)
    ]
    return found, [place for place in range(len(objective.groups)) if place not in found]
