"""Surveys: pressures that sources raise at receivers, in `.mat` files of MATLAB and `.npz` files of NumPy."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

NAMES: Mapping[str, tuple[str, ...]] = {
    "sources": ("sources", "source", "src", "source_coords"),
    "receivers": ("receivers", "receiver", "rec", "receiver_coords"),
    "pressures": ("pressures", "pressure", "rec_val", "data"),
    "wavenumber": ("wavenumbers", "wavenumber", "k"),
    "frequency": ("frequencies", "frequency", "freq", "f"),
    "speed": ("speed", "velocity", "c"),
}
"""The names of arrays in files, by what they hold; the first that is there is read."""

_LARGEST = 1 << 30  # bytes of an array: more than any survey of two dimensions holds


@final
@dataclass(frozen=True, eq=False)
class Survey:
    """Complex pressures of time-harmonic point sources at receivers, in the plane.

    Args:
        sources: coordinates ``(s, 2)``.
        receivers: coordinates ``(r, 2)``.
        pressures: ``(s, r)``, or ``(f, s, r)`` for several frequencies; kept as the latter.
        wavenumbers: k in the surroundings, radians per unit of length, for each frequency ``(f,)``; or one number.

    Raises:
        ValueError: shapes that do not fit together, real pressures, NaN, or wavenumbers that are not positive.

    >>> Survey([[0, 0]], [[1, 0], [0, 1]], [[1j, 2j]], 20).pressures.shape
    (1, 1, 2)
    """

    sources: NDArray[Any]
    receivers: NDArray[Any]
    pressures: NDArray[Any]
    wavenumbers: Any

    def __post_init__(self) -> None:
        """Make arrays of what is given, and refuse what does not fit together.

        Raises:
            ValueError: as the class says.
        """
        places = {name: _places(name, getattr(self, name)) for name in ("sources", "receivers")}
        pressures, wavenumbers = np.asarray(self.pressures), np.atleast_1d(np.asarray(self.wavenumbers))
        if not np.iscomplexobj(pressures):
            raise ValueError(
                f"pressures must be complex, amplitude and phase at each receiver, got {pressures.dtype}; "
                "take the Fourier transform of recordings at one frequency"
            )
        if (
            wavenumbers.dtype.kind not in "uif"
            or wavenumbers.ndim != 1
            or not np.all(np.isfinite(wavenumbers) & (wavenumbers > 0))
        ):
            raise ValueError(f"wavenumbers must be positive numbers, one for each frequency, got {self.wavenumbers!r}")
        expected = (len(places["sources"]), len(places["receivers"]))
        whole = pressures[None] if pressures.ndim == 2 else pressures
        if whole.shape != (len(wavenumbers), *expected):
            raise ValueError(
                f"pressures of {expected[0]} sources at {expected[1]} receivers with {len(wavenumbers)} wavenumbers "
                f"must have the shape {(len(wavenumbers), *expected) if len(wavenumbers) > 1 else expected}, got "
                f"{pressures.shape}"
            )
        if not np.isfinite(whole).all():
            missing = int(np.count_nonzero(~np.isfinite(whole)))
            raise ValueError(f"{missing} of {whole.size} pressures are NaN or infinite; leave out those receivers")
        if not np.abs(whole).max(axis=2).all():
            raise ValueError("the pressures of a source are 0 at all receivers; leave out that source")
        kept = {**places, "pressures": whole.astype(np.complex128), "wavenumbers": wavenumbers.astype(np.float64)}
        for name, each in kept.items():
            object.__setattr__(self, name, each)


def _places(name: str, given: Any) -> NDArray[np.float64]:
    """Return coordinates.

    Raises:
        ValueError: they are no finite real numbers of shape (n, 2).
    """
    array = np.asarray(given)
    if array.dtype.kind not in "uif" or array.ndim != 2 or array.shape[1] != 2 or len(array) == 0:
        raise ValueError(f"{name} must be coordinates of shape (n, 2), got {array.dtype} of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"the coordinates of {name} hold NaN or infinity")
    return array.astype(np.float64)


def read(path: str | Path, wavenumber: float | Sequence[float] | None = None) -> Survey:
    """Return the survey in a file: arrays named as in :data:`NAMES`, pressures ``(s, r)`` or ``(r, s)``.

    Args:
        path: of a `.mat` file up to version 7, or an `.npz` file.
        wavenumber: one, or one for each frequency; None: that of the file, or 2π frequency / speed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, is damaged, holds Python objects or too little, or its arrays do not fit.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    match place.suffix.lower():
        case ".mat":
            arrays = _read_mat(place)
        case ".npz":
            arrays = _read_npz(place)
        case other:
            raise ValueError(f"a survey is a .mat or an .npz file, got {place} with the ending {other or 'none'!r}")
    found: dict[str, Any] = {
        what: next((arrays[each] for each in names if each in arrays), None) for what, names in NAMES.items()
    }
    for what in ("sources", "receivers", "pressures"):
        if found[what] is None:
            raise ValueError(
                f"{place} holds no {what}, looked for as {', '.join(NAMES[what])}; it holds "
                f"{', '.join(arrays) or 'no arrays'}"
            )
    try:
        return Survey(
            found["sources"],
            found["receivers"],
            _by_source(found, transposed="rec_val" in arrays and not {"pressures", "pressure"} & arrays.keys()),
            _wavenumber(found) if wavenumber is None else wavenumber,
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _by_source(found: Mapping[str, Any], *, transposed: bool) -> NDArray[Any]:
    """Return pressures with sources before receivers; where both are as many, ``transposed`` tells."""
    pressures: NDArray[Any] = np.asarray(found["pressures"])
    counts = (len(found["sources"]), len(found["receivers"]))
    if pressures.ndim < 2:
        return pressures
    other = pressures.shape[-2:] == counts[::-1] and (transposed or counts[0] != counts[1])
    return np.swapaxes(pressures, -1, -2) if other else pressures


def _wavenumber(found: Mapping[str, Any]) -> NDArray[Any]:
    """Return the wavenumbers of a file.

    Raises:
        ValueError: it has none.
    """
    if found["wavenumber"] is not None:
        return np.ravel(found["wavenumber"])
    if found["frequency"] is not None and found["speed"] is not None:
        return 2 * np.pi * np.ravel(found["frequency"]) / np.ravel(found["speed"])
    missing = "the speed of its frequency" if found["frequency"] is not None else "wavenumber"
    raise ValueError(
        f"the file does not tell {missing}; give --wavenumber, in Python wavenumber=, in radians per unit of length "
        "in the surroundings"
    )


def _read_mat(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in a file of MATLAB.

    Raises:
        ValueError: it cannot be read.
    """
    import scipy.io

    try:
        held = scipy.io.loadmat(path)
    except NotImplementedError:
        raise ValueError(f"{path} is of MATLAB's version 7.3; save it again with save(…, '-v7')") from None
    except Exception as error:  # whatever a damaged file leads the reader to
        raise ValueError(f"{path} cannot be read as a .mat file: it is damaged, or none ({error})") from error
    return {name: each for name, each in held.items() if isinstance(each, np.ndarray) and each.dtype.kind in "uifc"}


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of numbers in an archive of NumPy; nothing is ever unpickled.

    Raises:
        ValueError: it cannot be read, or holds Python objects under a name that is looked for.
    """
    wanted = {each for names in NAMES.values() for each in names}
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {each.filename.removesuffix(".npy"): each.file_size for each in archive.infolist()}
        large = [name for name, size in sizes.items() if size > _LARGEST]
        if large:
            raise ValueError(f"{large[0]} would take {sizes[large[0]]:,} bytes, more than a survey holds")
        with np.load(path, allow_pickle=False) as held:
            for name in held.files:
                arrays[name] = held[name] if name in wanted else np.empty(0)
    except Exception as error:  # whatever a damaged file leads the reader to
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{path} holds Python objects, which are never unpickled; save arrays of numbers"
            ) from None
        raise ValueError(f"{path} cannot be read as an .npz file: it is damaged, or none ({error})") from error
    return arrays
