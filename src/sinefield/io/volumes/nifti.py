"""NIfTI, its forerunner Analyze 7.5, and MGH of FreeSurfer: headers by nibabel, the extra ``nifti``; and NIfTI written.

Which way the axes run is what nibabel makes of the header: the sform where its code is not 0, else the qform, else the
voxel sizes alone, x to the left as scanners wrote it before there were codes.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sinefield.io.allocation import allocate
from sinefield.io.files import replacing
from sinefield.io.volumes.placement import UNITS, Placement
from sinefield.io.volumes.voxels import Layout, Voxels, choose, explaining, quiet, read_start, read_volume, tell

SUFFIXES = (".nii", ".nii.gz", ".mgh", ".mgz")
"""The endings of files of one part."""

PAIRS = (".hdr", ".img", ".hdr.gz", ".img.gz")
"""The endings of files of two parts: a header and the voxels."""

WRITTEN = (".nii", ".nii.gz")
"""The endings of what is written."""

_LOG = "nibabel.global"
_HEADER = 540  # bytes: of NIfTI-2, the longest
_SIMILAR = 0.01  # two sizes of a voxel are the same up to this part
_SKEW = 1.0  # degrees from right angles from which on it is told


def is_header(start: bytes) -> bool:
    """Return whether a file that begins so is the header of a pair, and not a picture or something else."""
    return any(int.from_bytes(start[:4], order) in (348, 540) for order in ("little", "big"))


def parts_of(path: Path) -> tuple[Path, Path]:
    """Return where header and voxels of a file lie, which is the same file unless it is one of a pair.

    Raises:
        FileNotFoundError: the other file of the pair is not there.
    """
    name = path.name
    for ending in PAIRS:
        if name.lower().endswith(ending):
            stem, own = name[: -len(ending)], ending.removesuffix(".gz")
            other = ".img" if own == ".hdr" else ".hdr"
            names = [stem + each for end in (other, f"{other}.gz") for each in (end, end.upper())]
            found = next((path.with_name(each) for each in names if path.with_name(each).is_file()), None)
            if found is None:
                what = "voxels" if own == ".hdr" else "header"
                raise FileNotFoundError(f"{path} is one of two files, and {stem}{other}, its {what}, is not beside it")
            return (path, found) if own == ".hdr" else (found, path)
    return path, path


def read(path: Path, volume: int | None = None) -> Voxels:
    """Return one volume in a file.

    Args:
        path: of a NIfTI, Analyze or MGH file.
        volume: the number of one of a series, from 0; None: the first, which is told where there are more.

    Raises:
        FileNotFoundError: one file of a pair is missing.
        TooLargeError: the disk cannot hold the volume.
        ValueError: the file is damaged or cut short, has no volume of that number, holds several numbers a voxel, or
            nibabel is missing.
    """
    if importlib.util.find_spec("nibabel") is None:
        raise ValueError(f"reading {path} needs nibabel; install it with: pip install 'sinefield[nifti]'")
    told, voxels = parts_of(path)
    header, repaired = _header_of(path, read_start(told, _HEADER), paired=told != voxels)
    shape, dtype, offset = _described(path, header)
    if offset == 0 and told == voxels:  # the usual place, behind the header
        offset = int(header.single_vox_offset)
    (i, j, k), count = shape[:3], (*shape, 1)[3]
    number = choose(path, count, volume)
    # Voxels without a header before them may begin with any numbers, those of a compressed file too.
    packed = None if told == voxels else voxels.name.lower().endswith(".gz")
    layout = Layout(voxels, offset, dtype, (i, j, k), count, packed, ends=not _is_mgh(header))
    array = read_volume(layout, number)
    placement = _placement_of(path, header, repaired=repaired)
    slope, shift = _scale_of(path, header)
    if (slope, shift) != (1.0, 0.0):  # other integers keep their type, which takes a half or a quarter of the memory
        array = _scaled(path, array, slope, shift)
    if placement is None:
        return Voxels(array)
    return Voxels(placement.to_body(array.transpose()), placement.sizes, placement)


def _is_mgh(header: Any) -> bool:
    from nibabel.freesurfer.mghformat import MGHHeader

    return isinstance(header, MGHHeader)


def _header_of(path: Path, start: bytes, *, paired: bool) -> tuple[Any, bool]:
    """Return what nibabel makes of a header, and whether it had to repair sizes of voxels that are 0 or negative.

    Raises:
        ValueError: it is none.
    """
    import nibabel
    from nibabel.freesurfer.mghformat import MGHHeader

    second = any(int.from_bytes(start[:4], order) == 540 for order in ("little", "big"))
    if path.name.lower().endswith((".mgh", ".mgz")):
        reader: Any = MGHHeader
    elif second:
        reader = nibabel.nifti2.Nifti2PairHeader if paired else nibabel.Nifti2Header
    elif start[344:347] in (b"n+1", b"ni1"):
        reader = nibabel.nifti1.Nifti1PairHeader if paired else nibabel.Nifti1Header
    else:
        reader = nibabel.spm2analyze.Spm2AnalyzeHeader if paired else None
    if reader is None or len(start) < 284:  # of MGH, the shortest
        raise ValueError(
            f"{path} cannot be read as a volume: {len(start)} bytes at its beginning are no header of NIfTI; it may be "
            "damaged, or something else"
        )
    with explaining(f"{path} cannot be read as a volume: its header is damaged"), quiet(_LOG) as told:
        if reader is MGHHeader:
            header = reader.from_fileobj(io.BytesIO(start))
        else:  # without its extensions, which may be long
            header = reader(start[: reader.template_dtype.itemsize])
        return header, any("pixdim" in each for each in told)


def _described(path: Path, header: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, type of the numbers and offset of the voxels; the shape has three axes, or four of a series.

    Raises:
        ValueError: they are not plausible, or those of something else than volumes of one number a voxel.
    """
    wanting = f"{path} is damaged: its header does not tell the type, the number and the place of voxels"
    with explaining(wanting), quiet(_LOG):
        shape = tuple(map(int, header.get_data_shape()))
        dtype = np.dtype(header.get_data_dtype())
        offset = int(header.get_data_offset())
    plain = shape + (1,) * (3 - len(shape))
    if min(plain) < 1 or offset < 0:
        raise ValueError(f"{path} is damaged: its header tells a shape of {shape} from byte {offset} on")
    if dtype.names is not None:
        raise ValueError(f"{path} holds colours, a volume has one number a voxel; save one channel, or shades of grey")
    if dtype.kind == "c":
        raise ValueError(f"{path} holds complex numbers, a volume has real ones; save the magnitude or the phase")
    if dtype.kind not in "iuf":
        raise ValueError(f"{path} holds numbers of the type {dtype}; save them as integers or floats")
    if any(each > 1 for each in plain[4:]):
        raise ValueError(
            f"{path} holds {' x '.join(map(str, plain[4:]))} numbers a voxel (shape {shape}), such as the parts of a "
            "vector, and a volume has one; save one of them, or the length of the vectors"
        )
    return plain[:4], dtype, offset


