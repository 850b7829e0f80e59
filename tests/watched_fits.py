"""Fits that are watched, a step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fields_of_kinds import field_of
from sinefield.history import Record
from sinefield.problem import Problem
from sinefield.solution import Progress
from sinefield.viewer.watching import Watched, watched


def problem_of(name: str) -> Problem:
    field, signal = field_of(name)
    return Problem("a test", (), {"u": lambda _omega: field}, signal)


def progress_of(field: torch.nn.Module, step: int = 1200) -> Progress:
    record = Record(step, 3.2, 4.1, 0.0123, {"fit": 0.0123}, {"psnr": 31.25})
    return Progress({"u": field}, step, 3.25, 4.5, 0.4, record)


@contextmanager
def serving(name: str, tmp_path: Path) -> Iterator[tuple[Watched, torch.nn.Module, int]]:
    """Watch a field of a name, with the address it is served at."""
    told: list[str] = []
    with watched(problem_of(name), tmp_path / f"{name}.safetensors", 0, browser=False, tell=told.append) as found:
        yield found, field_of(name)[0], int(told[0].rstrip("/").rsplit(":", 1)[1])


@torch.no_grad()
def move(field: torch.nn.Module) -> None:
    """Change a field as a step does, in place."""
    for each in field.parameters():
        each.add_(0.01)
