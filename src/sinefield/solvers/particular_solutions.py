"""The method of particular solutions: functions that solve the equation each, fitted to its conditions alone.

Of a homogeneous linear equation every combination of solutions is one, so that only the conditions are left,

    min_c Σ ‖B(Σ_j c_j φ_j) − g‖²     on the boundary and at the beginning

a problem of one dimension less than that of the equation. Whether the functions are enough is seen by the residuals of
all constraints at points held out. Where they are not, or where they do not solve the equation, least squares goes on
with the features of a network, at first by itself and then with the functions beside it: what is smooth needs none.

Source: Betcke & Trefethen, "Reviving the method of particular solutions", 2005, sections 2 and 3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor

from sinefield.domains import FiniteDomain
from sinefield.fields.compose import Sum
from sinefield.fields.derivatives import highest_order
from sinefield.fields.expansion import Columns, Expansion
from sinefield.objective import Batch, Objective
from sinefield.randomness import generator_of
from sinefield.residuals import draw_samples, relative_residuals
from sinefield.solvers.last_layer import LastLayer, linearise_last_layer
from sinefield.solvers.least_squares import LeastSquares
from sinefield.solvers.solved import Solved
from sinefield.solvers.solver import Solver, Tensors
from sinefield.solvers.stability import stability

_WHOLE = 700  # functions of one family that are always taken all together
_SHARES = (1 / 16, 1 / 4, 1.0)  # of the functions of larger families that are tried, the first ones
_AFFORDABLE = 6000  # columns that are solved for at once
_GAIN = 10.0  # of a larger share of functions, or no larger one is tried
_FEW = 8  # points of the equation itself, which all the functions solve
_FULL = 0.5  # functions at most, for each point of conditions that is given: more do anything between these
_POINTS = 4000  # of each condition that are never too many
_HELD_OUT = 1000  # points of each domain that a solution is judged at
_REPORTED = ("stability", "free_waves")  # what is told of a solution
_NOTHING = 1e-12  # of a column: the condition does not see it


@final
class _State:
    """What was tried with functions alone, and the state of the solver that goes on."""

    def __init__(self, own: Tensors, inner: Tensors) -> None:
        self.own, self.inner = own, inner
        self.without: Mapping[str, Tensor] | None = None  # what the other solver found without functions

    def tensors(self) -> Mapping[str, Tensor]:
        """Return both by name."""
        mine = {f"own/{name}": each for name, each in self.own.tensors().items()}
        return mine | {f"inner/{name}": each for name, each in self.inner.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take both as they were saved."""
        for place, part in (("own/", self.own), ("inner/", self.inner)):
            part.load({name.removeprefix(place): each for name, each in tensors.items() if name.startswith(place)})


