"""The commands that make a picture of others: parse, pose one problem, solve, write and print."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, final

import typer

from sinefield.cli import options, outputs, report
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sinefield.problem import Problem
    from sinefield.solution import Solution

FieldFile = Annotated[Path, typer.Option("-o", "--output", help="The field file to write.")]
MaskOption = Annotated[Path | None, typer.Option("--mask", metavar="PICTURE", help="White where the source is used.")]


@final
@dataclass(frozen=True)
class Search:
    """How a picture is found, and what is written besides the field."""

    panel: ClassVar[str | None] = None
    picture: Annotated[
        Path | None, typer.Option(help="Write the picture here, every pixel that is kept exactly as it was.")
    ] = None
    recipe: options.RecipeName = "fast"
    passes: options.Passes = None
    seconds: options.Seconds = None
    until: options.Until = None
    width: Annotated[int | None, typer.Option(min=1, help="Features of each hidden layer. (default: 256)")] = None
    depth: Annotated[int | None, typer.Option(min=0, help="Hidden layers after the first. (default: 3)")] = None
    first_omega: options.FirstOmega = None
    seed: options.Seed = 0
    device: options.Device = "auto"
    figure: options.FigureOption = None
    as_json: options.Json = False
    quiet: options.Quiet = False
    force: options.Force = False

    def settings(self) -> dict[str, Any]:
        """Return the settings of the network that were given."""
        return options.given(hidden_features=self.width, hidden_layers=self.depth, first_omega=self.first_omega)

    def check(self, problem: str, output: Path, source: str, *inputs: str | Path | None) -> None:
        """Refuse, before anything is computed, what could not be written or would replace something else.

        Args:
            problem: what is solved.
            output: the field file.
            source: what the field is of.
            inputs: what is read besides.

        Raises:
            FileExistsError: it would replace something else.
            OSError: it could not be written.
            ValueError: an ending that the file cannot have.
        """
        outputs.check_outputs(output, self.picture, inputs=[source, *inputs], figure=self.figure)
        outputs.check_field_file(output, source, force=self.force)
        if output.exists() and not self.force:
            from sinefield import checkpoint

            held = checkpoint.read_header(output).get("problem")
            if held != problem:
                raise FileExistsError(
                    f"cannot write {output}: it holds a field of {source} itself, found as {held}; choose another name "
                    "with -o, or replace it with --force"
                )
        if self.picture is not None:
            from sinefield.io import image

            image.check_suffix(self.picture)

    def find(self, problem: Problem) -> Solution:
        """Return the solution of a problem."""
        from sinefield import callbacks
        from sinefield.solution import Divergence
        from sinefield.solve import solve

        with warnings.catch_warnings(), report.progress_shown(quiet=self.quiet) as observers:
            warnings.simplefilter("ignore", Divergence)  # it is told in one line
            return solve(
                problem,
                recipe=self.recipe,
                seed=self.seed,
                device=options.device_of(self.device),
                observe=callbacks.together(observers),
                **options.given(passes=self.passes, seconds=self.seconds, until=self.until),
            )

    def write(self, solution: Solution, output: Path, name: str, told: Sequence[str]) -> None:
        """Write the field and what else was asked for, and tell what was reached.

        Args:
            solution: what was found.
            output: the field file.
            name: of the picture, in the line that is printed.
            told: what is odd about it.

        Raises:
            ValueError: the search diverged; all is written before.
        """
        solution.save(output)
        written = {"field": output}
        if self.picture is not None:
            from sinefield.io import image
            from sinefield.problems.kept import complete
            from sinefield.signals.image import ImageSignal

            signal = solution.problem.signal
            assert isinstance(signal, ImageSignal), "a picture is read back as one"
            lattice, known = signal.lattice, None if signal.mask is None else signal.mask.known
            values = complete(solution.problem, solution.field)
            image.write(self.picture, values, lattice.low, lattice.high, signal.bits, signal.details, known)
            written["picture"] = self.picture
        if self.figure is not None:
            from sinefield import plots

            plots.save_figure(plots.solution_figure(solution), self.figure)
            written["figure"] = self.figure
        files = {key: str(path) for key, path in written.items()}
        result = report.result_of(solution) | {"files": files, "notes": list(told)}
        report.show(result, report.sentence(name, result), as_json=self.as_json)
        if solution.stopped == "diverged":
            raise ValueError(solution.advice)


def blend(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The picture that is put into another.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="The picture that it is put into.")],
    output: FieldFile,
    *,
    mask: MaskOption = None,
    at: Annotated[
        str, typer.Option(metavar="X,Y", help="Pixel of the destination where the source's upper left corner lies.")
    ] = "0,0",
    mixed: Annotated[bool, typer.Option("--mixed", help="Take the larger of both pictures' gradients.")] = False,
    weight: Annotated[
        float, typer.Option(help="Composite: the weight of the source's gradients in the mean of both.")
    ] = 1.0,
    gradients_only: Annotated[
        bool, typer.Option("--gradients-only", help="Leave out the level that the discrete problem gives.")
    ] = False,
    search: Search,
) -> None:
    """Put a picture into another by its gradients: seamless cloning, or compositing of both pictures' gradients."""
    search.check("blend", output, destination, source, mask)
    place = _pixel(at)
    with pause_garbage_collection():
        from dataclasses import replace

        from sinefield import problems
        from sinefield.io.source import Source

    with report.warnings_told() as told:
        problem = problems.blend(
            source,
            destination,
            mask=mask,
            at=place,
            mixed=mixed,
            weight=weight,
            level=not gradients_only,
            **search.settings(),
        )
    solution = search.find(replace(problem, source=Source.of(destination)))
    search.write(solution, output, f"{source} in {destination}", told)


def inpaint(
    source: options.ImageArgument,
    output: FieldFile,
    *,
    mask: Annotated[
        Path | None, typer.Option("--mask", metavar="PICTURE", help="White where the picture is to be filled in.")
    ] = None,
    pixels: Annotated[
        float | None, typer.Option(metavar="N", help="Know only N pixels drawn at random, or a fraction below 1.")
    ] = None,
    scale: Annotated[
        int, typer.Option(min=1, help="Super-resolution: find so many times the pixels each way, of the same means.")
    ] = 1,
    prior: Annotated[str, typer.Option(help="What else is asked of it: hessian or tv.")] = "hessian",
    weight: Annotated[float | None, typer.Option(help="Of the prior. (default: by the prior)")] = None,
    search: Search,
) -> None:
    """Find a picture from some of its pixels, or one of higher resolution."""
    search.check("inpaint", output, source, mask)
    with pause_garbage_collection():
        from dataclasses import replace

        from sinefield import problems
        from sinefield.io.source import Source

    with report.warnings_told() as told:
        problem = problems.inpaint(
            source,
            mask=mask,
            pixels=pixels,
            seed=search.seed,
            prior=prior,
            weight=weight,
            scale=scale,
            **search.settings(),
        )
    solution = search.find(replace(problem, source=Source.of(source)))
    search.write(solution, output, source, told)


def _pixel(text: str) -> tuple[int, int]:
    """Return column and row.

    Raises:
        ValueError: the text is not two whole numbers with a comma between.
    """
    try:
        x, y = map(int, text.split(","))
    except ValueError as error:
        raise ValueError(f"--at is X,Y, two whole numbers of pixels with a comma between, got {text!r}") from error
    return x, y
