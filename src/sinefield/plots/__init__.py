"""Figures and animations: a field beside the truth, networks side by side, what goes on inside."""

from __future__ import annotations

from matplotlib.figure import Figure

from sinefield.io.audio import Recording
from sinefield.io.image import Picture
from sinefield.io.video import Clip
from sinefield.io.volume import Volume
from sinefield.plots.clips import clip_figure, volume_figure
from sinefield.plots.large import large_picture_figure
from sinefield.plots.layers import activations_figure
from sinefield.plots.pictures import Panels, Sheet, Subject, comparison_figure, picture_figure
from sinefield.plots.recordings import recording_figure
from sinefield.plots.shapes import slice_figure
from sinefield.plots.style import FORMATS, check_format, save_figure
from sinefield.solution import Solution

__all__ = [
    "FORMATS", "Panels", "Sheet", "Subject",
    "activations_figure", "check_format", "clip_figure", "comparison_figure", "large_picture_figure",
    "picture_figure", "recording_figure", "save_figure", "slice_figure", "solution_figure", "volume_figure",
]  # fmt: skip


def solution_figure(solution: Solution) -> Figure:
    """Return the figure of a solution, truth beside field: as that kind of signal is looked at.

    Raises:
        ValueError: there is no figure of such a problem.
    """
    if isinstance(solution.problem.reference, Recording):
        return recording_figure(solution)
    if isinstance(solution.problem.reference, Clip):
        return clip_figure(solution)
    if isinstance(solution.problem.reference, Volume):
        return volume_figure(solution)
    if isinstance(solution.problem.reference, Picture) and solution.problem.reference.large:
        return large_picture_figure(solution)
    return picture_figure(solution)
