"""Figures and animations: a field beside the truth, networks side by side, what goes on inside."""

from __future__ import annotations

from matplotlib.figure import Figure

from sinefield.kinds import view_named
from sinefield.plots.clips import clip_figure, volume_figure
from sinefield.plots.completions import Completed, completions_figure
from sinefield.plots.equations import check_moving, equation_figure, equation_frames
from sinefield.plots.large import large_picture_figure
from sinefield.plots.layers import activations_figure
from sinefield.plots.pictures import Panels, Sheet, Subject, comparison_figure, picture_figure
from sinefield.plots.recordings import recording_figure
from sinefield.plots.shapes import shape_figure
from sinefield.plots.style import FORMATS, check_format, save_figure
from sinefield.solution import Solution

__all__ = [
    "FORMATS",
    "Completed",
    "Panels",
    "Sheet",
    "Subject",
    "activations_figure",
    "check_format",
    "check_moving",
    "clip_figure",
    "comparison_figure",
    "completions_figure",
    "equation_figure",
    "equation_frames",
    "large_picture_figure",
    "picture_figure",
    "recording_figure",
    "save_figure",
    "shape_figure",
    "solution_figure",
    "volume_figure",
]


def solution_figure(solution: Solution) -> Figure:
    """Return the figure of a solution, truth beside field: as that kind of signal is looked at.

    Raises:
        ValueError: there is no figure of such a problem.
    """
    signal = solution.problem.signal
    if signal is None:
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r}; it is not one of a signal")
    return view_named(signal.kind).figure_of(solution)
