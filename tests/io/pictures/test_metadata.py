"""Tests of what files tell besides pixels: colours, alpha, turns, densities, places; and that it is written back."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import ImageCms

from pictures import Exact, noise, quietly, rendered
from sinefield.io import SignalWarning
from sinefield.io.image import read, resize
from sinefield.io.pictures.colour_profiles import ADOBE_RGB, SRGB, make_profile, profile_of_numbers, to_srgb
from sinefield.signals.image import ImageSignal

P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def photo(channels: int = 3, height: int = 32, width: int = 48) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    layers = [100 + 80 * x, 90 + 70 * y, 110 + 50 * (x * y), 255 - 120 * y][:channels]
    return np.asarray(np.rint(np.stack(layers, axis=-1)), dtype=np.uint8)


def as_srgb(pixels: NDArray[Any], profile: bytes) -> NDArray[np.int64]:
    """Return 8-bit colours of a profile as sRGB, by Pillow."""
    mode = "L" if pixels.shape[2] == 1 else "RGB"
    picture = PIL.Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels)
    found = ImageCms.profileToProfile(
        picture, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return np.asarray(found, dtype=np.int64)


def with_chunks(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """Put chunks into a PNG after its header."""
    content = path.read_bytes()
    made = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    path.write_bytes(content[:33] + made + content[33:])


class TestProfiles:
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_profile_is_written_back(self, tmp_path: Path, name: str, channels: int) -> None:
        profile = make_profile(P3, None) if channels == 3 else make_profile(SRGB, 1.8, grey=True)
        pixels = photo(channels)
        options: dict[str, Any] = (
            {"lossless": True} if name == "a.webp" else {"quality": 100} if name == "a.jpg" else {}
        )
        PIL.Image.fromarray(pixels.squeeze()).save(tmp_path / name, icc_profile=profile, **options)
        if name == "a.webp" and channels == 1:
            with pytest.warns(SignalWarning, match="colour profile is one of GRAY"):  # as WebP has no grey
                read(tmp_path / name)
            return
        picture = read(tmp_path / name)
        assert picture.details.profile == profile
        expected = as_srgb(pixels, profile)
        for other in ("b.png", "b.jpg", "b.tif", "b.webp"):
            with PIL.Image.open(rendered(picture, tmp_path / other)) as written:
                found = np.asarray(written).reshape(*pixels.shape[:2], -1)
                if "icc_profile" in written.info:
                    assert written.info["icc_profile"] == profile
                    found = as_srgb(found, profile)
                else:
                    assert (other, channels) == ("b.webp", 1)
            lossy = "jpg" in name + other  # sRGB of a level of these primaries may be two
            assert np.abs(found.astype(int) - expected).max() <= (6 if lossy else 1), other
            assert np.abs(found.astype(int) - expected).mean() < 1

    def test_sixteen_bits_keep_theirs(self, tmp_path: Path) -> None:
        profile = make_profile(ADOBE_RGB, 2.2)
        pixels = noise(3, "uint16", height=20, width=30)
        tifffile.imwrite(
            tmp_path / "a.tif", pixels, photometric="rgb", extratags=[(34675, 7, len(profile), profile, True)]
        )
        picture = read(tmp_path / "a.tif")
        for name in ("b.png", "b.tif"):
            again = read(rendered(picture, tmp_path / name))
            assert again.details.profile == profile
            assert np.array_equal(again.values, pixels)

    def test_derivatives_have_none(self, tmp_path: Path) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png", icc_profile=make_profile(P3, None))
        picture = read(tmp_path / "a.png")

        class Smooth(Exact):
            def forward(self, points: Any) -> Any:
                return points.sum(1, keepdim=True).sin().expand(-1, 3) * self.values.sum().sign()

        ImageSignal.of(picture).write(Smooth(picture).float(), tmp_path / "b.png", quantity="gradient")
        assert read(tmp_path / "b.png").details.profile == b""

    @pytest.mark.parametrize(
        ("profile", "words"),
        [
            (b"not a profile", "damaged"),
            (make_profile(SRGB, 2.2, grey=True), "one of GRAY"),
            (make_profile(SRGB, 2.2)[:16] + b"CMYK" + make_profile(SRGB, 2.2)[20:], "one of CMYK"),
        ],
        ids=["damaged", "grey", "inks"],
    )
    def test_one_that_cannot_be_is_left_out(self, tmp_path: Path, profile: bytes, words: str) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.jpg", icc_profile=profile)
        with pytest.warns(SignalWarning, match=rf"a\.jpg: its colour profile is {words}"):
            assert read(tmp_path / "a.jpg").details.profile == b""

    @pytest.mark.parametrize(("gamma", "primaries"), [(1.0, None), (0.5, SRGB), (1 / 1.8, P3), (1 / 2.2, P3)])
    def test_gamma_and_primaries_of_a_png(
        self, tmp_path: Path, gamma: float, primaries: tuple[float, ...] | None
    ) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
        chunks = [(b"gAMA", struct.pack(">I", round(100_000 * gamma)))]
        if primaries is not None:
            chunks.append((b"cHRM", struct.pack(">8I", *(round(100_000 * each) for each in primaries))))
        with_chunks(tmp_path / "a.png", *chunks)
        found = read(rendered(read(tmp_path / "a.png"), tmp_path / "b.png"))
        # sRGB of light of these primaries, by the definitions alone.
        light = (photo() / 255) ** (1 / gamma)
        matrix = np.linalg.solve(rgb_to_xyz(SRGB), rgb_to_xyz(primaries or SRGB))
        light = np.clip(light @ matrix.T, 0, 1)
        expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        shown = as_srgb(found.values.astype(np.uint8), found.details.profile)
        assert np.abs(shown - expected).max() <= 2

    @pytest.mark.parametrize("chunk", [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))])
    def test_what_says_srgb_needs_none(self, tmp_path: Path, chunk: tuple[bytes, bytes]) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
        with_chunks(tmp_path / "a.png", chunk)
        assert read(tmp_path / "a.png").details.profile == b""

    def test_numbers_of_a_png(self, tmp_path: Path) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
        with_chunks(tmp_path / "a.png", (b"cICP", bytes([12, 13, 0, 1])))
        assert read(tmp_path / "a.png").details.profile == profile_of_numbers(12, 13)[0]
        with_chunks(tmp_path / "a.png", (b"cICP", bytes([9, 16, 0, 1])))  # the first counts
        with pytest.warns(SignalWarning, match=r"stored as PQ, for bright screens \(HDR\)"):
            assert read(tmp_path / "a.png").details.profile == b""

    @pytest.mark.parametrize(
        ("chunks", "words"),
        [
            ([(b"gAMA", struct.pack(">I", 0))], "its gamma of 0"),
            ([(b"gAMA", struct.pack(">I", 50_000)), (b"cHRM", bytes(32))], "chromaticities are those of no colours"),
        ],
    )
    def test_those_that_cannot_be_are_left_out(self, tmp_path: Path, chunks: Any, words: str) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
        with_chunks(tmp_path / "a.png", *chunks)
        with pytest.warns(SignalWarning, match=words):
            found = read(tmp_path / "a.png")
        assert found.details.profile == b""
        assert np.array_equal(found.values, photo())

    def test_adobe_rgb_that_only_exif_tells(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif.get_ifd(34665)[40961] = 65535
        exif.get_ifd(34665)[40965] = {1: "R03"}
        PIL.Image.fromarray(photo()).save(tmp_path / "a.jpg", exif=exif, quality=100)
        picture = read(tmp_path / "a.jpg")
        assert picture.details.profile == make_profile(ADOBE_RGB, 563 / 256)

    def test_figures_show_srgb(self) -> None:
        profile, pixels = make_profile(P3, None), photo()
        shown = to_srgb(pixels.astype(np.float32) / np.float32(255), profile)
        assert np.abs(255 * shown - as_srgb(pixels, profile)).max() <= 1

    def test_inks_with_a_profile_become_srgb(self, tmp_path: Path) -> None:
        """The inks that libvips makes of colours by a profile of its own are those colours again."""
        pixels = photo()
        made = pyvips.Image.new_from_memory(pixels, 48, 32, 3, "uchar").copy(interpretation="srgb")
        inks = made.icc_transform("cmyk", input_profile="srgb", intent="relative")
        inks.tiffsave(str(tmp_path / "a.tif"))
        inks.jpegsave(str(tmp_path / "a.jpg"), Q=100)
        for name in ("a.tif", "a.jpg"):
            with pytest.warns(SignalWarning, match="its inks .* become sRGB by their profile"):
                found = read(tmp_path / name)
            assert found.details.profile == b""
            assert np.abs(found.values - pixels).mean() < 6
            assert np.abs(found.values - pixels).max() < 40  # some are outside of what these inks print


def rgb_to_xyz(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the matrix from light of primaries to XYZ."""
    xy = np.array(primaries).reshape(4, 2)
    columns = np.column_stack([xy[1:], 1 - xy[1:].sum(1)]).T
    white = np.array([*xy[0], 1 - xy[0].sum()]) / xy[0, 1]
    return np.asarray(columns * np.linalg.solve(columns, white))


