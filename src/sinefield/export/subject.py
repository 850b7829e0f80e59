"""What is exported: a field with what its file tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from torch import nn

from sinefield import __version__, checkpoint, kinds
from sinefield.export.steps import Steps, Tiles, steps_of, tiles_of
from sinefield.io.embedded import plain_file
from sinefield.signals.lattice import Lattice
from sinefield.signals.signal import Signal


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A field that is exported, and what its file tells.

    Args:
        path: the field file.
        field: Φ, the main one.
        header: of the file.
    """

    path: Path
    field: nn.Module
    header: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Subject:
        """Return the field in a file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no field file.
        """
        return cls(path, *checkpoint.read(path))

    @cached_property
    def steps(self) -> Steps:
        """What the field is made of.

        Raises:
            ValueError: it is made of others, as tiles and sums are, or of a curve that cannot be written.
        """
        try:
            return steps_of(self.field)
        except ValueError as error:
            raise ValueError(f"{self.path} cannot be exported so: {error}") from error

    @cached_property
    def made_of(self) -> Steps | Tiles:
        """What the field is made of: steps, or tiles of such.

        Raises:
            ValueError: it is made of neither.
        """
        return tiles_of(self.field) or self.steps

    @property
    def dimension(self) -> int:
        """The number of coordinates, d."""
        return int(getattr(self.field, "in_features", 0)) or self.steps.in_features

    @property
    def size(self) -> int:
        """The length of the field file in bytes."""
        with plain_file(self.path) as stored:
            return stored.stat().st_size

    @cached_property
    def signal(self) -> Signal | None:
        """How the field is read back; None: its file does not tell."""
        stored = self.header.get("signal")
        return kinds.signal_from_json(stored) if isinstance(stored, dict) else None

    @property
    def lattice(self) -> Lattice | None:
        """The mapping between samples and the field; None: it is of no samples."""
        found = getattr(self.signal, "lattice", None)
        return found if isinstance(found, Lattice) else None

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the coordinates, in their order."""
        named = getattr(self.field, "axes", None)
        if self.signal is not None:
            named = [each.name for each in self.signal.axes]
        return tuple(named or (f"x{k}" for k in range(self.dimension)))

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The least and the greatest coordinate along each axis."""
        lower, upper = (getattr(self.signal, each, None) for each in ("lower", "upper"))
        if lower is not None and upper is not None:
            return tuple(zip(lower, upper, strict=True))
        extent = (1.0,) * self.dimension if self.lattice is None else self.lattice.extent
        return tuple((-each, each) for each in extent)

    @property
    def title(self) -> str:
        """What the field is of, in a line that holds no quote, backslash or control character."""
        source = self.header.get("source")
        name = source.get("name") if isinstance(source, dict) else None
        told = str(name or self.path.stem)
        return "".join(each if each.isprintable() and each not in "\"'\\*`" else "_" for each in told)[:80]

    @property
    def made_by(self) -> str:
        """The line by which a file of ours is known."""
        return f"Written by sinefield {__version__}"

    def signal_json(self) -> str | None:
        """Return what the file tells of the signal, without its bytes, as JSON in ASCII."""
        stored = self.header.get("signal")
        if not isinstance(stored, dict):
            return None
        return json.dumps({name: each for name, each in stored.items() if not isinstance(each, bytes)}, sort_keys=True)


def check_steps(subject: Subject) -> None:
    """Refuse a field that is no sequence of steps.

    Raises:
        ValueError: it is none.
    """
    _ = subject.steps


def check_networks(subject: Subject) -> None:
    """Refuse a field that is neither a sequence of steps nor tiles.

    Raises:
        ValueError: it is none.
    """
    _ = subject.made_of


def check_signal(subject: Subject) -> None:
    """Refuse a field that is of nothing.

    Raises:
        ValueError: its file does not tell how it is read back.
    """
    if subject.signal is None:
        raise ValueError(f"{subject.path} does not tell what it is of; import it with --kind and --shape")