def _scale_of(path: Path, header: Any) -> tuple[float, float]:
    """Return slope and shift that make values of stored numbers.

    Raises:
        ValueError: they are not finite.
    """
    if _is_mgh(header):
        return 1.0, 0.0
    with explaining(f"{path} is damaged: the shift (scl_inter) of its values is no number"):
        slope, shift = header.get_slope_inter()
    if slope is None:
        return 1.0, 0.0
    return float(slope), float(shift or 0.0)


def _scaled(path: Path, array: NDArray[Any], slope: float, shift: float) -> NDArray[np.float32]:
    found = allocate(path, array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is counted with what is not known
        for number, each in enumerate(array):
            found[number] = each.astype(np.float64) * slope + shift
    return found


def _placement_of(path: Path, header: Any, *, repaired: bool) -> Placement | None:
    """Return where the voxels lie, by the best that a header tells; None: it tells nothing that is plausible."""
    unit = _unit_of(header)
    sform, qform = _code(header, "sform_code"), _code(header, "qform_code")
    choices: list[tuple[str, Callable[[], Any], int, int]] = []
    if _is_mgh(header):
        choices.append(("orientation", header.get_affine, 1, 0))
    else:
        if sform:
            choices.append(("sform", header.get_sform, sform, 0))
        if qform:
            choices.append(("qform", header.get_qform, 0, qform))
        choices.append(("voxel sizes", header.get_base_affine, 0, 0))
    for number, (what, compute, *codes) in enumerate(choices):
        found = _plausible(compute, unit, *codes)
        if found is None:
            continue
        if number:
            tell(f"the {choices[0][0]} of {path} is no mapping of space; its {what} alone tells sizes and orientation")
        if what == "voxel sizes":
            _tell_of_sizes_alone(path, found, repaired=repaired)
        else:
            _tell_of_differences(path, header, found)
        same = what == "sform" and qform and _is_similar(_plausible(header.get_qform, unit, 0, qform), found)
        return replace(found, qform=qform) if same else found
    tell(f"{path} tells no plausible sizes of its voxels; they are taken for cubes, and its axes as they are")
    return None


def _plausible(compute: Callable[[], Any], unit: str, sform: int, qform: int) -> Placement | None:
    """Return the placement that an affine mapping of nibabel is; None: it is none of space."""
    with quiet(_LOG), np.errstate(all="ignore"):
        try:
            return Placement.of_affine(np.asarray(compute(), dtype=np.float64), unit, sform, qform)
        except Exception:  # of quaternions that are none, among others
            return None


def _is_similar(one: Placement | None, other: Placement) -> bool:
    """Return whether two placements are one, up to rounding in single precision."""
    if one is None:
        return False
    size = np.linalg.norm(other.matrix[:3, :3], axis=0).min()
    return bool(np.abs(one.matrix - other.matrix).max() < _SIMILAR * size)


def _tell_of_sizes_alone(path: Path, found: Placement, *, repaired: bool) -> None:
    sizes = " x ".join(f"{each:.4g}" for each in found.sizes[::-1])
    doubt = f"; sizes of its voxels are 0 or negative, and taken for {sizes} mm" if repaired else ""
    tell(
        f"{path} does not tell which way its axes run (no sform, no qform); they are taken to run to the left, to the "
        f"front and up{doubt}"
    )


def _tell_of_differences(path: Path, header: Any, found: Placement) -> None:
    """Tell where axes are not at right angles, and where sizes are told in two ways that differ."""
    if found.skew > _SKEW:
        tell(f"axes of {path} are {found.skew:.1f}° off right angles; derivatives are as if they were at right angles")
    if _is_mgh(header):
        return
    told = np.abs(np.asarray(header["pixdim"], dtype=np.float64)[1:4])
    used = np.linalg.norm(found.matrix[:3, :3], axis=0)
    with np.errstate(all="ignore"):
        differs = not np.abs(told / used - 1).max() < _SIMILAR
    if differs:
        listed = [" x ".join(f"{each:.4g}" for each in sizes) for sizes in (told, used)]
        tell(f"{path} tells voxels of {listed[0]} and, by its orientation, of {listed[1]}; the latter are used")


def _unit_of(header: Any) -> str:
    if not hasattr(header, "get_xyzt_units"):
        return "mm"
    try:
        unit = str(header.get_xyzt_units()[0])
    except KeyError:  # a code of no unit
        return "unknown"
    return unit if unit in UNITS else "unknown"


def _code(header: Any, name: str) -> int:
    """Return the code of a space, 0 to 5; what is none of them is 0, not told."""
    if name not in header.keys():  # noqa: SIM118  # iterating over a header gives its values
        return 0
    code = int(header[name])
    return code if 0 <= code <= 5 else 0


def write(path: str | Path, values: NDArray[np.float32], placement: Placement) -> None:
    """Write a volume as NIfTI in single precision, whole or not at all; compressed where the ending is .gz.

    Args:
        path: of the file.
        values: ``(z, y, x)``; NaN where nothing is known.
        placement: where these voxels lie; the file's axes run as it says.

    Raises:
        ValueError: nibabel is missing.
        OSError: the file cannot be written.
    """
    if importlib.util.find_spec("nibabel") is None:
        raise ValueError(f"writing {path} needs nibabel; install it with: pip install 'sinefield[nifti]'")
    import nibabel

    long = max(values.shape) > np.iinfo(np.int16).max
    image = (nibabel.Nifti2Image if long else nibabel.Nifti1Image)(placement.to_file(values), placement.matrix)
    header = image.header
    header.set_xyzt_units(xyz=placement.unit)
    header.set_qform(placement.matrix, code=placement.qform)
    header.set_sform(placement.matrix, code=placement.sform)
    with quiet(_LOG), replacing(path) as temporary, temporary.open("wb") as file:
        if not str(path).lower().endswith(".gz"):
            image.to_stream(file)
            return
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:  # neither a name nor a time
            image.to_stream(packed)
