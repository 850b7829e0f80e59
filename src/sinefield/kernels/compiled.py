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

_broken = False  # whether compiling has failed in this process


def available() -> bool:
    """Return whether stages can probably be compiled: there is a C++ compiler, and it has not failed yet."""
    if _broken or sys.platform == "win32":
        return False
    return any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "g++", "clang++"))


def run(stage: Callable[..., None], *arguments: Tensor | None) -> None:
    """Run a stage compiled, or as it stands where that cannot be."""
    global _broken
    if not _broken:
        try:
            _compiled(stage)(*arguments)
        except Exception:  # noqa: BLE001 - whatever keeps a compiler from working; nothing has been written yet
            _broken = True
        else:
            return
    plainly(stage, *arguments)


@functools.cache
def _compiled(stage: Callable[..., None]) -> Callable[..., None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.compile(stage, dynamic=False, fullgraph=True)


def evaluate(field: nn.Module, points: Tensor, needs: Set[str]) -> dict[str, Tensor]:
    """Return the quantities ``needs`` of ``field`` at ``points``; see :mod:`sinefield.kernels` for shapes."""
    with fused.executing(Execution(run)):
        return fused.evaluate(field, points, needs)
