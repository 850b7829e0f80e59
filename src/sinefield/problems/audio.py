"""A recording as a function of time, one output a channel.

With a(t) the recording over its largest absolute sample, and samples at the centres of n equal parts of [−1, 1]:

    value       Φ(t) − a(t) = 0     where a is known

Sound has far higher frequencies across [−1, 1] than pictures: seven seconds at 44.1 kHz hold 150,000 periods of the
highest. ω₀ of the first layer is thousands, where the paper stretches the axis to [−100, 100] with ω₀ = 30.

Source: arXiv 2006.09661, section 4.1 and supplement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import metrics
from sinefield.domains import Grid
from sinefield.fields.frequency import edge_frequency
from sinefield.io import audio as recordings
from sinefield.io.scaled_array import ScaledArray
from sinefield.problem import Problem
from sinefield.problems.lattice import choose_tiles, make_grid, pose_on_lattice
from sinefield.recipe import Changes
from sinefield.signals.audio import AudioSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import compare

OMEGA = 0.3
"""ω₀ of the first layer over the frequency below which 99 % of a recording's amplitude lies."""

TILE = 1 << 12
"""Samples of a tile: half as many as a SIREN 64 x 2 has parameters.

Silence is silent in its tile, whatever is heard in others, where one network hisses throughout.
"""

LONG = 2 * TILE
"""From how many samples on a recording is fitted in tiles."""

TILED: Changes = {"final_rate": 0.01, "passes": 64, "pace": 64}
"""What of a recipe is better otherwise for sound in tiles."""

TUNING: Changes = {
    "learning_rate": 3e-4,
    "betas": (0.9, 0.99),
    "final_rate": 0.005,
    "batch": 2048,
    "passes": 24,
    "pace": 32,
}
"""What of a recipe is better otherwise for sound, whose first layer takes small steps at its high ω₀."""

_SPECTRAL = 1 << 17  # samples whose spectra are compared at a time


def audio(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    rate: int | None = None,
    track: int | None = None,
    full_scale: float | None = None,
    network: str = "siren",
    tiles: Sequence[int] | None = None,
    tile_size: int | None = None,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a recording as a function of time.

    Args:
        source: a file, or an array; see :func:`sinefield.io.audio.read`.
        rate: samples a second, of an array.
        track: which sound track of a file with several, from 0; None: the first.
        full_scale: stored value that is full scale, of floats; None: 1.
        network: which network, of :data:`sinefield.fields.perceptron.NETWORKS`.
        tiles: how many tiles a tiled field has, as ``(40,)``, see :mod:`.tiles`; ``(1,)`` for one network; None: as
            many as a recording of :data:`LONG` samples needs, else one.
        tile_size: samples of a tile, in place of ``tiles``.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the recording cannot be used, or the network or a setting is unknown.
        FileNotFoundError: there is no such file.
    """
    recording = recordings.read(source, rate, track=track, full_scale=full_scale)
    count, channels = recording.values.shape
    counts = choose_tiles((count,), tiles, tile_size, network, usual=(TILE,), large=count >= LONG)
    full = recording.peak * recording.full
    stored = ScaledArray(recording.values, -full, full)
    grid = make_grid(stored, (count,), (1.0,), in_tiles=counts is not None, known=recording.known)
    lattice = Lattice((count,), (1.0,), channels, -recording.peak, recording.peak)
    return pose_on_lattice(
        AudioSignal(lattice, recording.rate, recording.bits, recording.floats, recording.speakers),
        grid,
        channels,
        _omega,
        settings,
        network=network,
        tiles=counts,
        asked=tiles is not None or tile_size is not None,
        measure=_measure,
        reference=recording,
        tuning={"fast": TUNING, "tiled": TILED},
    )


def _omega(values: Tensor, spacings: Sequence[float]) -> float:
    return OMEGA * edge_frequency(values, spacings)


def _measure(grid: Grid, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the metrics of a field, from ``count`` points spread over the recording or from all, spectra included.

    Spectra need neighbours, and are not compared where some samples are not known.
    """
    error = power = spectral = 0.0
    seen = numbers = 0
    everything = "known" not in grid.targets and (count is None or count >= grid.size)
    waiting: list[tuple[Tensor, Tensor]] = []
    for value, target in compare(field, grid, count):
        error += float((value - target).double().square().sum())
        power += float(target.double().square().sum())
        seen += len(target)
        numbers += target.numel()
        if not everything:
            continue
        waiting.append((value, target))
        length = sum(len(each) for _, each in waiting)
        if length >= _SPECTRAL or seen == grid.size:
            found, truth = (torch.cat(parts) for parts in zip(*waiting, strict=True))
            spectral += length * metrics.spectral_distance(found, truth)
            waiting = []
    reached = {
        "snr": 10 * math.log10(power / error) if error > 0 < power else math.inf,
        "psnr": 10 * math.log10(4 * numbers / error) if error > 0 < numbers else math.inf,
        "mse": error / max(1, numbers),
    }
    return reached | ({"spectral_distance": spectral / seen} if everything else {})
