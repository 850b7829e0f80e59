"""TIFF to arrays by tifffile, which knows all types of samples, compressions and ways to store several pictures.

What is not grey, RGB or of a palette (inks, Lab, YCbCr) is decoded by libvips. A compressed picture is decoded segment
by segment into its array, so that the same path serves pictures of any size; a large one that is not compressed is
mapped.

Source: TIFF 6.0; TIFF/EP for thumbnails and sub-images; GDAL's GeoTIFF driver for no data, sparse files and masks.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sinefield.io.allocation import allocate, check_memory
from sinefield.io.pictures.georeference import Georeference
from sinefield.io.pictures.orientation import contiguous, turn_upright
from sinefield.io.pictures.raster import VIPS, check_room, choose_page, from_lab, read_vips
from sinefield.io.pictures.stored import DamagedError, Details, RefusedError, StoredPicture, usable_profile

_MINISWHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_PLAIN = (0, 1, 2, 3)  # photometric interpretations that tifffile decodes: grey from either end, RGB, palettes
_LAB = (8, 9)  # CIE Lab with signed opponents, and as profiles have it
_RAW = (32803, 34892)  # those of the samples of a camera's sensor
_NO_DATA, _PROFILE, _DNG = 42113, 34675, 50706
_MOST_PLANES = 4  # that are taken for the channels of one picture
_LARGEST_SEGMENT = 1 << 28  # bytes that are decoded at once without asking whether memory holds them

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what its warnings tell, we tell


@final
@dataclass(frozen=True, eq=False)
class _Frame:
    """One picture of a TIFF file.

    Args:
        pages: one, or one for each channel.
        offsets: of the samples of each in pictures that follow one another without a page of their own; None: the page
            tells it.
        mask: the page that tells which of its pixels are known; None: there is none.
    """

    pages: Sequence[Any]
    offsets: Sequence[int | None] = (None,)
    mask: Any = None

    @property
    def key(self) -> Any:
        """The page whose tags hold for all."""
        return self.pages[0].keyframe


def read_tiff(path: Path, page: int | None, *, planes: bool, large: int) -> StoredPicture:
    """Return the upright picture in a TIFF file, with whatever errors the decoders raise.

    Args:
        path: of the file.
        page: which of several pictures; None: the first.
        planes: whether all of them are the channels of one.
        large: from how many values on a picture that is not compressed is mapped.

    Raises:
        RefusedError: there is no such page, or it is a raw file of a camera.
        DamagedError: there is no picture, or it ends early.
    """
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        _refuse_raw(path, tiff)
        frames, what = _frames_of(tiff)
        if not frames:
            raise DamagedError("it holds no picture")
        hint = ", or --kind volume for all" if what == "pages" else ""
        if what == "pages" and len(frames) <= _MOST_PLANES:
            hint += f", or --channels first for one picture of {len(frames)} channels"
        number, note = choose_page(path, page, len(frames), what, hint)
        frame = frames[number]
        if page is None and len(frames) > 1 and (planes or what == "planes"):
            frame, note = _join_planes(path, frames, told=not planes)
        found = _read_frame(path, frame, large)
        return replace(found, notes=tuple(filter(None, (note, *found.notes))))


def _refuse_raw(path: Path, tiff: Any) -> None:
    first = tiff.pages.first
    inner = [each for each in (first.pages or ()) if each is not None]
    raw = any(each.keyframe.photometric in _RAW for each in (first, *inner))
    raw |= _DNG in first.tags or tiff.filehandle.path.lower().endswith((".cr2", ".nef", ".arw", ".dng", ".pef", ".srw"))
    if raw:
        raise RefusedError(
            f"{path} is a raw file of a camera, in which only a thumbnail is a picture; develop it to TIFF or PNG "
            "first, as darktable or RawTherapee do"
        )


def _frames_of(tiff: Any) -> tuple[list[_Frame], str]:
    """Return the pictures in a file without thumbnails, masks and lower levels of pyramids; and what they are.

    Raises:
        DamagedError: a page follows itself.
    """
    masks, places = {}, set()
    previous = None
    for each in tiff.pages:
        if each.offset in places:  # tifffile would go on for ever
            raise DamagedError("its pages follow one another in a circle")
        places.add(each.offset)
        if each.keyframe.is_mask and previous is not None:
            masks[previous] = each
        elif not each.keyframe.is_reduced:
            previous = each.index
    frames: list[_Frame] = []
    planes = True
    shown = [each for each in tiff.series if not _is_secondary(each)]
    for series in shown or tiff.series[:1]:
        key = series.keyframe
        leading = series.shape[: len(series.shape) - len(key.shape)]
        count = math.prod(leading)
        planes &= series.axes[: len(leading)] == "C" and 2 <= count <= _MOST_PLANES and len(key.shape) == 2
        pages = [each for each in series.pages if each is not None]
        if len(pages) == count:
            frames += [_Frame([each], mask=masks.get(each.index)) for each in pages]
        elif pages and series.dataoffset is not None:
            step = key.nbytes
            frames += [_Frame([pages[0]], offsets=[series.dataoffset + number * step]) for number in range(count)]
        else:
            frames += [_Frame([each]) for each in pages]
    return frames, "planes" if planes and len(shown) == 1 and len(frames) > 1 else "pages"


def _is_secondary(series: Any) -> bool:
    """Return whether a series is a thumbnail, a mask or a label of others."""
    key = series.keyframe
    return bool(key.is_reduced or key.is_mask) or series.name in ("Thumbnail", "Label", "Macro")


def _join_planes(path: Path, frames: Sequence[_Frame], *, told: bool) -> tuple[_Frame, str]:
    """Return pictures as the channels of one, and what is to be told of that, or nothing.

    Raises:
        RefusedError: they are not alike.
    """
    keys = [each.key for each in frames]
    if any((each.shape, each.dtype) != (keys[0].shape, keys[0].dtype) or len(each.shape) != 2 for each in keys):
        raise RefusedError(f"the {len(frames)} pages of {path} are not alike; they cannot be channels of one picture")
    names = "red, green and blue" if len(frames) == 3 else "channels"
    note = f"its {len(frames)} planes are taken as the {names} of one picture; --page N for one of them"
    return _Frame(
        [each.pages[0] for each in frames], offsets=[each.offsets[0] for each in frames]
    ), note if told else ""


def _read_frame(path: Path, frame: _Frame, large: int) -> StoredPicture:
    key = frame.key
    orientation = _number(key, 274, 1)
    if int(key.photometric) in _LAB and key.dtype is not None and key.dtype.kind in "ui" and key.dtype.itemsize <= 2:
        # libvips reads Lab of 10 bits and of floats only
        values = _samples_of(path, frame.pages[0], frame.offsets[0], large)
        values = values.view(np.dtype(f"u{values.itemsize}"))
        found = from_lab(path, values[..., :3], signed=int(key.photometric) == _LAB[0])
        return turn_upright(_details_of(found, key), int(orientation))
    if int(key.photometric) not in _PLAIN and not _is_whole_video(key):
        return turn_upright(_details_of(_read_by_vips(path, key), key), int(orientation))
    if len(key.shape) not in (2, 3):
        raise DamagedError(f"its samples are of shape {key.shape}, which is no picture")
    if len(frame.pages) > 1:
        values = allocate(path, (*key.shape, len(frame.pages)), key.dtype)
        for channel, (each, offset) in enumerate(zip(frame.pages, frame.offsets, strict=True)):
            values[..., channel] = _samples_of(path, each, offset, large)
    else:
        values = _samples_of(path, frame.pages[0], frame.offsets[0], large)
    known = None
    if frame.mask is not None and frame.mask.shape == key.shape[:2]:
        known = _samples_of(path, frame.mask, None, large) > 0
    found = StoredPicture(values, Details(alpha=False), known=known)
    return turn_upright(_details_of(_straighten(found, key), key), int(orientation))


def _samples_of(path: Path, page: Any, offset: int | None, large: int) -> NDArray[Any]:
    """Return the samples of a page as they are stored, ``(height, width)`` or ``(height, width, samples)``.

    Raises:
        DamagedError: they are of no type of numbers, or the file ends early.
    """
    key = page.keyframe
    shape, dtype = key.shape, key.dtype
    if dtype is None:
        raise DamagedError(f"its samples have {key.bitspersample} bits, which is no type of numbers")
    separate = key.planarconfig == 2 and len(shape) == 3
    check_room(path, shape[1:] + shape[:1] if separate else shape)
    _check_segments(path, page)
    plain = key.is_memmappable and key.bitspersample == 8 * dtype.itemsize
    if offset is not None or (plain and key.size >= large):
        start = page.dataoffsets[0] if offset is None else offset
        if path.stat().st_size < start + key.nbytes:
            raise DamagedError("it ends early")
        found: NDArray[Any] = np.memmap(path, key.parent.byteorder + dtype.char, "r", start, shape)
    else:
        segment = math.prod(key.tile or (key.rowsperstrip or shape[0], *shape[1:2])) * key.samplesperpixel
        if segment * dtype.itemsize > _LARGEST_SEGMENT:
            check_memory(path, (segment,), 2 * dtype.itemsize)
        found = allocate(path, shape, dtype)
        if (nodata := _nodata_of({int(each.code): each for each in key.tags})) is not None:
            with np.errstate(all="ignore"):
                key.nodata = np.asarray(nodata).astype(dtype)[()]  # what is left out of sparse files is filled with it
        page.asarray(out=found)
    return contiguous(np.moveaxis(found, 0, -1)) if separate else found


def _check_segments(path: Path, page: Any) -> None:
    """Check that the file holds all strips or tiles that it tells of; GDAL leaves out empty ones.

    Raises:
        DamagedError: some are missing or lie beyond its end.
    """
    key, size = page.keyframe, path.stat().st_size
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    there = [length > 0 and start + length <= size for start, length in places]
    empty = [start == 0 and length == 0 for start, length in places]
    count = math.prod(key.chunked)
    if all(a or b for a, b in zip(there, empty, strict=True)) and len(there) >= count and any(there):
        return
    if len(there) == 1 and key.compression == 1 and 0 < places[0][0] <= size - key.nbytes:  # its length is wrong
        return
    raise DamagedError(f"it ends early: {sum(there)} of {max(count, len(there))} strips or tiles are there")


def _straighten(picture: StoredPicture, key: Any) -> StoredPicture:
    """Return samples with palettes expanded, white above black, in whole bytes, and colours not multiplied by alpha."""
    values, notes = picture.values, list(picture.notes)
    bits = key.bitspersample
    if int(key.photometric) == _YCBCR:
        return replace(picture, values=_from_video(values))
    if int(key.photometric) == _PALETTE and key.colormap is not None:
        table = np.moveaxis(np.asarray(key.colormap), 0, -1)
        if table.max() < 256 or not (table % 257).any() or not (table % 256).any():  # of 8 bits, in three ways
            table = (table if table.max() < 256 else table >> 8).astype(np.uint8)
        index = values[..., 0] if values.ndim == 3 else values
        return replace(picture, values=table[np.minimum(index, len(table) - 1)])
    if values.dtype.kind == "u" and isinstance(bits, int) and bits < 8 * values.dtype.itemsize:  # 4 or 12 bits, say
        values = np.rint(values * (np.iinfo(values.dtype).max / (2**bits - 1))).astype(values.dtype)
    if int(key.photometric) == _MINISWHITE:
        values = values.max() - values if values.dtype.kind == "f" else np.invert(values)
    extra = [int(each) for each in key.extrasamples]
    channels = 1 if values.ndim == 2 else values.shape[2]
    colours = channels - len(extra)
    alpha = len(extra) == 1 and extra[0] in (1, 2) and colours in (1, 3)  # 0: what it is was not told
    if alpha and extra[0] == 1:
        values = _divide_by_alpha(values)
    elif not alpha and channels == 4 and not extra and int(key.photometric) == _RGB:
        alpha = True  # as programs mean it that leave out the tag
    elif channels not in (1, 3) and not alpha:
        names = {4: "first 3", 2: "first"}.get(channels, "first 3")
        notes.append(
            f"it has {channels} channels, all of which are fitted; TIFFs and NPYs that are rendered hold them all, "
            f"other formats the {names}"
        )
    return replace(picture, values=values, details=replace(picture.details, alpha=alpha), notes=tuple(notes))


def _divide_by_alpha(values: NDArray[Any]) -> NDArray[Any]:
    """Return colours that are not multiplied by alpha, of ones that are."""
    found = allocate("the picture without its alpha multiplied in", values.shape, values.dtype)
    peak = float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else 1.0
    for row in range(0, len(values), 256):
        some = values[row : row + 256].astype(np.float64)
        some[..., :-1] *= np.divide(peak, some[..., -1:], where=some[..., -1:] > 0, out=np.zeros_like(some[..., -1:]))
        if values.dtype.kind in "ui":
            some = np.rint(np.clip(some, 0, peak))
        found[row : row + 256] = some
    return found


def _details_of(picture: StoredPicture, key: Any) -> StoredPicture:
    """Return a picture with what the tags of its page tell."""
    notes = list(picture.notes)
    tags = {int(each.code): each for each in key.tags}
    values: dict[int, Any] = {}
    for code, tag in tags.items():
        try:
            values[code] = tag.value
        except Exception:  # of any kind, on tags that are damaged
            notes.append(f"its tag {code} is damaged and left out")
    channels = 1 if picture.values.ndim == 2 else picture.values.shape[2]
    details = picture.details
    if int(key.photometric) in _PLAIN:
        profile = values.get(_PROFILE)
        usable, note = usable_profile(profile if isinstance(profile, bytes) else None, channels)
        details = replace(details, profile=usable)
        notes.append(note)
    unit = 2.54 if _number(key, 296, 2) == 3 else 1.0
    x, y = _number(key, 282, 0.0), _number(key, 283, 0.0)
    if 0 < x < 1e6 and 0 < y < 1e6 and (_number(key, 296, 2) != 1 or x != y):
        details = replace(details, resolution=(x * unit, y * unit))
    place = Georeference.of(values)
    nodata = _nodata_of(tags)
    if nodata is not None and int(key.photometric) == _MINISWHITE and picture.values.dtype.kind in "ui":
        nodata = float(np.invert(picture.values.dtype.type(int(nodata))))
    if place is not None and place.unit:
        notes.append(f"its numbers stand for {place.unit}, as its tag says; the numbers themselves are fitted and kept")
    details = replace(details, place=place, nodata=nodata)
    return replace(picture, details=details, notes=tuple(filter(None, notes)))


def _nodata_of(tags: dict[int, Any]) -> float | None:
    """Return the number in GDAL's tag of no data; tifffile has 0 for numbers that its type of samples cannot hold."""
    tag = tags.get(_NO_DATA)
    if tag is None:
        return None
    try:
        return float(str(tag.value).strip("\0 \n").replace(",", "."))
    except ValueError:
        return None


