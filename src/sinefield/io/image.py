"""Pictures: files, arrays and tensors to floats ``(height, width, channels)``, and back.

Pillow reads PNG, JPEG, WebP and the rest, tifffile reads TIFF, imagecodecs the 16-bit PNGs that Pillow would
cut to 8 bits. EXIF orientation is applied, palettes are expanded, CMYK becomes RGB.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinefield.io.files import replacing
from sinefield.io.resampling import resampled
from sinefield.io.samples import file_of

Floats = NDArray[np.float32]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".npy")
_LONGEST = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}  # pixels a side that their encoders take
_BYTES_PER_VALUE = 24  # the picture as stored, as float32 and as targets of each kind, all alive at once
_NEGLIGIBLE = 2**25  # bytes: less than a tenth of what PyTorch has taken by then, so that nobody need ask

# EXIF orientation (tag 274): what puts an array of rows upright.
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class TooLargeError(ValueError):
    """A picture that memory cannot hold."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory.

    Args:
        values: ``(height, width, channels)``; 1 channel is grey, 3 RGB, 4 RGBA.
        low: the value of black.
        high: the value of white.
        bits: 8 or 16 for integers, 32 for floats.
        name: what to call it.
    """

    values: Floats
    low: float
    high: float
    bits: int
    name: str


def read(source: str | Path | NDArray[Any] | Tensor) -> Picture:
    """Return the picture in a file, an array or a tensor.

    Args:
        source: a path; ``"sample:NAME"`` for a picture of :data:`sinefield.io.samples.SAMPLES`; or an array
            ``(height, width)`` or ``(height, width, channels)`` of 8- or 16-bit integers, booleans or floats.
            Floats within [0, 1] have that range, others the one they span.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a picture, is damaged, is empty, constant, one pixel wide or too large for memory,
            has other than 1, 3 or 4 channels, or holds NaN, infinity or what 32-bit floats cannot hold.
    """
    if isinstance(source, Tensor):
        tensor = source.detach().cpu()  # NumPy has no bfloat16
        source = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy()
    if isinstance(source, np.ndarray):
        return _picture(source, f"an array of shape {source.shape}")
    name = str(source)
    if name.startswith("sample:"):
        return _picture(_sample(name.removeprefix("sample:")), name)
    return _picture(_read_file(Path(source)), name)


def _read_file(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; give a picture, or sample:camera for an example")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give one picture in it")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); give a picture")
    try:
        with warnings.catch_warnings():  # of corrupt EXIF and the like, where the pixels may still be whole
            warnings.simplefilter("ignore")
            return _decode(path)
    except PermissionError as error:
        raise PermissionError(f"cannot read {path}: permission denied") from error
    except TooLargeError as error:
        raise ValueError(str(error)) from error
    except (PIL.Image.DecompressionBombError, MemoryError) as error:
        raise ValueError(f"{path} is too large to be read at once; crop it or make it smaller first") from error
    except Exception as error:  # decoders raise whatever they like on damaged files
        unknown = isinstance(error, PIL.UnidentifiedImageError)
        reason = "unknown format" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a picture ({reason}); it may be damaged, or no PNG, JPEG, TIFF, WebP or NPY"
        ) from error


def _decode(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        start = file.read(26)
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _read_tiff(path)
    if start[:6] == b"\x93NUMPY":
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        check_memory(path, mapped.shape)
        return np.array(mapped)
    return _read_raster(path, sixteen_bits=start[:4] == b"\x89PNG" and start[24:25] == b"\x10")


def _sample(name: str) -> NDArray[Any]:
    path = file_of(name)
    if path is not None:
        return _decode(path)
    import skimage.data

    array: NDArray[Any] = getattr(skimage.data, name)()
    return array


def check_memory(what: str | Path, shape: tuple[int, ...], bytes_per_value: int = _BYTES_PER_VALUE) -> None:
    """Check that memory can hold what is about to be made.

    Raises:
        TooLargeError: it cannot.
    """
    needed = float(np.prod(shape, dtype=float)) * bytes_per_value
    if needed < _NEGLIGIBLE:
        return
    import psutil

    available = psutil.virtual_memory().available
    if needed > available:
        raise TooLargeError(
            f"{what} is too large: {' x '.join(map(str, shape))} values need about {needed / 2**30:.1f} GiB and "
            f"{available / 2**30:.1f} GiB are free; crop it or make it smaller first"
        )


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.photometric not in (0, 1, 2):  # neither grey (MinIsWhite, MinIsBlack) nor RGB: Pillow converts it
            return _read_raster(path, sixteen_bits=False)
        check_memory(path, page.shape)
        array: NDArray[Any] = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and array.ndim == 3:
            array = np.moveaxis(array, 0, -1)
        if array.dtype.kind == "u" and 1 < page.bitspersample < 8 * array.dtype.itemsize:  # 4 or 12 bits, say
            array = np.rint(array * (np.iinfo(array.dtype).max / (2**page.bitspersample - 1))).astype(array.dtype)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            array = array.max() - array if array.dtype.kind == "f" else np.invert(array)
        tag = page.tags.get(274)
        return _upright(array, int(tag.value) if tag else 1)


def _read_raster(path: Path, *, sixteen_bits: bool) -> NDArray[Any]:
    # Given a name, Pillow maps some TIFFs into memory and then takes the sides of turned ones for each other.
    with path.open("rb") as file, PIL.Image.open(file) as picture:
        check_memory(path, (picture.height, picture.width, len(picture.getbands())))
        if sixteen_bits:
            import imagecodecs

            array: NDArray[Any] = imagecodecs.png_decode(path.read_bytes())
        else:
            array = np.asarray(picture.convert(_plain_mode(picture)))
            if picture.mode == "I":  # 32-bit integers only ever hold 16 bits of a file
                array = array.astype(np.uint16)
        orientation = picture.getexif().get(274, 1)  # Pillow turns some pictures itself, and then forgets this
    return _upright(array, orientation)


def _plain_mode(picture: PIL.Image.Image) -> str:
    """Return the mode that holds a picture without a palette or another colour space."""
    if "transparency" in picture.info or picture.mode in ("LA", "La", "PA", "RGBa"):
        return "RGBA"
    if picture.mode == "1":
        return "L"
    return "RGB" if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX") else picture.mode


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return rows of pixels turned as EXIF tag 274 says, and grey with alpha as RGBA."""
    if array.ndim == 3 and array.shape[2] == 2:
        array = array[:, :, [0, 0, 0, 1]]
    turn = _UPRIGHT.get(orientation)
    return array if turn is None else turn(array)


