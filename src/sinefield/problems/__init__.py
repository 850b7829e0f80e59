"""Problems: one application a file, each a function that returns a :class:`~sinefield.problem.Problem`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sinefield import kinds
from sinefield.problem import Problem
from sinefield.problems.audio import audio
from sinefield.problems.blend import blend
from sinefield.problems.burgers import burgers
from sinefield.problems.continuation import continued
from sinefield.problems.eikonal import eikonal
from sinefield.problems.equation import equation
from sinefield.problems.heat import heat
from sinefield.problems.helmholtz import helmholtz
from sinefield.problems.image import image
from sinefield.problems.inpaint import inpaint
from sinefield.problems.inverse_helmholtz import inverse_helmholtz
from sinefield.problems.march import march
from sinefield.problems.poisson import poisson
from sinefield.problems.shape import shape
from sinefield.problems.video import video
from sinefield.problems.volume import volume
from sinefield.problems.wave import wave

__all__ = [
    "audio",
    "blend",
    "burgers",
    "continued",
    "eikonal",
    "equation",
    "heat",
    "helmholtz",
    "image",
    "inpaint",
    "inverse_helmholtz",
    "march",
    "of",
    "poisson",
    "shape",
    "video",
    "volume",
    "wave",
]


def of(source: str | Path, kind: str | None = None, **options: Any) -> Problem:
    """Return the problem of the signal in a file.

    Args:
        source: the file.
        kind: one of :data:`sinefield.kinds.KINDS`; None: by the ending of the file.
        **options: of the problem of that kind, such as :func:`image`.

    Raises:
        ValueError: an unknown kind, an option that it does not have, or what the problem itself raises.
        FileNotFoundError: there is no such file.
    """
    found = kinds.kind_named(kind or kinds.kind_of(source))
    kinds.check_options(found, "fit", {name: name for name in options}, source)
    return found.problem_of(source, **options)
