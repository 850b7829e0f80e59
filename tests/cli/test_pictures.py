"""Tests of pictures as people have them, by the command line: what is told, fitted and written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageCms

from command import run, run_alone
from sinefield.io.pictures.colour_profiles import make_profile

SMALL = ("--width", "64", "--depth", "2", "--passes", "250", "--quiet")
TINY = ("--width", "24", "--depth", "1", "--passes", "60", "--quiet")
P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def test_elevations_with_no_data_are_fitted_on_land(tmp_path: Path) -> None:
    y, x = np.mgrid[0:48, 0:64]
    land = 550 + 200 * np.sin(x / 12) * np.cos(y / 15)
    missing = (x < 6) | (x + y > 95)
    least = np.finfo(np.float32).min
    tags = [(42113, 2, 0, repr(float(least)), True)]
    tifffile.imwrite(tmp_path / "dem.tif", np.where(missing, least, land).astype(np.float32), extratags=tags)
    fitted = run(tmp_path, "fit", "dem.tif", *SMALL)
    assert fitted.returncode == 0
    assert fitted.stderr == (
        f"sinefield: dem.tif: {missing.sum()} of its 3,072 pixels hold -3.40282347e+38, which marks no data; nothing "
        "is fitted there, and they are written as they were\n"
    )
    assert run(tmp_path, "render", "dem.safetensors", "out.tif").stderr == ""
    found = tifffile.imread(tmp_path / "out.tif")
    assert np.abs(found - land)[~missing].max() < 5
    assert (found[missing] == least).all()


def test_a_photo_with_a_profile_keeps_its_colours(tmp_path: Path) -> None:
    y, x = np.mgrid[0:24, 0:32] / 24
    pixels = np.rint(np.stack([90 + 60 * x, 80 + 70 * y, 100 + 0 * x], axis=-1)).astype(np.uint8)
    profile = make_profile(P3, None)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    fitted = run(tmp_path, "fit", "a.png", *SMALL)
    assert (fitted.returncode, fitted.stderr) == (0, "")
    assert run(tmp_path, "render", "a.safetensors", "b.jpg").returncode == 0
    with PIL.Image.open(tmp_path / "b.jpg") as written:
        assert written.info["icc_profile"] == profile
        target = ImageCms.createProfile("sRGB")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        found, expected = (
            np.asarray(ImageCms.profileToProfile(each, source, target, outputMode="RGB"), dtype=float)
            for each in (written, PIL.Image.fromarray(pixels))
        )
    assert np.abs(found - expected).mean() < 3


def test_several_pictures_and_their_pages(tmp_path: Path) -> None:
    pages = np.random.default_rng(0).integers(0, 256, (3, 16, 20), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    told = run_alone(tmp_path, "fit", "a.tif", *TINY, "--passes", "1").stderr
    assert told.startswith(
        "sinefield: a.tif: it has 3 pages, the first is used; --page N for another, or --kind volume"
    )
    assert run_alone(tmp_path, "fit", "a.tif", *TINY, "--passes", "1", "--page", "2").stderr == ""
    refused = run_alone(tmp_path, "fit", "a.tif", "--page", "3")
    assert (refused.returncode, refused.stderr) == (
        2,
        "sinefield: there is no page 3 in a.tif: its pages are numbered 0 to 2\n",
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--range", "5,1"), "the smaller first, as 0,4095; got '5,1'"),
        (("--range", "dark"), "--range is 2 numbers"),
        (("--channels", "middle"), "--channels is first or last, got 'middle'"),
        (("--nodata", "99"), "no pixel holds 99"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    PIL.Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    found = run(tmp_path, "fit", "a.png", *TINY, "--passes", "1", *options)
    assert words in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.returncode == (0 if options[0] == "--nodata" else 2)


def test_nothing_of_a_library_is_printed(tmp_path: Path) -> None:
    """tifffile and libvips write what they find strange to their logs."""
    tifffile.imwrite(
        tmp_path / "a.tif", np.arange(64, dtype=np.uint8).reshape(8, 8), extratags=[(42113, 2, 0, "x", True)]
    )
    content = bytearray((tmp_path / "a.tif").read_bytes())
    (tmp_path / "cut.tif").write_bytes(content[: len(content) - 30])
    PIL.Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(
        tmp_path / "b.jpg", icc_profile=b"nonsense" * 20
    )
    assert run_alone(tmp_path, "fit", "a.tif", *TINY, "--passes", "1").stderr == ""
    assert run(tmp_path, "fit", "cut.tif").stderr.startswith(
        "sinefield: cut.tif cannot be read as a picture (it ends early"
    )
    told = run_alone(tmp_path, "fit", "b.jpg", *TINY, "--passes", "1").stderr
    assert told == "sinefield: b.jpg: its colour profile is damaged and left out\n"
