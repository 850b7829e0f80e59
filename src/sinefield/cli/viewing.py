"""``sinefield view``: a field in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from sinefield.cli import options
from sinefield.imports import pause_garbage_collection

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
