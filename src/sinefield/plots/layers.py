"""What goes on inside a network: distributions and spectra of each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from sinefield.fields.diagnostics import LayerActivations
from sinefield.plots.style import INK, STYLE, THEORY


def activations_figure(layers: Sequence[LayerActivations], title: str) -> Figure:
    """Return one row a layer: pre-activations beside N(0, 1), activations beside the arcsine law, the spectrum."""
    normal = np.linspace(-4, 4, 200)
    arcsine = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 201)[1:-1])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 1.9 * len(layers) + 0.7), layout="constrained")
        axes = figure.subplots(len(layers), 3, squeeze=False)
        loud = [(each.spectrum > 1e-8 * each.spectrum.max()).nonzero().max().item() for each in layers]
        furthest = 1.1 * max(loud) + 1
        for row, layer in enumerate(layers):
            before, after = layer.before.flatten().numpy(), layer.after.flatten().numpy()
            left, middle, right = axes[row]
            left.hist(before, bins=120, density=True, color=INK, alpha=0.75)
            middle.hist(after, bins=120, density=True, color=INK, alpha=0.75)
            if layer.periodic:
                if row > 0:
                    left.plot(normal, np.exp(-(normal**2) / 2) / math.sqrt(2 * math.pi), color=THEORY, lw=1.5)
                    left.set_xlim(-5, 5)
                middle.plot(arcsine, 1 / (math.pi * np.sqrt(1 - arcsine**2)), color=THEORY, lw=1.5)
                middle.set_ylim(0, 2.5)
            power = layer.spectrum.numpy()
            right.semilogy(np.arange(len(power)), power / power.max(), color=INK, lw=1)
            right.set_xlim(0, furthest)
            right.set_ylim(1e-8, 2)
            left.set_ylabel(f"layer {layer.name}")
            for each in (left, middle):
                each.set_yticks([])
        for each, name in zip(
            axes[0],
            ("before the bias: ωWx, theory N(0, 1)", "after: theory arcsine", "power, cycles across [−1, 1]"),
            strict=True,
        ):
            each.set_title(name)
        figure.suptitle(title)
    return figure
