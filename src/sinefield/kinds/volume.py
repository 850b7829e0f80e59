"""Volumes, as one kind of signal."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import final

from sinefield.kinds import options
from sinefield.kinds.kind import Kind


@final
@dataclass(frozen=True)
class VolumeFit(options.Options):
    """How a volume is fitted."""

    volume: int | None = options.option(
        "--volume", int, "Which of several volumes, from 0. (default: the first)", metavar="N", least=0
    )
    voxel: tuple[float, ...] | None = options.option(
        "--voxel", str, "Size of a voxel in mm. (default: as in the file)", metavar="Z,Y,X", parse=options.voxel_sizes
    )
    nodata: float | None = options.nodata()
    background: float | None = options.option(
        "--background", float, "What NaN is taken for. (default: not known)", metavar="VALUE"
    )
    value_range: tuple[float, ...] | None = options.value_range()
    tiles: tuple[int, ...] | None = options.tiles()
    tile_size: int | None = options.tile_size()


@final
@dataclass(frozen=True)
class VolumeRender(options.Options):
    """How a volume, or a slice of it, is rendered."""

    size: tuple[int, ...] | None = options.option(
        "--size", str, "Samples along z, y and x; of a slice WxH.", metavar="DxHxW", parse=options.volume_size
    )
    axis: str | None = options.option("--axis", str, "A slice across z, y or x, as a picture.")
    at: float | None = options.option("--at", float, "Where along the axis, in voxels. (default: the middle)")
    quantity: str | None = options.quantity("mm")


def npy_shape(path: Path) -> tuple[int, ...] | None:
    """Return the shape of the array in an NPY file, read from its header alone; None: the file is no such file."""
    if path.suffix.lower() != ".npy":
        return None
    try:
        with path.open("rb") as file:
            magic, size = file.read(8), 2
            if magic[:6] != b"\x93NUMPY":
                return None
            size = 2 if magic[6] == 1 else 4
            length = int.from_bytes(file.read(size), "little")
            described = ast.literal_eval(file.read(min(length, 65_536)).decode("latin-1").strip())
        return tuple(map(int, described["shape"]))
    except (OSError, ValueError, SyntaxError, LookupError, TypeError):  # who reads it tells what is wrong with it
        return None


def is_pair(path: Path) -> bool:
    """Return whether a file is one of the two of a volume as NIfTI or Analyze: a header, and voxels beside it."""
    name = path.name.lower()
    if not name.endswith((".hdr", ".img", ".hdr.gz", ".img.gz")):
        return False
    if name.endswith(".gz"):
        return True
    header = path.with_suffix(".HDR" if path.suffix.isupper() else ".hdr")
    try:
        with header.open("rb") as file:
            size = file.read(4)
    except OSError:  # who reads it tells what is wrong with it
        return False
    return any(int.from_bytes(size, order) in (348, 540) for order in ("little", "big"))


def _is_volume(path: Path) -> bool:
    """Return whether a file is one of a pair, or an NPY file of three axes of which the last is no picture's channels.

    A picture has 1, 3 or 4 channels. Arrays of four axes are series of volumes.
    """
    shape = npy_shape(path)
    if shape is None:
        return path.name.lower().endswith(".npz") or is_pair(path)
    return (len(shape) == 3 and shape[2] not in (1, 3, 4)) or len(shape) == 4


KIND = Kind(
    name="volume",
    title="Volumes",
    about="A volume, such as a scan: NIfTI, MGH, NRRD, NPY of three axes; TIFF stacks with --kind volume.",
    endings=(".nii", ".nii.gz", ".mgh", ".mgz", ".nrrd", ".nhdr"),
    reader="sinefield.io.volume:read",
    problem="sinefield.problems.volume:volume",
    signal="sinefield.signals.volume:VolumeSignal",
    figure="sinefield.plots.clips:volume_figure",
    fit=VolumeFit,
    render=VolumeRender,
    examples=(
        "sinefield fit scan.nii.gz --figure scan.png",
        "sinefield render scan.safetensors slice.png --axis z --quantity gradient",
    ),
    budget="16 passes over the voxels",
    holds=_is_volume,
)
