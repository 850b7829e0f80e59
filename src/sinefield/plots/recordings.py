"""The figure of a recording: waveform, error and spectrograms, truth beside field."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sinefield.io.audio import Recording
from sinefield.io.image import Floats
from sinefield.plots.style import ACCENT, INK, STYLE, draw_convergence, short
from sinefield.signals.audio import AudioSignal
from sinefield.solution import Solution

_LONGEST = 60.0  # seconds drawn: what is longer is not told apart in a figure
_DETAIL = 0.01  # seconds of the waveform drawn from close by
_WINDOW = 1024


def recording_figure(solution: Solution) -> Figure:
    """Return the figure of a recording: waveform and error, ten milliseconds of both, spectrograms, convergence.

    Of several channels the first is drawn, and of a long recording the first minute.

    Raises:
        ValueError: the solution is not one of a recording.
    """
    recording, signal = solution.problem.reference, solution.problem.signal
    if not (isinstance(recording, Recording) and isinstance(signal, AudioSignal)):
        raise ValueError(f"there is no figure of the problem {solution.problem.name!r} as a recording")
    seconds = min(recording.seconds, _LONGEST)
    count = max(2, int(seconds * recording.rate))
    truth = recording.values[:count, 0].astype(np.float32) / recording.full
    found = signal.sample(solution.field, count, stop=count / recording.rate)[:, 0]
    times = (np.arange(count) + 0.5) / recording.rate
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 8.2), layout="constrained")
        grid = figure.add_gridspec(3, 3, width_ratios=[4, 4, 3])
        waves = figure.add_subplot(grid[0, :2])
        for low, high, colour, label in (
            (*_envelope(truth), INK, "truth"),
            (*_envelope(found - truth), ACCENT, "field − truth"),
        ):
            waves.fill_between(np.linspace(0, seconds, len(low)), low, high, color=colour, lw=0.4, label=label)
        waves.set_xlim(0, seconds)
        waves.legend(loc="upper right", frameon=False, ncols=2)
        waves.set_ylabel("full scale 1")
        loudest = min(int(np.abs(truth).argmax()), max(0, count - int(_DETAIL * recording.rate)))
        close = slice(loudest, loudest + max(2, int(_DETAIL * recording.rate)))
        detail = figure.add_subplot(grid[1, :2])
        detail.plot(times[close], truth[close], color=INK, lw=2.2, alpha=0.5, label="truth")
        detail.plot(times[close], found[close], color=ACCENT, lw=1, label="field")
        detail.legend(loc="upper right", frameon=False, ncols=2)
        detail.set_title("from close by, at the loudest")
        detail.margins(x=0)
        reference = _decibels(truth, None)
        for column, (name, values) in enumerate((("truth", truth), ("field", found))):
            axes = figure.add_subplot(grid[2, column])
            axes.imshow(
                _decibels(values, reference.max()),
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=-90,
                vmax=0,
                extent=(0, seconds, 0, recording.rate / 2000),
            )
            axes.set_title(f"spectrogram: {name}")
            axes.set_xlabel("seconds")
            axes.set_ylabel("kHz")
        loss = figure.add_subplot(grid[:, 2])
        draw_convergence(loss, loss.twinx(), solution.history)
        metrics = solution.metrics
        figure.suptitle(
            f"{short(recording.name)}, recipe “{solution.recipe.name}”: SNR {metrics['snr']:.1f} dB, "
            f"MSE {metrics['mse']:.2g} of the peak squared"
        )
    return figure


def _envelope(values: Floats, parts: int = 1500) -> tuple[Floats, Floats]:
    """Return least and largest of each of at most ``parts`` stretches."""
    stretches = np.array_split(values, min(parts, len(values)))
    return np.array([each.min() for each in stretches]), np.array([each.max() for each in stretches])


def _decibels(values: Floats, reference: float | None) -> NDArray[np.float64]:
    """Return the magnitudes of short-time spectra ``(frequencies, times)``, in dB of a ``reference`` if given."""
    size = min(_WINDOW, len(values))
    hop = max(1, size // 4, len(values) // 2000)
    signal = torch.from_numpy(np.ascontiguousarray(values))
    spectra = torch.stft(signal, size, hop, window=torch.hann_window(size), center=False, return_complex=True).abs()
    magnitudes = spectra.double().numpy()
    if reference is None:
        return magnitudes
    found: NDArray[np.float64] = 20 * np.log10(np.maximum(magnitudes, 1e-12) / reference)
    return found