class TestAlpha:
    def icon(self, size: int = 64) -> NDArray[np.uint8]:
        """A white disc on transparent black."""
        y, x = np.mgrid[0:size, 0:size] + 0.5
        disc = np.hypot(x - size / 2, y - size / 2) < 0.35 * size
        return np.where(disc[..., None], 255, 0).astype(np.uint8).repeat(4, axis=2)

    def test_resized_edges_have_no_fringe(self, tmp_path: Path) -> None:
        PIL.Image.fromarray(self.icon()).save(tmp_path / "a.png")
        small = resize(read(tmp_path / "a.png"), 24)
        seen = small.values[..., 3] > 0
        assert 0 < seen.mean() < 1
        assert np.allclose(small.values[seen][:, :3], 255, atol=1e-3)
        assert small.known is not None
        assert np.array_equal(small.known[..., 0], small.values[..., 3] > 0.5)
        assert small.known[..., 3].all()

    def test_colours_under_alpha_0_are_not_known(self, tmp_path: Path) -> None:
        pixels = noise(4, height=20, width=20)
        pixels[:5, :, 3] = 0
        PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
        picture = read(tmp_path / "a.png")
        assert picture.known is not None
        assert not picture.known[:5, :, :3].any()
        assert picture.known[..., 3].all()
        assert np.array_equal(picture.values, pixels)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    def test_colours_multiplied_by_alpha_are_divided(self, tmp_path: Path, dtype: str) -> None:
        peak = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
        straight = np.random.default_rng(0).random((20, 30, 4)) * 0.9 + 0.1
        stored = straight * np.where(np.arange(4) < 3, straight[..., 3:], 1) * peak
        stored = stored.astype(dtype) if dtype == "float32" else np.rint(stored).astype(dtype)
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
        picture = read(tmp_path / "a.tif")
        assert picture.has_alpha
        assert np.abs(picture.values / peak - straight).max() < (0.03 if dtype == "uint8" else 1e-3)
        with tifffile.TiffFile(rendered(picture, tmp_path / "b.tif")) as tiff:
            assert tiff.pages.first.extrasamples == (2,)  # unassociated

    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
    def test_it_is_written_back(self, tmp_path: Path, name: str) -> None:
        pixels = noise(4, height=20, width=30)
        PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
        again = read(rendered(read(tmp_path / "a.png"), tmp_path / f"b{Path(name).suffix}"))
        assert again.has_alpha
        assert np.array_equal(again.values, pixels)


