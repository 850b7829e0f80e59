"""A volume, such as a scan, as a function of space.

With a(z, y, x) the volume, its least and greatest value becoming −1 and 1, and voxels at the centres of cells:

    value       Φ(z, y, x) − a(z, y, x) = 0     where a is known

The longest side in millimetres spans [−1, 1] and the others are in proportion, whatever the voxels are like, so that
derivatives are those of space.

Source: arXiv 2006.09661, section 4.1, for signals of three axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from sinefield.fields.frequency import mean_frequency
from sinefield.io import volume as volumes
from sinefield.io.scaled_array import ScaledArray
from sinefield.problem import Problem
from sinefield.problems.lattice import choose_tiles, make_grid, pose_on_lattice
from sinefield.signals.lattice import Lattice
from sinefield.signals.mask import Mask
from sinefield.signals.volume import VolumeSignal

OMEGA = 4.0
"""ω₀ of the first layer over the square root of the mean frequency of a volume."""


LARGE = 1 << 20
"""From how many voxels on a volume is fitted in tiles."""

TILE = (24, 24, 24)
"""Voxels of a tile along each axis."""


def volume(
    source: str | Path | NDArray[Any] | Tensor,
    *,
    voxel: tuple[float, float, float] | None = None,
    volume: int | None = None,
    nodata: float | None = None,
    background: float | None = None,
    value_range: tuple[float, float] | None = None,
    network: str = "siren",
    tiles: Sequence[int] | None = None,
    tile_size: int | None = None,
    **settings: int | float | str,
) -> Problem:
    """Return the problem of a volume as a function of space.

    Args:
        source: a NIfTI, MGH, NPY or TIFF file, or an array ``(z, y, x)``; see :func:`sinefield.io.volume.read`.
        voxel: the sizes of a voxel along z, y and x, in millimetres; None: those that the file tells, else cubes.
        volume: the number of one of several in the file, from 0; None: the first.
        nodata: the value of voxels that are not known, as NaN and infinity are not; None: what the file tells.
        background: what NaN and infinity are taken for; None: they are not known.
        value_range: the values of black and white, which the PSNR refers to; None: the least and the greatest.
        network: which network, of :data:`sinefield.fields.perceptron.NETWORKS`.
        tiles: how many a tiled field has along z, y and x, see :mod:`.tiles`; one along each for one network; None:
            as many as a volume of :data:`LARGE` voxels needs, else one.
        tile_size: voxels of a tile along each axis, in place of ``tiles``.
        **settings: of the network, such as ``hidden_features=128``; ``first_omega`` overrides the recipe's.

    Raises:
        ValueError: the volume cannot be used, or the network or a setting is unknown.
        FileNotFoundError: there is no such file.
    """
    scan = volumes.read(source, voxel, volume=volume, nodata=nodata, background=background, value_range=value_range)
    lengths = [count * each for count, each in zip(scan.shape, scan.sizes, strict=True)]
    extent = tuple(each / max(lengths) for each in lengths)
    counts = choose_tiles(scan.shape, tiles, tile_size, network, usual=TILE, large=math.prod(scan.shape) >= LARGE)
    lattice = Lattice(scan.shape, extent, 1, scan.low, scan.high)
    stored = ScaledArray(scan.values, scan.low, scan.high)
    bits = 8 if scan.values.dtype.itemsize == 1 else 16
    mask = None if scan.known is None else Mask.of(scan.known.reshape(scan.shape))
    return pose_on_lattice(
        VolumeSignal(lattice, scan.sizes, scan.unit, bits, scan.placement, mask),
        make_grid(stored, scan.shape, extent, in_tiles=counts is not None, known=scan.known),
        1,
        _omega,
        settings,
        network=network,
        tiles=counts,
        asked=tiles is not None or tile_size is not None,
        reference=scan,
    )


def _omega(values: Tensor, spacings: Sequence[float]) -> float:
    return OMEGA * math.sqrt(mean_frequency(values, spacings))