def _picture(array: NDArray[Any], name: str) -> Picture:
    if array.ndim == 2:
        array = array[:, :, None]
    _check_shape(array, name)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {array.dtype}; expected 8- or 16-bit integers, booleans or floats")
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
        spread = values.max() - values.min()
    if not np.isfinite(spread):
        raise ValueError(f"{name} holds NaN, infinity or numbers too large; replace those pixels by numbers first")
    if spread == 0:
        raise ValueError(
            f"{name} is constant: every pixel is {values.flat[0]:g}; there is nothing to fit, give another picture"
        )
    return Picture(values, *_value_range(array), name)


def _check_shape(array: NDArray[Any], name: str) -> None:
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"{name} is not a picture: expected (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, got shape {array.shape}; put the channels last"
        )
    if min(array.shape[:2]) < 2:
        raise ValueError(
            f"{name} is {array.shape[1]} pixels wide and {array.shape[0]} high; a picture needs at least 2 each way"
        )


def _value_range(array: NDArray[Any]) -> tuple[float, float, int]:
    """Return the values of black and white, and the bits of a channel."""
    if array.dtype == bool:
        return 0.0, 1.0, 8
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(array.dtype).max), 8 * array.dtype.itemsize
    low, high = float(array.min()), float(array.max())
    return (0.0, 1.0, 32) if array.dtype.kind == "f" and low >= 0 and high <= 1 else (low, high, 32)


def resized(picture: Picture, longest: int) -> Picture:
    """Return a picture scaled so that its longest side is ``longest`` pixels, without aliasing.

    Raises:
        ValueError: the new size is below 2 pixels a side.
    """
    height, width, _ = picture.values.shape
    factor = longest / max(height, width)
    size = (round(height * factor), round(width * factor))
    if min(size) < 2:
        raise ValueError(f"{picture.name} resized to {size[1]} x {size[0]} pixels is too small; 2 are needed each way")
    return Picture(resampled(picture.values, *size), picture.low, picture.high, picture.bits, picture.name)


