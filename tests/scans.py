"""Scans that tests make: a head of which it is known where is up, front and right, in any order of axes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Grid
from sinefield.problem import Problem
from sinefield.signals.volume import VolumeSignal

CODES = ["".join(signs) for order in itertools.permutations(("RL", "AP", "SI")) for signs in itertools.product(*order)]
"""The 48 ways in which the axes of a scan may run."""

SIZES = (3.0, 2.0, 1.5)
"""Millimetres of a voxel along z, y and x."""


def head() -> NDArray[np.int16]:
    """Return a head ``(z, y, x)`` of which the top, the front and the right are bright, in this order."""
    z, y, x = np.mgrid[-1:1:7j, -1:1:9j, -1:1:8j]  # up, to the front, to the right
    inside = x**2 + y**2 + z**2 < 1.5
    bright = 300.0 * (z > 0.6) + 200.0 * (y > 0.6) + 100.0 * (x > 0.6)
    return np.asarray(100 * inside + inside * bright, dtype=np.int16)


def stored(codes: str, volume: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return a volume ``(z, y, x)`` in the order of a file, (i, j, k), whose axes run so, and the affine mapping."""
    values = (head() if volume is None else volume).transpose()  # (x, y, z)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    places, flips = [], []
    for axis, code in enumerate(codes):
        place = next(each for each, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        flip = code in "LPI"
        size = SIZES[2 - place]
        affine[place, axis] = -size if flip else size
        affine[place, 3] = 10.0 * (place + 1) + (size * (values.shape[place] - 1) if flip else 0)
        places.append(place)
        flips.append(flip)
    turned = values.transpose(places)
    return turned[tuple(slice(None, None, -1 if flip else 1) for flip in flips)], affine


def save(path: Path, array: NDArray[Any], affine: NDArray[Any] | None, **header: Any) -> Path:
    """Write a NIfTI file, with fields of its header changed."""
    image: Any = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def patch(path: Path, offset: int, content: bytes) -> Path:
    """Change bytes of a file, so that its header tells what no library writes."""
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


class Interpolated(nn.Module):
    """The field that is a volume: its samples, and between them their trilinear interpolation."""

    in_features = 3

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        signal, grid = problem.signal, problem.constraints[0].domain
        assert isinstance(signal, VolumeSignal)
        assert isinstance(grid, Grid)
        self.unused = nn.Parameter(torch.zeros(1))
        self.extent = torch.tensor(signal.lattice.extent)
        self.samples = grid.at(torch.arange(grid.size)).targets["value"].reshape(1, 1, *signal.lattice.shape)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        places = (points.float() / self.extent).flip(1).reshape(1, -1, 1, 1, 3)  # x first
        found = nn.functional.grid_sample(self.samples, places, padding_mode="border", align_corners=False)
        return found.reshape(-1, 1) + 0 * self.unused
