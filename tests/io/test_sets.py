"""Tests of sets of pictures, sounds and shapes, and of what is refused of them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageFont
from scipy.io import wavfile

from sinefield.io import SignalWarning, sets

PICTURES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: NDArray[Any], kind: int = 8) -> bytes:
    """Return an array as an idx file."""
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("form", ["npy", "npz", "idx", "idx.gz", "folder"])
def test_every_form_holds_the_same_pictures(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.{form}"
    match form:
        case "npy":
            np.save(path, PICTURES)
        case "npz":
            np.savez(path, images=PICTURES, labels=np.arange(2))
        case "idx":
            path.write_bytes(idx(PICTURES))
        case "idx.gz":
            path.write_bytes(gzip.compress(idx(PICTURES)))
        case _:
            path.mkdir()
            for number, each in enumerate(PICTURES):
                Image.fromarray(each).save(path / f"{number}.png")
    found = sets.read(path)
    assert found.values.tolist() == PICTURES[..., None].tolist()
    assert (found.low, found.high) == (0, 255)
    np.testing.assert_allclose(found.scaled(), PICTURES[..., None] / 127.5 - 1, atol=1e-6)


def test_wide_numbers_of_idx_files_are_read_in_their_byte_order(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(idx((PICTURES / 100).astype(">f4"), 13))
    assert sets.read(tmp_path / "set").values[1, 0, 0, 0] == pytest.approx(0.12)


def test_only_the_first_are_taken_where_there_is_a_limit() -> None:
    assert len(sets.read(PICTURES, limit=1).values) == 1


def refused(path: Path) -> str:
    """Return the line that a set is refused with."""
    with pytest.raises((ValueError, OSError)) as told:
        sets.read(path)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert "holds no picture" in refused(tmp_path)


def test_a_mixed_folder_is_told_with_the_two_that_differ(tmp_path: Path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    Image.fromarray(PICTURES[0].T).save(tmp_path / "b.png")
    assert "a.png is 4 x 3 with 1 channel, and b.png is 3 x 4 with 1 channel" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (idx(PICTURES)[:-1], "cut short: it holds 23 bytes"),
        (idx(PICTURES) + b"x", "it holds 25 bytes"),
        (gzip.compress(idx(PICTURES), mtime=0)[:-12], "damaged or cut short"),
        (b"\x89PNG", "is no set of pictures"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "header tells of an array"),
        (idx(PICTURES)[:7], "cut short: its header ends early"),
        (idx(PICTURES[0, 0]), "holds no pictures: an array of shape"),
        (idx(np.zeros((2, 3, 4), ">f4"), 13), ""),
    ],
    ids=["short", "long", "gzip cut", "another kind", "header", "header cut", "one axis", "zeros"],
)
def test_damaged_idx_files_are_told(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(content)
    if told:
        assert told in refused(tmp_path / "set")
    else:  # float pictures within [0, 1] have its ends for black and white
        assert sets.read(tmp_path / "set").high == 1


def test_numbers_that_are_none_are_told() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        sets.read(np.full((2, 3, 4), np.nan))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "there is no file or folder" in refused(tmp_path / "none")


# ---- sounds


def write_sound(path: Path, samples: int, rate: int = 8000, channels: int = 1, hertz: float = 500.0) -> None:
    """Write a tone."""
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)
    wavfile.write(path, rate, np.repeat((32767 * tone).astype(np.int16)[:, None], channels, axis=1))


def test_sounds_are_cut_or_continued_to_their_median_length_in_a_told_line(tmp_path: Path) -> None:
    for number, samples in enumerate((90, 100, 100, 100, 130)):
        write_sound(tmp_path / f"{number}.wav", samples)
    with pytest.warns(
        SignalWarning, match="of 5 sounds 1 are cut and 1 are continued by silence to 100 samples"
    ) as told:
        found = sets.read(tmp_path)
    assert len(told) == 1
    assert (found.kind, found.rate, found.values.shape) == ("audio", 8000, (5, 1, 100, 1))
    assert found.high == -found.low == pytest.approx(0.5, abs=1e-3)
    assert (found.values[0, 0, 90:] == 0).all()
    np.testing.assert_array_equal(found.values[4], found.values[1])


def test_sounds_of_several_rates_are_resampled_if_that_is_asked_for(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", 800)
    write_sound(tmp_path / "b.wav", 1600, 16_000)
    assert "a.wav has 8000 samples a second, and b.wav 16000; resample all with --rate" in refused(tmp_path)
    with pytest.warns(SignalWarning, match="2 are cut to 700 samples, as asked"):
        found = sets.read(tmp_path, rate=8000, samples=700)
    inner = slice(50, 650)  # filters see silence beyond the ends
    np.testing.assert_allclose(found.values[0, 0, inner], found.values[1, 0, inner], atol=2e-3)


def test_sounds_that_cannot_be_learnt_together_are_told(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", 100)
    write_sound(tmp_path / "b.wav", 100, channels=2)
    assert "a.wav has 1 channels, and b.wav 2" in refused(tmp_path)
    wavfile.write(tmp_path / "b.wav", 8000, np.array([0.1, np.nan, 0.2], np.float32))
    assert "b.wav has gaps" in refused(tmp_path)
    with pytest.raises(ValueError, match="of kind audio, for which there is no --resize"):
        sets.read(tmp_path, longest=20)


# ---- shapes


def svg(content: str, size: str = 'viewBox="0 0 24 24"') -> str:
    """Return an SVG file."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{content}</svg>'


