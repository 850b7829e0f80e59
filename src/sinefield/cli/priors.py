"""``sinefield prior``: a prior over pictures of one size, and the fields that it finds from a few pixels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sinefield.cli import options, outputs, report
from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    from sinefield.solution import Solution

PriorArgument = Annotated[Path, typer.Argument(metavar="PRIOR", help="A prior, as `prior train` writes it.")]
FieldFile = Annotated[Path, typer.Option("-o", "--output", help="The field file to write.")]


def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder of pictures of one size, an .npy or .npz, or an idx file.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The prior to write (.safetensors).")],
    method: Annotated[
        str,
        typer.Option(help="forward, hypernetwork, modulated (amplitudes), shifted (phases) or meta (a learnt start)."),
    ] = "forward",
    encoder: Annotated[
        str | None,
        typer.Option(
            help="guess, set, attention, convolution; or none: steps, table (auto-decoding). (default: the method's)"
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Steps that find a latent without an encoder. (default: 3, of table 24)"),
    ] = None,
    latent: Annotated[int | None, typer.Option(min=4, help="Numbers of a latent. (default: the method's)")] = None,
    width: Annotated[int | None, typer.Option(min=1, help="Features of the fields. (default: the method's)")] = None,
    depth: Annotated[int | None, typer.Option(min=0, help="Hidden layers of the fields after the first.")] = None,
    latent_weight: Annotated[float | None, typer.Option(help="Of the mean square of the latent.")] = None,
    size_weight: Annotated[float | None, typer.Option(help="Of the mean square of generated weights.")] = None,
    seconds: options.Seconds = None,
    passes: Annotated[
        float | None,
        typer.Option(help="Budget: passes, of 65,536 contexts each. (default: 8, or fewer of few pictures)"),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Contexts a step. (default: 256 of forward and meta, else 32)")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many pictures.")] = None,
    resize: options.Resize = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    checkpoint_every: Annotated[
        float, typer.Option(metavar="PASSES", help="Write the prior so often, with all that --resume needs.")
    ] = 1.0,
    resume: Annotated[
        Path | None, typer.Option(metavar="PRIOR", help="Go on with a training of the same options.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    force: options.Force = False,
) -> None:
    """Learn what pictures of a set have in common. Ctrl-C stops and saves; --resume goes on from there."""
    outputs.check_outputs(output, inputs=[data, resume] if resume != output else [data])
    _check_kept(output, "prior", str(data) if data.is_file() else None, force=force)
    with pause_garbage_collection():
        from sinefield import callbacks, priors
        from sinefield.io import image_sets
        from sinefield.io.source import Source
        from sinefield.search import Checkpointing
        from sinefield.solution import Divergence

    with report.warnings_told() as told:
        pictures = image_sets.read(data, longest=resize, limit=limit)
    settings = options.given(
        encoder=encoder,
        steps=steps,
        latent=latent,
        hidden_features=width,
        hidden_layers=depth,
        latent_weight=latent_weight,
        size_weight=size_weight,
    )
    with warnings.catch_warnings(), report.progress_shown(quiet=quiet) as observers:
        warnings.simplefilter("ignore", Divergence)  # it is told in one line
        solution = priors.train(
            pictures,
            method,
            source=Source.of(data) if data.is_file() else None,
            settings=settings,
            seed=seed,
            device=options.device_of(device),
            observe=callbacks.together(observers),
            checkpointing=Checkpointing(output, checkpoint_every),
            resume=resume,
            **options.given(seconds=seconds, passes=passes, batch=batch),
        )
    solution.save(output)
    result = report.result_of(solution) | {"files": {"prior": str(output)}, "notes": told}
    errors = ", ".join(f"{value:.4f} {name.removeprefix('error ')}" for name, value in solution.metrics.items())
    ended = "" if solution.stopped == "budget" else f", {solution.stopped}"
    count, height, width_, _ = pictures.values.shape
    text = (
        f"{output}: {method} prior of {count:,} pictures of {width_} x {height}, mean square error {errors} known "
        f"pixels, {solution.seconds:.0f} s{ended}"
    )
    report.show(result, text, as_json=as_json)
    _check_converged(solution)


def _check_kept(path: Path, what: Literal["prior", "field"], source: str | None = None, *, force: bool) -> None:
    """Refuse to replace what is no prior of the same pictures, or no field that a prior found of the same picture.

    Args:
        path: what is written.
        what: what it will hold.
        source: what it is of: a picture, or a file of many; None: of none, or of a folder.
        force: replace it nevertheless.

    Raises:
        FileExistsError: there is a file that holds something else.
        ValueError: the ending is not that of a field file.
    """
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"cannot write the field {path}: its ending must be .safetensors")
    if force or not path.exists():
        return
    from sinefield import checkpoint
    from sinefield.io.source import Source

    try:
        header = checkpoint.read_header(path)
    except ValueError:
        header = {}
    held = None
    if header.get("problem") == "prior":
        held = "prior" if header.get("signal") is None else "field"
    known = Source.from_json(header.get("source"))
    given = None if source is None or Path(source).is_dir() else Source.of(source)
    same = known is None if source is None else known is not None and given is not None and known.is_same(given)
    if held != what or not same:
        wanted = (
            "prior of the same pictures" if what == "prior" else f"field that a prior found of {source or 'no picture'}"
        )
        raise FileExistsError(
            f"cannot write {path}: it holds something else than a {wanted}; choose another name, or replace it with "
            "--force"
        )


def _check_converged(solution: Solution) -> None:
    """Refuse to end well where a training diverged.

    Raises:
        ValueError: it did.
    """
    if solution.stopped == "diverged":
        raise ValueError(solution.advice)


def fit(
    prior: PriorArgument,
    picture: options.ImageArgument,
    output: FieldFile,
    mask: Annotated[
        Path | None, typer.Option("--mask", metavar="PICTURE", help="White where the picture is known.")
    ] = None,
    pixels: Annotated[
        float | None, typer.Option(metavar="N", help="Know only N pixels drawn at random, or a fraction below 1.")
    ] = None,
    spread: Annotated[
        Path | None, typer.Option(metavar="FIELD", help="Write a field too of what 9 in 10 errors are within.")
    ] = None,
    seed: options.Seed = 0,
    figure: options.FigureOption = None,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Find the field of a picture from some of its pixels; all are known without --mask and --pixels."""
    outputs.check_outputs(output, spread, inputs=[prior, picture, mask], figure=figure)
    for path in (output, spread):
        if path is not None:
            _check_kept(path, "field", picture, force=force)
    with pause_garbage_collection():
        from sinefield.io.source import Source
        from sinefield.priors import files

    loaded, _ = files.read(prior)
    with report.warnings_told() as told:
        read = files.read_picture(picture, loaded)
        context = files.read_context(read, loaded, mask=mask, pixels=pixels, seed=seed)
    found = loaded.found(context[0])
    known = int(context[0, -loaded.pixels :].sum())
    truth = files.read_context(read, loaded)[:, : -loaded.pixels].reshape(loaded.pixels, -1)
    values = found.field(loaded.points).detach()
    metrics = {
        "mse": float((values - truth).square().mean()),
        "spread": float(found.spread(loaded.points).detach().abs().mean()),
    }
    recipe = {"known": known}
    source = Source.of(picture)
    files.save_field(output, found.field, loaded, recipe, source=source, metrics=metrics, seed=seed)
    written = {"field": str(output)}
    if spread is not None:
        files.save_field(spread, found.spread, loaded, recipe | {"of": "spread"}, source=source, seed=seed)
        written["spread"] = str(spread)
    if figure is not None:
        from sinefield import plots

        shape = (*loaded.shape, loaded.channels)
        mask_shown = context[0, -loaded.pixels :].reshape(loaded.shape).numpy() > 0
        shown = [((each + 1) / 2).reshape(shape).numpy() for each in (truth, values)]
        size = found.spread(loaded.points).detach().reshape(shape).numpy() / 2
        plots.save_figure(plots.completions_figure([plots.Completed(shown[0], mask_shown, shown[1], size)]), figure)
        written["figure"] = str(figure)
    text = (
        f"{output}: {picture} from {known} of {loaded.pixels} pixels, mean square error {metrics['mse']:.4f} in "
        f"[−1, 1], 9 in 10 errors within {metrics['spread']:.3f} on average"
    )
    report.show({"known": known, "metrics": metrics, "files": written, "notes": told}, text, as_json=as_json)


