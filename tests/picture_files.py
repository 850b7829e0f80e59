"""Small files of pictures of every format that is read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

HEIGHT, WIDTH = 24, 32
Pixels = NDArray[np.uint8]


def smooth(channels: int = 3) -> Pixels:
    """Return a picture that codecs with loss keep nearly as it is."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    layers = [127 + 90 * np.sin(x / (5 + k) + k) * np.cos(y / (7 - k)) for k in range(channels)]
    return np.asarray(np.rint(np.stack(layers, axis=-1)), dtype=np.uint8)


def _by_pillow(form: str, **options: Any) -> Callable[[Path], Pixels]:
    def write(path: Path) -> Pixels:
        pixels = smooth()
        PIL.Image.fromarray(pixels).save(path, form, **options)
        return pixels

    return write


def _tiff(path: Path) -> Pixels:
    pixels = smooth()
    tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", rowsperstrip=4)
    return pixels


def _gif(path: Path) -> Pixels:
    grey = smooth(1)[:, :, 0]
    PIL.Image.fromarray(grey).save(path, "GIF")
    return np.stack([grey] * 3, axis=-1)


def _psd(path: Path) -> Pixels:
    """Write a flat picture: "Adobe Photoshop File Formats Specification", sections 2 to 6."""
    pixels = smooth()
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, HEIGHT, WIDTH, 8, 3)
    path.write_bytes(header + struct.pack(">IIIH", 0, 0, 0, 0) + np.moveaxis(pixels, -1, 0).tobytes())
    return pixels


def _jpeg_2000(path: Path) -> Pixels:
    pixels = smooth()
    codec = "j2k" if path.suffix == ".j2k" else "jp2"
    path.write_bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat=codec))
    return pixels


def _pbm(path: Path) -> Pixels:
    bits = np.tile(smooth(1)[:, :, 0] > 127, (4, 2))  # more than the 200 bytes that are cut off
    PIL.Image.fromarray(bits).save(path, "PPM")
    return np.where(bits, 255, 0).astype(np.uint8)[:, :, None]


def _pgm(path: Path) -> Pixels:
    grey = smooth(1)
    PIL.Image.fromarray(grey[:, :, 0]).save(path, "PPM")
    return grey


def _npy(path: Path) -> Pixels:
    np.save(path, smooth())
    return smooth()


WRITERS: dict[str, Callable[[Path], Pixels]] = {
    ".png": _by_pillow("PNG"),
    ".jpg": _by_pillow("JPEG", quality=95),
    ".jpeg": _by_pillow("JPEG", quality=95, progressive=True),
    ".jfif": _by_pillow("JPEG", quality=95, subsampling=0),
    ".tif": _tiff,
    ".tiff": _by_pillow("TIFF"),
    ".webp": _by_pillow("WEBP", lossless=True),
    ".avif": _by_pillow("AVIF", quality=95),
    ".gif": _gif,
    ".bmp": _by_pillow("BMP"),
    ".tga": _by_pillow("TGA", compression="tga_rle"),
    ".ico": _by_pillow("ICO", sizes=[(WIDTH, HEIGHT)]),
    ".psd": _psd,
    ".jp2": _jpeg_2000,
    ".j2k": _jpeg_2000,
    ".pgm": _pgm,
    ".ppm": _by_pillow("PPM"),
    ".pnm": _by_pillow("PPM"),
    ".pbm": _pbm,
    ".npy": _npy,
}
"""What writes a small file of each ending, and returns its pixels."""