def _number(key: Any, code: int, default: float) -> float:
    """Return the number in a tag, which may be a fraction."""
    tag = key.tags.get(code)
    try:
        value = default if tag is None else tag.value
        if isinstance(value, tuple):
            value = value[0] / value[1] if len(value) == 2 else value[0]
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return default


def _is_whole_video(key: Any) -> bool:
    """Return whether a page holds luma and chroma of every pixel, as Pillow writes it without saying so.

    libvips goes by the tag alone, whose default is one chroma for each four pixels.
    """
    return int(key.photometric) == _YCBCR and key.compression == 1 and sum(key.databytecounts) >= key.nbytes


def _from_video(values: NDArray[Any]) -> NDArray[Any]:
    """Return RGB of 8-bit luma and chroma, by ITU-R BT.601 of the whole range, as JPEG has it."""
    luma, blue, red = np.moveaxis(values.astype(np.float32), -1, 0)
    blue, red = blue - 128, red - 128
    colours = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    found: NDArray[np.uint8] = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return found


def _read_by_vips(path: Path, key: Any) -> StoredPicture:
    import pyvips

    _check_segments(path, key)
    if int(key.photometric) not in (5, 6, 8, 9, 10):
        raise DamagedError(f"its colours are of the kind {int(key.photometric)}, which is none that is known here")
    picture = pyvips.Image.tiffload(str(path), page=key.index, **VIPS)
    found = read_vips(path, picture)
    if found.values.shape[:2] != (key.imagelength, key.imagewidth):
        raise DamagedError("its pages are not where it says")
    return found
