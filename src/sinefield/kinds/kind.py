"""A kind of signal: what the command line, the problems, the signals and the figures know of it, in one record.

What is solved for and not read from a file, as the solution of an equation, has the part of it that is for looking on.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from sinefield.kinds.options import Options
from sinefield.kinds.recognition import other_kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sinefield.problem import Problem
    from sinefield.signals.signal import Signal
    from sinefield.solution import Solution

Stage = Literal["fit", "render"]


@dataclass(frozen=True, kw_only=True)
class View:
    """How what is of a kind is looked at.

    Args:
        name: in a word, such as ``"image"``.
        title: the plural that help shows, such as ``"Pictures"``.
        about: what it is, in a line.
        signal: the class of signal, whose ``write`` takes the options of ``render`` as keywords; as
            ``"module:attribute"``, imported when it is used.
        figure: what draws a solution, likewise; None: there is no figure.
        render: the options of rendering one.
        examples: a command line that makes one, and one that renders it.
    """

    name: str
    title: str
    about: str
    signal: str
    figure: str | None
    render: type[Options]
    examples: tuple[str, str]

    def options(self, stage: Stage) -> type[Options]:
        """Return the record of options of a stage: those of fitting are none, where nothing is fitted."""
        return self.render if stage == "render" else Options

    def signal_class(self) -> type[Signal]:
        """Return the class of signal."""
        found: type[Signal] = imported(self.signal)
        return found

    def check_figure(self) -> None:
        """Refuse to draw what has no figure.

        Raises:
            ValueError: there is none of this kind.
        """
        if self.figure is None:
            raise ValueError(f"there is no figure of signals of kind {self.name!r}")

    def figure_of(self, solution: Solution) -> Figure:
        """Return the figure of a solution.

        Raises:
            ValueError: there is none of this kind.
        """
        self.check_figure()
        found: Figure = imported(str(self.figure))(solution)
        return found


@final
@dataclass(frozen=True, kw_only=True)
class Kind(View):
    """A kind of signal that is read from files.

    Args:
        endings: of the files that hold nothing else.
        reader: what reads a file, as ``"module:attribute"``, imported when it is used; so is the next.
        problem: what makes the problem of a file, with the options of ``fit`` as keywords.
        fit: the options of fitting one.
        budget: what ``fit`` does unless it is told otherwise, in words.
        holds: whether a file that could be several things is of this kind; None: the endings say all.
        former: names that it had in earlier field files.
    """

    endings: tuple[str, ...]
    reader: str
    problem: str
    fit: type[Options]
    budget: str
    holds: Callable[[Path], bool] | None = None
    former: tuple[str, ...] = ()

    def options(self, stage: Stage) -> type[Options]:
        """Return the record of options of fitting or rendering."""
        return self.fit if stage == "fit" else self.render

    def read(self, source: str | Path) -> Any:
        """Return the samples in a file."""
        return imported(self.reader)(source)

    def problem_of(self, source: Any, **options: Any) -> Problem:
        """Return the problem of a signal, which tells the file that it is of.

        Args:
            source: a file, or what else the problem takes.
            **options: of the problem itself.

        Raises:
            ValueError: the signal cannot be used; the message names another kind where the file is of one.
            OSError: the file cannot be read.
        """
        if not isinstance(source, str | Path):
            found: Problem = imported(self.problem)(source, **options)
            return found
        try:
            found = imported(self.problem)(source, **options)
        except ValueError as error:
            if other := other_kind(Path(source), self.name):
                raise ValueError(f"{error}; {other}") from error
            raise
        taken = inspect.signature(imported(self.reader)).parameters
        part = {name: each for name, each in options.items() if name in taken}
        return replace(found, source=imported("sinefield.io.source:Source").of(source, part))

    def is_of(self, path: Path) -> bool:
        """Return whether a file holds a signal of this kind, by its ending, or its header where that is not enough."""
        return path.name.lower().endswith(self.endings) or (self.holds is not None and self.holds(path))


def imported(place: str) -> Any:
    """Return what ``"module:attribute"`` names."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
