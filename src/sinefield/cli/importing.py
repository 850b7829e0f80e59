"""``sinefield import``: a network that was trained elsewhere as a field file."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from sinefield.cli import options, outputs, report
from sinefield.imports import pause_garbage_collection

Number = TypeVar("Number", int, float)


class Ends(enum.StrEnum):
    """What the ends of the range of coordinates are."""

    CORNERS = "corners"
    CENTRES = "centres"


class Order(enum.StrEnum):
    """In which order a network takes its coordinates."""

    OURS = "yx"
    REVERSED = "xy"


def import_(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="A .pth, .pt, .ckpt, .safetensors or .npz; no code in it is run.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The field file. (default: WEIGHTS.safetensors here)")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Of what it is: image, audio, video, volume, shape. (default: not told)")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="HxW", help="Samples along each axis: rows x columns of a picture.")
    ] = None,
    ends: Annotated[
        Ends, typer.Option(help="The ends of its coordinates: centres of the first and last sample, or edges.")
    ] = Ends.CORNERS,
    span: Annotated[str, typer.Option(metavar="LOW,HIGH", help="Its coordinates at the ends.")] = "-1,1",
    order: Annotated[Order, typer.Option(help="In which order it takes them, from rows or from columns.")] = Order.OURS,
    values: Annotated[str, typer.Option(metavar="LOW,HIGH", help="Its values that are black and white.")] = "-1,1",
    rate: Annotated[float | None, typer.Option(help="Samples or frames a second, of sound and clips.")] = None,
    layout: Annotated[str | None, typer.Option(help="How its layers are named. (default: found out)")] = None,
    first_omega: Annotated[
        float | None, typer.Option(help="ω₀ of its first layer. (default: that of the layout)")
    ] = None,
    hidden_omega: Annotated[
        float | None, typer.Option(help="ω₀ of its other layers. (default: that of the layout)")
    ] = None,
    final: Annotated[
        str | None, typer.Option(help="A curve after its last layer: tanh, sigmoid. (default: none)")
    ] = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Bring in a network of sines that was trained elsewhere, recognised by the names and shapes of its tensors."""
    target = output or Path(f"{weights.stem}.safetensors")
    outputs.check_outputs(target, inputs=[weights])
    outputs.check_field_file(target, str(weights), force=force)
    with pause_garbage_collection():
        from sinefield import checkpoint, foreign
        from sinefield.io.source import Source

    conventions = foreign.Conventions(
        kind=kind,
        shape=_numbers(shape, "--shape", int, "x") if shape else (),
        ends=ends.value,
        span=_pair(span, "--span"),
        reversed_axes=order is Order.REVERSED,
        values=_pair(values, "--values"),
        final=final,
        rate=rate,
    )
    try:
        found = foreign.recognise(foreign.read_weights(weights), layout)
        field, signal = foreign.adopt(found, conventions, first_omega=first_omega, hidden_omega=hidden_omega)
    except ValueError as error:
        told = str(error)
        raise ValueError(told if told.startswith(str(weights)) else f"cannot import {weights}: {told}") from error
    checkpoint.save(
        target,
        field,
        signal=None if signal is None else signal.to_json(),
        source=Source.of(weights).to_json(),
        problem="imported",
        imported={"layout": found.layout.name, "reason": found.reason},
    )
    omegas = f"ω₀ = {field.settings['first_omega']:g} and {field.settings['hidden_omega']:g}"
    lines = [f"{target}: {found.layout.name}, {omegas}", f"  because    {found.reason}"]
    if signal is None:
        lines.append("  signal     not told; give --kind and --shape to render it")
    result = {
        "file": str(target),
        "layout": found.layout.name,
        "reason": found.reason,
        "settings": dict(field.settings),
        "signal": None if signal is None else signal.to_json(),
    }
    report.show(result, "\n".join(lines), as_json=as_json)


def _pair(text: str, flag: str) -> tuple[float, float]:
    """Return two numbers with a comma between.

    Raises:
        ValueError: the text is something else.
    """
    found = _numbers(text, flag, float, ",")
    if len(found) != 2:
        raise ValueError(f"{flag} is two numbers with a comma between, as -1,1; got {text!r}")
    return found[0], found[1]


def _numbers(text: str, flag: str, kind: Callable[[str], Number], between: str) -> tuple[Number, ...]:
    """Return the numbers in a text.

    Raises:
        ValueError: there is something else in it.
    """
    try:
        return tuple(kind(each) for each in text.split(between))
    except ValueError:
        raise ValueError(f"{flag} is numbers with {between!r} between, got {text!r}") from None
