"""A server of the page of a field, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from sinefield.viewer.server import Served, application, listen


@contextmanager
def serving(field: Path) -> Iterator[int]:
    """Serve a field in a thread, and give the port."""
    listening = listen(0)
    port = int(listening.getsockname()[1])
    config = uvicorn.Config(
        application(Served(field), port), http="h11", ws="none", lifespan="off", log_config=None, log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
