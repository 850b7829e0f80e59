"""What all tests share: one thread, as networks this small lose more to waiting for a second one than it gives.

And a cache folder of their own, which the commands that they start have too.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of commands too: two that wait for each other's core are many times slower

_CACHE = tempfile.TemporaryDirectory(prefix="sinefield-tests-")
atexit.register(_CACHE.cleanup)
os.environ["XDG_CACHE_HOME"] = str(Path(_CACHE.name))


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[..., Any]]:
    """A function that starts Chromium with arguments beside the usual ones; one a session, as there cannot be two."""
    from playwright.sync_api import sync_playwright

    from opened import ARGUMENTS

    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium; install it, or name one in CHROMIUM"
    with sync_playwright() as running:
        made: list[Any] = []

        def start(*arguments: str) -> Any:
            made.append(running.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments]))
            return made[-1]

        yield start
        for each in made:
            each.close()


@pytest.fixture(scope="session")
def browser(started: Callable[..., Any]) -> Any:
    """Chromium."""
    return started()
