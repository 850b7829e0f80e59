"""The options of the command line, one declaration of each that several commands share, and what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sinefield.imports import pause_garbage_collection

if TYPE_CHECKING:
    import torch

    from sinefield.geometry import Camera

ImageArgument = Annotated[str, typer.Argument(metavar="IMAGE", help="A picture, or sample:camera, sample:astronaut, …")]
SignalArgument = Annotated[
    str, typer.Argument(metavar="SIGNAL", help="A picture, recording, clip, volume, shape; or sample:camera, …")
]
Kind = Annotated[str | None, typer.Option(help="image, audio, video, volume or sdf, a shape. (default: by the file)")]
On = Annotated[
    list[str] | None,
    typer.Option(
        "--on", help="What of a picture to fit: value (default), gradient or laplacian; repeat for a mixture."
    ),
]
Network = Annotated[
    str, typer.Option(help="siren, relu, tanh, sigmoid, softplus, elu, selu, relu-nerf, relu-fourier, relu-rbf.")
]
Width = Annotated[int, typer.Option(min=1, help="Features of each hidden layer.")]
Depth = Annotated[int, typer.Option(min=0, help="Hidden layers after the first.")]
WidthOrTiles = Annotated[
    int | None, typer.Option("--width", min=1, help="Features of each hidden layer. (default: 256; 64 of a tile)")
]
DepthOrTiles = Annotated[
    int | None, typer.Option("--depth", min=0, help="Hidden layers after the first. (default: 3; 2 of a tile)")
]
Tiles = Annotated[str | None, typer.Option(metavar="4x6", help="Fit a tiled field: how many tiles along each axis.")]
TileSize = Annotated[int | None, typer.Option(min=2, help="Fit a tiled field: samples along a side of a tile.")]
FirstOmega = Annotated[float | None, typer.Option(help="ω₀ of a SIREN's first layer. (default: from the spectrum)")]
HiddenOmega = Annotated[float | None, typer.Option(help="ω₀ of a SIREN's other layers. (default: 30)")]
RecipeName = Annotated[str, typer.Option("--recipe", help="How to train: fast, best or published.")]
Passes = Annotated[float | None, typer.Option(help="Budget: how often each sample is visited. (default: the recipe's)")]
Seconds = Annotated[float | None, typer.Option(help="Budget: seconds of fitting.")]
Psnr = Annotated[float | None, typer.Option(help="Stop as soon as this PSNR in dB is reached.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Samples a step. (default: the recipe's)")]
Rate = Annotated[float | None, typer.Option("--learning-rate", help="Adam's learning rate. (default: the recipe's)")]
Resize = Annotated[int | None, typer.Option(min=2, help="First scale the longest side to this many pixels.")]
Frames = Annotated[str | None, typer.Option(metavar="A:B[:STEP]", help="Of a clip: the frames from A to before B.")]
ClipSize = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="First scale the frames of a clip to this.")
]
Crop = Annotated[str | None, typer.Option(metavar="L,T,R,B", help="First cut this part, in pixels, out of a clip.")]
Terms = Annotated[
    str | None, typer.Option(help="Of a shape, what is asked of it: distance (default), published or digs.")
]
Samples = Annotated[int | None, typer.Option(min=10, help="Points that a mesh is sampled at. (default: 100000)")]
EstimateNormals = Annotated[bool, typer.Option("--estimate-normals", help="Of a shape: not those in the file.")]
Seed = Annotated[int, typer.Option(help="Of the initial weights and the sampling.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, … or auto: cuda where there is one.")]
FigureOption = Annotated[Path | None, typer.Option("--figure", help="Write the figure here (.png, .pdf, .svg, .jpg).")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Size = Annotated[str | None, typer.Option(metavar="WxH", help="Width and height in samples; of a volume DxHxW.")]
Scale = Annotated[float | None, typer.Option(help="Samples per pixel of the original. (default: 1)")]
PictureRegion = Annotated[
    str | None, typer.Option("--region", metavar="L,T,R,B", help="Left, top, right, bottom in pixels of the original.")
]
Quantity = Annotated[
    str | None, typer.Option(help="Of a picture or volume: value, gradient (its norm per pixel or mm) or laplacian.")
]
SampleRate = Annotated[
    int | None, typer.Option("--rate", help="Samples a second of a recording. (default: the original's)")
]
Start = Annotated[float | None, typer.Option(help="Of a recording or a clip, in seconds.")]
Stop = Annotated[float | None, typer.Option(help="Of a recording or a clip, in seconds.")]
FrameRate = Annotated[float | None, typer.Option("--fps", help="Frames a second of a clip. (default: the original's)")]
Speed = Annotated[float | None, typer.Option(help="Of a clip: 0.25 is slow motion, a quarter as fast.")]
Moment = Annotated[float | None, typer.Option("--time", help="Of a clip: this moment as a picture, in seconds.")]
Axis = Annotated[str | None, typer.Option(help="Of a volume or shape: a slice across z, y or x.")]
At = Annotated[
    float | None, typer.Option(help="Where along the axis: in voxels, or the units of a shape. (default: the middle)")
]
CameraOption = Annotated[
    str | None,
    typer.Option("--camera", metavar="AZ,EL[,DIST]", help="Of a shape: degrees around and above it, and how far off."),
]
Up = Annotated[str | None, typer.Option(help="Of a shape: the upright axis. (default: y of OBJ and GLB, else z)")]
ColouringOption = Annotated[str | None, typer.Option("--colouring", help="Of a shape: shaded (default) or curvature.")]
TurnFrames = Annotated[int | None, typer.Option("--frames", min=1, help="Of a turn around a shape, .mp4 or .gif.")]
FieldArgument = Annotated[Path, typer.Argument(metavar="FIELD", help="A field file.")]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def numbers(text: str, separator: str, count: int, kind: type, option: str, example: str) -> Any:
    """Return the numbers that an option holds.

    Raises:
        ValueError: there are more or fewer than ``count``, or something else.
    """
    try:
        found = tuple(kind(each) for each in text.lower().split(separator))
    except ValueError:
        found = ()
    if len(found) != count:
        raise ValueError(f"{option} is {count} numbers with {separator!r} between, as {example}; got {text!r}")
    return found


def frame_range(text: str) -> tuple[int, int | None, int]:
    """Return the first frame, the one after the last (None: the end) and the step.

    Raises:
        ValueError: something else than two or three integers with colons between, of which some may be left out.

    >>> frame_range("10:"), frame_range("0:100:2")
    ((10, None, 1), (0, 100, 2))
    """
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(each.isdecimal() or not each for each in parts):
        raise ValueError(f"--frames is the first frame and the one after the last, as 0:100 or 0:100:2; got {text!r}")
    start, stop, step = (int(each) if each else None for each in (*parts, "")[:3])
    return start or 0, stop, 1 if step is None else step


def shape_of(text: str) -> Any:
    """Return the sizes that ``--size`` holds: width and height, or three along z, y and x.

    Raises:
        ValueError: something else.
    """
    count = 3 if text.lower().count("x") == 2 else 2
    return numbers(text, "x", count, int, "--size", "1024x768 (of a volume, along z, y and x: 64x128x128)")


def camera_of(text: str | None, up: str | None) -> Camera:
    """Return the camera that ``--camera`` tells: azimuth and elevation in degrees, and its distance where it is given.

    Args:
        text: of ``--camera``; None: the usual one.
        up: the axis that is upright; None: that of the shape.

    Raises:
        ValueError: something else.
    """
    from sinefield.geometry import Camera

    if text is None:
        return Camera(up=up)
    count = 3 if text.count(",") == 2 else 2
    return replace(Camera(*numbers(text, ",", count, float, "--camera", "30,20 or 30,20,4")), up=up)


def tile_counts(text: str) -> tuple[int, ...]:
    """Return how many tiles there are along each axis.

    Raises:
        ValueError: something else than integers with x between.
    """
    parts = text.lower().split("x")
    if not all(each.isdecimal() for each in parts):
        raise ValueError(f"--tiles is an integer for each axis with x between, as 4x6; got {text!r}")
    return tuple(int(each) for each in parts)


def check_outputs(*paths: Path | None, figure: Path | None = None) -> None:
    """Refuse, before anything is computed, outputs that could not be written afterwards."""
    from sinefield.io.files import check_writable

    for path in (*paths, figure):
        if path is not None:
            check_writable(path)
    if figure is not None:
        with pause_garbage_collection():
            from sinefield import plots

        plots.check_format(figure)


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
