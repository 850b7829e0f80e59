"""Tests of reading and writing pictures, and of the mapping between pixels and field coordinates."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import psutil
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from sinefield.io.image import read, resized, write

HEIGHT, WIDTH = 5, 7

# Where the 0th row and the 0th column of what is stored are to be seen: EXIF 2.32, tag 274.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def noise(channels: int, dtype: str = "uint8", height: int = HEIGHT, width: int = WIDTH) -> NDArray[Any]:
    values = np.random.default_rng(channels).integers(0, np.iinfo(dtype).max, (height, width, channels), endpoint=True)
    values[0, 0], values[-1, -1] = 0, np.iinfo(dtype).max
    return values.astype(dtype)


def seen(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the picture that EXIF means by the rows stored, pixel by pixel from the table."""
    row_side, column_side = ORIENTATIONS[orientation]
    rows, columns = stored.shape[:2]
    upright = np.zeros((rows, columns) if row_side in ("top", "bottom") else (columns, rows), dtype=object)
    height, width = upright.shape
    for r in range(rows):
        for c in range(columns):
            place = {"top": (0, 0), "left": (1, 0), "bottom": (0, height - 1), "right": (1, width - 1)}
            at = [0, 0]
            for side, index in ((row_side, r), (column_side, c)):
                axis, edge = place[side]
                at[axis] = abs(edge - index)
            upright[at[0], at[1]] = tuple(stored[r, c])
    return np.array(upright.tolist())


def png(values: NDArray[Any], colour: int, size: tuple[int, int] | None = None) -> bytes:
    """Return a PNG of values, unfiltered, made by hand: the W3C's specification, sections 5 and 11."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = size or values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * values.dtype.itemsize, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_claiming(width: int, height: int) -> bytes:
    """Return a TIFF whose header promises a grey picture that the file does not hold."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: width * height % 2**32}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)


def npy_claiming(shape: tuple[int, ...]) -> bytes:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"few"


