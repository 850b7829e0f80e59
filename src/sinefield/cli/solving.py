"""``sinefield solve``: a command for each law, with the options of its record."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, final

import typer

from sinefield.cli import options, outputs, report, viewing
from sinefield.cli.panels import expand
from sinefield.imports import pause_garbage_collection
from sinefield.laws import LAWS, Law

if TYPE_CHECKING:
    from sinefield.solution import Solution


@final
@dataclass(frozen=True)
class Solving:
    """For how long an equation is solved, and what is written: the options of every law."""

    panel: ClassVar[str | None] = None
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The field file. (default: LAW.safetensors here)")
    ] = None
    seconds: Annotated[float | None, typer.Option(help="Budget: seconds of solving. (default: until it is done)")] = (
        None
    )
    seed: options.Seed = 0
    figure: options.FigureOption = None
    animate: Annotated[
        Path | None, typer.Option(help="Write how it goes on in time, or a wave through its phases, as .gif or .mp4.")
    ] = None
    watch: options.Watch = False
    port: options.WatchPort = None
    no_browser: options.WatchQuietly = False
    as_json: options.Json = False
    quiet: options.Quiet = False
    force: options.Force = False


def _solve(law: Law, data: str | None, general: Solving, asked: Mapping[str, Any]) -> None:
    output = general.output or Path(f"{law.name}.safetensors")
    wanted = law.options.parsed(asked)
    outputs.check_outputs(output, general.animate, inputs=[data], figure=general.figure)
    with pause_garbage_collection():
        from sinefield import callbacks
        from sinefield.io.source import Source
        from sinefield.solution import Divergence
        from sinefield.solve import solve

    if general.animate is not None:
        callbacks.check_animation(general.animate)
    source = Source.of_text(law.name, repr((data and Source.of(data), wanted)))
    outputs.check_field_file(output, source, force=general.force)
    with report.warnings_told() as told:
        problem = law.problem_of(*([] if data is None else [data]), **wanted.arguments())
        problem = replace(problem, source=source)
        if general.animate is not None:
            from sinefield import plots

            plots.check_moving(problem)
        with (
            warnings.catch_warnings(),
            viewing.watched(problem, output, general) as pages,
            report.progress_shown(quiet=general.quiet) as observers,
        ):
            warnings.simplefilter("ignore", Divergence)  # told below, in one line
            solution = solve(
                problem,
                seed=general.seed,
                device="cpu",
                observe=callbacks.together([*observers, *pages]),
                **options.given(seconds=general.seconds),
            )
    solution.save(output)
    files = {"field": str(output)} | _draw(solution, general)
    result = report.result_of(solution) | {
        "converged": solution.converged,
        "verdict": solution.verdict,
        "files": files,
        "notes": told,
    }
    report.show(result, _sentence(law.name, result), as_json=general.as_json)
    if not solution.converged:
        raise SystemExit(1)


def _draw(solution: Solution, general: Solving) -> dict[str, str]:
    """Return where the figure and the animation are that were asked for, after writing them."""
    written: dict[str, str] = {}
    if general.figure is not None:
        from sinefield import plots

        plots.save_figure(plots.solution_figure(solution), general.figure)
        written["figure"] = str(general.figure)
    if general.animate is not None:
        from sinefield import callbacks, plots

        callbacks.write_animation(general.animate, plots.equation_frames(solution))
        written["animation"] = str(general.animate)
    return written


def _sentence(name: str, result: Mapping[str, Any]) -> str:
    """Return what was reached, and a line for each file written."""
    error = result["metrics"].get("error")
    known = "" if error is None else f", relative error {error:.1e}"
    stopped = " (stopped by you)" if result["stopped"] == "interrupted" else ""
    first = f"{name}: {result['verdict']}{known}; {result['seconds']:.1f} s{stopped}"
    return "\n".join([first, *(f"  {what:<10} {path}" for what, path in result["files"].items())])


def command_of(law: Law) -> Callable[..., None]:
    """Return the command that solves a law."""
    if law.data is None:

        def solve(general: Solving, asked: options.Asked) -> None:
            _solve(law, None, general, asked)

    else:

        def solve(data: str, general: Solving, asked: options.Asked) -> None:  # type: ignore[misc]  # one of two
            _solve(law, data, general, asked)

        # Written out as an annotation it would be a text, which is read where there is no law.
        solve.__annotations__["data"] = Annotated[str, typer.Argument(metavar="DATA", help=law.data)]

    solve.__doc__ = f"{law.about}\n\nExample: {law.example}"
    return expand(solve, law.options.declared())


def application() -> typer.Typer:
    """Return ``solve`` with a command for each law."""
    app = typer.Typer(
        help="Solve an equation by its name; exit status 1 where it is not solved.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, law in LAWS.items():
        app.command(name)(command_of(law))
    return app
