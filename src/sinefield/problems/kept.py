"""Pictures of which a part is found and the rest is kept: what is written has the samples of the rest exactly."""

from __future__ import annotations

from typing import Final

import numpy as np
from torch import nn

from sinefield.domains import Patches
from sinefield.io.image import Floats, Picture
from sinefield.problem import Problem
from sinefield.signals.image import ImageSignal

KEPT: Final = "kept"
"""The target that tells which pixels of the reference are kept as they are, ``(height · width, 1)`` of 1 and 0."""


def complete(problem: Problem, field: nn.Module) -> Floats:
    """Return the picture ``(height, width, channels)`` of a field in the units of the file, what is kept as it is.

    Args:
        problem: of :func:`sinefield.problems.blend` or :func:`sinefield.problems.inpaint`.
        field: what was found.

    Raises:
        ValueError: it is another problem.
    """
    signal, reference = problem.signal, problem.reference
    domain = problem.constraints[-1].domain
    if not (isinstance(signal, ImageSignal) and isinstance(reference, Picture) and isinstance(domain, Patches)):
        raise ValueError(f"the problem {problem.name!r} keeps no part of a picture; render its field instead")
    kept = domain.targets[KEPT].reshape(*signal.lattice.shape, 1).numpy() > 0
    found: Floats = np.where(kept, reference.values, signal.sample(field))
    return found
