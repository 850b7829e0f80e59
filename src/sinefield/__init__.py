"""Sinefield: a signal as one small differentiable function.

Finds a network Φ with sine activations subject to constraints C(x, a(x), Φ, ∇Φ, ∇²Φ, …) = 0 on domains Ω.

>>> import sinefield
>>> solution = sinefield.solve(sinefield.problems.image("sample:camera", longest=32), passes=1)
>>> solution.render(scale=2).shape
(64, 64, 1)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. They are imported when first used, so that the command line can answer
# `--help` without waiting for torch.
_HOMES = {
    "Siren": "siren",
    "build": "networks",
    "Jet": "jet",
    "jet": "jet",
    "Grid": "domains",
    "PointCloud": "domains",
    "Box": "domains",
    "Ball": "domains",
    "Constraint": "constraint",
    "Problem": "constraint",
    "Recipe": "recipe",
    "solve": "solve",
    "estimate": "estimate",
    "Solution": "solution",
    "load": "checkpoint",
}
_MODULES = ("problems", "metrics", "plots", "networks", "checkpoint", "surface")

__all__ = [
    "Ball", "Box", "Constraint", "Grid", "Jet", "PointCloud", "Problem", "Recipe", "Siren", "Solution", "__version__",
    "build", "checkpoint", "estimate", "jet", "load", "metrics", "networks", "plots", "problems", "solve",
    "surface",
]  # fmt: skip

if TYPE_CHECKING:
    from sinefield import checkpoint, metrics, networks, plots, problems, surface
    from sinefield.checkpoint import load
    from sinefield.constraint import Constraint, Problem
    from sinefield.domains import Ball, Box, Grid, PointCloud
    from sinefield.estimate import estimate
    from sinefield.jet import Jet, jet
    from sinefield.networks import build
    from sinefield.recipe import Recipe
    from sinefield.siren import Siren
    from sinefield.solution import Solution
    from sinefield.solve import solve


def __getattr__(name: str) -> Any:
    """Return a public name, imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name in _MODULES:
        return importlib.import_module(f"sinefield.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'sinefield' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"sinefield.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


class _Package(ModuleType):
    """This package, in which ``jet``, ``solve`` and ``estimate`` are the functions, not the modules they live in.

    Importing a submodule binds it under its name in the package, which would hide the function of that name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, getattr(value, name) if name in _HOMES and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
