"""Find Φ: constraints, a recipe, and the descent that they make."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from sinefield import kernels
from sinefield import recipe as recipes
from sinefield.constraint import Constraint
from sinefield.descent import Descent
from sinefield.objective import System
from sinefield.problem import Part, Problem
from sinefield.recipe import Recipe
from sinefield.solution import Divergence, Observer, Progress, Record, Solution, Speed, Stop


def solve(
    unknown: Problem | nn.Module | Mapping[str, nn.Module],
    constraints: Sequence[Constraint] = (),
    recipe: str | Recipe = "fast",
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    compiled: bool | None = None,
    observe: Observer | None = None,
    **changes: Any,
) -> Solution:
    """Find Φ such that every constraint C_m(x, a_m(x), Φ, ∇Φ, ΔΦ, …) = 0 on Ω_m holds as well as can be.

    Minimises Σ_m weight_m · norm_m(C_m) over the parameters of the fields by stochastic gradients, points
    being drawn from each domain. Which derivatives are computed is found by looking at what residuals read;
    constraints on one domain object share one evaluation.

    Args:
        unknown: a problem, which brings its own field and constraints; or a field; or fields by name.
        constraints: C_1 … C_M, for ``unknown`` fields.
        recipe: how, by name or as a value; a name is made to fit the order of the constraints.
        seed: of the initial weights of a problem's field, and of the sampling.
        device: where to compute; None: where the field is.
        compiled: whether to compile parts of the kernels, where that is possible; None: where it repays its seconds.
        observe: called after each step; the time it takes is not counted.
        **changes: settings of the recipe to replace, such as ``passes=5`` or ``seconds=10``.

    Returns:
        The solution. The fields given are trained in place, and left in evaluation mode.

    Raises:
        ValueError: nothing to solve, two constraints of one name, a residual that asks for an unknown name,
            an unknown recipe or setting.

    >>> from sinefield.domains import Box
    >>> from sinefield.fields.siren import Siren
    >>> _ = torch.manual_seed(0)
    >>> omega = Box([-1.0], [1.0])  # u' = 2x with u(±1) = 1: the solution is u = x²
    >>> u = Siren(1, 1, hidden_features=32, hidden_layers=1, first_omega=5)
    >>> solution = solve(u, [
    ...     Constraint(omega, lambda u: u.gradient - 2 * u.points, name="slope"),
    ...     Constraint(omega.boundary, lambda u: u.value - 1, name="ends"),
    ... ], passes=8, batch=256, learning_rate=2e-3)
    >>> bool((u(torch.tensor([[0.5]])) - 0.25).abs() < 0.05)
    True
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        system, problem, chosen = prepared(unknown, constraints, recipe, changes, seed=seed, device=device)
        main = next(iter(system.fields.values()))
        if problem.parts is None:
            course = _descended(Descent(system, problem, chosen, seed), observe, compiled=compiled)
        else:
            course = _in_parts(main, problem.parts(main), chosen, seed, observe, compiled=compiled)
    metrics = problem.measure(system.fields, None)
    solution = Solution(
        main, system.fields, problem, chosen, course.history, metrics, course.stopped, seed, course.speed
    )
    if course.stopped == "diverged":
        warnings.warn(solution.advice, Divergence, stacklevel=2)
    return solution


@dataclass(frozen=True)
class _Course:
    """How a search went."""

    history: Sequence[Record]
    stopped: Stop
    speed: Speed


def _descended(descent: Descent, observe: Observer | None, *, compiled: bool | None) -> _Course:
    with kernels.executing(descent.execution(compiled=compiled)):
        stopped = descent.run(observe)
    return _Course(descent.history, stopped, descent.speed)


def _in_parts(
    whole: nn.Module,
    parts: Sequence[Part],
    recipe: Recipe,
    seed: int,
    observe: Observer | None,
    *,
    compiled: bool | None,
) -> _Course:
    """Return the course of the parts, solved one after the other, each with its share of the seconds."""
    share = recipe if recipe.seconds is None else recipe.changed(seconds=recipe.seconds / len(parts))
    history: list[Record] = []
    stopped: Stop = "budget"
    points = flop = peak = 0.0
    for number, part in enumerate(parts):
        last = history[-1] if history else Record(0, 0.0, 0.0, 0.0, {}, {})

        def shifted(record: Record, last: Record = last) -> Record:
            passes = last.passes + record.passes / len(parts)
            return replace(record, step=last.step + record.step, passes=passes, seconds=last.seconds + record.seconds)

        def watch(progress: Progress, number: int = number, last: Record = last) -> None:
            assert observe is not None
            observe(
                replace(
                    progress,
                    field=whole,
                    step=last.step + progress.step,
                    seconds=last.seconds + progress.seconds,
                    passes=last.passes + progress.passes / len(parts),
                    fraction=(number + progress.fraction) / len(parts),
                    record=progress.record and shifted(progress.record),
                )
            )

        system = System.of({"u": part.field}, part.problem.constraints)
        descent = Descent(system, part.problem, share, seed + number)
        course = _descended(descent, watch if observe else None, compiled=compiled)
        seconds = course.history[-1].seconds if course.history else 0.0
        points, flop = points + course.speed.points * seconds, flop + course.speed.flop * seconds
        peak = course.speed.peak
        history += map(shifted, course.history)
        if course.stopped != "budget":
            stopped = course.stopped
        if course.stopped == "interrupted":
            break
    seconds = max(history[-1].seconds, 1e-9) if history else 1.0
    return _Course(history, stopped, Speed(points / seconds, flop / seconds, peak))


def prepared(
    unknown: Problem | nn.Module | Mapping[str, nn.Module],
    constraints: Sequence[Constraint],
    recipe: str | Recipe,
    changes: Mapping[str, Any],
    *,
    seed: int,
    device: str | torch.device | None,
) -> tuple[System, Problem, Recipe]:
    """Return what :func:`solve` solves, with its fields on ``device``; the arguments are those of it.

    Raises:
        ValueError: as for ``solve``.
    """
    if not isinstance(unknown, Problem):
        fields = {"u": unknown} if isinstance(unknown, nn.Module) else dict(unknown)
        system = System.of(_on(fields, device), constraints)
        built = {name: partial(_as_it_is, each) for name, each in fields.items()}
        problem = Problem("constraints", constraints, built)
        return system, problem, _chosen(recipe, system.order, changes).tuned(None)
    if constraints:
        raise ValueError("a problem brings its own constraints; give further ones with a field instead")
    # A problem's field depends on the recipe's frequency and the recipe on the order of the constraints, which any
    # field of the problem shows.
    order = System.of(unknown.build(30.0), unknown.constraints).order
    chosen = _chosen(recipe, order, changes, unknown.tuning).tuned(unknown.omega)
    torch.manual_seed(seed)
    fields = unknown.build(chosen.first_omega or 30.0)
    return System.of(_on(fields, device), unknown.constraints), unknown, chosen


def _as_it_is(field: nn.Module, _omega: float) -> nn.Module:
    return field


def _chosen(
    recipe: str | Recipe, order: int, changes: Mapping[str, Any], tuning: Mapping[str, Mapping[str, Any]] | None = None
) -> Recipe:
    chosen = recipes.named(recipe, order, tuning) if isinstance(recipe, str) else recipe
    return chosen.changed(**changes) if changes else chosen


def _on(fields: Mapping[str, nn.Module], device: str | torch.device | None) -> dict[str, nn.Module]:
    return {name: each if device is None else each.to(device) for name, each in fields.items()}