@final
@dataclass(frozen=True)
class ParticularSolutions(Solver):
    """Fits expansions in solutions of the equation to its conditions first, and goes on with least squares if need be.

    A step is a number of functions, or one of the other solver; functions stand in the order of their fineness.

    Args:
        solver: which goes on.
        alone: whether the functions solve the equation, so that they are tried alone.
        quick: work of the other solver without functions, see :class:`LeastSquares`; 0: as much as with them.
        tolerance: relative residual at points held out that ends the trial of more functions.
        enough: relative residual that is a solution, with which the other solver is not asked.
        rows: points of the conditions, for each function.
    """

    solver: LeastSquares = field(default_factory=LeastSquares)
    alone: bool = True
    quick: float = 0.0
    tolerance: float = 1e-11
    enough: float = 1e-6
    rows: float = 4.0

    @property
    def steps(self) -> int:
        """How many steps are taken at most."""
        return len(_SHARES) + 2 * self.solver.steps

    def init(self, objective: Objective) -> _State:
        """Return what was tried: nothing yet.

        Raises:
            ValueError: as for least squares; see :meth:`LeastSquares.init`.
        """
        own = {
            f"best/{place}": torch.zeros_like(each.weight.detach()) for place, each in enumerate(_expansions(objective))
        }
        own |= {
            "tried": torch.tensor(0 if own and self.alone else len(_SHARES)),
            "beside": torch.tensor(False),
            "done": torch.tensor(False),
            "residual": torch.tensor(math.inf).double(),
        }
        own["reported"] = torch.full((len(_REPORTED),), math.inf).double()
        own["terms"] = torch.full((sum(len(each.members) for each in objective.groups),), math.inf).double()
        return _State(Tensors(own), self.solver.init(objective))

    @torch.no_grad()
    def step(self, objective: Objective, batch: Batch, state: Any, rate: float) -> Mapping[str, Tensor]:
        """Return the squares of the relative residuals by constraint, after solving with more functions."""
        own = state.own
        if int(own["tried"]) == len(_SHARES):
            return self._go_on(objective, batch, state, rate)
        while int(own["tried"]) < len(_SHARES):
            self._try(objective, own)
            if math.isfinite(float(own["residual"])):
                break
        else:  # no number of functions could be tried
            return self._go_on(objective, batch, state, rate)
        if int(own["tried"]) == len(_SHARES) and float(own["residual"]) <= self.enough:
            _leave_out_networks(objective)
            for number, each in enumerate(_expansions(objective)):
                each.weight.copy_(own[f"best/{number}"])
            own["done"].fill_(True)
        names = [each.constraint.name for group in objective.groups for each in group.members]
        return dict(zip(names, own["terms"].clone(), strict=True))

    def is_done(self, state: Any) -> bool:
        """Return whether functions alone are a solution, or the other solver is done."""
        return bool(state.own["done"]) or self.solver.is_done(state.inner)

    def answer(self, state: Any) -> Mapping[str, Tensor] | None:
        """Return that of the other solver; None where functions alone are a solution."""
        return None if bool(state.own["done"]) else self.solver.answer(state.inner)

    def report(self, objective: Objective, state: Any) -> Mapping[str, float]:
        """Return how well the conditions determine the solution, see :mod:`sinefield.solvers.stability`."""
        if not bool(state.own["done"]):
            told = self.solver.report(objective, state.inner)
            # What is singular at a point has terms of any size there, beside which everything looks free.
            hidden = ("stability", "free_") if bool(state.own["beside"]) else ()
            return {name: each for name, each in told.items() if not name.startswith(hidden)}
        known = zip(_REPORTED, state.own["reported"].tolist(), strict=True)
        return {name: each for name, each in known if math.isfinite(each)}

    def _go_on(self, objective: Objective, batch: Batch, state: _State, rate: float) -> Mapping[str, Tensor]:
        """Return the terms after a step of the other solver: without functions, then with those that it may lack."""
        beside = state.own["beside"]
        for each in _expansions(objective):
            used = bool(beside) and _is_beside(each)
            each.weight.requires_grad_(used)
            if not used:
                each.weight.zero_()
        solver = self.solver if bool(beside) or not self.quick else replace(self.solver, work=self.quick)
        terms = solver.step(objective, batch, state.inner, rate)
        if not solver.is_done(state.inner):
            return terms
        residual = float(state.inner["residuals"].min())
        if bool(beside):
            if state.without is not None and float(state.without["residuals"].min()) < residual:
                state.inner.values = dict(state.without)
                solver.put_back(objective, state.inner)
                beside.fill_(False)
        elif residual > self.enough and any(map(_is_beside, _expansions(objective))):
            state.without = dict(state.inner.values)
            beside.fill_(True)
            for each in _expansions(objective):
                each.weight.requires_grad_(_is_beside(each))
            state.inner.values = self.solver.init(objective).values
        return terms

    def _try(self, objective: Objective, own: Tensors) -> None:
        """Solve with the next share of the functions: without those that a condition asks for nothing of, then with."""
        expansions, number, before = _expansions(objective), int(own["tried"]), float(own["residual"])
        most = _most(objective)
        counts = [min(most, _first(each, _SHARES[number])) for each in expansions]
        whole = [torch.arange(count) for count in counts]
        needed = self._needed(objective, whole)
        trials = [needed, whole] if sum(map(len, needed)) < sum(counts) else [whole]
        outputs = expansions[0].out_features
        for some in [each for each in trials if outputs * sum(map(len, each)) <= _AFFORDABLE]:
            weights, terms, known = self._solve(objective, some)
            reached = math.sqrt(max(terms))
            if not reached >= float(own["residual"]):
                own["residual"].fill_(reached)
                own["terms"].copy_(torch.tensor(terms, dtype=torch.float64))
                own["reported"].copy_(torch.tensor([known.get(name, math.inf) for name in _REPORTED]))
                for place, (each, columns) in enumerate(zip(weights, some, strict=True)):
                    own[f"best/{place}"].zero_()[:, columns] = each
            if float(own["residual"]) <= self.enough:
                break
        following = range(number + 1, len(_SHARES))
        larger = [n for n in following if [min(most, _first(each, _SHARES[n])) for each in expansions] != counts]
        residual = float(own["residual"])
        settled = before / _GAIN < residual <= self.enough  # a solution, which more functions make no better
        finished = residual <= self.tolerance or settled or not larger
        own["tried"].fill_(len(_SHARES) if finished else larger[0])

    def _solve(
        self, objective: Objective, some: Sequence[Tensor]
    ) -> tuple[Sequence[Tensor], Sequence[float], Mapping[str, float]]:
        """Return weights of some of the functions, the squares of the residuals left at points held out, stability."""
        alone, parts = _alone(objective, some)
        linear = linearise_last_layer(alone, self._points(alone, sum(map(len, some)), 0))
        matrix, right = _conditions(alone, linear)
        blocks = [(each.out_features, each.in_features) for each in linear.maps]
        solved, weights, _ = Solved.of(linear, torch.arange(matrix.shape[1]), blocks, matrix, right)
        linear.assign(weights)
        samples = [
            draw_samples(group.domain, _HELD_OUT, generator_of(1, place)) for place, group in enumerate(alone.groups)
        ]
        found = relative_residuals(alone.groups, alone.unknowns, samples)
        kept = [each.weight.detach().clone() for each in parts]  # before other weights are tried
        known = stability(alone, linear, solved.weakest, Batch(samples), linear_equation=True)
        return kept, [each**2 for each in found.relative.values()], known

    def _needed(self, objective: Objective, whole: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return which functions are left without waves that stand and begin with what has to be 0.

        Where the velocity is 0 at first those that have one stay out, if the conditions allow.
        """
        alone, parts = _alone(objective, whole)
        standing = (
            torch.cat([torch.full_like(each.weight[0], _stands(each)).repeat(len(each.weight)) for each in parts]) > 0
        )
        if not bool(standing.any()):
            return whole
        linear = linearise_last_layer(alone, self._points(alone, _FEW * len(alone.groups), 0))
        needed = torch.ones(linear.jacobian.shape[1], dtype=torch.bool)
        start = 0
        for count in linear.rows.values():
            block, right = linear.jacobian[start : start + count], linear.residuals[start : start + count]
            sizes, start = block.norm(dim=0), start + count
            seen = standing & (sizes > _NOTHING * sizes.max())
            if not bool(right.any()) and int((~seen[standing]).sum()) > int(standing.sum()) // 4:
                needed &= ~seen
        split = needed.split([each.weight.numel() for each in parts])
        return [
            torch.arange(each.weight.shape[1])[found.view_as(each.weight).all(0)]
            for each, found in zip(parts, split, strict=True)
        ]

    def _points(self, alone: Objective, count: int, purpose: int) -> Batch:
        """Return points of the conditions for so many functions, and a few of the equation."""
        of_equation = [_order(alone, place) == alone.order for place in range(len(alone.groups))]
        wanted = math.ceil(self.rows * count)
        each = max(math.ceil(wanted / max(1, of_equation.count(False))), min(wanted, _POINTS))
        samples = [
            draw_samples(group.domain, _FEW if inside else max(_FEW, each), generator_of(purpose, place))
            for place, (group, inside) in enumerate(zip(alone.groups, of_equation, strict=True))
        ]
        return Batch(samples)


def _expansions(objective: Objective) -> Sequence[Expansion]:
    """Return the expansions among what the first unknown is made of."""
    first = next(iter(objective.unknowns.values()))
    return [each for each in first.modules() if isinstance(each, Expansion)]


def _is_beside(expansion: Expansion) -> bool:
    """Return whether functions may stand beside a network: they are something that it lacks, or few."""
    return not expansion.is_smooth or expansion.weight.shape[1] <= _WHOLE


def _first(expansion: Expansion, share: float) -> int:
    """Return how many functions of an expansion are its first share."""
    whole = expansion.weight.shape[1]
    return min(whole, max(_WHOLE, math.ceil(share * whole)))


def _most(objective: Objective) -> int:
    """Return how many functions of a family conditions tell of: any number, if one has as many points as it takes."""
    domains = [
        group.domain for place, group in enumerate(objective.groups) if _order(objective, place) < objective.order
    ]
    sizes = [each.size if isinstance(each, FiniteDomain) else sys.maxsize for each in domains]
    return max(1, int(_FULL * sum(sizes)))


def _alone(objective: Objective, some: Sequence[Tensor]) -> tuple[Objective, Sequence[Expansion]]:
    """Return the constraints on some of the functions alone, by their numbers in each expansion."""
    parts: list[Expansion] = []
    for each, columns in zip(_expansions(objective), some, strict=True):
        known = each.columns
        assert isinstance(known, Columns), "what problems choose has a family"
        parts.append(Expansion.of(known.family, known.terms[columns], each.in_features, each.out_features))
    constraints = [each.constraint for group in objective.groups for each in group.members]
    return Objective({next(iter(objective.unknowns)): Sum(*parts)}, constraints), parts


def _stands(expansion: Expansion) -> bool:
    return isinstance(expansion.columns, Columns) and expansion.columns.family == "standing"


def _order(objective: Objective, place: int) -> int:
    return max(highest_order(needs) for needs in objective.groups[place].reads.values())


def _conditions(alone: Objective, linear: LastLayer) -> tuple[Tensor, Tensor]:
    """Return the rows of the conditions and their right sides, those of each constraint brought to one size."""
    rows, right, start = [], [], 0
    orders = {
        each.constraint.name: max(map(highest_order, each.reads.values()))
        for group in alone.groups
        for each in group.members
    }
    for name, count in linear.rows.items():
        if orders[name] < alone.order:
            block = linear.jacobian[start : start + count]
            size = float(block.norm()) / block.numel() ** 0.5 or 1.0
            rows.append(block / size)
            right.append(-linear.residuals[start : start + count] / size)
        start += count
    return torch.cat(rows), torch.cat(right)


def _leave_out_networks(objective: Objective) -> None:
    """Set the last maps of networks to 0."""
    few = [draw_samples(group.domain, _FEW, generator_of(0)) for group in objective.groups]
    for each in linearise_last_layer(objective, Batch(few)).maps:
        each.weight.zero_()
        if each.bias is not None:
            each.bias.zero_()
