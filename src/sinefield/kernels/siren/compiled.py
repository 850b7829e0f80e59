"""The fused sweeps, their elementwise functions compiled: sine, cosine and what follows become one loop over memory.

Matrix products stay the library's. Compiling takes seconds, fewer once PyTorch has the result in its cache on disk,
so it pays for long runs only. Where there is no compiler, or it fails, elementwise functions run as they stand.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Set
from typing import Any

import torch
from torch import Tensor

from sinefield.fields.chain import Chain
from sinefield.fields.derivatives import Derivative
from sinefield.kernels.siren import fused
from sinefield.kernels.siren.elementwise import run_plainly
from sinefield.kernels.siren.fused import supports
from sinefield.kernels.siren.workspace import Execution

__all__ = ["available", "evaluate", "run", "supports"]

_works: dict[Callable[..., None], bool] = {}  # of each function that was tried: whether it could be compiled


def available() -> bool:
    """Return whether functions can probably be compiled: there is a C++ compiler, and none has failed yet."""
    if sys.platform == "win32" or not all(_works.values()):
        return False
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "g++", "clang++"))


def run(function: Callable[..., None], *arguments: Any) -> None:
    """Run an elementwise function compiled, or as it stands where that cannot be."""
    if _works.get(function, True):
        try:
            if function in _works:
                _compiled(function)(*arguments)
            else:
                with warnings.catch_warnings():  # whoever has warnings raised has not asked for those of a compiler
                    warnings.simplefilter("ignore")
                    _compiled(function)(*arguments)
        except Exception:  # whatever keeps a compiler from working; nothing has been written yet
            # What has worked before may have met more shapes than are compiled, and works for the others.
            _works.setdefault(function, False)
        else:
            _works[function] = True
            return
    run_plainly(function, *arguments)


@functools.cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    return torch.compile(function, dynamic=True, fullgraph=True)


def evaluate(chain: Chain, points: Tensor, needs: Set[Derivative]) -> dict[Derivative, Tensor]:
    """Return the derivatives ``needs`` of a SIREN at ``points``; see :mod:`sinefield.kernels` for shapes."""
    with fused.executing(Execution(run)):
        return fused.evaluate(chain, points, needs)
