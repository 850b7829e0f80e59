"""Find Φ: ask the sampler, evaluate, step, record, until the budget is used. The only such loop in the project."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sinefield.constraint import Constraint
from sinefield.fit import Fit, prepare
from sinefield.history import merge
from sinefield.problem import Part, Problem
from sinefield.recipe import Recipe
from sinefield.search import AfterStep, Checkpointing, Search
from sinefield.solution import Divergence, Observer, Solution, Stop
from sinefield.threads import Threads


def run(fit: Fit, after_step: AfterStep | None = None) -> Stop:
    """Return what ended a fit: steps are taken until the budget is used, or something else happens.

    Args:
        fit: the state of it, changed in place.
        after_step: called with it and the part of the budget that is used; the time it takes is not counted.
    """
    fit.begin()
    threads = Threads(fit)
    stopped: Stop = "budget"
    try:
        fraction = fit.fraction
        while fraction < 1:
            with threads.timing():
                fit.take_step(fraction)
            fraction = fit.fraction  # looked at once, so that the last step is always recorded
            if fit.step % fit.record_every == 0 or fraction >= 1:
                record = fit.record()
                if not math.isfinite(record.loss):
                    stopped = "diverged"
                    break
                if fit.has_reached(record):
                    stopped = "goal"
                    break
                fraction = fit.fraction  # a goal is planned for anew
            if after_step is not None:
                fit.clock.stop()
                after_step(fit, fraction)
                fit.clock.start()
    except KeyboardInterrupt:
        stopped = "interrupted"
    finally:
        threads.end()
    fit.end(stopped)
    return stopped


def solve(
    unknown: Problem | nn.Module | Mapping[str, nn.Module],
    constraints: Sequence[Constraint] = (),
    recipe: str | Recipe = "auto",
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    compiled: bool | None = None,
    observe: Observer | None = None,
    checkpointing: Checkpointing | None = None,
    resume: str | Path | None = None,
    **changes: Any,
) -> Solution:
    """Find Φ such that every constraint C_m(x, a_m(x), Φ, ∇Φ, ∇²Φ, …) = 0 on Ω_m holds as well as can be.

    Minimises Σ_m weight_m · norm_m(C_m) over the parameters of the fields, points being drawn from each domain. Which
    derivatives are computed is found by looking at what residuals read; constraints on one domain object share one
    evaluation.

    Args:
        unknown: a problem, which brings its own fields and constraints; or a field; or fields by name.
        constraints: C_1 … C_M, for ``unknown`` fields.
        recipe: how, by name or as a value; a name is made to fit the order of the constraints. ``"auto"``: in closed
            form for recordings, for pictures that are not large, on their values or one derivative, and for whatever
            else has samples that tell what lies between them, if nothing but ``seconds`` is changed; else ``"fast"``.
        seed: of the initial weights of a problem's fields, and of the sampling.
        device: where to compute; None: where the fields are.
        compiled: whether to compile parts of the kernels, where that is possible; None: where it repays its seconds.
        observe: called after each step; the time it takes is not counted.
        checkpointing: where and how often to write what ``resume`` takes; None: nowhere.
        resume: a file that ``checkpointing`` wrote in a search with the same arguments, to go on from.
        **changes: settings of the recipe to replace, such as ``passes=5`` or ``seconds=10``.

    Returns:
        The solution. The fields given are trained in place, and left in evaluation mode.

    Raises:
        ValueError: nothing to solve, two constraints of one name, a residual that asks for an unknown name,
            an unknown recipe or setting, or a file to resume from that was written by another search.

    >>> from sinefield.domains import Box
    >>> from sinefield.fields import Siren
    >>> _ = torch.manual_seed(0)
    >>> omega = Box([-1.0], [1.0])  # u' = 2x with u(±1) = 1: the solution is u = x²
    >>> u = Siren(1, 1, hidden_features=32, hidden_layers=1, first_omega=5)
    >>> solution = solve(u, [
    ...     Constraint(omega, lambda u: u.gradient - 2 * u.points, name="slope"),
    ...     Constraint(omega.boundary, lambda u: u.value - 1, name="ends"),
    ... ], passes=2, batch=256, learning_rate=2e-3)
    >>> bool((u(torch.tensor([[0.5]])) - 0.25).abs() < 0.05)
    True
    """
    if recipe == "auto" and (checkpointing is not None or resume is not None):
        recipe = "fast"  # there is nothing to go on with of what is found at once
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        objective, problem, chosen = prepare(unknown, constraints, recipe, changes, seed=seed, device=device)
        fields = objective.unknowns
        parts = [Part(fields, problem)] if problem.parts is None else problem.parts(fields)
        search = Search(objective, problem, parts, chosen, seed, compiled, observe, checkpointing)
        if resume is not None:
            search.resume(resume)
        search.run(run)
    return _solution(search)


def _solution(search: Search) -> Solution:
    solution = Solution(
        search.fields,
        search.problem,
        search.recipe,
        merge(search.histories),
        search.measure(),
        search.stopped,
        search.seed,
        search.speed,
        search.kept,
    )
    if search.stopped == "diverged":
        warnings.warn(solution.advice, Divergence, stacklevel=3)
    return solution
