"""A fit as it goes on, in the browser: the page of its field, which asks for new weights once a second.

Between two steps the weights are copied, at most once a second and only while a page asks; what is made of the copy is
made by the server, in a thread of its own. The page asks by ``/now.json?have=NUMBER`` and is told how far the fit is,
with the field where there is one that is newer than the NUMBER it has.
"""

from __future__ import annotations

import base64
import copy
import json
import math
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import torch
from torch import nn

from sinefield.viewer.described import NotShownError
from sinefield.viewer.page import Read, field_of, live_page_of
from sinefield.viewer.server import ADDRESS, PORT, Guard, check_installed, listen, page_route, server_of
from sinefield.viewer.views import steepness_of, view_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from sinefield.problem import Problem
    from sinefield.solution import Progress

EVERY: Final = 1.0
"""Seconds between two copies of the weights, at least."""

_ALIVE: Final = 5.0  # seconds after a request in which a page is taken to be open
_LAST: Final = 3.0  # seconds in which an open page may ask for what the fit found in the end
_FIRST: Final = 120.0  # seconds in which the first step, which may compile kernels, is waited for


@final
class Watched:
    """A fit that is watched: an observer of it, and what the server tells of it.

    Args:
        problem: what is fitted.
        path: the field file that is to be written, which may not be there yet.

    Raises:
        ValueError: the page shows nothing of such a problem.
    """

    def __init__(self, problem: Problem, path: Path) -> None:
        if problem.signal is None:
            raise ValueError(f"a fit to {problem.name!r} cannot be watched: it is of no signal that the page shows")
        view_of(problem.signal)
        self._signal = problem.signal
        source = None if problem.source is None else problem.source.to_json()
        self._header = {"signal": problem.signal.to_json(), "source": source, "problem": problem.name}
        self._path = path
        self._lock = threading.Lock()  # of the copy and its number
        self._field: nn.Module | None = None  # that is fitted
        self._copy: nn.Module | None = None
        self._made: tuple[int, str] = (0, "")  # what a page is sent of the copy
        self._next, self._asked = 0.0, -math.inf
        self.number, self.sent, self.told, self.done = 0, 0, "", False

    def __call__(self, progress: Progress) -> None:
        """Copy the weights where it is time and a page is open."""
        self.told = _told(progress)
        now = time.monotonic()
        if now < self._next or (self.number and now > self._asked + _ALIVE):
            return
        if self._lock.acquire(blocking=False):  # otherwise the server reads the last copy: the next step will do
            try:
                self._take(progress.field)
            finally:
                self._lock.release()
            self._next = now + EVERY

    @torch.no_grad()
    def _take(self, field: nn.Module) -> None:
        self._field = field
        if self._copy is None:
            self._copy = copy.deepcopy(field).to("cpu").requires_grad_(False).eval()
        else:
            self._copy.load_state_dict(field.state_dict())
        self.number += 1

    def end(self) -> None:
        """Take what the fit found in the end, and give a page that is open a moment to ask for it."""
        if self._field is None:
            return
        with self._lock:
            self._take(self._field)
            self.told = f"The search is over: {self.told}"
            self.done = True
        last = time.monotonic() + _LAST
        while self.sent < self.number and time.monotonic() < min(last, self._asked + _ALIVE):
            time.sleep(0.05)

    # ---- what the server tells, in threads of its own

    def page(self) -> str:
        """Return the page of the field as it is.

        Raises:
            ValueError: no step was taken for long.
        """
        last = time.monotonic() + _FIRST
        while self._copy is None:
            if time.monotonic() > last:
                raise ValueError("the first step is not taken yet; load the page again")
            time.sleep(0.05)
        self._asked = time.monotonic()
        with self._lock:
            return live_page_of(Read(self._path, self._copy, self._header), self.number)

    def now(self, have: int) -> str:
        """Return how far the fit is, as JSON, with the field where it is newer than that of number ``have``."""
        self._asked = time.monotonic()
        told: dict[str, Any] = {"told": self.told, "done": self.done}
        if self._copy is None or have >= self.number:
            return json.dumps(told)
        with self._lock:
            if self._made[0] != self.number:
                self._made = self.number, self._described(self._copy)
            self.sent = self.number
            return json.dumps(told)[:-1] + f", {self._made[1]}"

    def _described(self, field: nn.Module) -> str:
        """Return the members of a JSON object that tell of a field, and its end."""
        try:
            node, weights, double = field_of(field, self._signal)
        except NotShownError:  # it was of other parts before: the page is loaded again, which tells why
            return json.dumps({"number": self.number, "field": None})[1:]
        found: dict[str, Any] = {"number": self.number, "field": node, "exact": double}
        found["weights"] = base64.b64encode(weights.tobytes()).decode()
        found["lipschitz"] = steepness_of(self._signal, field)
        return json.dumps(found)[1:]


@contextmanager
def watched(
    problem: Problem,
    path: Path,
    port: int = PORT,
    *,
    browser: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Watched]:
    """Serve a fit while it goes on.

    Args:
        problem: what is fitted.
        path: the field file that is to be written.
        port: 1 to 65535; 0: any that is free.
        browser: open the page in the browser.
        tell: called with the address.

    Yields:
        What is to observe the fit.

    Raises:
        ValueError: the page shows nothing of such a problem, starlette or uvicorn is not installed, or there is no such
            port.
        OSError: the port is in use.
    """
    check_installed()
    found = Watched(problem, path)
    listening = listen(port)
    port = listening.getsockname()[1]
    server = server_of(application(found, port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    address = ADDRESS.format(port)
    if tell is not None:
        tell(address)
    if browser:
        webbrowser.open(address)
    try:
        yield found
        found.end()
    finally:
        server.should_exit = True
        thread.join(_LAST)
        listening.close()


def application(watching: Watched, port: int) -> Starlette:
    """Return the application that serves a fit on a port."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def now(request: Request) -> Response:
        have = request.query_params.get("have", "")
        if not (have.isascii() and have.isdigit() and len(have) < 16):
            return PlainTextResponse("have is the number of the field that the page has", 400)
        return Response(await run_in_threadpool(watching.now, int(have)), media_type="application/json")

    routes = [page_route(watching.page), Route("/now.json", now, methods=["GET"])]
    return Starlette(routes=routes, middleware=[Middleware(Guard, port=port, live=True)])


def _told(progress: Progress) -> str:
    """Return how far a fit is: steps, passes, what the last record found, and seconds."""
    parts = [f"step {progress.step:,}", f"pass {progress.passes:.1f}"]
    if progress.record is not None:
        parts.append(f"loss {progress.record.loss:.2e}")
        parts += [f"{name} {value:.4g}" for name, value in progress.record.metrics.items()]
    parts.append(f"{progress.seconds:.1f} s")
    if progress.notice:
        parts.append(progress.notice)
    return " · ".join(parts)
