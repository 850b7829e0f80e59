"""A server of one page, for this machine alone.

It listens on the loopback address, answers requests that were addressed to it by that name alone, so that no page of
another site can reach it through a name of its own (DNS rebinding), and knows two files: the page and the field.
"""

from __future__ import annotations

import errno
import socket
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from sinefield.viewer.page import page_of, policy

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from uvicorn import Server

PORT: Final = 8317
_HOST: Final = "127.0.0.1"
ADDRESS: Final = f"http://{_HOST}:{{}}/"
"""Of the page, with the port to fill in."""

_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]


def serve(
    field: str | Path,
    port: int = PORT,
    *,
    original: str | Path | None = None,
    browser: bool = True,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve the page of a field until Ctrl-C.

    Args:
        field: a field file; when it changes, the page does at the next request.
        port: 1 to 65535; 0: any that is free.
        original: the file that the field was fitted to; see :func:`sinefield.viewer.page.write_page`.
        browser: open the page in the browser.
        tell: called with the address once it is served.

    Raises:
        ValueError: the file is no field, starlette or uvicorn is not installed, or there is no such port.
        OSError: the port is in use, or the file cannot be read.
    """
    check_installed()
    served = Served(Path(field), original)
    served.page()
    listening = listen(port)
    found = listening.getsockname()[1]
    server = server_of(application(served, found))
    address = ADDRESS.format(found)
    if tell is not None:
        tell(address)
    if browser:
        webbrowser.open(address)
    server.run(sockets=[listening])


def check_installed() -> None:
    """Check that what serves pages is installed.

    Raises:
        ValueError: starlette or uvicorn is not.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ValueError(f"viewing needs the extra 'view' ({error}); pip install 'sinefield[view]'") from error


def server_of(application: Starlette) -> Server:
    """Return the server of an application, which says nothing itself."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            application,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="critical",
            server_header=False,
            h11_max_incomplete_event_size=16384,
            timeout_graceful_shutdown=1,
        )
    )


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of the loopback address.

    Raises:
        ValueError: there is no such port.
        OSError: it is in use, or may not be listened on.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"the port is {port}; expected 1 to 65535, or 0 for any that is free")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        told = "it is in use" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise OSError(f"cannot listen on port {port}: {told}; choose another with --port, 0 for any") from error
    return listening


@final
class Served:
    """The page of a field file as it is now.

    Args:
        field: the file.
        original: the file that it was fitted to, or None.
    """

    def __init__(self, field: Path, original: str | Path | None = None) -> None:
        self.field, self._original = field, original
        self._made: tuple[tuple[int, int], str] | None = None

    def page(self) -> str:
        """Return the page, made again where the file has changed.

        Raises:
            ValueError: the file is no field.
            OSError: it cannot be read.
        """
        there = self.field.stat() if self.field.exists() else None
        state = (there.st_mtime_ns, there.st_size) if there else (0, 0)
        if self._made is None or self._made[0] != state:
            self._made = (state, page_of(self.field, self._original))
        return self._made[1]


def application(served: Served, port: int) -> Starlette:
    """Return the application that serves a page on a port."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse, PlainTextResponse
    from starlette.routing import Route

    async def field(request: Request) -> Response:  # noqa: ARG001 - the file is the same for every request
        if not served.field.is_file():
            return PlainTextResponse(f"there is no field file {served.field.name} any more", 503)
        return FileResponse(served.field, media_type="application/octet-stream", filename=served.field.name)

    routes = [page_route(served.page), Route("/field.safetensors", field, methods=["GET"])]
    return Starlette(routes=routes, middleware=[Middleware(Guard, port=port)])


def page_route(make: Callable[[], str]) -> Route:
    """Return where a page is, which is made in a thread of its own; why it cannot be is told in its place."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    async def page(request: Request) -> Response:  # noqa: ARG001 - the page is the same for every request
        try:
            return HTMLResponse(await run_in_threadpool(make))
        except (ValueError, OSError) as error:
            return PlainTextResponse(str(error), 503)

    return Route("/", page, methods=["GET"])


@final
class Guard:
    """Refuses requests to other hosts, and adds the headers of all answers.

    Args:
        app: what answers requests to this host.
        port: that it listens on.
        live: the page may ask this server for more.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], port: int, *, live: bool = False) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}".encode() for name in (_HOST, "localhost")}
        self._headers = [
            (name.encode(), value.encode())
            for name, value in (
                ("content-security-policy", f"{policy(live=live)}; frame-ancestors 'none'"),
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", "no-store"),
            )
        ]

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        from starlette.responses import PlainTextResponse

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = message | {"headers": [*message.get("headers", []), *self._headers]}
            await send(message)

        if scope["type"] != "http":
            return
        hosts = [value.lower() for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            await PlainTextResponse("this server answers to its own address alone", 421)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)
