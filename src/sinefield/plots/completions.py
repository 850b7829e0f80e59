"""What a prior makes of a few pixels: what is known, the completion, its spread, the truth; and walks of latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinefield.plots.style import STYLE, in_srgb

Floats = NDArray[np.floating[Any]]


@final
@dataclass(frozen=True, eq=False)
class Completed:
    """A picture that was found from some of its pixels, all ``(h, w, c)`` with black 0 and white 1.

    Args:
        truth: the picture.
        known: which pixels were known, ``(h, w)``.
        found: the completion.
        spread: what nine in ten errors are within.
    """

    truth: Floats
    known: NDArray[np.bool_]
    found: Floats
    spread: Floats


def completions_figure(rows: Sequence[Completed], walks: Sequence[Floats] = ()) -> Figure:
    """Return a figure of one row a completion: context, completion, spread and truth.

    Args:
        rows: the completions.
        walks: the pictures of fields along lines between latents, each ``(k, h, w, c)`` with black 0 and white 1, which
            are shown below, a row each.
    """
    with mpl.rc_context(STYLE):
        heights = [2.2 * len(rows) + 0.3, *[1.2] * len(walks)]
        figure = Figure(figsize=(8.4, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, walk in zip(parts[1:], walks, strict=True):
            for place, each in zip(part.subplots(1, len(walk), squeeze=False)[0], walk, strict=True):
                place.imshow(in_srgb(each), vmin=0, vmax=1, cmap="gray")
                place.set_axis_off()
        axes = parts[0].subplots(len(rows), 4, squeeze=False)
        for places, row in zip(axes, rows, strict=True):
            error = float(np.square(2 * (row.found - row.truth)).mean())
            context = in_srgb(row.truth)
            colour = np.stack([context] * 3, -1) if context.ndim == 2 else context[..., :3]
            # Unknown pixels have a colour that no grey has.
            context = np.where(row.known[..., None], colour, np.array([0.55, 0.65, 0.8], np.float32))
            shown: Sequence[tuple[str, NDArray[Any], dict[str, Any]]] = (
                (f"{int(row.known.sum())} pixels", context, {}),
                (f"completion, MSE {error:.3f}", in_srgb(row.found), {"cmap": "gray"}),
                ("9 in 10 errors within", row.spread.mean(-1), {"cmap": "magma"}),
                ("truth", in_srgb(row.truth), {"cmap": "gray"}),
            )
            for place, (title, values, colours) in zip(places, shown, strict=True):
                place.imshow(values, vmin=0, vmax=0.5 if title.startswith("9") else 1, **colours)
                place.set_title(title)
                place.set_axis_off()
    return figure
