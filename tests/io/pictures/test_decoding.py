"""Tests of files of pictures, as they are stored: formats, depths, orientation, and what is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
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
from numpy.typing import NDArray

from pictures import HEIGHT, WIDTH, colours, encoded, noise, refused
from sinefield.io import SignalWarning
from sinefield.io.image import read

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
        with pytest.warns(SignalWarning, match="as ideal ones would, as no profile"):
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
        with pytest.warns(SignalWarning, match="as ideal ones would"):
            found = colours(tmp_path / "inks.tif")
        assert np.array_equal(found, np.broadcast_to(expected[:, None], (4, 4, 3)))
        bars = np.repeat(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], dtype=np.uint8), 4, axis=0)
        PIL.Image.fromarray(bars).convert("YCbCr").save(tmp_path / "video.tif")
        assert np.abs(colours(tmp_path / "video.tif") - bars).max() <= 3

    def test_first_page_of_several(self, tmp_path: Path) -> None:
        first, second = noise(3), noise(1, height=4, width=4)[..., 0]
        with tifffile.TiffWriter(tmp_path / "pages.tif") as tiff:
            tiff.write(first, photometric="rgb")
            tiff.write(second)
        with pytest.warns(SignalWarning, match="2 pages, the first is used"):
            assert np.array_equal(colours(tmp_path / "pages.tif"), first)

    def test_ending_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(png(noise(3), 2))
        assert np.array_equal(colours(tmp_path / "photo.jpg"), noise(3))
        assert np.array_equal(read(str(tmp_path / "photo.jpg")).values, noise(3))


class TestRefusals:
    def test_missing(self, tmp_path: Path) -> None:
        refused(tmp_path / "none.png", "no file", "give a picture", "sample:camera")

    def test_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "folder", "give one picture in it")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        refused(tmp_path / "a.png", "0 bytes", "give a picture")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("this is\nno picture\n")
        refused(tmp_path / "a.png", "unknown format", "PNG, JPEG, TIFF, WebP")

    @pytest.mark.parametrize("form", ["png", "deep png", "jpeg", "tiff", "tiff zlib", "tiff tiles", "webp", "npy"])
    @pytest.mark.parametrize("part", [0.005, 0.03, 0.3, 0.6, 0.95])
    def test_cut_short(self, tmp_path: Path, form: str, part: float) -> None:
        values, buffer = noise(3, height=24, width=20), io.BytesIO()
        if form.startswith("tiff"):
            options: dict[str, dict[str, Any]] = {
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
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SignalWarning)
                    read(tmp_path / "a")
            except ValueError as error:
                message = str(error)
            assert not message or str(tmp_path / "a") in message
            assert "\n" not in message

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
    def test_claims_of_enormous_sizes(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a").write_bytes(content)
        tracemalloc.start()
        refused(tmp_path / "a")
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
        monkeypatch.setattr("sinefield.io.pictures.raster.allocate", full)
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
