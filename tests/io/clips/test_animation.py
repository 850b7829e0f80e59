"""Tests of pictures that move: WebP, PNG and GIF, as Pillow writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from films import shades, waves
from sinefield.io import SignalWarning, video

LEVELS = [20, 60, 100, 140, 180, 200, 220, 240]
OPTIONS: dict[str, dict[str, Any]] = {
    ".webp": {"lossless": True},
    ".png": {},
    ".apng": {},
    ".gif": {"loop": 0, "disposal": 2},
}


def write(path: Path, pictures: list[Image.Image], duration: int | list[int]) -> Path:
    form = "png" if path.suffix == ".apng" else path.suffix[1:]
    options = OPTIONS[path.suffix]
    pictures[0].save(path, form, save_all=True, append_images=pictures[1:], duration=duration, **options)
    return path


@pytest.mark.parametrize("suffix", OPTIONS)
def test_eight_frames_at_ten_a_second(suffix: str, tmp_path: Path) -> None:
    found = video.read(write(tmp_path / f"a{suffix}", [Image.fromarray(each) for each in shades(LEVELS)], 100))
    assert (found.frames, found.rate, found.width, found.height) == (8, 10, 48, 32)
    assert [found.frame(k).mean() for k in range(8)] == pytest.approx(LEVELS, abs=0.5)


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_lossless_ones_are_read_as_they_are(suffix: str, tmp_path: Path) -> None:
    found = video.read(write(tmp_path / f"a{suffix}", [Image.fromarray(each) for each in waves()], 40))
    assert np.array_equal(found.values, waves().reshape(-1, 3))
    assert found.rate == 25


@pytest.mark.parametrize("suffix", OPTIONS)
def test_what_is_transparent_lies_on_white_and_parts_that_change_on_what_was_before(
    suffix: str, tmp_path: Path
) -> None:
    pictures = []
    for k in range(4):
        frame = np.zeros((32, 32, 4), np.uint8)
        frame[8:16, 8 * k : 8 * k + 8] = (200, 40, 40, 255)
        pictures.append(Image.fromarray(frame))
    with pytest.warns(SignalWarning, match="what is transparent in it lies on white"):
        found = video.read(write(tmp_path / f"a{suffix}", pictures, 100))
    for k, picture in enumerate(pictures):
        expected = Image.alpha_composite(Image.new("RGBA", (32, 32), "white"), picture).convert("RGB")
        assert np.abs(found.frame(k).astype(int) - np.asarray(expected)).max() <= 1


def test_a_webp_of_varying_times_that_is_damaged_or_cut(tmp_path: Path) -> None:
    pictures = [Image.fromarray(each) for each in shades(LEVELS[:3])]
    path = write(tmp_path / "a.webp", pictures, [100, 300, 100])
    with pytest.warns(SignalWarning, match=r"from 100 to 300 ms; each is held .* 5 frames at 10 a second of 3"):
        assert video.read(path).frames == 5
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(ValueError, match=r"ends early: at least 9 bytes are missing at its end; get another copy$"):
        video.read(path)
    path.write_bytes(content[:40] + bytes(len(content) - 40))
    with pytest.raises(ValueError, match=r"it is damaged; get another copy$"):
        video.read(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_one_picture_is_no_clip(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(waves(1)[0]).save(tmp_path / f"a{suffix}")
    with pytest.raises(ValueError, match=r"gives 1 frame; a clip needs at least 2, .* with --kind image$"):
        video.read(tmp_path / f"a{suffix}")


def test_a_stack_of_pages_is_a_volume(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", waves()[..., 0], photometric="minisblack")
    with pytest.raises(ValueError, match=r"is a TIFF, whose pages have no times; .* with --kind volume"):
        video.read(tmp_path / "a.tif")
