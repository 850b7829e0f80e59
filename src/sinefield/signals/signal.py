"""How a field is read back as a signal: what a field file stores, so that it can be rendered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

from numpy.typing import NDArray
from torch import nn


@final
@dataclass(frozen=True)
class Axis:
    """One coordinate of a signal.

    Args:
        name: such as ``"t"``.
        unit: of positions along it, as ``sample`` and ``write`` take them: ``"s"``, ``"pixel"``, ``"mm"``, …
        count: how many samples the original has along it; None: it is not sampled along axes.
    """

    name: str
    unit: str
    count: int | None


class Signal(ABC):
    """How a field is read back as a signal.

    A signal of each kind is a frozen dataclass: the mapping between the samples of the original and the coordinates and
    values of the field. The keywords that ``sample`` and ``write`` take are those of its kind, see
    :mod:`sinefield.kinds`.
    """

    kind: ClassVar[str]
    """The name of its kind, such as ``"image"``."""

    @property
    @abstractmethod
    def axes(self) -> tuple[Axis, ...]:
        """The coordinates, in the order of those of the field's points."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """c, how many values there are at a point."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be rendered, of :data:`sinefield.quantities.QUANTITIES`."""
        return ("value",)

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON, ``kind`` included."""

    @classmethod
    @abstractmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: something is missing, of the wrong kind or out of its range.
        """

    @abstractmethod
    def sample(self, field: nn.Module, *args: Any, **options: Any) -> NDArray[Any]:
        """Return the samples of a field, of any size; the first of ``args`` is the size.

        Raises:
            ValueError: what is asked for is not there, or the field is not one of this signal.
        """

    @abstractmethod
    def write(self, field: nn.Module, path: Path, *args: Any, **options: Any) -> str:
        """Write the signal of a field to a file, and return in a few words what was written.

        Raises:
            ValueError: as for :meth:`sample`; or the ending is of no known format.
            OSError: the place cannot be written to.
        """


def floats_of(stored: Any) -> tuple[float, ...]:
    """Return the numbers in a list.

    Raises:
        TypeError: it is no list.
    """
    if not isinstance(stored, list):
        raise TypeError(f"{stored!r} is no list")
    return tuple(map(float, stored))
