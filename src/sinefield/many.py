"""Many independent problems: solved one after the other, or side by side as one.

Networks of one shape that are fitted to signals of one size can be evaluated together, as one batched product a layer.
What each of them finds is what it would find alone, up to rounding: their gradients do not meet.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sinefield.constraint import Constraint
from sinefield.domains import FiniteDomain, SideBySide
from sinefield.fields import Network
from sinefield.fields.functional import Batched
from sinefield.norms import MeanAbsolute, MeanSquare
from sinefield.problem import Problem
from sinefield.recipe import Recipe
from sinefield.solution import Observer, Solution
from sinefield.solve import solve

_SCALE = "scale_of_problem_"  # the beginning of the names of targets


def serial(problems: Sequence[Problem], seed: int, **arguments: Any) -> list[Solution]:
    """Return the solutions of problems one after the other, each with an equal share of the seconds.

    Args:
        problems: that share no unknown.
        seed: of the first problem; the others have the seeds that follow.
        **arguments: of :func:`sinefield.solve`.
    """
    if arguments.get("seconds") is not None:
        arguments["seconds"] = arguments["seconds"] / len(problems)
    recipe = arguments.get("recipe")
    if isinstance(recipe, Recipe) and recipe.seconds is not None:
        arguments["recipe"] = replace(recipe, seconds=recipe.seconds / len(problems))
    return [solve(each, seed=seed + number, **arguments) for number, each in enumerate(problems)]


def batched(problems: Sequence[Problem], seed: int, **arguments: Any) -> list[Solution]:
    """Return the solutions of problems side by side, which share a history.

    Args:
        problems: of one unknown each, with constraints of the same residuals on finite domains of the same sizes. Where
            the spectra of their signals suggest frequencies ω₀, all take the geometric mean of these.
        seed: of the first problem; the others have the seeds that follow.
        **arguments: of :func:`sinefield.solve`.

    Raises:
        ValueError: the problems cannot be put side by side.
    """
    joint = side_by_side(problems, seed)
    solution = solve(joint, seed=seed, **arguments)
    members = solution.fields["u"]
    assert isinstance(members, Batched), "the joint problem builds it"
    found = []
    for number, problem in enumerate(problems):
        field = members.member_at(number)
        fields = {next(iter(problem.unknowns)): field}
        metrics = problem.measure(fields, None)
        found.append(replace(solution, fields=fields, problem=problem, metrics=metrics, seed=seed + number))
    return found


def solve_many(
    problems: Sequence[Problem],
    recipe: str | Recipe = "fast",
    *,
    how: Callable[..., list[Solution]] = serial,
    seed: int = 0,
    device: str | torch.device | None = None,
    observe: Observer | None = None,
    **changes: Any,
) -> list[Solution]:
    """Solve independent problems.

    Args:
        problems: that share no unknown.
        recipe: as for :func:`sinefield.solve`; a name is made to fit each problem.
        how: :func:`serial` or :func:`batched`.
        seed: of the first problem; the others have the seeds that follow.
        device: as for ``solve``.
        observe: called after each step, of whichever problem is being solved.
        **changes: as for ``solve``.

    Returns:
        the solutions, in the order of the problems.

    Raises:
        ValueError: as for ``solve``; there is no problem, or they cannot be solved in this way.
    """
    if not problems:
        raise ValueError("solve_many needs at least one problem, got none")
    return how(problems, seed, recipe=recipe, device=device, observe=observe, **changes)


def side_by_side(problems: Sequence[Problem], seed: int) -> Problem:
    """Return problems of one unknown each as one, whose field has theirs side by side.

    Args:
        problems: see :func:`batched`.
        seed: of the weights of the first; the others have the seeds that follow.

    Raises:
        ValueError: they differ in more than their targets.
    """
    first = problems[0]
    if any(len(each.unknowns) != 1 or each.parts is not None for each in problems):
        raise ValueError("problems side by side have one unknown each, in one network; solve these with how=serial")
    names = [[each.name for each in problem.constraints] for problem in problems]
    if any(each != names[0] for each in names):
        raise ValueError(f"problems side by side have the same constraints, got {names[0]} and others; use how=serial")
    columns = list(zip(*(each.constraints for each in problems), strict=True))
    constraints = _join(columns)
    omegas = [each.omega for each in problems if each.omega is not None]
    omega = math.exp(sum(map(math.log, omegas)) / len(omegas)) if omegas else None
    return Problem(
        first.name,
        constraints,
        {"u": partial(_members, problems, seed)},
        measure=partial(_mean_metrics, problems),
        omega=omega,
        tuning=first.tuning,
    )


def _check_alike(column: Sequence[Constraint]) -> None:
    """Check that constraints of one name, one of each problem, can be one.

    Raises:
        ValueError: they cannot.
    """
    first = column[0]
    codes = {getattr(each.residual, "__code__", each.residual) for each in column}
    kept = any(getattr(each.residual, "__closure__", None) for each in column)
    own = len(codes) > 1 or (kept and len({id(each.residual) for each in column}) > 1)
    for wrong, reason in (
        (not all(isinstance(each.domain, FiniteDomain) for each in column), "is on a domain that is not finite"),
        (own, "has a residual of its own in each problem"),
        (len({each.norm for each in column}) > 1, "has several norms"),
        (not isinstance(first.norm, MeanSquare | MeanAbsolute), "has a norm other than MeanSquare and MeanAbsolute"),
        (any(callable(each.weight) for each in column), "has a weight that changes"),
    ):
        if wrong:
            raise ValueError(f"constraint {first.name!r} {reason}, and cannot be put side by side; use how=serial")


def _join(columns: Sequence[Sequence[Constraint]]) -> list[Constraint]:
    """Return constraints of one name, one of each problem, as one of each name; those on one domain stay on one."""
    domains: dict[tuple[int, ...], SideBySide] = {}
    keys = []
    for number, column in enumerate(columns):
        _check_alike(column)
        key = tuple(id(each.domain) for each in column)
        keys.append(key)
        if key not in domains:
            domains[key] = SideBySide.of([each.domain for each in column if isinstance(each.domain, FiniteDomain)])
        weights = torch.tensor([each.weight for each in column if not callable(each.weight)])
        scales = weights.sqrt() if isinstance(column[0].norm, MeanSquare) else weights
        rows = scales.expand(domains[key].points.shape[:2]).unsqueeze(-1)
        domains[key] = replace(domains[key], targets={**domains[key].targets, f"{_SCALE}{number}": rows})
    return [
        Constraint(
            domains[key],
            _scaled(column[0].residual, f"{_SCALE}{number}"),
            column[0].name,
            float(len(column)),
            column[0].norm,
            column[0].order,
        )
        for number, (column, key) in enumerate(zip(columns, keys, strict=True))
    ]


def _scaled(residual: Callable[..., Tensor], scale: str) -> Callable[..., Tensor]:
    """Return a residual whose rows are multiplied by the target ``scale``: that of the problem that they are of."""

    def scaled(**given: Any) -> Tensor:
        factor: Tensor = given.pop(scale)
        rows = residual(**given)
        return rows * factor.reshape(-1, *(1,) * (rows.ndim - 1))

    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in inspect.signature(residual).parameters.values()
    ]
    parameters = [*own, inspect.Parameter(scale, inspect.Parameter.KEYWORD_ONLY)]
    scaled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    return scaled


def _members(problems: Sequence[Problem], seed: int, first_omega: float) -> Batched:
    fields: list[nn.Module] = []
    for number, problem in enumerate(problems):
        torch.manual_seed(seed + number)
        fields += problem.build(first_omega).values()
    networks = {str(Network.of(each).to_json()) for each in fields}
    if len(networks) > 1:
        raise ValueError("problems side by side have networks of one shape; solve these with how=serial")
    stacked = {
        name: torch.stack([each.get_parameter(name).detach() for each in fields])
        for name, _ in fields[0].named_parameters()
    }
    return Batched(fields[0], len(fields), stacked)


def _mean_metrics(problems: Sequence[Problem], fields: Mapping[str, nn.Module], count: int | None) -> dict[str, float]:
    """Return the means of the metrics of some of the problems, or of all for a ``count`` of None."""
    members = fields["u"]
    assert isinstance(members, Batched), "the joint problem builds it"
    some = range(len(problems)) if count is None else range(0, len(problems), max(1, len(problems) // 8))
    rows = [
        problems[k].measure({"u": members.member_at(k)}, None if count is None else max(1, count // len(some)))
        for k in some
    ]
    return {name: sum(each[name] for each in rows) / len(rows) for name in rows[0]} if rows else {}
