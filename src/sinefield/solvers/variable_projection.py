"""Variable projection: coefficients of an equation from measurements of its solution, with the field.

What is minimised, and how, is in :mod:`sinefield.solvers.separable`; this is the choice of points and of bandwidths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sinefield.domains import FiniteDomain
from sinefield.fields.derivatives import highest_order
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples, relative_residuals
from sinefield.solvers.separable import Estimates, Separable, Settings
from sinefield.solvers.sine_layers import extents, sine_layers
from sinefield.solvers.solver import Solver, Tensors

_BANDWIDTHS = 6  # tried, each twice the one before
_LOWEST = 3.0  # the first of them, in half periods of a side
_HOPELESS = 0.1  # residual of the exact constraints with a bandwidth that no coefficients are looked for with
_GOOD_START = 1e-3  # residual of the exact constraints, with coefficients to go on from with the next bandwidth
_WORSE = 30.0  # times the residual of the best bandwidth: higher ones are worse still
_STEADY = 1e-3  # of the noise, that its estimate changes by
_GAIN = 0.98  # of the noise with the bandwidth before: what is left is no noise yet


@final
@dataclass(frozen=True)
class VariableProjection(Solver):
    """Finds coefficients of an equation from measurements, and the field, by variable projection.

    A step is a bandwidth of the sine layers, from a low one up, until the exact constraints hold to the tolerance and a
    higher one leaves no less noise.
    Coefficients are the parameters of all unknowns that are no networks of one sine layer, and the last layers of those
    in which, together with the main one's, the residuals are not linear, such as m in Δu + m u = 0; the latter start
    from 0 and have a bandwidth of their own.

    Args:
        measured: names of the constraints whose targets carry noise, on finite domains, all of whose points are used.
        tolerance: relative residual of the exact constraints, at points held out, that a bandwidth is good enough by.
        rows: points of the exact constraints of the highest order, for each feature.
        boundary_rows: points of the other exact constraints together, for each feature.
        exactness: the weight of exact constraints beside measured ones.
        ridge: keeps weights small, relative to the lengths of their columns.
        variation: by how much coefficients that are fields are expected to change.
        detail: bandwidth of coefficients that are fields, in half periods of a side.
        iterations: steps of Gauss-Newton for each bandwidth at most.
    """

    measured: tuple[str, ...] = ()
    tolerance: float = 1e-5
    rows: float = 3.0
    boundary_rows: float = 1.0
    exactness: float = 1e3
    ridge: float = 1e-8
    variation: float = 1.0
    detail: float = 6.0
    iterations: int = 25

    @property
    def steps(self) -> int:
        """How many bandwidths are tried at most."""
        return _BANDWIDTHS

    def init(self, objective: Objective) -> Tensors:
        """Return the state: nothing tried yet.

        Raises:
            ValueError: no network of one sine layer, or a measured constraint that there is none of, or that is on a
                domain of infinitely many points.
        """
        networks = sine_layers(objective)
        if not networks:
            raise ValueError(
                "variable projection solves for the last layer of networks with one sine layer in double precision, "
                "such as Siren(2, 1, hidden_features=400, hidden_layers=0).double(); there is none among the unknowns"
            )
        domains = {each.constraint.name: group.domain for group in objective.groups for each in group.members}
        for name in self.measured:
            if not isinstance(domains.get(name), FiniteDomain):
                raise ValueError(
                    f"{name!r} is no measured constraint: it must be one of {', '.join(domains)}, on points that are "
                    "given one by one, as PointCloud(points, targets)"
                )
        bits = networks[0].first.weight.detach().cpu().contiguous().view(torch.int64)
        state = {
            "steps": torch.tensor(0),
            "residual": torch.tensor(math.inf, dtype=torch.float64),  # of the best bandwidth
            "noise": torch.tensor(math.inf, dtype=torch.float64),
            "terms": torch.full((len(domains),), math.inf, dtype=torch.float64),
            "done": torch.tensor(False),
            "seed": bits.sum() & (2**31 - 1),
        }
        for name, each in objective.parameters.items():
            state[f"begun/{name}"], state[f"best/{name}"] = each.detach().clone(), each.detach().clone()
        return Tensors(state)

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Tensors, rate: float) -> Mapping[str, Tensor]:  # noqa: ARG002 - all is solved at once
        """Return the squares of the relative residuals by constraint, after solving with one more bandwidth."""
        seed = int(state["seed"])
        last_start = "best" if float(state["residual"]) <= _GOOD_START else "begun"
        for name, each in objective.parameters.items():
            each.copy_(state[f"{last_start}/{name}"])
        problem = self.separable(objective, seed, _LOWEST * 2.0 ** int(state["steps"]))
        problem.fit()
        residual, relative = self._judged(objective, seed)
        if residual <= _HOPELESS:
            for _ in range(self.iterations):
                settled = problem.improve()
                if settled and (not problem.noise_matters or problem.update_noise() < _STEADY):
                    break
            problem.update_noise()
            residual, relative = self._judged(objective, seed)
        state["steps"].add_(1)
        noise, before = math.prod(problem.noise.values()), float(state["noise"])
        good, was_good = residual <= self.tolerance, float(state["residual"]) <= self.tolerance
        if (good and noise < before) if was_good else (good or residual < float(state["residual"])):
            state["residual"].fill_(residual)
            state["noise"].fill_(noise)
            for name, each in objective.parameters.items():
                state[f"best/{name}"].copy_(each)
        enough = good and (not self.measured or (was_good and noise > _GAIN * before))
        enough = enough or residual > _WORSE * float(state["residual"])  # there are too few features for more
        state["terms"].copy_(torch.tensor(list(relative.values()), dtype=torch.float64) ** 2)
        state["done"].fill_(int(state["steps"]) >= self.steps or enough)
        return dict(zip(relative, state["terms"].clone(), strict=True))

    def is_done(self, state: Tensors) -> bool:
        """Return whether the tolerance is reached, or every bandwidth was tried."""
        return bool(state["done"])

    def answer(self, state: Tensors) -> Mapping[str, Tensor]:
        """Return the best parameters."""
        return {name.removeprefix("best/"): each for name, each in state.tensors().items() if name.startswith("best/")}

    def separable(self, objective: Objective, seed: int, bandwidth: float | None = None) -> Separable:
        """Return the problem at the fields as they are; with a bandwidth, their sine layers are drawn anew before."""
        settings = Settings(self.measured, self.exactness, self.ridge, self.variation)
        points = self._batch(objective, seed, 0)
        if bandwidth is None:
            return Separable(settings, objective, points)
        boxes, layers = extents(objective, points), sine_layers(objective)

        def place(number: int, width: float) -> None:
            layer = layers[number]
            inputs = boxes[layer.unknown].shape[1]
            layer.place(boxes[layer.unknown], [0.0] * inputs, [width] * inputs, seed + number)

        for number, each in enumerate(layers):
            if not each.stays:
                place(number, bandwidth)
        problem = Separable(settings, objective, points)
        for last in (problem.maps[each] for each in problem.unsolved):
            for number, each in enumerate(layers):
                if each.last.weight is last.weight and not each.stays:
                    place(number, self.detail)
            for weights in last.tensors():
                weights.zero_()
        return problem

    @torch.no_grad()
    def estimates(self, objective: Objective) -> Estimates:
        """Return the coefficients of fields that are found, their standard errors and the noise; fields stay."""
        problem = self.separable(objective, 0)
        columns = problem.columns
        problem.fit()
        for _ in range(2):  # the noise of several measured constraints depends on each other's
            problem.update_noise()
        found = problem.estimates()
        problem.columns = columns
        return found

    # ---- points, features, and what is reached

    def _batch(self, objective: Objective, seed: int, purpose: int) -> Batch:
        """Return points: all that are measured at, and of the exact constraints as many as there are features."""
        features = sum(each.first.out_features for each in sine_layers(objective))
        orders = [
            {each.constraint.name: max(highest_order(needs) for needs in each.reads.values()) for each in group.members}
            for group in objective.groups
        ]
        exact = [
            max((order for name, order in each.items() if name not in self.measured), default=-1) for each in orders
        ]
        highest, others = exact.count(max(exact)), max(1, sum(0 <= each < max(exact) for each in exact))
        samples = []
        for place, (group, order) in enumerate(zip(objective.groups, exact, strict=True)):
            part = self.rows / highest if order == max(exact) else self.boundary_rows / others
            count = max(16, math.ceil(part * features))
            if order < 0 or set(orders[place]) & set(self.measured):
                assert isinstance(group.domain, FiniteDomain), "as init has seen"
                count = group.domain.size
            samples.append(draw_samples(group.domain, count, generator_of(seed, purpose, place)))
        return Batch(samples)

    def _judged(self, objective: Objective, seed: int) -> tuple[float, dict[str, float]]:
        """Return the worst of the relative residuals of exact constraints at points held out; and all."""
        found = relative_residuals(objective.groups, objective.unknowns, self._batch(objective, seed, 1).samples)
        exact = [each for name, each in found.relative.items() if name not in self.measured]
        return max(exact, default=0.0), dict(found.relative)
