"""A law: an equation of a name that the command line solves, with the options that it takes, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from sinefield.kinds.kind import imported
from sinefield.kinds.options import Options

if TYPE_CHECKING:
    from sinefield.problem import Problem


@final
@dataclass(frozen=True)
class Law:
    """An equation that is solved by its name.

    Args:
        name: in a word, such as ``"heat"``.
        about: what it is, in a line, as help shows it.
        problem: what makes its problem, with the options as keywords, as ``"module:attribute"``, imported when it is
            used.
        options: that it takes.
        example: a command line that solves one.
        data: what the file is that it is solved for, its first argument, as help shows it; None: there is none.
    """

    name: str
    about: str
    problem: str
    options: type[Options]
    example: str
    data: str | None = None

    def problem_of(self, *data: Any, **options: Any) -> Problem:
        """Return the problem.

        Raises:
            ValueError: an option that is none, or that the problem cannot use.
            OSError: a file cannot be read.
        """
        found: Problem = imported(self.problem)(*data, **options)
        return found