def encoded(values: NDArray[Any], form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(values.squeeze()).save(buffer, form, **options)
    return buffer.getvalue()


def refused(source: Any, *words: str, name: str | None = None) -> str:
    """Return the message of the refusal to read ``source``: one line that names it and holds the words."""
    with pytest.raises((ValueError, OSError)) as caught:
        read(source)
    message = str(caught.value)
    assert "\n" not in message
    assert (name or str(source)) in message
    for word in words:
        assert word in message, message
    return message


def colours(path: Path) -> NDArray[Any]:
    return read(path).values


class TestFiles:
    @pytest.mark.parametrize("form", ["png", "webp", "tiff"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_lossless_eight_bits(self, tmp_path: Path, form: str, channels: int) -> None:
        if form == "webp" and channels == 1:
            channels = 3  # WebP has no grey
        values = noise(channels)
        options = {"lossless": True, "exact": True} if form == "webp" else {}
        path = tmp_path / f"picture.{form}"
        path.write_bytes(encoded(values, form, **options))
        picture = read(path)
        assert picture.values.dtype == np.float32
        assert np.array_equal(picture.values, values)
        assert (picture.low, picture.high, picture.bits, picture.name) == (0, 255, 8, str(path))

    @pytest.mark.parametrize(("channels", "colour"), [(1, 0), (3, 2), (4, 6)])
    def test_sixteen_bit_png_keeps_sixteen_bits(self, tmp_path: Path, channels: int, colour: int) -> None:
        values = noise(channels, "uint16")
        (tmp_path / "deep.png").write_bytes(png(values, colour))
        picture = read(tmp_path / "deep.png")
        assert np.array_equal(picture.values, values)
        assert (picture.low, picture.high, picture.bits) == (0, 65535, 16)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_grey_and_alpha_become_rgba(self, tmp_path: Path, dtype: str) -> None:
        values = noise(2, dtype)
        expected = np.stack([values[..., 0]] * 3 + [values[..., 1]], axis=-1)
        (tmp_path / "a.png").write_bytes(png(values, 4))
        tifffile.imwrite(
            tmp_path / "a.tif", values, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig"
        )
        assert np.array_equal(colours(tmp_path / "a.png"), expected)
        assert np.array_equal(colours(tmp_path / "a.tif"), expected)

    @pytest.mark.parametrize("form", ["PNG", "TIFF", "GIF"])
    def test_palette_is_expanded(self, tmp_path: Path, form: str) -> None:
        table = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 30], [200, 100, 50]], dtype=np.uint8)
        index = np.random.default_rng(0).integers(0, 4, (HEIGHT, WIDTH), dtype=np.uint8)
        picture = PIL.Image.fromarray(index)
        picture.putpalette(table.tobytes())
        picture.save(tmp_path / "indexed", form)
        assert np.array_equal(colours(tmp_path / "indexed"), table[index])

    def test_transparent_palette_entry_becomes_alpha(self, tmp_path: Path) -> None:
        index = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 3
        picture = PIL.Image.fromarray(index)
        picture.putpalette([0, 0, 0, 90, 90, 90, 255, 255, 255])
        picture.save(tmp_path / "hole.png", transparency=1)
        values = colours(tmp_path / "hole.png")
        assert np.array_equal(values[..., 3], np.where(index == 1, 0, 255))
        assert np.array_equal(values[..., 0], np.array([0, 90, 255])[index])

    @pytest.mark.parametrize(("form", "white"), [("PNG", 255), ("TIFF", 1)])
    def test_one_bit(self, tmp_path: Path, form: str, white: int) -> None:
        bits = noise(1)[..., 0] > 127
        PIL.Image.fromarray(bits).save(tmp_path / "bits", form)
        picture = read(tmp_path / "bits")
        assert np.array_equal(picture.values[..., 0], white * bits)
        assert (picture.low, picture.high) == (0, white)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_jpeg(self, tmp_path: Path, channels: int) -> None:
        content = encoded(noise(channels, height=16, width=24), "jpeg")
        (tmp_path / "photo.jpg").write_bytes(content)
        expected = imagecodecs.jpeg_decode(content).reshape(16, 24, channels)
        assert np.abs(colours(tmp_path / "photo.jpg") - expected).max() <= 1

    def test_cmyk_jpeg_becomes_rgb(self, tmp_path: Path) -> None:
        inks = np.zeros((16, 64, 4), dtype=np.uint8)  # cyan, magenta, yellow and black, 16 pixels each
        for ink in range(4):
            inks[:, 16 * ink : 16 * ink + 16, ink] = 255
        PIL.Image.frombytes("CMYK", (64, 16), inks.tobytes()).save(tmp_path / "inks.jpg", quality=100)
        values = colours(tmp_path / "inks.jpg")
        assert values.shape == (16, 64, 3)
        expected = [[0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0]]
        assert np.abs(values[8, 8::16] - expected).max() <= 4

    @pytest.mark.parametrize("form", ["PNG", "TIFF", "TIFF palette", "WEBP", "JPEG"])
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_exif_orientation_is_applied(self, tmp_path: Path, form: str, orientation: int) -> None:
        exif = PIL.Image.Exif()
        exif[274] = orientation
        picture = PIL.Image.fromarray(noise(3))
        if "palette" in form:
            picture = picture.quantize(5)
        options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
        picture.save(tmp_path / "plain", form.split()[0], **options)
        picture.save(tmp_path / "turned", form.split()[0], exif=exif, **options)
        stored = np.asarray(PIL.Image.open(tmp_path / "plain").convert("RGB"))
        assert np.array_equal(colours(tmp_path / "turned"), seen(stored, orientation))

    def test_exif_orientation_of_a_sixteen_bit_png(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[274] = 6
        content = exif.tobytes()[6:]  # without the "Exif\0\0" of JPEG
        chunk = struct.pack(">I", len(content)) + b"eXIf" + content + struct.pack(">I", zlib.crc32(b"eXIf" + content))
        values = noise(3, "uint16")
        whole = png(values, 2)
        (tmp_path / "deep.png").write_bytes(whole[:33] + chunk + whole[33:])  # after IHDR
        assert np.array_equal(colours(tmp_path / "deep.png"), seen(values, 6))

    def test_corrupt_exif_does_not_hide_the_picture(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[274] = 1
        content = encoded(noise(3), "jpeg", exif=exif)
        start = content.find(b"Exif") + 10
        (tmp_path / "photo.jpg").write_bytes(content[:start] + b"\xff" * 8 + content[start + 8 :])
        assert colours(tmp_path / "photo.jpg").shape == (HEIGHT, WIDTH, 3)

    @pytest.mark.parametrize(
        "options",
        [
            {"rowsperstrip": 2},
            {"tile": (16, 16)},
            {"compression": "zlib"},
            {"compression": "lzw", "predictor": True},
            {"compression": "packbits", "rowsperstrip": 1},
            {"compression": "zstd"},
            {"byteorder": ">"},
            {"bigtiff": True},
            {"planarconfig": "separate"},
            {"planarconfig": "separate", "compression": "zlib"},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_tiff_storage(self, tmp_path: Path, options: dict[str, Any], dtype: str) -> None:
        values = noise(3, dtype)
        separate = options.get("planarconfig") == "separate"
        tifffile.imwrite(
            tmp_path / "a.tif", np.moveaxis(values, -1, 0) if separate else values, photometric="rgb", **options
        )
        picture = read(tmp_path / "a.tif")
        assert np.array_equal(picture.values, values)
        assert picture.bits == 8 * values.dtype.itemsize

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_float_tiff_keeps_its_numbers(self, tmp_path: Path, dtype: str) -> None:
        values = np.linspace(-3, 5, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", values)
        picture = read(tmp_path / "a.tif")
        assert np.array_equal(picture.values[..., 0], values.astype(np.float32))
        assert (picture.low, picture.high, picture.bits) == (-3, 5, 32)

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32"])
    def test_min_is_white(self, tmp_path: Path, dtype: str) -> None:
        values = (noise(1)[..., 0] > 127) if dtype == "bool" else noise(1)[..., 0].astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
        white = {"bool": 1, "uint16": 65535}.get(dtype, 255)
        assert np.array_equal(colours(tmp_path / "a.tif")[..., 0], white - values.astype(np.float32))

    @pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
    def test_four_bits_span_black_to_white(self, tmp_path: Path, photometric: str) -> None:
        rows = np.array([[0, 15, 8, 1], [3, 4, 0, 15]], dtype=np.uint8)
        content = bytearray(tiff_claiming(4, 2))
        content += bytes((row[0] << 4 | row[1]) for row in rows.reshape(-1, 2))
        tags = {256: 4, 257: 2, 258: 4, 259: 1, 262: int(photometric == "minisblack"), 273: 122, 277: 1, 278: 2, 279: 4}
        for place, value in enumerate(tags.values()):
            struct.pack_into("<I", content, 10 + 12 * place + 8, value)
        assert len(content) == 126
        (tmp_path / "a.tif").write_bytes(content)
        expected = 17 * rows if photometric == "minisblack" else 255 - 17 * rows
        assert np.array_equal(colours(tmp_path / "a.tif")[..., 0], expected)

    def test_tiff_of_other_colour_spaces_becomes_rgb(self, tmp_path: Path) -> None:
        inks = np.zeros((4, 4, 4), dtype=np.uint8)
        inks[np.arange(4), :, np.arange(4)] = 255
        tifffile.imwrite(tmp_path / "inks.tif", inks, photometric="separated")
        expected = np.array([[0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0]])
        assert np.array_equal(colours(tmp_path / "inks.tif"), np.broadcast_to(expected[:, None], (4, 4, 3)))
        bars = np.repeat(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], dtype=np.uint8), 4, axis=0)
        PIL.Image.fromarray(bars).convert("YCbCr").save(tmp_path / "video.tif")
        assert np.abs(colours(tmp_path / "video.tif") - bars).max() <= 3

    def test_first_page_of_several(self, tmp_path: Path) -> None:
        first, second = noise(3), noise(1, height=4, width=4)[..., 0]
        with tifffile.TiffWriter(tmp_path / "pages.tif") as tiff:
            tiff.write(first, photometric="rgb")
            tiff.write(second)
        assert np.array_equal(colours(tmp_path / "pages.tif"), first)

    def test_ending_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(png(noise(3), 2))
        assert np.array_equal(colours(tmp_path / "photo.jpg"), noise(3))
        assert np.array_equal(read(str(tmp_path / "photo.jpg")).values, noise(3))


class TestArrays:
    @pytest.mark.parametrize(
        ("dtype", "low", "high", "bits"),
        [
            ("bool", 0, 1, 8),
            ("uint8", 0, 255, 8),
            ("uint16", 0, 65535, 16),
            (">u2", 0, 65535, 16),
            ("int8", 0, 34, 32),
            ("int16", 0, 34, 32),
            ("int32", 0, 34, 32),
            ("int64", 0, 34, 32),
            ("uint32", 0, 34, 32),
            ("float16", 0, 34, 32),
            ("float32", 0, 34, 32),
            (">f4", 0, 34, 32),
            ("float64", 0, 34, 32),
        ],
    )
    def test_numpy_types(self, dtype: str, low: float, high: float, bits: int) -> None:
        values = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)
        picture = read(values)
        assert picture.values.shape == (HEIGHT, WIDTH, 1)
        assert picture.values.dtype == np.float32
        assert np.array_equal(picture.values[..., 0], values.astype(np.float32))
        assert (picture.low, picture.high, picture.bits) == (low, high, bits)

    @pytest.mark.parametrize(
        "dtype",
        [
            torch.bool,
            torch.uint8,
            torch.uint16,
            torch.int16,
            torch.int64,
            torch.bfloat16,
            torch.float16,
            torch.float32,
            torch.float64,
        ],
    )
    def test_tensor_types(self, dtype: torch.dtype) -> None:
        values = torch.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).to(dtype)
        assert np.array_equal(read(values).values, values.to(torch.float32).numpy())

    @pytest.mark.parametrize("top", [1.0, 0.5])
    def test_floats_within_zero_and_one_have_that_range(self, top: float) -> None:
        picture = read(np.linspace(0.25, top, 12).reshape(3, 4))
        assert (picture.low, picture.high) == (0, 1)

    @pytest.mark.parametrize(("low", "high"), [(-0.5, 1.0), (0.0, 1.5), (-1e30, 1e30)])
    def test_other_floats_have_the_range_they_span(self, low: float, high: float) -> None:
        picture = read(np.linspace(low, high, 12).reshape(3, 4))
        assert (picture.low, picture.high) == (low, high)

    def test_views_and_gradients_are_taken_as_they_are(self) -> None:
        values = noise(3)
        assert np.array_equal(read(values[::-1, ::2]).values, values[::-1, ::2])
        leaf = torch.rand(4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
        assert np.array_equal(read(leaf).values[..., 0], leaf.detach().numpy())

    def test_npy_file(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", noise(4, "uint16"))
        picture = read(tmp_path / "a.npy")
        assert np.array_equal(picture.values, noise(4, "uint16"))
        assert picture.bits == 16


class TestRefusals:
    def test_missing(self, tmp_path: Path) -> None:
        refused(tmp_path / "none.png", "no file", "give a picture", "sample:camera")

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "folder", "give one picture in it")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        refused(tmp_path / "a.png", "0 bytes", "give a picture")

    def test_unknown_sample(self) -> None:
        refused("sample:nobody", "'nobody'", "choose one of", "camera", name="sample")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("this is\nno picture\n")
        refused(tmp_path / "a.png", "unknown format", "PNG, JPEG, TIFF, WebP")

    @pytest.mark.parametrize("form", ["png", "deep png", "jpeg", "tiff", "tiff zlib", "tiff tiles", "webp", "npy"])
    @pytest.mark.parametrize("part", [0.005, 0.03, 0.3, 0.6, 0.95])
    def test_cut_short(self, tmp_path: Path, form: str, part: float) -> None:
        values, buffer = noise(3, height=24, width=20), io.BytesIO()
        if form.startswith("tiff"):
            options = {
                "tiff": {},
                "tiff zlib": {"compression": "zlib", "rowsperstrip": 5},
                "tiff tiles": {"tile": (16, 16)},
            }
            tifffile.imwrite(buffer, values, photometric="rgb", **options[form])
        elif form == "npy":
            np.save(buffer, values)
        else:
            buffer.write(
                png(noise(3, "uint16"), 2)
                if "deep" in form
                else encoded(values, form, **{"lossless": True} if form == "webp" else {})
            )
        whole = buffer.getvalue()
        path = tmp_path / "cut"
        path.write_bytes(whole)
        read(path)
        path.write_bytes(whole[: max(1, int(part * len(whole)))])
        refused(path, "cannot be read as a picture", "damaged")

    @pytest.mark.parametrize("form", ["png", "deep png", "tiff", "jpeg", "webp"])
    def test_noise_never_gives_another_error(self, tmp_path: Path, form: str) -> None:
        generator = np.random.default_rng(0)
        whole = png(noise(3, "uint16"), 2) if "deep" in form else encoded(noise(3), form)
        for _ in range(20):
            content = bytearray(whole)
            for place in generator.integers(4, len(content), 4):
                content[place] = generator.integers(256)
            (tmp_path / "a").write_bytes(content)
            message = ""
            try:
                read(tmp_path / "a")
            except ValueError as error:
                message = str(error)
            assert not message or str(tmp_path / "a") in message
            assert "\n" not in message

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0, 3), (1, 5), (5, 1), (1, 1, 3)])
    @pytest.mark.parametrize("form", ["array", "npy"])
    def test_too_few_pixels(self, tmp_path: Path, shape: tuple[int, ...], form: str) -> None:
        values = np.arange(np.prod(shape), dtype=float).reshape(shape)
        path = tmp_path / "a.npy"
        np.save(path, values)
        words = (f"{shape[1]} pixels wide and {shape[0]} high", "at least 2 each way")
        if form == "array":
            refused(values, *words, name=f"array of shape {shape}")
        else:
            refused(path, *words)

    @pytest.mark.parametrize("shape", [(4, 5, 2), (4, 5, 5), (4, 5, 0), (3, 8, 8), (7,), (), (1, 4, 5, 3)])
    def test_shapes_that_are_no_picture(self, shape: tuple[int, ...]) -> None:
        values = np.random.default_rng(0).random(shape)
        refused(np.asarray(values), str(shape), "1, 3 or 4", "channels last", name="an array")
        refused(torch.as_tensor(values), str(shape), "channels last", name="an array")

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_numbers_that_are_none(self, tmp_path: Path, bad: float, dtype: str) -> None:
        values = np.linspace(0, 1, 12).reshape(3, 4).astype(dtype)
        values[1, 2] = bad
        tifffile.imwrite(tmp_path / "a.tif", values)
        np.save(tmp_path / "a.npy", values)
        for source in (values, torch.from_numpy(values)):
            refused(source, "NaN, infinity", "replace", name="array of shape (3, 4)")
        for path in (tmp_path / "a.tif", tmp_path / "a.npy"):
            refused(path, "NaN, infinity", "replace")

    @pytest.mark.parametrize("low", [0.0, -3e38])
    def test_numbers_beyond_single_precision(self, low: float) -> None:
        refused(np.array([[low, 1.0], [2.0, 3e38 if low else 1e39]]), "too large", "replace", name="array")

    @pytest.mark.parametrize("values", [np.zeros((4, 4)), np.full((4, 4, 3), 7, dtype=np.uint8), np.ones((4, 4), bool)])
    def test_constant(self, tmp_path: Path, values: NDArray[Any]) -> None:
        refused(values, "constant", f"{float(values.flat[0]):g}", "give another picture", name="array of shape (4, 4")
        PIL.Image.fromarray(np.full((4, 4), 9, dtype=np.uint8)).save(tmp_path / "a.png")
        refused(tmp_path / "a.png", "constant", "9", "give another picture")

    @pytest.mark.parametrize("dtype", ["complex64", "complex128", "object", "datetime64[s]", "U3", "V4"])
    def test_types_that_are_no_numbers(self, dtype: str) -> None:
        values = np.zeros((3, 4), dtype=dtype)
        refused(values, f"holds {values.dtype}", "expected 8- or 16-bit integers", name="array of shape (3, 4)")

    def test_complex_tensor(self) -> None:
        refused(torch.zeros(3, 4, dtype=torch.complex64), "complex64", "expected", name="array")

    def test_npy_of_objects_is_not_unpickled(self, tmp_path: Path) -> None:
        opened = tmp_path / "opened"

        class Trap:
            def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
                return opened.touch, ()

        np.save(tmp_path / "a.npy", np.array([[Trap(), Trap()]] * 2, dtype=object), allow_pickle=True)
        refused(tmp_path / "a.npy", "cannot be read", "objects")
        assert not opened.exists()

    @pytest.mark.parametrize(
        "content",
        [
            png(noise(3), 2, size=(100_000, 100_000)),
            png(noise(3, "uint16"), 2, size=(100_000, 100_000)),
            tiff_claiming(100_000, 100_000),
        ],
        ids=["png", "deep png", "tiff"],
    )
    @pytest.mark.parametrize("vips", [True, False])
    def test_claims_of_enormous_sizes(
        self, tmp_path: Path, content: bytes, vips: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sinefield.io.decoding._streams", lambda: vips)
        (tmp_path / "a").write_bytes(content)
        tracemalloc.start()
        refused(tmp_path / "a", *([] if vips else ["too large", "crop it or make it smaller"]))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50e6

    def test_npy_that_claims_an_enormous_size(self, tmp_path: Path) -> None:
        (tmp_path / "a.npy").write_bytes(npy_claiming((100_000, 100_000)))
        tracemalloc.start()
        refused(tmp_path / "a.npy", "cannot be read", "damaged")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50e6

    @pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "npy"])
    def test_more_than_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        path = tmp_path / "a"
        if form == "npy":
            with path.open("wb") as file:
                np.save(file, noise(3))
        else:
            path.write_bytes(encoded(noise(3), form))
        read(path)
        monkeypatch.setattr("sinefield.io.allocation._NEGLIGIBLE", 0)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=HEIGHT * WIDTH * 3))
        refused(path, "too large", f"{HEIGHT} x {WIDTH} x 3", "GiB of memory are free", "crop it or make it smaller")

    def test_memory_that_runs_out_while_decoding(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise MemoryError

        (tmp_path / "a.png").write_bytes(encoded(noise(3), "png"))
        monkeypatch.setattr(PIL.Image, "open", full)
        refused(tmp_path / "a.png", "too large", "crop it or make it smaller")

    @pytest.mark.parametrize("form", ["png", "tiff"])
    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        def locked(*_: Any, **__: Any) -> None:
            raise PermissionError(13, "Permission denied")

        (tmp_path / "a").write_bytes(encoded(noise(3), form))
        monkeypatch.setattr(Path, "open", locked)  # the superuser may read everything
        with pytest.raises(PermissionError):
            read(tmp_path / "a")
        refused(tmp_path / "a", "permission denied")


class TestWriting:
    @pytest.mark.parametrize(
        ("suffix", "bits"),
        [
            (".png", 8),
            (".png", 16),
            (".tif", 8),
            (".tiff", 16),
            (".tif", 32),
            (".webp", 8),
            (".npy", 32),
            (".NPY", 32),
            (".PNG", 16),
            (".TIF", 8),
            (".WEBP", 8),
        ],
    )
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_round_trip_is_exact(self, tmp_path: Path, suffix: str, bits: int, channels: int) -> None:
        values = noise(channels, "uint16" if bits == 16 else "uint8").astype(np.float32)
        if channels == 4:
            values[:2, :, 3] = 0  # the colours of transparent pixels are kept too
        if bits == 32:
            values = values / np.float32(77) - 1
        high = {8: 255, 16: 65535}.get(bits, 3)
        path = tmp_path / f"picture{suffix}"
        write(path, values, 0, high, bits)
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
        picture = read(path)
        expected = np.repeat(values, 3, axis=-1) if suffix.lower() == ".webp" and channels == 1 else values
        assert np.array_equal(picture.values, expected)
        assert picture.bits == bits

    @pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_jpeg_is_near(self, tmp_path: Path, suffix: str, channels: int) -> None:
        y, x = np.mgrid[0:32, 0:48]
        smooth = 127 + 100 * np.cos(x / 9)[..., None] * np.cos(y / 7 + 0.3)[..., None]
        values = np.repeat(smooth, channels, axis=-1).astype(np.float32)
        write(tmp_path / f"a{suffix}", values, 0, 255, 8)
        assert np.abs(colours(tmp_path / f"a{suffix}") - values).max() < 4

    @pytest.mark.parametrize("bits", [8, 16])
    def test_other_readers_agree(self, tmp_path: Path, bits: int) -> None:
        values = noise(1, f"uint{bits}")
        for suffix in (".png", ".tif"):
            write(tmp_path / f"a{suffix}", values.astype(np.float32), 0, 2**bits - 1, bits)
            assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / f"a{suffix}")), values[..., 0])

    def test_sixteen_bit_colour_has_them_in_the_file(self, tmp_path: Path) -> None:
        write(tmp_path / "a.png", noise(3, "uint16").astype(np.float32), 0, 65535, 16)
        assert (tmp_path / "a.png").read_bytes()[24:26] == bytes([16, 2])  # bits and colour type of IHDR

    def test_values_are_rounded_and_clipped(self, tmp_path: Path) -> None:
        values = np.array([[-1.2, -1.0, -0.5], [0.0, 1.0, 1.3]], dtype=np.float32)[..., None]
        write(tmp_path / "a.png", values, -1, 1, 8)
        assert colours(tmp_path / "a.png")[..., 0].tolist() == [[0, 0, 64], [128, 255, 255]]

    def test_formats_of_eight_bits_take_more(self, tmp_path: Path) -> None:
        values = np.array([[0.0, 1.0], [0.2, 0.6]], dtype=np.float32)[..., None]
        write(tmp_path / "a.webp", values, 0, 1, 32)
        assert colours(tmp_path / "a.webp")[..., 0].tolist() == [[0, 255], [51, 153]]

    @pytest.mark.parametrize("name", ["a", "a.gif", "a.png.txt", "a.npz"])
    def test_unknown_endings(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match=r"cannot write .*ending must be one of .*\.png") as caught:
            write(tmp_path / name, np.zeros((2, 2, 1), np.float32), 0, 1, 8)
        assert str(tmp_path / name) in str(caught.value)

    @pytest.mark.parametrize(
        ("suffix", "shape", "words"),
        [
            (".jpg", (4, 4, 4), "no alpha channel; choose"),
            (".webp", (1, 16_384, 1), "up to 16383; choose"),
            (".jpeg", (65_501, 1, 1), "up to 65500; choose"),
        ],
    )
    def test_what_a_format_cannot_hold(self, tmp_path: Path, suffix: str, shape: tuple[int, ...], words: str) -> None:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"precious")
        with pytest.raises(ValueError, match=words) as caught:
            write(path, np.zeros(shape, np.float32), 0, 1, 8)
        assert str(path) in str(caught.value)
        assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"precious"]

    def test_numbers_that_are_none_go_to_float_formats_only(self, tmp_path: Path) -> None:
        values = np.array([[0.0, np.nan], [np.inf, 1.0]], dtype=np.float32)[..., None]
        with pytest.raises(ValueError, match=r"NaN or infinity; choose \.npy"):
            write(tmp_path / "a.png", values, 0, 1, 8)
        write(tmp_path / "a.npy", values, 0, 1, 32)
        assert np.array_equal(np.load(tmp_path / "a.npy"), values[..., 0], equal_nan=True)

    def test_encoder_that_fails_keeps_what_was_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise OSError("no space left on device")

        (tmp_path / "a.png").write_bytes(b"precious")
        monkeypatch.setattr(PIL.Image.Image, "save", broken)
        with pytest.raises(OSError, match="no space left"):
            write(tmp_path / "a.png", noise(3).astype(np.float32), 0, 255, 8)
        assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"precious"]


