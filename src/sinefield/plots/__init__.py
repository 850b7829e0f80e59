"""Figures and animations: a field beside the truth, networks side by side, what goes on inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from sinefield.io.audio import Recording
from sinefield.io.image import Picture
from sinefield.io.points import Cloud
from sinefield.io.video import Clip
from sinefield.io.volume import Volume
from sinefield.plots.clips import clip_figure, volume_figure
from sinefield.plots.large import large_picture_figure
from sinefield.plots.layers import activations_figure
from sinefield.plots.pictures import Panels, Sheet, Subject, comparison_figure, picture_figure
from sinefield.plots.recordings import recording_figure
from sinefield.plots.shapes import shape_figure
from sinefield.plots.style import FORMATS, check_format, save_figure
from sinefield.solution import Solution

__all__ = [
    "FORMATS",
    "Panels",
    "Sheet",
    "Subject",
    "activations_figure",
    "check_format",
    "clip_figure",
    "comparison_figure",
    "large_picture_figure",
    "picture_figure",
    "recording_figure",
    "save_figure",
    "shape_figure",
    "solution_figure",
    "volume_figure",
]

_FIGURES: Mapping[type, Callable[[Solution], Figure]] = {
    Recording: recording_figure,
    Clip: clip_figure,
    Volume: volume_figure,
    Cloud: shape_figure,
}


def solution_figure(solution: Solution) -> Figure:
    """Return the figure of a solution, truth beside field: as that kind of signal is looked at.

    Raises:
        ValueError: there is no figure of such a problem.
    """
    reference = solution.problem.reference
    if isinstance(reference, Picture) and reference.large:
        return large_picture_figure(solution)
    for kind, figure in _FIGURES.items():
        if isinstance(reference, kind):
            return figure(solution)
    return picture_figure(solution)