class TestTurns:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
    def test_what_is_turned_is_written_upright_without_the_tag(
        self, tmp_path: Path, name: str, orientation: int
    ) -> None:
        exif = PIL.Image.Exif()
        exif[274] = orientation
        options: dict[str, Any] = {"lossless": True} if name == "a.webp" else {}
        PIL.Image.fromarray(photo()).save(tmp_path / name, exif=exif, **options)
        picture = read(tmp_path / name)
        with PIL.Image.open(rendered(picture, tmp_path / f"b{Path(name).suffix}")) as written:
            assert written.getexif().get(274, 1) == 1
            assert written.size == picture.values.shape[1::-1] == ((32, 48) if orientation > 4 else (48, 32))
            assert np.abs(np.asarray(written).astype(float) - picture.values).max() < 8


class TestDensity:
    @pytest.mark.parametrize("source", ["a.png", "a.jpg", "a.tif", "a.webp"])
    @pytest.mark.parametrize(("x", "y"), [(72, 144), (204, 98), (300, 300)])
    def test_it_is_kept_and_written(self, tmp_path: Path, source: str, x: int, y: int) -> None:
        exif = PIL.Image.Exif()
        exif[282], exif[283], exif[296] = float(x), float(y), 2
        options: dict[str, Any] = {"exif": exif} if source == "a.webp" else {"dpi": (x, y)}
        PIL.Image.fromarray(photo()).save(tmp_path / source, **options)
        picture = read(tmp_path / source) if x == y else quietly(tmp_path / source)
        if x != y:
            with pytest.warns(SignalWarning, match="pixels are not square"):
                read(tmp_path / source)
        assert picture.details.resolution == pytest.approx((x, y), abs=0.1)
        for name in ("b.png", "b.jpg", "b.tif", "b.webp"):
            assert quietly(rendered(picture, tmp_path / name)).details.resolution == pytest.approx((x, y), abs=0.1)
            double = quietly(rendered(picture, tmp_path / name, scale=2))
            assert double.details.resolution == pytest.approx((2 * x, 2 * y), abs=0.1)

    def test_a_ratio_without_a_unit(self, tmp_path: Path) -> None:
        PIL.Image.fromarray(photo()).save(tmp_path / "a.png")
        with_chunks(tmp_path / "a.png", (b"pHYs", struct.pack(">IIB", 2, 1, 0)))
        found = quietly(tmp_path / "a.png").details.resolution
        assert found is not None
        assert found[0] == 2 * found[1]

    def test_none_is_invented(self, tmp_path: Path) -> None:
        picture = read(photo())
        for name in ("b.png", "b.jpg", "b.tif", "b.webp"):
            assert read(rendered(picture, tmp_path / name)).details.resolution is None

    def test_turned_pixels_turn_it(self, tmp_path: Path) -> None:
        exif = PIL.Image.Exif()
        exif[274] = 6
        PIL.Image.fromarray(photo()).save(tmp_path / "a.jpg", exif=exif, dpi=(72, 144))
        assert quietly(tmp_path / "a.jpg").details.resolution == (144, 72)