class TestResized:
    @pytest.mark.parametrize(
        ("shape", "longest", "expected"),
        [
            ((40, 60), 30, (20, 30)),
            ((60, 40), 30, (30, 20)),
            ((40, 60), 120, (80, 120)),
            ((41, 60), 20, (14, 20)),
        ],
    )
    def test_aspect_is_kept(self, shape: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
        values = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        picture = resized(read(values), longest)
        assert picture.values.shape == (*expected, 3)
        assert picture.values.dtype == np.float32
        assert (picture.low, picture.high, picture.bits) == (0, 255, 8)

    def test_what_is_finer_than_the_new_pixels_becomes_grey(self) -> None:
        y, x = np.mgrid[0:96, 0:96]
        stripes = np.where((x + y) % 2, 255, 0).astype(np.uint8)  # taking every fourth pixel would keep 0 or 255
        inner = resized(read(stripes), 24).values[2:-2, 2:-2]
        assert np.abs(inner - 127.5).max() < 5

    def test_what_is_coarser_is_kept(self) -> None:
        def wave(size: int) -> NDArray[Any]:
            centres = (np.arange(size) + 0.5) / size
            return 0.5 + 0.4 * np.cos(2 * np.pi * centres)[:, None] * np.cos(2 * np.pi * centres)[None, :]

        assert np.abs(resized(read(wave(96)), 24).values[..., 0] - wave(24)).max() < 0.02

    @pytest.mark.parametrize("longest", [1, 2, 0, -5])
    def test_too_small(self, longest: int) -> None:
        values = np.random.default_rng(0).random((20, 60))
        with pytest.raises(ValueError, match=r"resized to .* too small; 2 are needed each way"):
            resized(read(values), longest)
