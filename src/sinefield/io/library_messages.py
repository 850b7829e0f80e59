"""Messages that libraries of C print on standard error, which are no lines of ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()  # the place of standard error is one of the whole process


@contextmanager
def discarded() -> Iterator[None]:
    """Discard what is printed on standard error by way of the system, for as long as a call of a library takes.

    libmpg123, inside libsndfile, has no other switch. What Python prints goes the same way, so nothing else should run
    in the block; a process without a standard error is left as it is.
    """
    with _LOCK:
        try:
            kept = os.dup(2)
        except OSError:
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