def test_the_distance_of_a_circle_of_an_icon_is_that_of_the_formula(tmp_path: Path) -> None:
    (tmp_path / "disc.svg").write_text(svg('<circle cx="14" cy="10" r="6"/>'))
    found = sets.read(tmp_path, longest=24)
    assert (found.kind, found.low, found.high) == ("shape", -1, 1)
    rows, columns = np.meshgrid(*[(2 * np.arange(24) + 1) / 24 - 1] * 2, indexing="ij")
    unit = 1.8 / 24  # the view spans [−0.9, 0.9]
    exact = np.hypot(rows + 2 * unit, columns - 2 * unit) - 6 * unit
    np.testing.assert_allclose(found.values[0, ..., 0], exact, atol=0.005)


def test_icons_that_are_not_square_keep_their_aspect_and_those_without_an_outline_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text(svg('<rect x="5" width="10" height="5"/>', 'viewBox="0 0 20 10"'))
    (tmp_path / "b.svg").write_text(svg(""))
    with pytest.warns(
        SignalWarning,
        match=r"1 of 2 are not there, or have no outline within their frame \(.*b.svg\); they are left out",
    ):
        found = sets.read(tmp_path, longest=40)
    rows, columns = (found.values[0, ..., 0] < 0).nonzero()
    unit = 40 * 0.9 / 20  # samples
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == pytest.approx((5 * unit, 10 * unit), abs=1.01)
    assert rows.max() < 20 < rows.max() + 2


def test_glyphs_of_a_font_have_the_areas_that_it_draws(tmp_path: Path) -> None:
    font = font_manager.findfont("DejaVu Sans", fallback_to_default=False)
    found = sets.read(font, characters="Io.")
    assert found.values.shape == (3, 32, 32, 1)
    line, large = 1901 + 483, 400  # ascent and descent of DejaVu Sans, and units of its em in pixels
    for shape, character in zip(found.values[..., 0], "Io.", strict=True):
        mask = ImageFont.truetype(font, large).getmask(character)
        area = np.asarray(mask, np.float64).sum() / 255 * (2048 / large / line) ** 2  # of the line's square
        cells = np.clip(0.5 - shape * 16, 0, 1).sum() / 32**2 * (2 / 1.8) ** 2
        assert cells == pytest.approx(area, rel=0.08)
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "a.ttf").write_bytes(Path(font).read_bytes())
    assert len(sets.read(tmp_path / "fonts", limit=5).values) == 5
    other = font_manager.findfont("DejaVu Sans Display", fallback_to_default=False)
    (tmp_path / "fonts" / "b.ttf").write_bytes(Path(other).read_bytes())
    with pytest.warns(
        SignalWarning, match="1 of 2 are not there, or have no outline within their frame .*'A' of b.ttf"
    ):
        assert len(sets.read(tmp_path / "fonts", characters="A").values) == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.svg", "<svg", "cannot be read as a picture in SVG"),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"></svg>', "has no size or view"),
        ("a.ttf", "none", "cannot be read as a font"),
        ("a.svg", svg(""), "holds no shape with an outline"),
    ],
)
def test_files_that_hold_no_shapes_are_told(name: str, content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert told in refused(tmp_path)


def test_characters_that_a_font_has_not_are_told() -> None:
    font = font_manager.findfont("DejaVu Sans", fallback_to_default=False)
    with pytest.raises(ValueError, match="has no glyph of '好'"):
        sets.read(font, characters="A好")


def test_outlines_of_pictures_are_shapes_if_that_is_asked_for(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :64]
    Image.fromarray(np.where(np.hypot(rows - 31.5, columns - 31.5) < 20, 0, 255).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    assert sets.read(tmp_path).kind == "image"
    shape = sets.read(tmp_path, kind="shape", longest=16).values[0, ..., 0]
    assert -shape.min() * 64 / 1.8 == pytest.approx(20 - np.hypot(1, 1) / 16 * 64 / 1.8, abs=0.6)
