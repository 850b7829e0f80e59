"""The commands: parse, call one problem and solve, print; nothing else.

Whatever needs torch is imported inside the commands, so that ``--help`` and ``--version`` answer at once.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sinefield import __version__, kinds
from sinefield.cli import folders, options, outputs, priors, report, solving, viewing
from sinefield.cli.exporting import export
from sinefield.cli.importing import import_
from sinefield.cli.panels import KindsCommand, expand, of_kinds
from sinefield.cli.pictures import blend, inpaint
from sinefield.cli.telling import info
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sinefield.solution import Solution


def _version(wanted: bool) -> None:
    if wanted:
        print(f"sinefield {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def fit(
    source: options.SignalArgument,
    general: options.General,
    network: options.Network,
    training: options.Training,
    asked: options.Asked,
) -> None:
    """Find the function of a signal, or of each picture in a folder. Ctrl-C stops and saves."""
    if Path(source).is_dir():
        folders.fit_folder(Path(source), general, network, training, asked)
        return
    output, device = general.field_file(source), options.device_of
    outputs.check_outputs(output, general.animate, inputs=[source, training.warm_start], figure=general.figure)
    outputs.check_field_file(output, source, force=general.force)
    with pause_garbage_collection():
        from sinefield import callbacks
        from sinefield.solution import Divergence
        from sinefield.solve import solve

    kind = kinds.kind_named(general.kind or kinds.kind_of(source))
    wanted = options.record_of(kind, "fit", asked, source)
    if general.figure is not None:
        kind.check_figure()
    with report.warnings_told() as told:
        problem = kind.problem_of(source, **wanted.arguments(), **network.settings())
    if training.warm_start is not None:
        from sinefield import checkpoint, priors

        problem = priors.begun_from(problem, checkpoint.read(training.warm_start)[0])
    changes = options.given(
        passes=general.passes,
        seconds=general.seconds,
        until=general.goal(),
        batch=training.batch,
        learning_rate=training.learning_rate,
        matrix_rate=training.matrix_rate,
    )
    film = None if general.animate is None else callbacks.Film(problem, general.animate)
    board = None if general.log is None else callbacks.TensorBoardLog(general.log)
    if general.estimate:
        from sinefield.cost import estimate

        found = estimate(problem, recipe=general.recipe, device=device(general.device), **changes)
        limit = "" if general.goal() is None else "at most "  # nobody knows how far the goal is
        report.show(found.to_json() | {"notes": told}, f"{source}: {limit}{found}", as_json=general.as_json)
        return
    with (
        warnings.catch_warnings(),
        viewing.watched(problem, output, general) as pages,
        report.progress_shown(quiet=general.quiet) as observers,
    ):
        watching = callbacks.together([each for each in (*observers, *pages, film, board) if each is not None])
        warnings.simplefilter("ignore", Divergence)  # said below, in one line
        solution = solve(
            problem,
            recipe="fast" if general.recipe == "auto" and (film or board or pages) else general.recipe,
            seed=general.seed,
            device=device(general.device),
            observe=watching,
            checkpointing=training.checkpointing(output),
            resume=training.resume,
            **changes,
        )
        solution.save(output)
    written = {"field": output}
    if board is not None:
        board.close()
    if film is not None and general.animate is not None:
        film.save()
        written["animation"] = general.animate
    if general.figure is not None:
        from sinefield import plots

        plots.save_figure(plots.solution_figure(solution), general.figure)
        written["figure"] = general.figure
    files = {name: str(path) for name, path in written.items()}
    result = report.result_of(solution) | {"files": files, "notes": told}
    report.show(result, report.sentence(source, result), as_json=general.as_json)
    if solution.stopped == "diverged":
        _fail(solution.advice)


def render(
    field: options.FieldArgument,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A picture, recording, clip or .npy to write.")],
    asked: options.Asked,
    device: options.Device = "auto",
    force: options.Force = False,
) -> None:
    """Evaluate a field at any resolution, in any region. NPY keeps numbers, pictures of derivatives are scaled."""
    outputs.check_outputs(output, inputs=[field])
    with pause_garbage_collection():
        from sinefield import checkpoint

    loaded, header = checkpoint.read(field)
    outputs.check_source(header, field, output, force=force)
    signal = kinds.signal_from_json(header.get("signal") or {})
    wanted = options.record_of(kinds.view_named(signal.kind), "render", asked, field)
    with report.warnings_told():
        told = signal.write(loaded.to(options.device_of(device)), output, **wanted.arguments())
    print(f"{output}: {told}")


def mesh(
    field: options.FieldArgument,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A .ply, .obj, .stl or .glb to write.")],
    resolution: Annotated[int, typer.Option(help="Cells along the longest side, 8 to 4096.")] = 256,
    offset: Annotated[float, typer.Option(help="How far outside of the surface, in the units of the file.")] = 0.0,
    specks: Annotated[
        bool, typer.Option("--specks", help="Keep parts of less than a thousandth of the faces.")
    ] = False,
    device: options.Device = "auto",
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write the surface of a shape as a mesh, and tell how closed it is."""
    outputs.check_outputs(output, inputs=[field])
    with pause_garbage_collection():
        from sinefield import checkpoint
        from sinefield.io import meshes
        from sinefield.signals.shape import ShapeSignal

    meshes.check_suffix(output)
    loaded, header = checkpoint.read(field)
    outputs.check_source(header, field, output, force=force)
    signal = kinds.signal_from_json(header.get("signal") or {})
    if not isinstance(signal, ShapeSignal):
        raise ValueError(f"{field} is of kind {signal.kind!r}; only shapes, of kind 'shape', have a mesh")
    with report.warnings_told():
        surface, extraction = signal.mesh(
            loaded.to(options.device_of(device)), resolution, offset=offset, specks=specks
        )
        meshes.write(output, surface)
    found = surface.report() | {"of_a_dense_grid": extraction.evaluated / extraction.total}
    found["specks_left_out"] = extraction.mesh.components() - found["components"]
    report.show(found, f"{output}: {report.mesh_sentence(found)}", as_json=as_json)


