"""LAS and LAZ, the formats of airborne scans, through laspy, the extra ``las``."""

from __future__ import annotations

import importlib.util
import io

import numpy as np

from sinefield.io.shapes.content import NO_TRIANGLES, Content, DamagedError, tell_short, tell_unused
from sinefield.io.shapes.gltf import quiet

_HEAD = 227  # bytes of the shortest header
_PACKED = 200  # times that LAZ packs points at most, so that a damaged header cannot ask for all memory
_MORE = ("intensity", "classification", "red", "gps_time")


def read(data: bytes) -> Content:
    """Return what a LAS or LAZ file holds.

    Raises:
        DamagedError: it is no LAS file, was cut short, or holds no points; or laspy is missing.
    """
    if not data.startswith(b"LASF"):
        raise DamagedError("is no LAS file: it does not begin with 'LASF'")
    if importlib.util.find_spec("laspy") is None:
        raise DamagedError("needs laspy to be read; install it with: pip install 'sinefield[las]'")
    if len(data) < _HEAD:
        raise DamagedError(f"ends within its header of {_HEAD} bytes; it was cut short")
    offset, size = int.from_bytes(data[96:100], "little"), int.from_bytes(data[105:107], "little")
    there = max(0, len(data) - offset)
    import laspy

    with quiet("laspy"):
        try:
            with laspy.open(io.BytesIO(data), closefd=False) as reader:
                header = reader.header
                packed, promised = bool(header.are_points_compressed), int(header.point_count)
                count = promised if packed else min(promised, there // max(1, size))
                if size == 0 or count * size > there * (_PACKED if packed else 1):
                    raise DamagedError(f"promises {promised:,} points, more than its {len(data):,} bytes can hold")
                found = reader.read_points(count)
                points = np.stack([found.x, found.y, found.z], axis=1).astype(np.float64)
                names = set(found.point_format.dimension_names)
        except DamagedError:
            raise
        except Exception:  # laspy and lazrs raise any kind of error where a file is damaged
            raise DamagedError("holds points that cannot be read; it was cut short, or is damaged") from None
    if count == 0:
        raise DamagedError(
            f"was cut short: it holds none of the {promised:,} points that it promises"
            if promised
            else "holds no points"
        )
    told = tell_short(count, promised, "points")
    told += tell_unused([name for name in _MORE if name in names], "places")
    return Content(points, NO_TRIANGLES, None, tuple(told))
