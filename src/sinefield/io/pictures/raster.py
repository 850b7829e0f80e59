"""PNG, JPEG, WebP, GIF and AVIF, and TIFF in inks, to arrays by libvips; BMP, TGA, ICO, PSD, JPEG 2000, PNM by others.

libvips decodes a band of rows at a time, so that the same path serves pictures of any size; it keeps 16 bits, expands
palettes and their transparency, refuses what ends early where other decoders fill up with grey, and applies profiles
of inks. Its import takes 0.05 s, as Pillow's does. What it does not read is decoded whole; such files are seldom large.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from sinefield.io.allocation import allocate, check_memory, release
from sinefield.io.pictures import headers
from sinefield.io.pictures.headers import JpegHeader
from sinefield.io.pictures.orientation import turn_upright
from sinefield.io.pictures.stored import DamagedError, Details, RefusedError, StoredPicture, usable_profile

LARGE = 2**24
"""The number of values from which on a picture keeps its stored type, and is mapped where its file allows that."""

BYTES_PER_VALUE = 24
"""Of the stored picture, its copy in float32 and the targets, which exist at the same time."""

VIPS = {"access": "sequential", "fail_on": "truncated", "revalidate": True}
"""How libvips opens files: row by row, refusing what ends early, and anew, as the file may not be what it was."""

_LONGEST_AVIF = 65_536  # pixels; libvips would complain of more on standard error
_BAND = 128  # rows that are decoded together
_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_LOADERS = {"PNG": "pngload", "JPEG": "jpegload", "WebP": "webpload", "GIF": "gifload", "AVIF": "heifload"}
_BY_PILLOW = {"BMP": ["BMP"], "TGA": ["TGA"], "ICO": ["ICO"], "PSD": ["PSD"], "JPEG 2000": ["JPEG2000"], "PNM": ["PPM"]}

FORMATS = (*_LOADERS, *_BY_PILLOW)
"""The formats that :func:`read_raster` knows."""

logging.getLogger("pyvips").addHandler(logging.NullHandler())  # what its warnings tell, we tell
logging.getLogger("PIL").addHandler(logging.NullHandler())


def check_room(path: Path, shape: tuple[int, ...]) -> None:
    """Check that memory can hold a picture in all its forms; a large one is decoded into a file.

    Raises:
        TooLargeError: it cannot.
    """
    if np.prod(shape, dtype=float) < LARGE:
        check_memory(path, shape, BYTES_PER_VALUE)


def choose_page(path: Path, page: int | None, count: int, what: str, hint: str = "") -> tuple[int, str]:
    """Return which page is read, and what is to be told of the others, or nothing.

    Args:
        path: of the file.
        page: that was asked for; None: the first.
        count: how many there are.
        what: they are, such as ``"pages"``.
        hint: what else would use them, such as ``", or --kind volume for all"``.

    Raises:
        RefusedError: there is no such page.
    """
    if page is None:
        return 0, "" if count == 1 else f"it has {count} {what}, the first is used; --page N for another{hint}"
    if not 0 <= page < count:
        numbers = f"0 to {count - 1}" if count > 1 else "0 alone"
        raise RefusedError(f"there is no page {page} in {path}: its {what} are numbered {numbers}")
    return page, ""


def read_raster(path: Path, form: str, page: int | None) -> StoredPicture:
    """Return the picture in a file, not yet turned upright, with whatever errors the decoders raise.

    Args:
        path: of the file.
        form: of :data:`FORMATS`.
        page: which of several pictures; None: the first.
    """
    if form in _BY_PILLOW:
        return _read_by_pillow(path, form, page)
    chunks = headers.png_chunks(path) if form == "PNG" else {}
    header = headers.jpeg_header(path) if form == "JPEG" else None
    chosen, note = 0, ""
    if form == "PNG":
        count = headers.frames_of_png(chunks)
        chosen, note = choose_page(path, page, count, "frames", ", or --kind video for all")
        if chosen > 0:
            return _read_by_pillow(path, form, chosen)
    elif header is not None:
        chosen, note = _choose_picture(path, page, header)
    picture = _open(path, form, header, chosen)
    if form in ("WebP", "GIF", "AVIF"):
        count = picture.get("n-pages") if picture.get_typeof("n-pages") else 1
        what, hint = ("pictures", "") if form == "AVIF" else ("frames", ", or --kind video for all")
        chosen, note = choose_page(path, page, count, what, hint)
        picture = _open(path, form, header, chosen) if chosen else picture
    found = read_vips(path, picture)
    orientation, resolution, adobe = headers.read_exif(_blob(picture, "exif-data"))
    details, colours = found.details, ""
    if form == "PNG":
        resolution = headers.resolution_of_png(chunks) or resolution
        if b"iCCP" not in chunks:
            profile, colours = headers.colours_of_png(chunks, grey=picture.bands < 3)
            details = replace(details, profile=profile)
    elif header is not None and header.density:
        resolution = header.density
    if adobe and not details.profile and picture.bands == 3:
        details = replace(details, profile=headers.adobe_profile())
    notes = tuple(filter(None, (note, colours, *found.notes)))
    return turn_upright(replace(found, details=replace(details, resolution=resolution), notes=notes), orientation)


def _choose_picture(path: Path, page: int | None, header: JpegHeader) -> tuple[int, str]:
    count = len(header.pictures)
    if header.gain_map:
        note = "its gain map for bright screens (HDR) is left out"
        return (0, note) if not page else (choose_page(path, page, count, "pictures")[0], "")
    return choose_page(path, page, count, "pictures")


def _open(path: Path, form: str, header: JpegHeader | None, page: int) -> Any:
    """Return a picture of libvips, whose pixels have not been decoded yet.

    Raises:
        RefusedError: it promises more pixels than its format can hold.
    """
    import pyvips

    if form == "AVIF" and max(headers.sides_of_avif(path), default=0) > _LONGEST_AVIF:
        raise RefusedError(f"{path} is too large, or damaged: no AVIF has sides of more than {_LONGEST_AVIF:,} pixels")

    options: dict[str, Any] = dict(VIPS)
    if form in ("WebP", "GIF", "AVIF"):
        options["page"] = page
    if header is not None and page:
        start, length = header.pictures[page]
        with path.open("rb") as file:
            file.seek(start)
            return pyvips.Image.jpegload_buffer(file.read(length), **options)
    return getattr(pyvips.Image, _LOADERS[form])(str(path), **options)


def _blob(picture: Any, name: str) -> bytes | None:
    if not picture.get_typeof(name):
        return None
    found = picture.get(name)
    return bytes(found) if isinstance(found, bytes) else None


def read_vips(path: Path, picture: Any) -> StoredPicture:
    """Return the pixels of a picture of libvips; inks and Lab become sRGB, by their profile where they have one."""
    size = (picture.height, picture.width)
    profile: bytes | None = _blob(picture, "icc-profile-data")
    converted = ""
    if picture.interpretation not in ("b-w", "grey16", "srgb", "rgb", "rgb16", "multiband"):
        (picture, converted), profile = _as_rgb(picture, profile), None
    usable, note = usable_profile(profile, picture.bands)
    details = Details(profile=usable, alpha=picture.bands in (2, 4))
    return StoredPicture(fetch(path, picture, size), details, notes=tuple(filter(None, (converted, note))))


def fetch(path: Path, picture: Any, size: tuple[int, int]) -> NDArray[Any]:
    """Return the samples of a picture of libvips, decoded in bands of rows.

    Raises:
        DamagedError: they are of a type that no picture has.
    """
    import pyvips

    shape = (*size, picture.bands)
    check_room(path, shape)
    if picture.format not in _TYPES:
        raise DamagedError(f"its samples are of the type {picture.format}")
    found = allocate(path, shape, _TYPES[picture.format])
    region = pyvips.Region.new(picture)
    for top in range(0, shape[0], _BAND):
        rows = min(_BAND, shape[0] - top)
        band = np.frombuffer(region.fetch(0, top, shape[1], rows), found.dtype)
        found[top : top + rows] = band.reshape(rows, *shape[1:])
        release(found)
    return found


def _as_rgb(picture: Any, profile: bytes | None) -> tuple[Any, str]:
    """Return a picture in inks or Lab as sRGB of as many bits, and what is to be told of that."""
    import pyvips

    deep = picture.format == "ushort"
    if picture.interpretation != "cmyk":
        return picture.colourspace("rgb16" if deep else "srgb"), ""
    if profile:
        try:
            found = picture.icc_transform("srgb", embedded=True, depth=16 if deep else 8, intent="relative")
            return found, "its inks (CMYK) become sRGB by their profile"
        except pyvips.Error:  # the profile is damaged, or none of inks
            pass
    peak = 65535 if deep else 255
    light = peak - picture.extract_band(0, n=4).cast("float")
    rgb = (light.extract_band(0, n=3) * light.extract_band(3) / peak).rint().cast(picture.format)
    told = "its inks (CMYK) become sRGB as ideal ones would, as no profile tells what they look like"
    return rgb.copy(interpretation="rgb16" if deep else "srgb"), told


def _read_by_pillow(path: Path, form: str, page: int | None) -> StoredPicture:
    """Return the picture in a file of a format that libvips does not read, or a frame of an animated PNG."""
    notes: list[str] = []
    with path.open("rb") as file, PIL.Image.open(file, formats=_BY_PILLOW.get(form, ["PNG"])) as picture:
        if form == "PNG":
            picture.seek(page or 0)
        elif form == "ICO":
            sizes = sorted(set(picture.info["sizes"]), key=lambda size: -size[0] * size[1])  # Pillow opens the largest
            chosen, note = choose_page(path, page, len(sizes), "sizes")
            notes.append(note)
            picture.size = sizes[chosen]  # type: ignore[misc]  # what its plugin asks for
        else:
            choose_page(path, page, 1, "pages")
        if layers := getattr(picture, "layers", None):
            notes.append(f"it has {len(layers)} layers, the merged picture is used")
        shape = (picture.height, picture.width, len(picture.getbands()))
        check_memory(path, shape, BYTES_PER_VALUE)
        profile, density = picture.info.get("icc_profile"), picture.info.get("dpi")
        white = _white_of(path) if form == "PNM" else None
        if form == "JPEG 2000" and picture.mode not in ("P", "PA"):
            import imagecodecs

            values = imagecodecs.jpeg2k_decode(path.read_bytes())  # Pillow would cut 16 bits to 8
        elif white is not None:
            values = _read_pnm(path)
        else:
            if picture.mode == "CMYK":
                return _from_inks(path, np.asarray(picture), profile)
            if picture.mode == "LAB":
                return from_lab(path, np.asarray(picture), signed=False)
            values = np.asarray(picture.convert(_choose_mode(picture)))
    channels = 1 if values.ndim == 2 else values.shape[2]
    usable, note = usable_profile(profile, channels)
    resolution = tuple(map(float, density)) if density and min(density) > 0 and form != "ICO" else None
    details = Details(profile=usable, alpha=channels in (2, 4), resolution=resolution)  # type: ignore[arg-type]  # two
    return turn_upright(StoredPicture(values, details, white, notes=tuple(filter(None, [*notes, note]))), 1)


def _from_inks(path: Path, values: NDArray[Any], profile: bytes | None) -> StoredPicture:
    """Return inks ``(height, width, 4)`` of 8 bits as sRGB."""
    picture = _vips_of(values).copy(interpretation="cmyk")
    if profile:
        import pyvips

        picture.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return read_vips(path, picture)


def from_lab(path: Path, values: NDArray[Any], *, signed: bool) -> StoredPicture:
    """Return lightness and two opponents of CIE Lab ``(height, width, 3)``, of 8 or 16 bits, as sRGB of as many bits.

    Args:
        path: of the file.
        values: unsigned integers; of lightness from 0 to 100, of the others from −128.
        signed: whether the others are signed numbers instead, taken for unsigned ones.
    """
    deep = values.dtype.itemsize == 2
    picture, middle = _vips_of(values), 32768 if deep else 128
    lightness = picture.extract_band(0) * (100 / (65535 if deep else 255))
    others = picture.extract_band(1, n=2)
    others = (others ^ middle if signed else others) - middle
    lab = lightness.bandjoin(others / 256 if deep else others).copy(interpretation="lab")
    # By a profile, as the white of Lab is that of profiles, D50; that of libvips's own conversion is D65.
    found = lab.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=16 if deep else 8)
    return StoredPicture(fetch(path, found, (values.shape[0], values.shape[1])), Details(alpha=False))


def _vips_of(values: NDArray[Any]) -> Any:
    """Return unsigned integers ``(height, width, channels)`` as a picture of libvips."""
    import pyvips

    height, width, channels = values.shape
    form = "ushort" if values.dtype.itemsize == 2 else "uchar"
    return pyvips.Image.new_from_memory(np.ascontiguousarray(values), width, height, channels, form)


def _choose_mode(picture: PIL.Image.Image) -> str:
    """Return the mode of Pillow, grey or RGB with or without alpha, that a picture is converted to."""
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBa"):
        return "RGBA"
    if picture.mode == "1":
        return "L"
    return "RGB" if picture.mode in ("P", "YCbCr", "HSV", "RGBX") else picture.mode


def _pnm_header(path: Path) -> tuple[str, Sequence[int], int] | None:
    """Return the kind of a PNM file, width, height and white, and where its samples begin; None: it tells no white."""
    with path.open("rb") as file:
        start = file.read(4096)
    words: list[bytes] = []
    place = 0
    while len(words) < 4 and place < len(start):
        if start[place : place + 1] == b"#":
            place = start.find(b"\n", place) % (len(start) + 1)
        elif start[place : place + 1].isspace():
            place += 1
        else:
            end = place
            while end < len(start) and not start[end : end + 1].isspace():
                end += 1
            words.append(start[place:end])
            place = end
    if len(words) < 4 or not all(each.isdigit() and len(each) < 10 for each in words[1:]):
        return None
    return words[0].decode("latin-1"), [int(each) for each in words[1:]], place + 1


def _white_of(path: Path) -> float | None:
    """Return the value of white of a PNM file in bytes; None: Pillow reads it."""
    found = _pnm_header(path)
    return float(found[1][2]) if found is not None and found[0] in ("P5", "P6") and 0 < found[1][2] < 65536 else None


def _read_pnm(path: Path) -> NDArray[Any]:
    """Return the samples of a PNM file in bytes, whose white may be any number: Pillow would scale them.

    Raises:
        DamagedError: there are too few.
    """
    found = _pnm_header(path)
    assert found is not None  # as its white is known
    kind, (width, height, white), start = found
    shape = (height, width) if kind == "P5" else (height, width, 3)
    dtype = np.dtype(">u2" if white > 255 else np.uint8)
    needed = int(np.prod(shape)) * dtype.itemsize
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(needed)
    if len(content) < needed:
        raise DamagedError("it ends early")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
