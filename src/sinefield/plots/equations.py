"""Figures and frames of solutions of equations: what was found, its error and residual, and how it converged."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield.plots.style import ACCENT, INK, STYLE
from sinefield.problem import Problem
from sinefield.quantities import QUANTITIES, Quantity
from sinefield.signals.equation import Doubles, EquationSignal, colours_of
from sinefield.solution import Solution

_SAMPLES = 256  # along an axis
_FRAMES = 48


def equation_figure(solution: Solution) -> Figure:
    """Return the figure of a solution: its value or its parts, its error where the truth is known, its convergence.

    Raises:
        ValueError: the problem is no equation that is read back on a box.
    """
    signal = _signal_of(solution.problem)
    panels = [
        (signal.quantity_named(name).title, signal.quantity_named(name), signal.sample(solution.field, quantity=name))
        for name in (("real", "imaginary", "modulus") if signal.complex else ("value",))
    ]
    exact = solution.problem.reference
    if callable(exact):
        error = _Error(solution.field, exact, signal.channels)
        size = QUANTITIES["value"]
        panels.append(("|error|", size, np.abs(signal.sample(error, quantity="value")).max(-1, keepdims=True)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.0 * (len(panels) + 1), 3.6), layout="constrained")
        axes = figure.subplots(1, len(panels) + 1)
        for place, (title, quantity, values) in zip(axes, panels, strict=False):
            _draw(figure, place, signal, title, quantity, values)
        _draw_convergence(axes[-1], solution)
        figure.suptitle(textwrap.fill(solution.verdict, 50 * (len(panels) + 1)), fontsize=9, color=INK)
    return figure


def check_moving(problem: Problem) -> None:
    """Refuse to animate what does not move: a real field without a time.

    Raises:
        ValueError: it does not, or it has more than two lengths.
    """
    signal = _signal_of(problem)
    lengths = len(signal.names) - 1
    if not (signal.complex and lengths == 1) and not (signal.names[0] == "t" and lengths in (1, 2)):
        raise ValueError(
            "an animation is of a field of a time t and one or two lengths, or of a complex field in a plane"
        )


def equation_frames(solution: Solution) -> Sequence[NDArray[np.uint8]]:
    """Return frames ``(h, w, 3)`` of a solution as it goes on: in time, or a complex one through a period.

    Raises:
        ValueError: it does neither; see :func:`check_moving`.
    """
    check_moving(solution.problem)
    with mpl.rc_context(STYLE):
        return [_frame(each) for each in _moments(solution.field, _signal_of(solution.problem))]


def _moments(field: nn.Module, signal: EquationSignal) -> Iterator[Figure]:
    """Yield a figure of each moment."""
    if signal.complex:
        parts = [signal.sample(field, quantity=name) for name in ("real", "imaginary")]
        limit = float(np.nanpercentile(np.hypot(*parts), 99.5)) or 1.0
        for number in range(_FRAMES):
            angle = 2 * math.pi * number / _FRAMES
            shown = parts[0] * math.cos(angle) + parts[1] * math.sin(angle)  # Re u e^(−iωt)
            yield _moment(signal, shown, (-limit, limit), f"ωt = {angle:.2f}")
        return
    places = np.linspace(signal.lower[0], signal.upper[0], _FRAMES)
    rows = (
        list(signal.sample(field, (_FRAMES, _SAMPLES)))
        if len(signal.names) == 2
        else [signal.sample(field, cuts=(f"t={place:.17g}",)) for place in places]
    )
    ends = min(float(np.nanmin(each)) for each in rows), max(float(np.nanmax(each)) for each in rows)
    limits = signal.scale(QUANTITIES["value"], *ends)
    for place, values in zip(places, rows, strict=True):
        yield _moment(signal, values, limits, f"t = {place:.3g}")


def _moment(signal: EquationSignal, values: Doubles, limits: tuple[float, float], title: str) -> Figure:
    figure = Figure(figsize=(4.4, 4.0), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    if values.ndim == 2:
        axes.plot(np.linspace(signal.lower[-1], signal.upper[-1], len(values)), values[:, 0], color=INK)
        axes.set_ylim(limits[0] - 0.05 * (limits[1] - limits[0]), limits[1] + 0.05 * (limits[1] - limits[0]) or 1.0)
        axes.set_xlabel(signal.names[-1])
    else:
        _image(axes, signal, QUANTITIES["value"], values, *limits)
    axes.set_title(title)
    return figure


def _frame(figure: Figure) -> NDArray[np.uint8]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw(figure: Figure, axes: Axes, signal: EquationSignal, title: str, quantity: Quantity, values: Doubles) -> None:
    axes.set_title(title)
    if values.ndim == 2:
        axes.plot(np.linspace(signal.lower[0], signal.upper[0], len(values)), values, color=INK)
        axes.set_xlabel(signal.names[0])
        return
    low, high = signal.scale(quantity, float(np.nanmin(values)), float(np.nanmax(values)))
    _image(axes, signal, quantity, values, low, high)
    name = "RdBu_r" if low < 0 < high else "viridis"
    shown = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high), name)
    figure.colorbar(shown, ax=axes, shrink=0.8)


def _image(axes: Axes, signal: EquationSignal, quantity: Quantity, values: Doubles, low: float, high: float) -> None:
    shown = colours_of(quantity, values[..., 0], low, high).swapaxes(0, 1)
    extent = (signal.lower[-2], signal.upper[-2], signal.lower[-1], signal.upper[-1])
    axes.imshow(shown, origin="lower", extent=extent, aspect="auto" if "t" in signal.names[-2:] else "equal")
    axes.set_xlabel(signal.names[-2])
    axes.set_ylabel(signal.names[-1])


def _draw_convergence(axes: Axes, solution: Solution) -> None:
    """Draw the residual, and the error where it is known, over the seconds."""
    axes.set_title("convergence")
    for name, colour in (("residual", INK), ("error", ACCENT)):
        found = [(each.seconds, each.metrics[name]) for each in solution.history if each.metrics.get(name, 0.0) > 0]
        if found:
            axes.semilogy(*zip(*found, strict=True), color=colour, marker="o", ms=3, lw=1.4, label=name)
    axes.set_xlabel("seconds")
    axes.grid(visible=True, alpha=0.15)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


class _Error(nn.Module):
    """The difference between a field and the truth, as a field."""

    def __init__(self, field: nn.Module, exact: Callable[[Tensor], Tensor], channels: int) -> None:
        super().__init__()
        self.field, self.exact, self.channels = field, exact, channels
        self.in_features = getattr(field, "in_features", 0)

    def forward(self, points: Tensor) -> Tensor:
        """Return the difference, ``(n, c)``."""
        truth = self.exact(points)
        if truth.is_complex():
            truth = torch.view_as_real(truth).flatten(1)
        difference: Tensor = self.field(points) - truth
        return difference


def _signal_of(problem: Problem) -> EquationSignal:
    signal = problem.signal
    if not isinstance(signal, EquationSignal):
        raise ValueError(f"there is no figure of the problem {problem.name!r}; it has no box to be drawn on")
    return signal
