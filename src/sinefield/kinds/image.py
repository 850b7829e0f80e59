"""Pictures, as one kind of signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds import options
from sinefield.kinds.kind import Kind


@final
@dataclass(frozen=True)
class ImageFit(options.Options):
    """How a picture is fitted."""

    on: tuple[str, ...] | None = options.option(
        "--on", str, "Fit its value (default), gradient or laplacian; repeat for a mixture.", many=True, parse=tuple
    )
    longest: int | None = options.option("--resize", int, "First scale the longest side to this many pixels.", least=2)
    tiles: tuple[int, ...] | None = options.tiles()
    tile_size: int | None = options.tile_size()
    page: int | None = options.option(
        "--page", int, "Which picture of a file that holds several, from 0. (default: the first, told)", least=0
    )
    nodata: float | None = options.nodata()
    value_range: tuple[float, float] | None = options.value_range()
    start: str | None = options.option(
        "--start",
        str,
        "Begin a fit on gradients or Laplacians alone with their integral, or train from nothing. (default: integral)",
        metavar="integral|nothing",
        parse=options.one_of("--start", "integral", "nothing"),
    )
    channels: str | None = options.option(
        "--channels",
        str,
        "first or last: which axis of an array holds them; first takes the pages of a TIFF as those of one picture.",
        parse=options.one_of("--channels", "first", "last"),
    )


@final
@dataclass(frozen=True)
class ImageRender(options.Options):
    """How a picture is rendered."""

    size: tuple[int, int] | None = options.size()
    scale: float | None = options.option("--scale", float, "Samples per pixel of the original. (default: 1)")
    region: tuple[float, float, float, float] | None = options.option(
        "--region",
        str,
        "Left, top, right, bottom in pixels of the original.",
        metavar="L,T,R,B",
        parse=options.pixel_region,
    )
    quantity: str | None = options.quantity("pixel")


KIND = Kind(
    name="image",
    title="Pictures",
    about="A picture: PNG, JPEG, TIFF, WebP, AVIF, BMP, NPY, …, or sample:camera, sample:astronaut, …",
    endings=(
        *(".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".webp", ".avif", ".bmp", ".tga", ".ico", ".psd"),
        *(".jp2", ".j2k", ".pgm", ".ppm", ".pnm", ".pbm"),
    ),
    reader="sinefield.io.image:read",
    problem="sinefield.problems.image:image",
    signal="sinefield.signals.image:ImageSignal",
    figure="sinefield.plots.pictures:picture_figure",
    fit=ImageFit,
    render=ImageRender,
    examples=(
        "sinefield fit photo.png --resize 512 --figure photo.pdf",
        "sinefield render photo.safetensors large.png --scale 4",
    ),
    budget="16 passes over the pixels",
)
