"""Tests of what samples mean: missing ones, and the values of black and white."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pictures import noise, quietly, refused, rendered
from sinefield.io import SignalWarning
from sinefield.io.image import read, resize

HEIGHT, WIDTH = 24, 32


def land() -> NDArray[np.float32]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(550 + 300 * np.sin(x / 5) * np.cos(y / 7), dtype=np.float32)


def border() -> NDArray[np.bool_]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray((x < 4) | (x + y > 46))


def dem(path: Path, value: float, text: str | None, dtype: str = "float32", **options: Any) -> NDArray[Any]:
    """Write elevations with a border of no data, and return those on land."""
    whole = np.where(border(), value, np.rint(land()) if np.dtype(dtype).kind == "i" else land()).astype(dtype)
    tags = [] if text is None else [(42113, 2, 0, text, True)]
    tifffile.imwrite(path, whole, photometric="minisblack", metadata=None, extratags=tags, **options)
    return np.asarray(whole[~border()], dtype=np.float32)


class TestNoData:
    @pytest.mark.parametrize(
        ("value", "text", "dtype"),
        [
            (np.finfo(np.float32).min, "-3.4028234663852886e+38", "float32"),
            (np.finfo(np.float32).min, "-3.40282e+38", "float32"),  # few digits
            (-9999.0, "-9999", "float32"),
            (-9999.0, "-9999.0", "float64"),
            (np.float32(-9999.9), "-9999.9", "float32"),  # which no float32 is
            (-32768.0, "-32768", "int16"),
            (-32768.0, "-3.2768e4 ", "int16"),
            (-9999.0, "-9999", "int32"),
            (np.nan, "nan", "float32"),
            (np.inf, "inf", "float32"),
        ],
    )
    @pytest.mark.parametrize(
        "options", [{}, {"compression": "zlib", "predictor": True}, {"compression": "lzw"}], ids=str
    )
    @pytest.mark.parametrize("large", [False, True])
    def test_pixels_of_no_data_are_not_known(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        value: float,
        text: str,
        dtype: str,
        options: dict[str, Any],
        large: bool,
    ) -> None:
        if large:
            for place in ("image.LARGE", "pictures.decoding.LARGE", "allocation.IN_MEMORY"):
                monkeypatch.setattr(f"sinefield.io.{place}", 100)
            monkeypatch.setattr("sinefield.io.allocation._SLAB", 500)
        truth = dem(tmp_path / "a.tif", value, text, dtype, **options)
        with pytest.warns(SignalWarning, match=rf"a\.tif: {np.count_nonzero(border())} of its 768 pixels hold"):
            picture = read(tmp_path / "a.tif")
        assert picture.large == large
        assert picture.known is not None
        assert np.array_equal(picture.known[..., 0], ~border())
        assert np.allclose(picture.values[~border()][:, 0], truth)
        assert [picture.low, picture.high] == pytest.approx([truth.min(), truth.max()])
        assert np.isfinite(np.asarray(picture.values, np.float32)).all()

    def test_without_a_tag_a_value_far_off_is_told(self, tmp_path: Path) -> None:
        truth = dem(tmp_path / "a.tif", -9999.0, None)
        with pytest.warns(SignalWarning, match=r"hold -9999, and all others .*--nodata -9999"):
            picture = read(tmp_path / "a.tif")
        assert picture.known is None
        with pytest.warns(SignalWarning, match="hold -9999, which marks no data"):
            picture = read(tmp_path / "a.tif", nodata=-9999)
        assert picture.low == truth.min()

    def test_the_option_goes_before_the_file(self, tmp_path: Path) -> None:
        dem(tmp_path / "a.tif", -9999.0, "0")
        with pytest.warns(SignalWarning, match="hold -9999, which marks no data"):
            assert read(tmp_path / "a.tif", nodata=-9999).known is not None
        with pytest.warns(SignalWarning, match="no pixel holds 12345"):
            read(tmp_path / "a.tif", nodata=12345)

    @pytest.mark.parametrize("text", ["-9999", "none", "1e999", "-1"])
    def test_a_tag_that_no_pixel_can_hold_is_no_matter(self, tmp_path: Path, text: str) -> None:
        values = noise(1)[..., 0]
        tifffile.imwrite(tmp_path / "a.tif", values, metadata=None, extratags=[(42113, 2, 0, text, True)])
        picture = read(tmp_path / "a.tif")
        assert picture.known is None
        assert np.array_equal(picture.values[..., 0], values)

    def test_of_colours_all_must_be_the_value(self, tmp_path: Path) -> None:
        values = np.maximum(noise(3, height=20, width=20), 1)
        values[:5] = 0
        values[10, 10] = (0, 7, 9)
        tifffile.imwrite(
            tmp_path / "a.tif", values, photometric="rgb", metadata=None, extratags=[(42113, 2, 0, "0", True)]
        )
        with pytest.warns(SignalWarning, match="100 of its 400 pixels hold 0"):
            picture = read(tmp_path / "a.tif")
        assert picture.known is not None
        assert picture.known[10, 10]
        assert np.count_nonzero(~picture.known) == 100

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
    @pytest.mark.parametrize("form", ["array", "npy", "tif"])
    def test_numbers_that_are_none_are_not_known(self, tmp_path: Path, bad: float, form: str) -> None:
        values = np.linspace(0, 1, 120).reshape(10, 12)
        values[4, 5] = bad
        path = tmp_path / f"a.{form}"
        if form == "npy":
            np.save(path, values)
        elif form == "tif":
            tifffile.imwrite(path, values)
        with pytest.warns(SignalWarning, match="1 of its 120 pixels hold NaN, infinity"):
            picture = read(values if form == "array" else path)
        assert picture.known is not None
        assert np.argwhere(~picture.known[..., 0]).tolist() == [[4, 5]]
        assert (picture.low, picture.high) == (0, 1)

    def test_a_mask_in_the_file_is_honoured(self, tmp_path: Path) -> None:
        values, inside = noise(3, height=20, width=20), np.zeros((20, 20), bool)
        inside[3:15, 4:18] = True
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            tiff.write(values, photometric="rgb", metadata=None)
            tiff.write(inside, photometric="mask", metadata=None, subfiletype=4)
        with pytest.warns(SignalWarning, match="232 of its 400 pixels are outside of its mask"):
            picture = read(tmp_path / "a.tif")
        assert picture.known is not None
        assert np.array_equal(picture.known[..., 0], inside)

    def test_what_gdal_left_out_is_no_data(self, tmp_path: Path) -> None:
        """Sparse files have neither place nor length for tiles in which all is no data."""
        values = np.full((64, 64), -9999, np.float32)
        values[:32] = np.random.default_rng(0).random((32, 64))
        tifffile.imwrite(
            tmp_path / "a.tif",
            values,
            tile=(32, 32),
            compression="zlib",
            metadata=None,
            extratags=[(42113, 2, 0, "-9999", True)],
        )
        content = bytearray((tmp_path / "a.tif").read_bytes())
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            tags = tiff.pages.first.tags
            for name in ("TileOffsets", "TileByteCounts"):
                size = 4 if tags[name].dtype == 4 else 2
                content[tags[name].valueoffset + 2 * size : tags[name].valueoffset + 4 * size] = bytes(2 * size)
        (tmp_path / "a.tif").write_bytes(content)
        picture = quietly(tmp_path / "a.tif")
        assert picture.known is not None
        assert np.array_equal(picture.known[..., 0], values >= 0)

    def test_resized_missing_pixels_do_not_bleed(self, tmp_path: Path) -> None:
        truth = dem(tmp_path / "a.tif", float(np.finfo(np.float32).min), "-3.4028234663852886e+38")
        small = resize(quietly(tmp_path / "a.tif"), 16)
        assert small.known is not None
        assert small.values[small.known].min() >= truth.min()
        exact = resize(read(land()), 16).values
        far = small.known[..., 0] & np.pad(small.known[..., 0], 2)[4:, 4:] & np.pad(small.known[..., 0], 2)[:-4, :-4]
        assert np.abs(small.values - exact)[far].max() < 5

    @pytest.mark.parametrize(("value", "text", "dtype"), [(-9999.0, "-9999", "float32"), (-32768.0, "-32768", "int16")])
    def test_it_is_written_back(self, tmp_path: Path, value: float, text: str, dtype: str) -> None:
        truth = dem(tmp_path / "a.tif", value, text, dtype)
        picture = quietly(tmp_path / "a.tif")
        with tifffile.TiffFile(rendered(picture, tmp_path / "b.tif")) as tiff:
            assert tiff.pages.first.dtype == dtype
            assert tiff.pages.first.tags[42113].value == text
            found = tiff.pages.first.asarray()
        assert (found[border()] == value).all()
        assert np.abs(found[~border()] - truth).max() < 0.01
        numbers = np.load(rendered(picture, tmp_path / "b.npy"))
        assert np.array_equal(np.isnan(numbers), border())
        assert np.abs(numbers[~border()] - truth).max() < 0.01
        pixels = read(rendered(picture, tmp_path / "b.png")).values
        assert pixels.shape[2] == 4
        assert np.array_equal(pixels[..., 3] == 0, border())
        with pytest.warns(SignalWarning, match="black"):
            rendered(picture, tmp_path / "b.jpg")

    def test_at_another_size_too(self, tmp_path: Path) -> None:
        dem(tmp_path / "a.tif", -9999.0, "-9999")
        found = tifffile.imread(
            rendered(quietly(tmp_path / "a.tif"), tmp_path / "b.tif", scale=2, region=(2, 3, 30, 21))
        )
        assert np.array_equal(found == -9999, border()[3:21, 2:30].repeat(2, axis=0).repeat(2, axis=1))


class TestRange:
    @pytest.mark.parametrize(("top", "white"), [(4095, 4095), (3800, 4095), (1023, 1023), (16383, 16383), (255, 255)])
    def test_bits_of_a_sensor_at_the_lower_end(self, tmp_path: Path, top: int, white: int) -> None:
        values = np.random.default_rng(0).integers(0, top, (20, 30), np.uint16, endpoint=True)
        values[0, 0] = top
        tifffile.imwrite(tmp_path / "a.tif", values)
        with pytest.warns(
            SignalWarning, match=rf"up to {top}, .*white {white}, which PSNR refers to; --range LOW,HIGH"
        ):
            picture = read(tmp_path / "a.tif")
        assert (picture.low, picture.high, picture.bits) == (0, white, 16)
        for name in ("b.png", "b.tif"):  # in the same scale
            again = quietly(rendered(picture, tmp_path / name))
            assert np.array_equal(again.values[..., 0], values)
        eight = read(rendered(picture, tmp_path / "b.webp")).values[..., 0]
        assert np.abs(eight - values * (255 / white)).max() <= 0.51

    @pytest.mark.parametrize(("shift", "white"), [(4, 65520), (6, 65472), (2, 65532)])
    def test_bits_of_a_sensor_at_the_upper_end(self, shift: int, white: int) -> None:
        values = np.random.default_rng(0).integers(0, 2 ** (16 - shift), (20, 30), np.uint16) << shift
        with pytest.warns(SignalWarning, match=f"multiples of {2**shift}: .*white {white}"):
            assert read(values.astype(np.uint16)).high == white

    def test_all_sixteen_bits(self) -> None:
        assert read(noise(3, "uint16")).high == 65535

    def test_a_mask_of_zero_and_one(self, tmp_path: Path) -> None:
        values = (noise(1, height=20, width=20)[..., 0] > 99).astype(np.uint8)
        tifffile.imwrite(tmp_path / "a.tif", values)
        with pytest.warns(SignalWarning, match="0 and 1 alone, as of a mask: .*white 1"):
            picture = read(tmp_path / "a.tif")
        assert (picture.low, picture.high) == (0, 1)
        again = quietly(rendered(picture, tmp_path / "b.png"))
        assert np.array_equal(again.values[..., 0], values)

    @pytest.mark.parametrize(("low", "high", "white"), [(0.3, 254.9, 255), (0.0, 230.0, 255)])
    def test_floats_of_eight_bits(self, low: float, high: float, white: float) -> None:
        with pytest.warns(SignalWarning, match="floats from .*white 255"):
            assert read(np.linspace(low, high, 60).reshape(6, 10)).high == white

    @pytest.mark.parametrize(("low", "high"), [(100.0, 230.0), (0.0, 34.0), (-20.0, 250.0)])
    def test_other_floats(self, low: float, high: float) -> None:
        picture = read(np.linspace(low, high, 60).reshape(6, 10))
        assert (picture.low, picture.high) == (low, high)

    def test_what_is_asked_for(self) -> None:
        picture = read(noise(1, "uint16") // 40, value_range=(10, 2000))
        assert (picture.low, picture.high) == (10, 2000)
        with pytest.raises(ValueError, match="the smaller first"):
            read(noise(1), value_range=(5, 5))

    @pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float16", "float64"])
    def test_other_types_are_written_back_as_they_were(self, tmp_path: Path, dtype: str) -> None:
        values = (np.arange(600).reshape(20, 30) % 113 - (0 if dtype[0] == "u" else 50)).astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", values, compression="zlib")
        found = tifffile.imread(rendered(read(tmp_path / "a.tif"), tmp_path / "b.tif"))
        assert found.dtype == ("float32" if "float" in dtype else dtype)
        assert np.allclose(found, values, atol=1e-3)


class TestChannels:
    @pytest.mark.parametrize("shape", [(3, 20, 30), (4, 20, 30), (20, 30, 2), (20, 30, 5), (1, 20, 30)])
    def test_axes_that_are_ambiguous_are_refused_with_the_option(self, shape: tuple[int, ...]) -> None:
        first = shape[0] < 5
        refused(
            np.random.default_rng(0).random(shape), "--channels first" if first else "--channels last", name="an array"
        )

    def test_channels_first(self, tmp_path: Path) -> None:
        values = noise(3, height=20, width=30)
        np.save(tmp_path / "a.npy", np.moveaxis(values, -1, 0))
        assert np.array_equal(read(tmp_path / "a.npy", channels="first").values, values)

    @pytest.mark.parametrize("count", [2, 5])
    def test_any_number_of_channels(self, tmp_path: Path, count: int) -> None:
        values = np.random.default_rng(0).random((20, 30, count)).astype(np.float32)
        picture = read(values, channels="last")
        assert not picture.has_alpha
        for name in ("a.npy", "a.tif"):
            rendered(picture, tmp_path / name)
        assert np.allclose(np.load(tmp_path / "a.npy"), values, atol=1e-6)
        assert np.allclose(tifffile.imread(tmp_path / "a.tif"), values, atol=1e-6)
        kept = 3 if count > 2 else 1
        with pytest.warns(SignalWarning, match=f"only the first {kept} of {count} channels"):
            rendered(picture, tmp_path / "a.png")
        assert np.abs(read(tmp_path / "a.png").values / 65535 - values[..., :kept]).max() < 0.003

    @pytest.mark.parametrize("count", [2, 4, 6])
    def test_bands_of_a_file(self, tmp_path: Path, count: int) -> None:
        values = noise(count, "uint16", height=20, width=30)
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
        with pytest.warns(SignalWarning, match=f"{count} channels, all of which are fitted"):
            picture = read(tmp_path / "a.tif")
        assert not picture.has_alpha
        assert np.array_equal(picture.values, values)
        again = quietly(rendered(picture, tmp_path / "b.tif"))
        assert np.array_equal(again.values, values)
        assert not again.has_alpha

    def test_a_fourth_band_that_is_no_alpha(self, tmp_path: Path) -> None:
        values = noise(4, height=20, width=30)
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unspecified"])
        picture = quietly(tmp_path / "a.tif")
        assert not picture.has_alpha
        assert picture.known is None
        assert not quietly(rendered(picture, tmp_path / "b.tif")).has_alpha
