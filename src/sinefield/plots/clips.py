"""Figures of signals of three axes: frames of a clip and slices of a volume, truth beside field, and the error."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinefield.io.image import Floats
from sinefield.io.video import Clip
from sinefield.io.volume import Volume
from sinefield.plots.style import STYLE, draw_convergence
from sinefield.problems.reading import read_at
from sinefield.problems.video import VideoSignal
from sinefield.problems.volume import VolumeSignal
from sinefield.solution import Solution

_MOMENTS = (0.1, 0.5, 0.9)  # of the length of a clip
_ERROR = 0.25  # of the range of values: the error at the bright end of the scale
_ERRORS = f"|error|, to {_ERROR:.0%}"


def clip_figure(solution: Solution) -> Figure:
    """Return the figure of a clip: truth, field and error at three moments, a slice of time and x, convergence.

    The slice is the middle row of every frame, one below the other: time runs down.

    Raises:
        ValueError: the solution is not one of a clip.
    """
    clip, signal = solution.problem.reference, solution.problem.signal
    if not (isinstance(clip, Clip) and isinstance(signal, VideoSignal)):
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r} as a clip")
    numbers = [min(clip.frames - 1, int(part * clip.frames)) for part in _MOMENTS]
    truths = [clip.frame(number).astype(np.float32) / 255 for number in numbers]
    moments = [(number + 0.5) / clip.rate for number in numbers]
    fields = [signal.render(solution.field, time=moment) / 255 for moment in moments]
    middle = clip.height // 2
    row = clip.values.reshape(clip.frames, clip.height, clip.width, -1)[:, middle].astype(np.float32) / 255
    lattice = signal.lattice
    axes = [
        lattice.centres(0, clip.frames),
        lattice.centres(1, 1, middle, middle + 1),
        lattice.centres(2, clip.width),
    ]
    found = read_at(solution.field, axes, lattice.channels, lambda u: lattice.to_signal(u.value))[:, 0] / 255
    height = 2.6 * min(max(clip.height / clip.width, 0.4), 1.4)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.4, 3 * height + 3.4), layout="constrained")
        grid = figure.add_gridspec(4, 4, width_ratios=[1, 1, 1, 1.35], height_ratios=[height] * 3 + [2.2])
        for column, (moment, truth, field) in enumerate(zip(moments, truths, fields, strict=True)):
            panels = (
                ("truth", truth),
                ("field", field),
                (_ERRORS, abs(field - truth).mean(-1, keepdims=True) / _ERROR),
            )
            for line, (name, values) in enumerate(panels):
                title = f"{name}, {moment:.3g} s" if line == 0 else name
                _picture(figure.add_subplot(grid[line, column]), values, title)
        slices = (("truth", row), ("field", found), (_ERRORS, abs(found - row).mean(-1, keepdims=True) / _ERROR))
        for column, (name, values) in enumerate(slices):
            panel = figure.add_subplot(grid[3, column])
            _picture(panel, values, f"{name}: middle row over time", aspect="auto")
        loss = figure.add_subplot(grid[:, 3])
        draw_convergence(loss, loss.twinx(), solution.history)
        reached = solution.metrics
        spread = f", over frames {reached['psnr_mean']:.1f} ± {reached['psnr_spread']:.1f} dB" * (
            "psnr_mean" in reached
        )
        figure.suptitle(
            f"{clip.name}, {clip.frames} frames, recipe “{solution.recipe.name}”: PSNR {reached['psnr']:.1f} dB{spread}"
        )
    return figure


def volume_figure(solution: Solution) -> Figure:
    """Return the figure of a volume: truth, field and error in its three middle slices, and convergence.

    Raises:
        ValueError: the solution is not one of a volume.
    """
    scan, signal = solution.problem.reference, solution.problem.signal
    if not (isinstance(scan, Volume) and isinstance(signal, VolumeSignal)):
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r} as a volume")
    values = scan.values.reshape(scan.shape)
    span = scan.high - scan.low
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.4, 8.2), layout="constrained")
        grid = figure.add_gridspec(3, 4, width_ratios=[1, 1, 1, 1.35])
        for column, name in enumerate("zyx"):
            number = scan.shape[column] // 2
            truth = (values.take(number, column).astype(np.float32)[:, :, None] - scan.low) / span
            field = (signal.render(solution.field, axis=column, at=number + 0.5)[:, :, None] - scan.low) / span
            rows, columns = (each for axis, each in enumerate(scan.sizes) if axis != column)
            panels = (
                ("truth", truth),
                ("field", field),
                (_ERRORS, abs(field - truth).mean(-1, keepdims=True) / _ERROR),
            )
            for line, (what, shown) in enumerate(panels):
                title = f"{what}, across {name} at {number}" if line == 0 else what
                _picture(figure.add_subplot(grid[line, column]), shown, title, aspect=rows / columns)
        loss = figure.add_subplot(grid[:, 3])
        draw_convergence(loss, loss.twinx(), solution.history)
        shape = " x ".join(map(str, scan.shape))
        figure.suptitle(
            f"{scan.name}, {shape}, recipe “{solution.recipe.name}”: PSNR {solution.metrics['psnr']:.1f} dB"
        )
    return figure


def _picture(
    axes: Axes, values: Floats | NDArray[Any], title: str, aspect: Literal["equal", "auto"] | float = "equal"
) -> None:
    """Draw values ``(h, w, 1 or 3)`` from 0 to 1."""
    shown = np.clip(values, 0, 1)
    grey = shown.shape[2] == 1
    axes.imshow(
        shown[:, :, 0] if grey else shown,
        cmap="magma" if title.startswith(_ERRORS) else "gray",
        vmin=0,
        vmax=1,
        aspect=aspect,
    )
    axes.set_title(title)
    axes.set_axis_off()
