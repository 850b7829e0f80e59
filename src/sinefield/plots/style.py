"""What figures share: their looks, how a fit went on, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from sinefield.history import Record
from sinefield.io.files import replacing
from sinefield.io.pictures.colour_profiles import to_srgb
from sinefield.io.pictures.stored import Details

FORMATS = (".png", ".pdf", ".svg", ".jpg")
STYLE: dict[Any, Any] = {"font.size": 10, "axes.titlesize": 10, "figure.dpi": 110, "savefig.dpi": 110}
ERROR = 0.25
"""The error at the bright end of its scale, as part of the range of values."""
INK, ACCENT, THEORY = "#22313f", "#c0392b", "#2980b9"


def short(name: str) -> str:
    """Return the name of a signal without the folder that it lies in."""
    return Path(name).name


def draw_convergence(loss: Axes, decibels: Axes, history: Sequence[Record]) -> None:
    """Draw loss and PSNR over the seconds of fitting."""
    loss.clear()
    decibels.clear()
    if [each.step for each in history] == [1]:  # of what is solved for there is no course
        for axes in (loss, decibels):
            axes.set_axis_off()
        loss.text(0.5, 0.5, f"solved in one step, {history[0].seconds:.2g} s", ha="center", transform=loss.transAxes)
        return
    seconds = [each.seconds for each in history]
    few = "o" if len(history) < 3 else ""  # a line through one point is not seen
    loss.semilogy(seconds, [each.loss for each in history], color=INK, lw=1.8, marker=few)
    # Whole decades, labelled only there: the first frame of a film sets the layout of all, so that the labels
    # of its axes must be as wide as those that will come.
    losses = [each.loss for each in history if math.isfinite(each.loss)] or [1e-3, 1.0]
    least, greatest = (math.log10(max(each, 1e-30)) for each in (min(losses), max(losses)))
    loss.set_ylim(10.0 ** math.floor(least), 10.0 ** math.floor(greatest + 1))
    loss.yaxis.set_minor_formatter(NullFormatter())
    if not history:
        decibels.set_ylim(10, 40)
    loss.set_xlabel("seconds of fitting")
    loss.set_ylabel("loss: the part of the target not explained", color=INK)
    loss.grid(visible=True, which="both", alpha=0.15)
    decibels.plot(seconds, [each.metrics.get("psnr", math.nan) for each in history], color=ACCENT, lw=1.8, marker=few)
    decibels.yaxis.set_label_position("right")
    decibels.yaxis.tick_right()
    decibels.set_ylabel("PSNR (dB)", color=ACCENT)
    for axes in (loss, decibels):
        axes.spines["top"].set_visible(False)


def in_srgb(values: NDArray[np.floating[Any]], details: Details | None = None) -> NDArray[np.floating[Any]]:
    """Return values ``(h, w, c)`` from 0 to 1 as they are drawn: grey ``(h, w)``, or RGB or RGBA of sRGB ``(h, w, c)``.

    Of two channels the first is drawn, of more than three that are no colours and alpha the first three; what is not
    known is white.

    Args:
        values: of a picture.
        details: what its file tells of its colours; None: they are of sRGB.
    """
    details = details or Details()
    channels = values.shape[2]
    if channels not in (1, 3) and not details.has_alpha(channels):
        values = values[:, :, : 3 if channels > 2 else 1]
    shown = np.clip(np.nan_to_num(values, nan=1.0), 0, 1).astype(np.float32)
    shown = to_srgb(shown, details.profile)
    return shown[:, :, 0] if shown.shape[2] == 1 else shown


def draw_beside(
    figure: Figure,
    places: Sequence[SubplotSpec],
    truth: NDArray[np.floating[Any]],
    field: NDArray[np.floating[Any]],
    name: str,
    *,
    aspect: Literal["equal", "auto"] | float = "equal",
    details: Details | None = None,
) -> None:
    """Draw truth, field and the size of the error one beside the other.

    Args:
        figure: to draw into.
        places: of the three panels.
        truth: values ``(h, w, c)`` from 0 to 1.
        field: the same of the field.
        name: what is shown.
        aspect: height over width of a sample.
        details: what the file of a picture tells of its colours.
    """
    error = abs(field - truth).mean(-1, keepdims=True) / ERROR
    panels = ((f"{name}: truth", truth), ("field", field), (f"|error|, to {ERROR:.0%}", error))
    for place, (title, values) in zip(places, panels, strict=True):
        axes = figure.add_subplot(place)
        colours = "magma" if values is error else "gray"
        shown = in_srgb(values, None if values is error else details)
        axes.imshow(shown, cmap=colours, vmin=0, vmax=1, aspect=aspect)
        axes.set_title(title)
        axes.set_axis_off()


def check_format(path: str | Path) -> None:
    """Check the ending of a figure to write.

    Raises:
        ValueError: it is none of :data:`FORMATS`.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(f"cannot write the figure {path}: its ending must be one of {', '.join(FORMATS)}")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all; its ending, of :data:`FORMATS`, chooses the format."""
    check_format(path)
    with replacing(path) as temporary:
        figure.savefig(temporary)
