"""What all tests share: one thread, as networks this small lose more to waiting for a second one than it gives.

And a cache folder of their own, which the commands that they start have too.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import torch

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of commands too: two that wait for each other's core are many times slower

_CACHE = tempfile.TemporaryDirectory(prefix="sinefield-tests-")
atexit.register(_CACHE.cleanup)
os.environ["XDG_CACHE_HOME"] = str(Path(_CACHE.name))
