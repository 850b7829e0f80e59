"""``sinefield view``: a field in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from sinefield.cli import options
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.problem import Problem
    from sinefield.solution import Observer

Original = Annotated[
    str | None,
    typer.Option(help="Pages: the file that the field was fitted to, shown beside it. (default: looked for)"),
]


def view(
    field: options.FieldArgument,
    port: Annotated[int, typer.Option(help="Of this machine; 0: any that is free.")] = 8317,
    original: Original = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only tell the address.")] = False,
) -> None:
    """Look at a field in the browser: one page, served to this machine alone. Ctrl-C ends it."""
    with pause_garbage_collection():
        from sinefield.viewer import server

    def tell(address: str) -> None:
        typer.echo(f"{field}: {address} (Ctrl-C ends it)")

    server.serve(field, port, original=original, browser=not no_browser, tell=tell)


class Watching(Protocol):
    """Options of what can be watched."""

    @property
    def watch(self) -> bool:
        """Whether it is."""

    @property
    def port(self) -> int | None:
        """Of this machine; None: not told."""

    @property
    def no_browser(self) -> bool:
        """Whether only the address is told."""

    @property
    def quiet(self) -> bool:
        """Whether it is not."""


@contextmanager
def watched(problem: Problem, output: Path, asked: Watching) -> Iterator[list[Observer]]:
    """Show a field in the browser as it is found, where that is asked for.

    Yields:
        What is to observe the search.

    Raises:
        ValueError: options of watching are given without it, there is no page of such a problem, or the extra that
            serves pages is not installed.
        OSError: the port is in use.
    """
    if not asked.watch:
        if asked.port is not None or asked.no_browser:
            raise ValueError("--port and --no-browser are options of --watch; give it too")
        yield []
        return
    from sinefield.viewer import server, watching

    def tell(address: str) -> None:
        if not asked.quiet:
            typer.echo(f"watch it at {address}", err=True)

    port = server.PORT if asked.port is None else asked.port
    with watching.watched(problem, output, port, browser=not asked.no_browser, tell=tell) as found:
        yield [found]
