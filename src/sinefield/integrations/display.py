"""What notebooks show of a solution: a small picture of the field, and what was reached."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import nn

from sinefield import checkpoint
from sinefield.fields import Network
from sinefield.integrations.sampled import lines_of, sampled
from sinefield.signals.equation import EquationSignal
from sinefield.signals.signal import Signal
from sinefield.solution import Solution, describe
from sinefield.viewer.picture import picture_of

_WIDTH: Final = 288  # pixels of a curve
_HEIGHT: Final = 96
_IN_COLUMN: Final = 32  # places in a column of its pixels


def signal_of(solution: Solution) -> Signal | None:
    """Return how the main field of a solution is read back, of an equation in its first region; None: not at all."""
    if solution.problem.signal is not None:
        return solution.problem.signal
    domains: list[Any] = [each.domain for each in solution.problem.constraints if hasattr(each.domain, "bounding_box")]
    outputs = getattr(solution.field, "out_features", None)
    if not domains or not isinstance(outputs, int) or not 1 <= domains[0].dimension <= 3:
        return None
    return EquationSignal.of(domains[0], outputs)


def save_readable(solution: Solution, path: Path) -> None:
    """Write the fields of a solution to a file that tells how they are read back, of an equation too.

    Raises:
        ValueError: its fields cannot be saved, or are of no signal and no equation.
        OSError: the place cannot be written to.
    """
    signal = signal_of(solution)
    if signal is None:
        raise ValueError(
            f"the problem {solution.problem.name!r} has no signal to be shown as; call solution.field(points) instead"
        )
    told = describe(solution.problem, solution.recipe, solution.seed) | {"signal": signal.to_json()}
    checkpoint.save(path, solution.fields, **told, metrics=dict(solution.metrics))


def html_of(solution: Solution) -> str:
    """Return a picture of a solution and a table of what was reached, as HTML in which all that is told is text."""
    signal = signal_of(solution)
    picture = "" if signal is None else _picture(solution.field, signal, solution.problem.name)
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in _facts(solution).items()
    )
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{picture}<table>{rows}</table></div>'


def _facts(solution: Solution) -> Mapping[str, str]:
    told = {"problem": solution.problem.name}
    if solution.problem.source is not None:
        told["fitted to"] = solution.problem.source.name
    if solution.problem.accuracy is not None:
        told["verdict"] = solution.verdict
    told |= {name: f"{each:.4g}" for name, each in solution.metrics.items()}
    told |= {name: _network(field) for name, field in solution.fields.items()}
    steps = solution.history[-1].step if solution.history else 0
    told["found by"] = f"{solution.recipe.name}, {steps} steps in {solution.seconds:.3g} s"
    told["ended"] = solution.advice or solution.shortfall or f"by its {solution.stopped}"
    return told


def _network(field: nn.Module) -> str:
    numbers = f"{sum(each.numel() for each in field.parameters()):,} parameters"
    try:
        return f"{Network.of(field).architecture}, {numbers}"
    except ValueError:
        return f"{type(field).__name__}, {numbers}"


def _picture(field: nn.Module, signal: Signal, name: str) -> str:
    if len(lines_of(signal)) == 1:
        return _curve(field, signal, name)
    found = picture_of(field, signal)
    return "" if found is None else f'<img src="{found}" alt="A picture of {html.escape(name)}" width="192"/>'


def _curve(field: nn.Module, signal: Signal, name: str) -> str:
    """Return the curve of a field of one coordinate: in each column from the least to the greatest value there."""
    (line,) = lines_of(signal)
    values = sampled(field, signal, {line.name: _WIDTH * _IN_COLUMN})["value"][:, 0].reshape(_WIDTH, _IN_COLUMN)
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    scale = _HEIGHT / (high - low) if high > low else 0.0
    ends = np.stack([values[:, 0], values.min(1), values.max(1), values[:, -1]], 1)
    points = " ".join(f"{x},{_HEIGHT - (each - low) * scale:.1f}" for x, column in enumerate(ends) for each in column)
    label = html.escape(
        f"{name} from {low:.4g} to {high:.4g}, along {line.name} from {line.low:.4g} to {line.high:.4g}"
    )
    return (
        f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<title>{label}</title><polyline points="{points}" fill="none" stroke="currentColor"/></svg>'
    )