class TestPlace:
    KEYS = (1, 1, 0, 1, 1025, 0, 1, 1)
    SCALE, TIES = (30.0, 20.0, 0.0), (0.0, 0.0, 0.0, 5000.0, 9000.0, 0.0)

    def stored(self, path: Path, points: bool = False, matrix: bool = False, metadata: str = "") -> None:
        keys = (*self.KEYS[:7], 2 if points else 1)
        tags: list[Any] = [(34735, 3, len(keys), keys, True), (34737, 2, 0, "WGS 84|", True)]
        if matrix:
            whole = (30.0, 5.0, 0.0, 5000.0, 4.0, -20.0, 0.0, 9000.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
            tags.append((34264, 12, 16, whole, True))
        else:
            tags += [(33550, 12, 3, self.SCALE, True), (33922, 12, 6, self.TIES, True)]
        if metadata:
            tags.append((42112, 2, 0, metadata, True))
        values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
        tifffile.imwrite(path, values, metadata=None, extratags=tags)

    def affine(self, path: Path) -> tuple[Any, Any]:
        """Return functions of a pixel's corner, counted as areas, to places on Earth, as the tags of a file say."""
        with tifffile.TiffFile(path) as tiff:
            tags = {each.code: each.value for each in tiff.pages.first.tags}
        half = 0.5 if tags[34735][7] == 2 else 0.0
        if 34264 in tags:
            m = tags[34264]
            return (
                lambda x, y: m[0] * (x - half) + m[1] * (y - half) + m[3],
                lambda x, y: m[4] * (x - half) + m[5] * (y - half) + m[7],
            )
        (sx, sy, _), (i, j, _, east, north, _) = tags[33550], tags[33922]
        return lambda x, _: east + (x - half - i) * sx, lambda _, y: north - (y - half - j) * sy

    @pytest.mark.parametrize("points", [False, True])
    @pytest.mark.parametrize("matrix", [False, True])
    @pytest.mark.parametrize(
        ("options", "x", "y", "left", "top"),
        [
            ({}, 1, 1, 0, 0),
            ({"scale": 2}, 2, 2, 0, 0),
            ({"region": (5, 4, 15, 14), "size": (40, 20)}, 4, 2, 5, 4),
        ],
    )
    def test_places_stay(
        self, tmp_path: Path, points: bool, matrix: bool, options: Any, x: int, y: int, left: int, top: int
    ) -> None:
        self.stored(tmp_path / "a.tif", points, matrix)
        rendered(read(tmp_path / "a.tif"), tmp_path / "b.tif", **options)
        for before, after in zip(self.affine(tmp_path / "a.tif"), self.affine(tmp_path / "b.tif"), strict=True):
            for column, row in ((6.0, 5.0), (9.5, 12.25)):
                assert after((column - left) * x, (row - top) * y) == pytest.approx(before(column, row))
        with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
            assert tiff.pages.first.tags[34737].value == "WGS 84|"

    def test_resized_first(self, tmp_path: Path) -> None:
        self.stored(tmp_path / "a.tif")
        rendered(resize(read(tmp_path / "a.tif"), 15), tmp_path / "b.tif")
        for before, after in zip(self.affine(tmp_path / "a.tif"), self.affine(tmp_path / "b.tif"), strict=True):
            assert after(3.0, 4.0) == pytest.approx(before(6.0, 8.0))

    def test_numbers_that_stand_for_others_are_told(self, tmp_path: Path) -> None:
        items = '<Item name="SCALE" sample="0" role="scale">0.1</Item><Item sample="0" role="offset">20</Item>'
        self.stored(tmp_path / "a.tif", metadata=f"<GDALMetadata>{items}</GDALMetadata>")
        with pytest.warns(SignalWarning, match=r"stand for 0\.1 x number \+ 20"):
            picture = read(tmp_path / "a.tif")
        with tifffile.TiffFile(rendered(picture, tmp_path / "b.tif")) as tiff:
            assert items in tiff.pages.first.tags[42112].value


class TestLab:
    @pytest.mark.parametrize("deep", [False, True])
    def test_it_becomes_srgb(self, tmp_path: Path, deep: bool) -> None:
        """Lab with signed opponents, as TIFF has it, of a picture by Pillow's profiles."""
        lab = ImageCms.profileToProfile(
            PIL.Image.fromarray(photo()),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        )
        assert lab is not None
        lab.save(tmp_path / "a.tif")
        stored = tifffile.imread(tmp_path / "a.tif")
        if deep:
            opponents = stored[..., 1:].view(np.int8).astype(np.int16) * 256
            light = np.rint(stored[..., :1] * 257.0).astype(np.uint16)
            tifffile.imwrite(
                tmp_path / "a.tif", np.concatenate([light, opponents.view(np.uint16)], axis=2), photometric="cielab"
            )
        found = read(tmp_path / "a.tif")
        assert found.bits == (16 if deep else 8)
        assert np.abs(found.values / (257 if deep else 1) - photo()).max() < 4
