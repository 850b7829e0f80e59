"""``sinefield view``: a field in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sinefield.cli import options
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.problem import Problem
    from sinefield.solution import Observer

Original = Annotated[
    str | None,
    typer.Option(help="Pages: the picture that the field was fitted to, shown beside it. (default: looked for)"),
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


@contextmanager
def watched(problem: Problem, output: Path, general: options.General) -> Iterator[list[Observer]]:
    """Show a fit in the browser as it goes on, where that is asked for.

    Yields:
        What is to observe the fit.

    Raises:
        ValueError: options of watching are given without it, there is no page of such a problem, or the extra that
            serves pages is not installed.
        OSError: the port is in use.
    """
    if not general.watch:
        if general.port is not None or general.no_browser:
            raise ValueError("--port and --no-browser are options of --watch; give it too")
        yield []
        return
    from sinefield.viewer import server, watching

    def tell(address: str) -> None:
        if not general.quiet:
            typer.echo(f"watch the fit at {address}", err=True)

    port = server.PORT if general.port is None else general.port
    with watching.watched(problem, output, port, browser=not general.no_browser, tell=tell) as found:
        yield [found]
