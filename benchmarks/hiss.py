"""What does a fitted recording sound like? Hiss in silence, energy in every band, distance of spectra.

The root mean square of the field where the recording is silent, in dB of full scale; the energy of the field over that
of the recording in every third of an octave up to the recording's band, in dB; and the distance of spectra that the
recording's problem measures. The recording is made up: 0.5 s of a harmonic tone and 0.5 s of noise, nothing above
6 kHz, in 0.5 s of digital silence before, between and after; or that of a file.

    python benchmarks/hiss.py               # three minutes
    python benchmarks/hiss.py bach.wav      # another recording; the last result is kept beside
    python benchmarks/hiss.py --smoke       # seconds, to see that it runs
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import ndimage, signal

import machine
import recipes
from sinefield import problems
from sinefield.problem import Problem
from sinefield.signals.audio import AudioSignal
from sinefield.solution import Solution

RATE = 16_000
BAND = 6000.0  # Hz, of what is made up
BURST = 0.5  # seconds, and as much silence
MADE = "made-up bursts"
_LOWEST = 63.0  # Hz, the middle of the lowest third of an octave that is looked at
_SILENT = 1.5 / 2**15  # of full scale: a step of 16 bits
_STRETCH = 0.05  # seconds around a silent sample that are silent too
_NOTHING = 1e-10  # of full scale: silence that is exact has no decibels
_FAINT = 1e-6  # of the largest density of power, beyond which a recording has nothing


def bursts(burst: float = BURST) -> NDArray[np.float64]:
    """Return silence, a tone of many harmonics, silence, noise, silence: ``(n, 1)``, as 16 bits hold it."""
    count = round(burst * RATE)
    times = np.arange(count) / RATE
    harmonics = [np.sin(2 * np.pi * 180 * k * times + k * k) / k for k in range(1, int(BAND / 180))]
    noise = np.random.default_rng(0).standard_normal(4 * count)
    low = signal.sosfiltfilt(signal.butter(12, BAND * 0.95, fs=RATE, output="sos"), noise)[count : 2 * count]
    window = signal.windows.tukey(count, 0.2)
    parts = [window * each / np.abs(each).max() for each in (np.sum(harmonics, 0), low)]
    silence = np.zeros(count)
    whole = 0.6 * np.concatenate([silence, parts[0], silence, parts[1], silence])
    return (np.round(whole * 2**15) / 2**15)[:, None]


def silent(truth: NDArray[Any], rate: int) -> NDArray[np.bool_]:
    """Return which samples ``(n,)`` of a recording ``(n, c)`` lie in silence."""
    loudest = np.abs(truth).max(1)
    found: NDArray[np.bool_] = ndimage.maximum_filter1d(loudest, max(3, round(2 * _STRETCH * rate))) < _SILENT
    return found


def powers(samples: NDArray[Any], rate: int, edges: NDArray[Any]) -> NDArray[np.float64]:
    """Return the energy of all channels of ``(n, c)`` between each pair of edges, in Hz."""
    spectrum = (np.abs(np.fft.rfft(samples, axis=0)) ** 2).sum(1)
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    return np.array([spectrum[(low <= frequencies) & (frequencies < high)].sum() for low, high in pairwise(edges)])


def thirds(truth: NDArray[Any], rate: int) -> NDArray[np.float64]:
    """Return the edges of thirds of octaves up to the band of a recording."""
    count = int(3 * np.log2(rate / 2 / _LOWEST))
    edges = _LOWEST * 2.0 ** ((np.arange(count + 1) - 0.5) / 3)
    edges = edges[edges <= rate / 2]
    density = powers(truth, rate, edges) / np.diff(edges)
    last = int(np.flatnonzero(density > _FAINT * density.max())[-1])
    # The last third may hold the end of the band, and next to nothing else.
    return edges[: last + 1] if density[last] < 0.1 * density[max(0, last - 1)] and last else edges[: last + 2]


def heard(problem: Problem, solution: Solution, truth: NDArray[Any], rate: int) -> dict[str, float]:
    """Return what is wrong with a field of a recording, to the ear."""
    assert isinstance(problem.signal, AudioSignal)
    found = np.asarray(problem.signal.sample(solution.field), dtype=np.float64)
    edges, quiet = thirds(truth, rate), silent(truth, rate)
    ratios = 10 * np.log10(powers(found, rate, edges) / powers(truth, rate, edges))
    level = np.sqrt((found[quiet] ** 2).mean()) if quiet.any() else np.nan
    hiss = {"hiss": 20 * np.log10(max(level, _NOTHING))} if quiet.any() else {}
    middles = np.sqrt(edges[1:] * edges[:-1])
    return {
        "SNR": float(solution.metrics["snr"]),
        "MSE": float(solution.metrics["mse"]),
        "distance of spectra": float(solution.metrics["spectral_distance"]),
        **{name: float(each) for name, each in hiss.items()},
        "worst third": float(np.abs(ratios).max()),
        **{f"energy at {middle:.0f} Hz": float(each) for middle, each in zip(middles, ratios, strict=True)},
    }


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", type=Path, help="a file; else made-up bursts")
    recipes.add_options(parser)
    options = parser.parse_args()
    if options.recording:
        truth, rate = soundfile.read(options.recording, always_2d=True)
    else:
        truth, rate = bursts(0.15 if options.smoke else BURST), RATE
    name = options.recording.name if options.recording else MADE
    ways = recipes.compared(
        lambda: problems.audio(truth, rate=rate),
        lambda problem, solution: heard(problem, solution, truth, rate),
        options,
        alone=lambda: recipes.one_network(truth, rate),
        known=recipes.last_ways("hiss", recording=name, samples=list(truth.shape)),
    )
    row = {
        "recording": name,
        "samples": list(truth.shape),
        "rate": rate,
        "silent": float(silent(truth, rate).mean()),
        **recipes.setting(),
        "ways": ways,
    }
    rows: list[Any] = [row] if options.smoke else recipes.with_last("hiss", [row], ["recording"])
    machine.write("hiss", {"rows": rows}, smoke=options.smoke)
    names = ["SNR", "MSE", "hiss", "worst third", "distance of spectra", "seconds"]
    machine.show(f"{row['recording']}: hiss in dBFS, energy in dB", recipes.medians(ways, names))


if __name__ == "__main__":
    main()
