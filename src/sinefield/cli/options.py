"""The options of the command line that belong to no kind of signal, and the records that commands take them as.

The options of each kind are those of its record, see :mod:`sinefield.kinds`; :mod:`sinefield.cli.panels` adds them to
the commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NewType, final

import typer

from sinefield import kinds
from sinefield.kinds.options import Options

if TYPE_CHECKING:
    import torch

    from sinefield.search import Checkpointing

Asked = NewType("Asked", dict[str, Any])
"""The options of kinds that were given, by the names of their fields: a command's parameter of this type gets them."""

ImageArgument = Annotated[str, typer.Argument(metavar="IMAGE", help="A picture, or sample:camera, sample:astronaut, …")]
SignalArgument = Annotated[
    str, typer.Argument(metavar="SIGNAL", help="A picture, recording, clip, volume, shape; or sample:camera, …")
]
FieldArgument = Annotated[Path, typer.Argument(metavar="FIELD", help="A field file.")]
On = Annotated[
    list[str] | None,
    typer.Option("--on", help="What to fit: value (default), gradient or laplacian; repeat for a mixture."),
]
NetworkName = Annotated[
    str,
    typer.Option(
        "--network", help="siren, relu, tanh, sigmoid, softplus, elu, selu, relu-nerf, relu-fourier, relu-rbf."
    ),
]
Width = Annotated[int, typer.Option(min=1, help="Features of each hidden layer.")]
Depth = Annotated[int, typer.Option(min=0, help="Hidden layers after the first.")]
FirstOmega = Annotated[float | None, typer.Option(help="ω₀ of a SIREN's first layer. (default: from the spectrum)")]
HiddenOmega = Annotated[float | None, typer.Option(help="ω₀ of a SIREN's other layers. (default: 30)")]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="How: auto, solved (nothing is trained), fast, best, samples or published.")
]
Passes = Annotated[float | None, typer.Option(help="Budget: how often each sample is visited. (default: the recipe's)")]
Seconds = Annotated[float | None, typer.Option(help="Budget: seconds of fitting.")]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="[METRIC=]VALUE",
        help="Stop as soon as a metric is so good: psnr=40, snr=30; a number alone is of the main one, for a "
        "picture PSNR, for a recording MSE.",
    ),
]
Resize = Annotated[int | None, typer.Option(min=2, help="First scale the longest side to this many pixels.")]
Seed = Annotated[int, typer.Option(help="Of the initial weights and the sampling.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, … or auto: cuda where there is one.")]
FigureOption = Annotated[Path | None, typer.Option("--figure", help="Write the figure here (.png, .pdf, .svg, .jpg).")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the field of another file, or the file that a field was fitted to.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show the field in the browser as it is found.")]
WatchPort = Annotated[int | None, typer.Option(help="Of --watch, on this machine; 0: any that is free.")]
WatchQuietly = Annotated[bool, typer.Option("--no-browser", help="Of --watch: only tell the address.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@final
@dataclass(frozen=True)
class General:
    """What is fitted, for how long, and what is written: the options of ``fit`` that help shows first."""

    panel: ClassVar[str | None] = None
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The field file, or folder. (default: SIGNAL.safetensors here)"),
    ] = None
    kind: Annotated[str | None, typer.Option(help=f"{', '.join(kinds.KINDS)}. (default: by the file)")] = None
    recipe: RecipeName = "auto"
    passes: Passes = None
    seconds: Seconds = None
    psnr: Annotated[
        float | None,
        typer.Option(help="The same as --until psnr=VALUE, in dB; pictures then have as few numbers as reach it."),
    ] = None
    until: Until = None
    seed: Seed = 0
    device: Device = "auto"
    figure: FigureOption = None
    animate: Annotated[Path | None, typer.Option(help="Write the training as .gif or .mp4 here.")] = None
    log: Annotated[Path | None, typer.Option(help="Write losses and metrics for TensorBoard into this folder.")] = None
    watch: Watch = False
    port: WatchPort = None
    no_browser: WatchQuietly = False
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how long it will take, and how much memory.")
    ] = False
    as_json: Json = False
    quiet: Quiet = False
    force: Force = False

    def goal(self) -> str | None:
        """Return what to stop at, as ``solve`` takes it; None: at nothing.

        Raises:
            ValueError: both options are given.
        """
        if self.psnr is not None and self.until is not None:
            raise ValueError(f"--psnr {self.psnr:g} and --until {self.until} are two goals; give one of them")
        return self.until if self.psnr is None else f"psnr={self.psnr!r}"

    def field_file(self, source: str) -> Path:
        """Return where the field goes."""
        return self.output or Path(f"{kinds.stem_of(source)}.safetensors")


@final
@dataclass(frozen=True)
class Network:
    """Which network the field is, and its settings."""

    panel: ClassVar[str | None] = "Network"
    network: NetworkName = "siren"
    width: Annotated[
        int | None, typer.Option(min=1, help="Features of each hidden layer. (default: 256; 64 of a tile)")
    ] = None
    depth: Annotated[
        int | None, typer.Option(min=0, help="Hidden layers after the first. (default: 3; 2 of a tile)")
    ] = None
    first_omega: FirstOmega = None
    hidden_omega: HiddenOmega = None
    final_activation: Annotated[str | None, typer.Option(help="After a SIREN's last layer: tanh, sigmoid, …")] = None
    dropout: Annotated[float | None, typer.Option(help="Of a SIREN's hidden activations, in [0, 1).")] = None

    def settings(self) -> dict[str, Any]:
        """Return what is passed on to the problem: the name of the network, and the settings that were given."""
        return {"network": self.network} | given(
            hidden_features=self.width,
            hidden_layers=self.depth,
            first_omega=self.first_omega,
            hidden_omega=self.hidden_omega,
            final_activation=self.final_activation,
            dropout=self.dropout,
        )


@final
@dataclass(frozen=True)
class Training:
    """Settings that override the recipe's."""

    panel: ClassVar[str | None] = "Training"
    batch: Annotated[int | None, typer.Option(min=1, help="Samples a step. (default: the recipe's)")] = None
    learning_rate: Annotated[float | None, typer.Option(help="Adam's learning rate. (default: the recipe's)")] = None
    matrix_rate: Annotated[
        float | None, typer.Option(help="Muon's rate, of hidden matrices. (default: the recipe's)")
    ] = None
    checkpoint_every: Annotated[
        float | None,
        typer.Option(metavar="PASSES", help="Write the field so often, with all that --resume needs to go on."),
    ] = None
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FIELD", help="Go on with a fit of the same options that --checkpoint-every wrote."),
    ] = None

    warm_start: Annotated[
        Path | None,
        typer.Option(
            "--warm-start",
            metavar="FIELD",
            help="Begin with the weights of a field of a like signal and the same network.",
        ),
    ] = None

    def checkpointing(self, output: Path) -> Checkpointing | None:
        """Return where and how often to write all that is needed to go on; None: nowhere.

        Raises:
            ValueError: as often as never.
        """
        if self.checkpoint_every is None:
            return None
        if not self.checkpoint_every > 0:
            raise ValueError(f"--checkpoint-every is a positive number of passes, got {self.checkpoint_every:g}")
        from sinefield.search import Checkpointing

        return Checkpointing(output, self.checkpoint_every)


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def record_of(kind: kinds.View, stage: kinds.Stage, asked: Mapping[str, Any], subject: str | Path) -> Options:
    """Return the options that were given as the record of a kind.

    Args:
        kind: of the signal.
        stage: fitting or rendering.
        asked: the options, by the names of their fields.
        subject: what is fitted or rendered, for messages.

    Raises:
        ValueError: an option of another kind, or a text that is not what its option holds.
    """
    kinds.check_options(kind, stage, {name: kinds.flag_of(name, stage) for name in asked}, subject)
    return kind.options(stage).parsed(asked)


def device_of(name: str) -> torch.device:
    """Return the device of that name.

    Raises:
        ValueError: it cannot be used here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); try cpu") from error
    return device
