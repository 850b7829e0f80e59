"""A clip as a function of time and place.

With a(t, y, x) the frames, 0 … 255 becoming −1 … 1, and samples at the centres of cells:

    value       Φ(t, y, x) − a(t, y, x) = 0

The longest side of the picture, as it is shown, spans [−1, 1] and the shorter keeps its aspect; time spans [−1, 1]
however long the clip is. Frame k of n is shown from k to k + 1 frames after the beginning and lies in the middle
between.

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

from sinefield.domains import Grid
from sinefield.fields.frequency import mean_frequency
from sinefield.io import video as clips
from sinefield.io.scaled_array import ScaledArray
from sinefield.problem import Problem
from sinefield.problems.lattice import choose_tiles, make_grid, pose_on_lattice
from sinefield.signals.lattice import Lattice
from sinefield.signals.sampling import compare
from sinefield.signals.video import VideoSignal

OMEGA = 4.0
"""ω₀ of the first layer over the square root of the mean frequency of a clip.

Of 32 and 100 frames of a street the best fits are between 3 and 5, and flat there.
"""

LARGE = 1 << 20
"""From how many samples of a channel on a clip is fitted in tiles."""

TILE = (24, 24, 24)
"""Frames, rows and columns of a tile."""


def video(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    frames: tuple[int, int | None, int] | None = None,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    rate: float | None = None,
    stream: int | None = None,
    network: str = "siren",
    tiles: Sequence[int] | None = None,
    tile_size: int | None = None,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a clip as a function of time and place.

    Args:
        source: a file, or an array; see :func:`sinefield.io.video.read`.
        frames: the first, the one after the last (None: the end) and the step.
        size: width and height that every frame is scaled to.
        crop: left, top, right, bottom in pixels, before scaling.
        rate: frames a second; None: as the time stamps of the file are.
        stream: which of several clips in a file, from 0 on; None: the first.
        network: which network, of :data:`sinefield.fields.perceptron.NETWORKS`.
        tiles: how many a tiled field has along t, y and x, see :mod:`.tiles`; one along each for one network; None:
            as many as a clip of :data:`LARGE` samples needs, else one.
        tile_size: frames and pixels of a tile along each axis, in place of ``tiles``.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the clip cannot be used, or the network or a setting is unknown.
        FileNotFoundError: there is no such file.
    """
    clip = clips.read(source, frames, size, crop, rate, stream)
    channels = int(clip.values.shape[1])
    wide = clip.width * clip.aspect
    longest = max(clip.height, wide)
    shape, extent = (clip.frames, clip.height, clip.width), (1.0, clip.height / longest, wide / longest)
    counts = choose_tiles(shape, tiles, tile_size, network, usual=TILE, large=math.prod(shape) >= LARGE)
    lattice = Lattice(shape, extent, channels, 0.0, 255.0)
    grid = make_grid(ScaledArray(clip.values, lattice.low, lattice.high), shape, extent, in_tiles=counts is not None)
    return pose_on_lattice(
        VideoSignal(lattice, clip.rate, clip.colours),
        grid,
        channels,
        _omega,
        settings,
        network=network,
        tiles=counts,
        asked=tiles is not None or tile_size is not None,
        measure=_measure,
        reference=clip,
    )


def _omega(values: Tensor, spacings: Sequence[float]) -> float:
    return OMEGA * math.sqrt(mean_frequency(values, spacings))


def _measure(grid: Grid, field: nn.Module, count: int | None) -> dict[str, float]:
    """Return the PSNR of a field, from ``count`` points or from all: then also its mean and deviation over frames."""
    everything = count is None or count >= grid.size
    area = grid.size // grid.shape[0]
    errors = torch.zeros(grid.shape[0] if everything else 1, dtype=torch.float64)
    seen = 0
    for value, target in compare(field, grid, count):
        squares = (value - target).double().square().mean(1)
        frame = torch.arange(seen, seen + len(target)) // area if everything else torch.zeros(len(target)).long()
        errors.index_add_(0, frame, squares)
        seen += len(target)
    total = float(errors.sum()) / seen
    reached = {"psnr": 10 * math.log10(4 / total) if total > 0 else math.inf}
    if not everything:
        return reached
    # A frame without any error has no finite PSNR, and says nothing about the spread of the others.
    each = 10 * torch.log10(4 * area / errors[errors > 0])
    some = len(each) > 0
    return reached | {
        "psnr_mean": float(each.mean()) if some else math.inf,
        "psnr_spread": float(each.std(correction=0)) if some else 0.0,
    }
