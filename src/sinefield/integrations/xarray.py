"""A backend of xarray: ``xarray.open_dataset("f.safetensors", engine="sinefield")``.

The variables are the value, its derivative along each axis and its Laplacian, in the units of the coordinates, and
nothing of them is evaluated before it is taken. xarray imports every backend that is installed, and asks each whether
it can open a file: torch is imported only when the file is one of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

try:
    import xarray
    from xarray.backends import BackendArray, BackendEntrypoint
    from xarray.core import indexing
except ImportError as error:
    raise ImportError(f"this backend needs the extra 'xarray' ({error}); pip install 'sinefield[xarray]'") from error

if TYPE_CHECKING:
    from sinefield.integrations.sampled import Sampled

_COLOURS: Final = ("red", "green", "blue", "alpha")


@final
class SinefieldBackend(BackendEntrypoint):
    """Opens field files as datasets."""

    description: ClassVar[str] = "Open fields of Sinefield (.safetensors), evaluated where they are indexed"
    open_dataset_parameters: ClassVar[tuple[str, ...] | None] = ("filename_or_obj", "drop_variables", "size")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether a file is a field: it has our ending, and our header."""
        if not isinstance(filename_or_obj, str | Path) or Path(filename_or_obj).suffix.lower() != ".safetensors":
            return False
        from sinefield import checkpoint

        try:
            checkpoint.read_header(filename_or_obj)
        except (OSError, ValueError):
            return False
        return True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        size: Mapping[str, int] | None = None,
    ) -> xarray.Dataset:
        """Return the dataset of a field file: ``value``, ``gradient_AXIS`` along each axis, and ``laplacian``.

        Args:
            filename_or_obj: the file.
            drop_variables: variables that are left out.
            size: how many samples there are along some axes, such as ``{"x": 4096}``; along others as many as the
                original has, and 256 along the longest side of a shape or an equation.

        Raises:
            ValueError: the file is no field, or a field that is not read back as a signal; or no such axis.
            OSError: the file cannot be read.
        """
        from sinefield import checkpoint, kinds
        from sinefield.integrations.sampled import sampled

        field, header = checkpoint.read(filename_or_obj)
        if not header.get("signal"):
            raise ValueError(
                f"{filename_or_obj} holds a field without the axes of a signal; evaluate it as "
                "sinefield.load(path)(points)"
            )
        signal = kinds.signal_from_json(header["signal"])
        arrays = sampled(field, signal, size)
        lines = arrays["value"].lines
        coordinates = {
            line.name: xarray.Variable(line.name, line.places, {"units": line.unit} if line.unit else None)
            for line in lines
        }
        pairs = getattr(signal, "complex", False)
        channels = signal.channels // 2 if pairs else signal.channels
        names = [each.name for each in lines]
        if channels > 1:
            coloured = channels in (3, 4) and signal.kind in ("image", "video")
            labels = list(_COLOURS[:channels]) if coloured else list(range(channels))
            coordinates["channel"] = xarray.Variable("channel", labels)
            names.append("channel")
        dropped = {drop_variables} if isinstance(drop_variables, str) else set(drop_variables or ())
        variables = {
            name: xarray.Variable(names, indexing.LazilyIndexedArray(_Lazy(array, pairs, channels > 1)), _told(array))
            for name, array in arrays.items()
        }
        return xarray.Dataset(
            {name: each for name, each in variables.items() if name not in dropped},
            {name: each for name, each in coordinates.items() if name not in dropped},
            {"kind": signal.kind, "title": Path(filename_or_obj).name, **_metrics(header)},
        )


@final
class _Lazy(BackendArray):
    """A quantity that is evaluated where it is indexed, complex where its outputs are pairs, without an axis of one."""

    def __init__(self, array: Sampled, pairs: bool, channelled: bool) -> None:
        self.array, self.pairs, self.channelled = array, pairs, channelled
        *lengths, outputs = array.shape
        self.shape = (*lengths, outputs // (2 if pairs else 1)) if channelled else tuple(lengths)
        self.dtype = np.result_type(array.dtype, np.complex64) if pairs else array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._evaluated)

    def _evaluated(self, key: tuple[Any, ...]) -> NDArray[Any]:
        lengths, channel = (key[:-1], key[-1]) if self.channelled else (key, 0)
        found = self.array[(*lengths, slice(None))]
        if self.pairs:
            found = found[..., ::2] + 1j * found[..., 1::2]
        return found[..., channel]


def _told(array: Sampled) -> dict[str, str]:
    """Return the attributes of a variable: what it is, and in which unit."""
    lengths = [array.lines[n] for n in array.lengths]
    told = {
        "value": ("value", ""),
        "gradient": (f"derivative along {array.lines[array.axis].name}", f"1/{array.lines[array.axis].unit}"),
        "laplacian": (f"Laplacian along {', '.join(each.name for each in lengths)}", f"1/{lengths[0].unit}^2"),
    }
    name, unit = told[array.quantity]
    return {"long_name": name, **({"units": unit} if unit.strip("1/^2") else {})}


def _metrics(header: Mapping[str, Any]) -> dict[str, float]:
    metrics = header.get("metrics")
    found = metrics.items() if isinstance(metrics, Mapping) else ()
    return {str(name): float(each) for name, each in found if isinstance(each, int | float)}
