"""Tests of reading and writing pictures, and of the mapping between pixels and field coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import pyvips
import torch
from numpy.typing import NDArray

from pictures import HEIGHT, WIDTH, colours, noise, refused
from sinefield.io.image import read, resize, write


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
    def test_unknown_sample(self) -> None:
        refused("sample:nobody", "'nobody'", "choose one of", "camera", name="sample")

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

    def test_numbers_too_far_apart(self) -> None:
        refused(np.array([[-3e38, 1.0], [2.0, 3e38]]), "too large", "replace", "--nodata", name="array")

    def test_nothing_but_nan(self) -> None:
        refused(np.full((3, 4), np.nan), "no sample", "--nodata", name="array of shape (3, 4)")

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
            raise pyvips.Error("no space left on device")

        (tmp_path / "a.png").write_bytes(b"precious")
        monkeypatch.setattr(pyvips.Image, "pngsave", broken, raising=False)
        with pytest.raises(OSError, match=r"cannot write .*the disk may be full"):
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
        picture = resize(read(values), longest)
        assert picture.values.shape == (*expected, 3)
        assert picture.values.dtype == np.float32
        assert (picture.low, picture.high, picture.bits) == (0, 255, 8)

    def test_what_is_finer_than_the_new_pixels_becomes_grey(self) -> None:
        y, x = np.mgrid[0:96, 0:96]
        stripes = np.where((x + y) % 2, 255, 0).astype(np.uint8)  # taking every fourth pixel would keep 0 or 255
        inner = resize(read(stripes), 24).values[2:-2, 2:-2]
        assert np.abs(inner - 127.5).max() < 5

    def test_what_is_coarser_is_kept(self) -> None:
        def wave(size: int) -> NDArray[Any]:
            centres = (np.arange(size) + 0.5) / size
            return 0.5 + 0.4 * np.cos(2 * np.pi * centres)[:, None] * np.cos(2 * np.pi * centres)[None, :]

        assert np.abs(resize(read(wave(96)), 24).values[..., 0] - wave(24)).max() < 0.02

    @pytest.mark.parametrize("longest", [1, 2, 0, -5])
    def test_too_small(self, longest: int) -> None:
        values = np.random.default_rng(0).random((20, 60))
        with pytest.raises(ValueError, match=r"resized to .* too small; 2 are needed each way"):
            resize(read(values), longest)
