"""Tests of files that hold several pictures: which is read, and what is told of the others."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.typing import NDArray

from pictures import noise, quietly, refused
from sinefield.io import SignalWarning
from sinefield.io.image import read


def frames(count: int, channels: int = 3) -> list[NDArray[np.uint8]]:
    first = noise(channels, height=20, width=30)
    return [np.roll(first, 3 * number, axis=1).copy() for number in range(count)]


def animated(path: Path, count: int) -> list[NDArray[Any]]:
    """Write an animation, and return its frames as Pillow shows them."""
    pictures = [PIL.Image.fromarray(each) for each in frames(count)]
    options: dict[str, Any] = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, **options)
    found = []
    with PIL.Image.open(path) as opened:
        for number in range(count):
            opened.seek(number)
            found.append(np.asarray(opened.convert("RGB")))
    return found


class TestAnimations:
    @pytest.mark.parametrize("name", ["a.webp", "a.png", "a.gif"])
    def test_the_first_frame_is_used_and_told(self, tmp_path: Path, name: str) -> None:
        truth = animated(tmp_path / name, 4)
        with pytest.warns(SignalWarning, match=r"4 frames, the first is used; --page N for another, or --kind video"):
            assert np.array_equal(read(tmp_path / name).values[..., :3], truth[0])
        for number in range(4):
            assert np.array_equal(quietly(tmp_path / name, page=number).values[..., :3], truth[number])

    @pytest.mark.parametrize("name", ["a.webp", "a.png", "a.gif", "a.tif"])
    @pytest.mark.parametrize("page", [4, -1, 10**9])
    def test_a_page_that_is_not_there(self, tmp_path: Path, name: str, page: int) -> None:
        animated(tmp_path / name, 4)
        with pytest.raises(ValueError, match=rf"there is no page {page} in .*a\.{name[2:]}: .* are numbered 0 to 3"):
            read(tmp_path / name, page=page)

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.npy"])
    def test_a_page_of_a_file_of_one(self, tmp_path: Path, name: str) -> None:
        if name == "a.npy":
            np.save(tmp_path / name, frames(1)[0])
        else:
            PIL.Image.fromarray(frames(1)[0]).save(tmp_path / name)
        assert read(tmp_path / name, page=0).values.shape == (20, 30, 3)
        with pytest.raises(ValueError, match=r"there is no page 1 in .* are numbered 0 alone"):
            read(tmp_path / name, page=1)


class TestTiff:
    def test_a_stack(self, tmp_path: Path) -> None:
        stack = np.random.default_rng(0).integers(0, 65536, (24, 20, 30), np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", imagej=True)
        with pytest.warns(SignalWarning, match="24 pages, the first is used; --page N for another, or --kind volume"):
            assert np.array_equal(read(tmp_path / "a.tif").values[..., 0], stack[0])
        assert np.array_equal(quietly(tmp_path / "a.tif", page=7).values[..., 0], stack[7])

    def test_a_stack_with_one_page_for_all(self, tmp_path: Path) -> None:
        """ImageJ writes large stacks so: the samples of further slices follow those of the first."""
        stack = np.random.default_rng(0).integers(0, 65536, (6, 20, 30), np.uint16)
        text = "ImageJ=1.53t\nimages=6\nslices=6\n"
        tifffile.imwrite(
            tmp_path / "a.tif", stack[0], metadata=None, byteorder=">", description=text, photometric="minisblack"
        )
        with (tmp_path / "a.tif").open("ab") as file:
            with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
                assert tiff.pages.first.dataoffsets[0] + stack[0].nbytes == (tmp_path / "a.tif").stat().st_size
            file.write(stack[1:].astype(">u2").tobytes())
        with pytest.warns(SignalWarning, match="6 pages"):
            assert np.array_equal(read(tmp_path / "a.tif").values[..., 0], stack[0])
        assert np.array_equal(quietly(tmp_path / "a.tif", page=5).values[..., 0], stack[5])

    @pytest.mark.parametrize("options", [{"metadata": {"axes": "CYX"}}, {"imagej": True}, {"ome": True}], ids=str)
    def test_colours_as_planes(self, tmp_path: Path, options: dict[str, Any]) -> None:
        colours = noise(3, height=20, width=30)
        options = options | ({"metadata": {"axes": "CYX"}} if "metadata" not in options else {})
        tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(colours, -1, 0), photometric="minisblack", **options)
        with pytest.warns(SignalWarning, match="3 planes are taken as the red, green and blue of one picture"):
            assert np.array_equal(read(tmp_path / "a.tif").values, colours)
        assert np.array_equal(quietly(tmp_path / "a.tif", page=1).values[..., 0], colours[..., 1])

    def test_three_pages_are_no_colours_unless_that_is_asked_for(self, tmp_path: Path) -> None:
        colours = noise(3, height=20, width=30)
        tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(colours, -1, 0), photometric="minisblack")
        with pytest.warns(SignalWarning, match="3 pages, .*--channels first for one picture of 3 channels"):
            assert read(tmp_path / "a.tif").values.shape[2] == 1
        assert np.array_equal(read(tmp_path / "a.tif", channels="first").values, colours)

    def test_pages_that_are_not_alike(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            tiff.write(noise(3, height=20, width=30), photometric="rgb", metadata=None)
            tiff.write(noise(1, height=9, width=8)[..., 0], metadata=None)
        with pytest.warns(SignalWarning, match="2 pages"):
            assert read(tmp_path / "a.tif").values.shape == (20, 30, 3)
        assert quietly(tmp_path / "a.tif", page=1).values.shape == (9, 8, 1)
        with pytest.raises(ValueError, match=r"the 2 pages of .* are not alike"):
            read(tmp_path / "a.tif", channels="first")

    @pytest.mark.parametrize("how", ["reduced", "inside", "first"])
    def test_thumbnails_and_levels_are_no_pages(self, tmp_path: Path, how: str) -> None:
        whole = noise(3, height=40, width=60)
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            if how == "first":
                tiff.write(whole[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
            tiff.write(whole, photometric="rgb", metadata=None, subifds=1 if how == "inside" else 0)
            if how != "first":
                tiff.write(whole[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
        assert np.array_equal(read(tmp_path / "a.tif").values, whole)

    def test_large_pages_are_mapped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sinefield.io.pictures.decoding.LARGE", 100)
        monkeypatch.setattr("sinefield.io.image.LARGE", 100)
        pages = np.random.default_rng(0).integers(0, 256, (2, 41, 43), dtype=np.uint8)
        with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
            for page in pages:
                tiff.write(page, photometric="minisblack", metadata=None, contiguous=False)
        with pytest.warns(SignalWarning, match="2 pages"):
            found = read(tmp_path / "a.tif").values
        assert np.array_equal(found[..., 0], pages[0])
        assert isinstance(found, np.memmap)
        assert np.array_equal(quietly(tmp_path / "a.tif", page=1).values[..., 0], pages[1])

    @pytest.mark.parametrize("how", ["ending", "version", "sensor"])
    def test_a_raw_file_is_named(self, tmp_path: Path, how: str) -> None:
        thumbnail, sensor = noise(3, height=16, width=24), noise(1, "uint16", height=40, width=60)[..., 0]
        tags = [(50706, 1, 4, (1, 4, 0, 0), True)] if how == "version" else []
        path = tmp_path / ("a.nef" if how == "ending" else "a.tif")
        with tifffile.TiffWriter(path) as tiff:
            tiff.write(thumbnail, photometric="rgb", metadata=None, subfiletype=1, extratags=tags, subifds=1)
            tiff.write(sensor, photometric=32803 if how == "sensor" else "minisblack", metadata=None)
        refused(path, "raw file of a camera", "thumbnail", "develop it to TIFF or PNG")


class TestOthers:
    def burst(self, path: Path, count: int) -> list[NDArray[Any]]:
        """Write a JPEG of several pictures (CIPA DC-007), and return them as Pillow decodes them."""
        pictures = [PIL.Image.fromarray(each) for each in frames(count)]
        pictures[0].save(path, "MPO", save_all=True, append_images=pictures[1:], quality=95)
        found = []
        with PIL.Image.open(path) as opened:
            for number in range(count):
                opened.seek(number)
                found.append(np.asarray(opened.convert("RGB")))
        return found

    def test_several_pictures_in_a_jpeg(self, tmp_path: Path) -> None:
        truth = self.burst(tmp_path / "a.jpg", 3)
        with pytest.warns(SignalWarning, match="3 pictures, the first is used; --page N"):
            assert np.abs(read(tmp_path / "a.jpg").values - truth[0]).max() <= 2
        for number in range(3):
            assert np.abs(quietly(tmp_path / "a.jpg", page=number).values - truth[number]).max() <= 2

    def test_a_gain_map_is_told(self, tmp_path: Path) -> None:
        self.burst(tmp_path / "a.jpg", 2)
        content = (tmp_path / "a.jpg").read_bytes()
        text = b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'
        segment = b"\xff\xe1" + struct.pack(">H", len(text) + 2) + text
        (tmp_path / "a.jpg").write_bytes(content[:2] + segment + content[2:])
        with pytest.warns(SignalWarning, match=r"its gain map for bright screens \(HDR\) is left out"):
            read(tmp_path / "a.jpg")

    def test_sizes_of_an_icon(self, tmp_path: Path) -> None:
        whole = PIL.Image.fromarray(noise(4, height=64, width=64))
        whole.save(tmp_path / "a.ico", sizes=[(16, 16), (64, 64), (32, 32)])
        with pytest.warns(SignalWarning, match="3 sizes, the first is used"):
            assert read(tmp_path / "a.ico").values.shape == (64, 64, 4)
        assert quietly(tmp_path / "a.ico", page=2).values.shape == (16, 16, 4)

    @pytest.mark.parametrize("white", [255, 1000, 4095, 65535])
    @pytest.mark.parametrize("kind", ["P5", "P6"])
    def test_whites_of_pnm(self, tmp_path: Path, white: int, kind: str) -> None:
        channels = 1 if kind == "P5" else 3
        values = np.random.default_rng(0).integers(0, white, (20, 30, channels), endpoint=True)
        header = f"{kind}\n# a comment\n30 20\n{white}\n".encode()
        (tmp_path / "a.pnm").write_bytes(header + values.astype(">u2" if white > 255 else "u1").tobytes())
        picture = read(tmp_path / "a.pnm")
        assert np.array_equal(picture.values, values)
        assert (picture.low, picture.high) == (0, white)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_jpeg_2000_keeps_its_bits(self, tmp_path: Path, dtype: str) -> None:
        import imagecodecs

        values = noise(3, dtype, height=20, width=30)
        (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(values, level=0, reversible=True))
        assert np.array_equal(read(tmp_path / "a.jp2").values, values)

    @pytest.mark.parametrize("form", ["BMP", "TGA", "ICO"])
    @pytest.mark.parametrize("channels", [3, 4])
    def test_other_formats(self, tmp_path: Path, form: str, channels: int) -> None:
        buffer, values = io.BytesIO(), noise(channels, height=20, width=20)
        PIL.Image.fromarray(values).save(buffer, form)
        (tmp_path / f"a.{form.lower()}").write_bytes(buffer.getvalue())
        found = quietly(tmp_path / f"a.{form.lower()}").values
        if form == "BMP":
            assert np.array_equal(found, values[..., :3])  # the fourth byte is none of alpha unless its mask says so
        elif form == "TGA":
            assert np.array_equal(found, values)
        else:
            assert found.shape[2] == channels