def compare(
    image: options.ImageArgument,
    networks: Annotated[
        str, typer.Option(help="Which, with commas between.")
    ] = "siren,relu,tanh,relu-nerf,relu-fourier",
    on: options.On = None,
    width: options.Width = 256,
    depth: options.Depth = 3,
    recipe: options.RecipeName = "fast",
    passes: options.Passes = None,
    seconds: options.Seconds = None,
    resize: options.Resize = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    figure: options.FigureOption = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit several networks to one picture, each at rates of its own, and set them side by side."""
    outputs.check_outputs(inputs=[image], figure=figure)
    with pause_garbage_collection():
        from rich.console import Console
        from rich.table import Table

        from sinefield import callbacks, plots, problems
        from sinefield.solve import solve

    names = [each.strip() for each in networks.split(",") if each.strip()]
    if not names:
        raise ValueError("--networks names no network; give some with commas between, as siren,relu")
    constrained = on or ["value"]
    with report.warnings_told():
        problems_ = {
            name: problems.image(
                image, on or ["value"], network=name, longest=resize, hidden_features=width, hidden_layers=depth
            )
            for name in names
        }
    solutions: dict[str, Solution] = {}
    for name, problem in problems_.items():
        with report.progress_shown(quiet=quiet) as observers:
            solutions[name] = solve(
                problem,
                recipe=recipe,
                seed=seed,
                device=options.device_of(device),
                observe=callbacks.together(observers),
                **options.given(passes=passes, seconds=seconds),
            )
        if solutions[name].stopped == "interrupted":
            break
    results = {name: report.result_of(each) for name, each in solutions.items()}
    if figure is not None:
        plots.save_figure(plots.comparison_figure(solutions), figure)
    if as_json:
        report.show({"networks": results, "figure": figure and str(figure)}, "", as_json=True)
        return
    metrics = list(next(iter(solutions.values())).metrics)
    table = Table("network", "parameters", "seconds", *metrics, title=f"{image} fitted on {' + '.join(constrained)}")
    for name, each in results.items():
        shown = [f"{each['metrics'][metric]:.4g}" for metric in metrics]
        table.add_row(name, f"{each['parameters']:,}", f"{each['seconds']:.1f}", *shown)
    Console().print(table)
    if figure is not None:
        print(figure)


def inspect(
    field: Annotated[Path | None, typer.Argument(metavar="[FIELD]", help="A field file; none: a new network.")] = None,
    network: options.NetworkName = "siren",
    width: options.Width = 256,
    depth: options.Depth = 3,
    first_omega: options.FirstOmega = None,
    hidden_omega: options.HiddenOmega = None,
    inputs: Annotated[int, typer.Option(min=1, help="Coordinates of a new network.")] = 2,
    seed: options.Seed = 0,
    figure: options.FigureOption = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Show the distribution and spectrum of pre-activations and activations of each layer, beside the theory."""
    outputs.check_outputs(inputs=[field], figure=figure)
    with pause_garbage_collection():
        import torch
        from rich.console import Console
        from rich.table import Table

        from sinefield import checkpoint, fields, plots
        from sinefield.fields import diagnostics

    if field is not None:
        module, header = checkpoint.read(field)
        name = str(field)
        outputs.check_source(header, field, figure, force=force)
    else:
        settings = options.given(
            hidden_features=width, hidden_layers=depth, first_omega=first_omega, hidden_omega=hidden_omega
        )
        torch.manual_seed(seed)
        module, name = fields.build(network, inputs, 1, **settings), f"{network} {width} x {depth}, as initialised"
    layers = diagnostics.activations_of(module)
    rows = [each.summary() for each in layers]
    if figure is not None:
        plots.save_figure(plots.activations_figure(layers, name), figure)
    if as_json:
        report.show({"network": name, "layers": rows}, "", as_json=True)
        return
    table = Table(*rows[0], title=name, caption="theory for sines: N(0, 1) from layer 2 on, arcsine at every layer")
    for row in rows:
        table.add_row(*(each if isinstance(each, str) else f"{each:.3f}" for each in row.values()))
    Console().print(table)
    if figure is not None:
        print(figure)


def _fail(message: str) -> None:
    """Print one line on standard error and leave with status 2."""
    print(f"sinefield: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def application() -> typer.Typer:
    """Return the commands, with the options of the kinds that there are."""
    app = typer.Typer(
        help="Turn a signal into one small differentiable function, and look at it.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    app.command(cls=KindsCommand)(of_kinds(fit, "fit"))
    app.command(cls=KindsCommand)(of_kinds(render, "render"))
    app.command()(expand(blend))
    app.command()(expand(inpaint))
    app.command()(expand(export))
    app.command("import")(import_)
    for command in (mesh, compare, inspect, info, viewing.view):
        app.command()(command)
    app.add_typer(solving.application(), name="solve")
    app.add_typer(priors.application(), name="prior")
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what a user can mend is told in one line, with exit status 2."""
    try:
        application()(arguments)
    except (ValueError, OSError) as error:
        _fail(str(error))
    except MemoryError:
        _fail("memory ran out; use --resize, a smaller --batch or a narrower --width")
    except KeyboardInterrupt:
        print("sinefield: stopped; nothing was written", file=sys.stderr)
        raise SystemExit(130) from None
