"""``sinefield prior``: a prior over pictures, shapes or short sounds, and fields that it finds from a few samples."""

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
        Path,
        typer.Argument(
            metavar="DATA",
            help="A folder of pictures of one size, short sounds or SVG icons; a font; an .npy, .npz or idx file.",
        ),
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
    kind: Annotated[
        str | None, typer.Option(help="image, audio, or shape: outlines, of pictures too. (default: by the files)")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many.")] = None,
    resize: Annotated[
        int | None,
        typer.Option(
            min=2, help="Pixels along the longest side; of shapes samples along each. (default: theirs, or 32)"
        ),
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Resample sounds to so many samples a second.")] = None,
    samples: Annotated[
        int | None, typer.Option(min=4, help="Samples of a sound, cut or continued by silence. (default: the median)")
    ] = None,
    characters: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The characters of a font whose glyphs are learnt. (default: all)"),
    ] = None,
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
    """Learn what the signals of a set have in common. Ctrl-C stops and saves; --resume goes on from there."""
    outputs.check_outputs(output, inputs=[data, resume] if resume != output else [data])
    _check_kept(output, "prior", str(data) if data.is_file() else None, force=force)
    with pause_garbage_collection():
        from sinefield import callbacks, priors
        from sinefield.io import sets
        from sinefield.io.source import Source
        from sinefield.search import Checkpointing
        from sinefield.solution import Divergence

    with report.warnings_told() as told:
        pictures = sets.read(
            data, kind=kind, longest=resize, limit=limit, rate=rate, samples=samples, characters=characters
        )
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
    prior = solution.field
    assert isinstance(prior, priors.Prior)
    text = (
        f"{output}: {method} prior of {len(pictures.values):,} {prior.told}, mean square error {errors} known "
        f"{prior.sampled}, {solution.seconds:.0f} s{ended}"
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


def _check_figure(figure: Path | None, kind: str) -> None:
    """Refuse a figure of a sound.

    Raises:
        ValueError: one is asked for.
    """
    if figure is not None and kind == "audio":
        raise ValueError("a figure is of pictures and shapes; render the field of a sound, and its spread, instead")


def fit(
    prior: PriorArgument,
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="A picture, a sound or a shape, as the prior's.")],
    output: FieldFile,
    mask: Annotated[
        Path | None, typer.Option("--mask", metavar="PICTURE", help="White where the picture or the shape is known.")
    ] = None,
    pixels: Annotated[
        float | None,
        typer.Option(metavar="N", help="Know only N pixels or samples drawn at random, or a fraction below 1."),
    ] = None,
    spread: Annotated[
        Path | None, typer.Option(metavar="FIELD", help="Write a field too of what 9 in 10 errors are within.")
    ] = None,
    seed: options.Seed = 0,
    figure: options.FigureOption = None,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Find the field of a signal from some of its samples; all are known without --mask and --pixels."""
    outputs.check_outputs(output, spread, inputs=[prior, signal, mask], figure=figure)
    for path in (output, spread):
        if path is not None:
            _check_kept(path, "field", signal, force=force)
    with pause_garbage_collection():
        from sinefield.io.source import Source
        from sinefield.priors import files

    loaded, _ = files.read(prior)
    _check_figure(figure, loaded.kind)
    with report.warnings_told() as told:
        read = files.read_signal(signal, loaded)
        context = files.read_context(read, loaded, mask=mask, pixels=pixels, seed=seed)
    found = loaded.found(context[0])
    known = int(context[0, -loaded.pixels :].sum())
    values = found.field(loaded.points).detach()
    metrics = {
        "mse": float((values - read.values)[read.has > 0].square().mean()),
        "spread": float(found.spread(loaded.points).detach().abs().mean()),
    }
    recipe = {"known": known}
    source = Source.of(signal)
    files.save_field(output, found.field, loaded, recipe, source=source, metrics=metrics, seed=seed)
    written = {"field": str(output)}
    if spread is not None:
        files.save_field(spread, found.spread, loaded, recipe | {"of": "spread"}, source=source, seed=seed, spread=True)
        written["spread"] = str(spread)
    if figure is not None:
        from sinefield import plots

        shape = (*loaded.shape, loaded.channels)
        mask_shown = context[0, -loaded.pixels :].reshape(loaded.shape).numpy() > 0
        shown = [((each + 1) / 2).reshape(shape).numpy() for each in (read.values, values)]
        size = found.spread(loaded.points).detach().reshape(shape).numpy() / 2
        plots.save_figure(plots.completions_figure([plots.Completed(shown[0], mask_shown, shown[1], size)]), figure)
        written["figure"] = str(figure)
    text = (
        f"{output}: {signal} from {known} of {loaded.pixels} {loaded.sampled}, mean square error "
        f"{metrics['mse']:.4f} in [−1, 1], 9 in 10 errors within {metrics['spread']:.3f} on average"
    )
    report.show({"known": known, "metrics": metrics, "files": written, "notes": told}, text, as_json=as_json)


def interpolate(
    prior: PriorArgument,
    first: Annotated[str, typer.Argument(metavar="A", help="A signal as the prior's.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    output: FieldFile,
    at: Annotated[float, typer.Option(min=0, max=1, help="How far from A to B, from 0 to 1.")] = 0.5,
    as_json: options.Json = False,
    force: options.Force = False,
) -> None:
    """Write the field between two signals, on the straight line between their latents."""
    outputs.check_outputs(output, inputs=[prior, first, second])
    _check_kept(output, "field", force=force)
    with pause_garbage_collection():
        from sinefield.priors import files

    loaded, _ = files.read(prior)
    with report.warnings_told():
        signals = [files.read_signal(each, loaded) for each in (first, second)]
    ends = [loaded.encode(files.read_context(each, loaded))[0] for each in signals]
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
    """Write the field of a latent drawn from the Gaussian of those that were learnt from."""
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
    told = f"{counts['parameters']:,} parameters, {prior.stat().st_size / 1024:.0f} KiB"
    lines = [f"{prior}: {loaded.settings['method']} prior of {loaded.told}, {told}"]
    for name, each in found.items():
        if each is not None:
            text = ", ".join(f"{key} {value}" for key, value in each.items()) if isinstance(each, dict) else str(each)
            lines.append(f"  {name:<10} {text}")
    report.show(found, "\n".join(lines), as_json=as_json)


def application() -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(
        help="Learn what pictures, shapes or short sounds have in common, and find one from a few samples.",
        no_args_is_help=True,
    )
    for command in (train, fit, interpolate, sample, info):
        app.command()(command)
    return app
