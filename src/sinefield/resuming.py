"""Snapshots of fits, and fits that go on from them as if they had never stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import Tensor

from sinefield import kernels
from sinefield.constraint import first_samples
from sinefield.fields.field import evaluating
from sinefield.fit import Fit
from sinefield.history import Clock, Record
from sinefield.objective import Batch, Objective
from sinefield.snapshot import Snapshot


def take_snapshot(fit: Fit, histories: Sequence[Sequence[Record]], source: str) -> Snapshot:
    """Return all that is needed to go on with a fit.

    Args:
        fit: as it is between two steps.
        histories: records of the parts so far, that of this fit last.
        source: a digest of what is fitted.
    """
    tensors = {f"solver/{name}": each for name, each in fit.state.tensors().items()}
    tensors |= {f"totals/{name}": each for name, each in fit.totals.items()}
    tensors |= {f"parameters/{name}": each.detach() for name, each in fit.objective.parameters.items()}
    tensors |= {"random": torch.get_rng_state(), "probe": _probe(fit.objective)}
    return Snapshot(
        len(histories) - 1,
        fit.step,
        fit.clock.seconds,
        [list(each) for each in histories],
        {name: each.detach().cpu().clone() for name, each in tensors.items()},
        fit.execution.run is not kernels.PLAIN.run,
        fit.execution.rounded,
        source,
    )


def restore(fit: Fit, snapshot: Snapshot) -> None:
    """Put a fit of the same arguments where another one was.

    Raises:
        ValueError: the state is of another solver, other fields or other equations.
    """
    objective = fit.objective
    parts: dict[str, dict[str, Tensor]] = {"solver": {}, "totals": {}, "parameters": {}}
    for name, each in snapshot.tensors.items():
        kind, _, inner = name.partition("/")
        if kind in parts:
            parts[kind][inner] = each
    if parts["parameters"].keys() != objective.parameters.keys():
        raise ValueError("the state to resume from is of fields with other parameters")
    fit.state.load(parts["solver"])
    fit.put(parts["parameters"])
    probe, saved = _probe(objective), snapshot.tensors["probe"].to(objective.device)
    if probe.shape != saved.shape or bool((probe - saved).abs().max() > 1e-6 + 1e-3 * saved.abs().max()):
        raise ValueError("its equations have other residuals than those of this problem")
    fit.totals = {name: each.to(objective.device) for name, each in parts["totals"].items()}
    fit.step, fit.clock = snapshot.step, Clock(snapshot.seconds)
    fit.history = list(snapshot.history[-1])
    if fit.approach is not None:
        for record in fit.history:
            fit.approach.see(record)
    # Products are rounded as they were, even if the machine would choose otherwise now.
    chosen = kernels.execution(objective.device, compiling=snapshot.compiling, rounding=False)
    fit.execution = replace(chosen, rounded=snapshot.rounding)
    torch.set_rng_state(snapshot.tensors["random"])


def _probe(objective: Objective) -> Tensor:
    """Return the residuals at a few points, by which a problem is told from one with other equations."""
    like = next(iter(objective.unknowns.values()))
    domains = [group.domain for group in objective.groups]
    with ExitStack() as stack:
        for each in objective.unknowns.values():
            stack.enter_context(evaluating(each))
        return objective.residuals(Batch([first_samples(each, 16 * each.granule, like) for each in domains]))
