"""Figures of signals of three axes: frames of a clip and slices of a volume, truth beside field, and the error."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sinefield.io.video import Clip
from sinefield.io.volume import Volume
from sinefield.plots.style import STYLE, draw_beside, draw_convergence, short
from sinefield.signals.sampling import sample_grid
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal
from sinefield.solution import Solution

_MOMENTS = (0.1, 0.5, 0.9)  # of the length of a clip


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
    fields = [signal.sample(solution.field, time=moment) / 255 for moment in moments]
    middle = clip.height // 2
    row = clip.values.reshape(clip.frames, clip.height, clip.width, -1)[:, middle].astype(np.float32) / 255
    lattice = signal.lattice
    axes = [
        lattice.centres(0, clip.frames),
        lattice.centres(1, 1, middle, middle + 1),
        lattice.centres(2, clip.width),
    ]
    found = sample_grid(solution.field, axes, lattice.channels, lambda u: lattice.to_signal(u.value))[:, 0] / 255
    height = 2.6 * min(max(clip.height / (clip.width * clip.aspect), 0.4), 1.4)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.4, 3 * height + 3.4), layout="constrained")
        grid = figure.add_gridspec(4, 4, width_ratios=[1, 1, 1, 1.35], height_ratios=[height] * 3 + [2.2])
        for column, (moment, truth, field) in enumerate(zip(moments, truths, fields, strict=True)):
            places = [grid[line, column] for line in range(3)]
            draw_beside(figure, places, truth, field, f"{moment:.3g} s", aspect=1 / clip.aspect)
        draw_beside(figure, [grid[3, column] for column in range(3)], row, found, "middle row over time", aspect="auto")
        loss = figure.add_subplot(grid[:, 3])
        draw_convergence(loss, loss.twinx(), solution.history)
        reached = solution.metrics
        spread = ""
        if "psnr_mean" in reached:
            spread = f", over frames {reached['psnr_mean']:.1f} ± {reached['psnr_spread']:.1f} dB"
        figure.suptitle(
            f"{short(clip.name)}, {clip.frames} frames, recipe “{solution.recipe.name}”: PSNR {reached['psnr']:.1f} dB"
            f"{spread}"
        )
    return figure


def volume_figure(solution: Solution) -> Figure:
    """Return the figure of a volume: truth, field and error in its three middle slices, and convergence.

    Slices of a scan are upright, with the body's left at the left, and letters at their edges say what lies there.
    Voxels that are not known are black.

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
            voxels = signal.upright(values.take(number, column).astype(np.float32))
            found = signal.sample(solution.field, axis=column, at=number + 0.5)
            truth, field = (
                (np.where(np.isnan(found), 0, (each - scan.low) / span))[:, :, None] for each in (voxels, found)
            )
            rows, columns = (each for axis, each in enumerate(scan.sizes) if axis != column)
            places = [grid[line, column] for line in range(3)]
            draw_beside(figure, places, truth, field, f"across {name} at {number}", aspect=rows / columns)
            _name_edges(figure.axes[-3:], signal.edges(column))
        loss = figure.add_subplot(grid[:, 3])
        draw_convergence(loss, loss.twinx(), solution.history)
        shape = " x ".join(map(str, scan.shape))
        figure.suptitle(
            f"{short(scan.name)}, {shape}, values {scan.low:g} to {scan.high:g}, recipe “{solution.recipe.name}”: PSNR "
            f"{solution.metrics['psnr']:.1f} dB"
        )
    return figure


def _name_edges(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """Write the first letters of what lies at the top, the bottom, the left and the right of slices into them."""
    places = [(0.5, 0.97, "center", "top"), (0.5, 0.03, "center", "bottom")]
    places += [(0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center")]
    for panel in panels:
        for name, (across, up, horizontal, vertical) in zip(names, places, strict=True):
            panel.text(
                across,
                up,
                name[:1].upper(),
                transform=panel.transAxes,
                ha=horizontal,
                va=vertical,
                color="white",
                fontsize=8,
                bbox={"boxstyle": "square,pad=0.15", "facecolor": "black", "alpha": 0.4, "linewidth": 0},
            )
