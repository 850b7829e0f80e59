"""The fused sweeps with their stages compiled: sine, cosine and what follows become one loop over memory.

Matrix products stay the library's. Compiling takes seconds, fewer once PyTorch has the result in its cache on disk,
so it pays for long runs only. Where there is no compiler, or it fails, stages run as they stand.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Set

import torch
from torch import Tensor, nn

from sinefield.kernels import fused
from sinefield.kernels.fused import supports
from sinefield.kernels.stages import plainly
from sinefield.kernels.sweep import Execution

__all__ = ["available", "evaluate", "run", "supports"]

_works: dict[Callable[..., None], bool] = {}  # of each stage that was tried: whether it could be compiled


def available() -> bool:
    """Return whether stages can probably be compiled: there is a C++ compiler, and none has failed yet."""
    if sys.platform == "win32" or not all(_works.values()):
        return False
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "g++", "clang++"))


def run(stage: Callable[..., None], *arguments: Tensor | None) -> None:
    """Run a stage compiled, or as it stands where that cannot be."""
    if _works.get(stage, True):
        try:
            if stage in _works:
                _compiled(stage)(*arguments)
            else:
                with warnings.catch_warnings():  # whoever has warnings raised has not asked for those of a compiler
                    warnings.simplefilter("ignore")
                    _compiled(stage)(*arguments)
        except Exception:  # whatever keeps a compiler from working; nothing has been written yet
            # What has worked before may have met more shapes than are compiled, and works for the others.
            _works.setdefault(stage, False)
        else:
            _works[stage] = True
            return
    plainly(stage, *arguments)


@functools.cache
def _compiled(stage: Callable[..., None]) -> Callable[..., None]:
    return torch.compile(stage, dynamic=True, fullgraph=True)


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes."""
    with fused.executing(Execution(run)):
        return fused.evaluate(field, points, needs)
