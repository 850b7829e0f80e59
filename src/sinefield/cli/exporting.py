"""``sinefield export``: a field for other programs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, final

import typer

from sinefield.cli import options, outputs, report
from sinefield.cli.viewing import Original
from sinefield.export import formats
from sinefield.imports import pause_garbage_collection
from sinefield.kinds.options import is_given


@final
@dataclass(frozen=True)
class Options:
    """The options of the formats, which are those of their writers."""

    panel: ClassVar[str | None] = None
    derivatives: Annotated[
        bool, typer.Option("--derivatives", help="ONNX: the gradient, Laplacian and Hessian too.")
    ] = False
    double: Annotated[bool, typer.Option("--double", help="ONNX: in double precision throughout.")] = False
    shadertoy: Annotated[bool, typer.Option("--shadertoy", help="GLSL: a whole shader to paste.")] = False
    error: Annotated[
        float | None,
        typer.Option(help="GLSL: the bound of the value's error that digits are chosen for. (default: 0.001)"),
    ] = None
    resolution: Annotated[int | None, typer.Option(help="GLB: cells along the longest side. (default: 128)")] = None
    original: Original = None

    def given(self) -> dict[str, Any]:
        """Return the options that were given."""
        return {each.name: value for each in dataclasses.fields(self) if is_given(value := getattr(self, each.name))}


def export(
    field: options.FieldArgument,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help=f"What to write, by its ending: {formats.described()}.")
    ],
    wanted: Options,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write a field for other programs, its derivatives included; the ending of OUT chooses the format."""
    form = formats.format_of(output)
    asked = wanted.given()
    formats.check_options(output, form, {name: f"--{name.replace('_', '-')}" for name in asked})
    if not output.is_dir():
        outputs.check_outputs(output, inputs=[field])
    if not force or output.is_dir():
        formats.check_replaceable(output)
    with pause_garbage_collection():
        from sinefield.export.subject import Subject

    subject = Subject.read(field)
    outputs.check_source(dict(subject.header), field, output, force=force)
    with report.warnings_told() as told:
        written = form.write(subject, output, **asked)
    report.show({"file": str(output), "written": written, "notes": told}, f"{output}: {written}", as_json=as_json)