def interpolate(
    prior: PriorArgument,
    first: Annotated[str, typer.Argument(metavar="A", help="A picture.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another picture.")],
    output: FieldFile,
    at: Annotated[float, typer.Option(min=0, max=1, help="How far from A to B, from 0 to 1.")] = 0.5,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Write the field between two pictures, on the straight line between their latents."""
    outputs.check_outputs(output, inputs=[prior, first, second])
    _check_kept(output, "field", force=force)
    with pause_garbage_collection():
        from sinefield.priors import files

    loaded, _ = files.read(prior)
    ends = [loaded.encode(files.read_context(files.read_picture(each, loaded), loaded))[0] for each in (first, second)]
    found = loaded.at(ends[0].lerp(ends[1], at))
    files.save_field(output, found.field, loaded, {"at": at})
    text = f"{output}: {at:g} of the way from {first} to {second}"
    report.show({"at": at, "files": {"field": str(output)}}, text, as_json=as_json)


def sample(
    prior: PriorArgument,
    output: FieldFile,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Write the field of a latent drawn from the Gaussian of those of the training pictures."""
    outputs.check_outputs(output, inputs=[prior])
    _check_kept(output, "field", force=force)
    with pause_garbage_collection():
        import torch

        from sinefield.priors import files

    loaded, _ = files.read(prior)
    found = loaded.at(loaded.sample(torch.Generator().manual_seed(seed)))
    files.save_field(output, found.field, loaded, {"drawn": True}, seed=seed)
    report.show({"files": {"field": str(output)}}, f"{output}: drawn with seed {seed}", as_json=as_json)


def info(prior: PriorArgument, as_json: options.Json = False) -> None:
    """Tell what is in a prior."""
    with pause_garbage_collection():
        from sinefield.priors import files

    loaded, header = files.read(prior)
    counts = {
        "parameters": sum(each.numel() for each in loaded.parameters()),
        "of a field": sum(each.numel() for each in loaded.generator.member.parameters()),
    }
    found = {
        "settings": loaded.settings,
        **counts,
        "source": header.get("source"),
        "metrics": header.get("metrics"),
        "recipe": header.get("recipe"),
        "seed": header.get("seed"),
        "version": header.get("version"),
    }
    height, width = loaded.shape
    size = f"{width} x {height} x {loaded.channels}"
    told = f"{counts['parameters']:,} parameters, {prior.stat().st_size / 1024:.0f} KiB"
    lines = [f"{prior}: {loaded.settings['method']} prior of pictures of {size}, {told}"]
    for name, each in found.items():
        if each is not None:
            text = ", ".join(f"{key} {value}" for key, value in each.items()) if isinstance(each, dict) else str(each)
            lines.append(f"  {name:<10} {text}")
    report.show(found, "\n".join(lines), as_json=as_json)


def application() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(help="Learn what pictures have in common, and find one from a few pixels.", no_args_is_help=True)
    for command in (train, fit, interpolate, sample, info):
        app.command()(command)
    return app