@dataclass(frozen=True)
class PixelMap:
    """The mapping between pixels and the coordinates and values of a field.

    A picture's pixel (row r, column c), whose centre is at (r + ½, c + ½) pixels from the upper left corner,
    lies at y = (2r + 1 − height) / L and x = (2c + 1 − width) / L with L = max(height, width); points are (y, x),
    in the order of the array's axes. Values low … high become −1 … 1.

    Args:
        height: in pixels.
        width: in pixels.
        channels: 1, 3 or 4.
        low: the value of black.
        high: the value of white.
        bits: 8, 16 or 32 (floats).
    """

    height: int
    width: int
    channels: int
    low: float
    high: float
    bits: int

    @classmethod
    def of(cls, picture: Picture) -> PixelMap:
        """Return the mapping of a picture."""
        height, width, channels = picture.values.shape
        return cls(height, width, channels, picture.low, picture.high, picture.bits)

    @property
    def spacing(self) -> float:
        """The size of a pixel in field coordinates, 2/L."""
        return 2 / max(self.height, self.width)

    @property
    def contrast(self) -> float:
        """How much a pixel value changes when the field's value changes by 1: (high − low) / 2."""
        return (self.high - self.low) / 2

    def to_field(self, values: Floats) -> Tensor:
        """Return pixel values as field values, ``(height · width, channels)`` in C order."""
        scaled = (values - self.low) / self.contrast - 1
        return torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32)).flatten(0, 1)

    def to_pixels(self, values: Tensor) -> Tensor:
        """Return field values as pixel values."""
        return (values + 1) * self.contrast + self.low

    def axes(self, height: int, width: int, region: tuple[float, float, float, float] | None) -> tuple[Tensor, Tensor]:
        """Return y ``(height,)`` and x ``(width,)`` of the sample centres of a region.

        Args:
            height: how many rows of samples.
            width: how many columns.
            region: left, top, right, bottom in pixels of the picture; None for all of it.
        """
        left, top, right, bottom = region or (0.0, 0.0, float(self.width), float(self.height))
        longest = max(self.height, self.width)
        rows = top + (torch.arange(height, dtype=torch.float64) + 0.5) * (bottom - top) / height
        columns = left + (torch.arange(width, dtype=torch.float64) + 0.5) * (right - left) / width
        y, x = (2 * rows - self.height) / longest, (2 * columns - self.width) / longest
        return y.to(torch.float32), x.to(torch.float32)


def check_suffix(path: str | Path) -> None:
    """Check the ending of a picture to write.

    Raises:
        ValueError: :func:`write` knows no such format.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise ValueError(f"cannot write {path}: its ending must be one of {', '.join(_SUFFIXES)}")


def write(path: str | Path, values: Floats, low: float, high: float, bits: int) -> None:
    """Write a picture, whole or not at all.

    NPY and TIFF keep floats as they are when ``bits`` is 32; NPY always does. Otherwise values are rounded
    to integers of 8 bits, or of 16 where ``bits`` is more than 8 and the format has them (PNG, TIFF).

    Args:
        path: where; the ending chooses the format.
        values: ``(height, width, channels)``.
        low: the value of black.
        high: the value of white.
        bits: 8, 16 or 32.

    Raises:
        ValueError: the ending is of no known format, or the format cannot hold the picture.
        OSError: the place cannot be written to.
    """
    check_suffix(path)
    suffix = Path(path).suffix.lower()
    height, width, channels = values.shape
    if channels == 4 and suffix in (".jpg", ".jpeg"):
        raise ValueError(f"cannot write {path}: JPEG has no alpha channel; choose .png or .webp")
    if max(height, width) > (longest := _LONGEST.get(suffix, 2**31)):
        raise ValueError(f"cannot write {path}: {width} x {height} pixels, {suffix} has up to {longest}; choose .png")
    if channels == 1:
        values = values[:, :, 0]
    with replacing(path) as temporary:
        if suffix == ".npy":
            with temporary.open("wb") as file:  # given a name, NumPy appends .npy to .NPY
                np.save(file, values, allow_pickle=False)
            return
        if suffix in (".tif", ".tiff") and bits == 32:
            _write_tiff(temporary, values)
            return
        depth = np.uint16 if bits > 8 and suffix in (".png", ".tif", ".tiff") else np.uint8
        peak = float(np.iinfo(depth).max)
        if not np.isfinite(values).all():
            raise ValueError(f"cannot write {path}: the values hold NaN or infinity; choose .npy, which keeps them")
        pixels = np.clip(np.rint((values - low) * (peak / (high - low))), 0, peak).astype(depth)
        if suffix in (".tif", ".tiff"):
            _write_tiff(temporary, pixels)
        elif depth == np.uint16:
            import imagecodecs

            temporary.write_bytes(imagecodecs.png_encode(pixels))
        else:
            options = (
                {"lossless": True, "exact": True} if suffix == ".webp" else {"quality": 95} if "jp" in suffix else {}
            )
            PIL.Image.fromarray(pixels).save(temporary, **options)


def _write_tiff(path: Path, values: NDArray[Any]) -> None:
    import tifffile

    photometric = "rgb" if values.ndim == 3 else "minisblack"
    extra = ["unassalpha"] if values.ndim == 3 and values.shape[2] == 4 else None
    tifffile.imwrite(path, values, photometric=photometric, extrasamples=extra, compression="zlib")
