"""Tests of originals: what of a file is in the page of its field, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from PIL import Image

from fields_of_kinds import field_of, write_field
from films import encode, shades
from originals import strong_field_of, write_with_original
from sinefield import checkpoint, kinds
from sinefield.io.source import Source
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.signals.video import VideoSignal
from sinefield.signals.volume import VolumeSignal
from sinefield.viewer import original as originals
from sinefield.viewer.page import page_of, write_page


def original_in(page: str) -> Any:
    described = re.search(r'<script type="application/json" id="field">(.*?)</script>', page, re.DOTALL)
    assert described
    return json.loads(described[1])["original"]


def cells_of(found: dict[str, Any]) -> list[NDArray[np.uint8]]:
    """Return the pictures in a sheet, with alpha."""
    stored = base64.b64decode(found["source"].removeprefix("data:image/webp;base64,"))
    sheet = np.asarray(Image.open(io.BytesIO(stored)).convert("RGBA"))
    (width, height), (wide, tall) = found["size"], found["cell"]
    corners = [(n // found["columns"] * tall, n % found["columns"] * wide) for n in range(found["count"])]
    return [sheet[top : top + height, left : left + width] for top, left in corners]


@pytest.mark.parametrize("name", ["grey", "video", "volume", "audio", "outline"])
def test_originals_are_found_and_given(name: str, tmp_path: Path) -> None:
    path, original = write_with_original(name, tmp_path)
    found = original_in(page_of(path))
    assert found["told"] == ""
    assert found == original_in(page_of(path, original))
    moved = original.rename(tmp_path / f"moved{original.suffix}")
    assert original_in(page_of(path)) is None
    assert original_in(page_of(path, moved)) == found
    with pytest.raises(FileNotFoundError):
        page_of(path, tmp_path / "none.png")


def test_clips_and_volumes_are_there_slice_by_slice(tmp_path: Path) -> None:
    path, _ = write_with_original("video", tmp_path)
    field, signal = strong_field_of("video")
    truth = np.clip(signal.sample(field), 0, 255)
    cells = cells_of(original_in(page_of(path)))
    assert len(cells) == 10
    for cell, frame in zip(cells, truth, strict=True):
        assert np.abs(cell[..., :3] - frame).mean() < 8  # colours of four pixels are stored as one
        assert (cell[..., 3] == 255).all()
    path, original = write_with_original("volume", tmp_path)
    cells = cells_of(original_in(page_of(path)))
    expected = 255 * (np.load(original) + 1) / 4
    assert np.abs(np.stack(cells)[..., 0] - expected).mean() < 2


def test_what_is_large_is_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "AREA", 32 * 32 * 5)
    monkeypatch.setattr(originals, "NUMBERS", 1000)
    path, _ = write_with_original("video", tmp_path)
    found = original_in(page_of(path))
    assert (found["told"], found["count"], found["size"]) == ("5 of 10 frames", 5, [32, 24])
    assert write_page(path, tmp_path / "page.html").endswith("KiB are the original, of which there are 5 of 10 frames")
    field, signal = strong_field_of("video")
    truth = np.clip(signal.sample(field), 0, 255)
    for cell, frame in zip(cells_of(found), truth[1::2], strict=True):
        assert np.abs(cell[..., :3] - frame).mean() < 8  # colours of four pixels are stored as one
    path, _ = write_with_original("volume", tmp_path)
    found = original_in(page_of(path))
    assert found["told"] == "5 of 20 slices, 22 x 17 of 32 x 24 pixels"
    assert found["count"] * found["cell"][0] * found["cell"][1] <= originals.AREA
    path, _ = write_with_original("audio", tmp_path)
    found = original_in(page_of(path))
    assert found["told"] == "the first 0.25 of 1 s"
    samples = np.frombuffer(base64.b64decode(found["samples"]), "<i2") / 32767
    field, signal = strong_field_of("audio")
    np.testing.assert_allclose(samples, np.clip(signal.sample(field)[:1000, 0], -1, 1), atol=2e-5)


def test_samples_that_are_not_known_are_clear(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 12 * 10 * 16, dtype=np.float32).reshape(12, 10, 16)
    values[:, :, 8:] = np.nan
    np.save(tmp_path / "scan.npy", values)
    field, _ = field_of("volume")
    signal = VolumeSignal(Lattice.of_cubes((12, 10, 16), 1, 0.0, 1.0), (1.0, 1.0, 1.0), "voxel", 8)
    checkpoint.save(tmp_path / "f.safetensors", field, signal=signal.to_json())
    for cell in cells_of(original_in(page_of(tmp_path / "f.safetensors", tmp_path / "scan.npy"))):
        assert (cell[:, :8, 3] == 255).all()
        assert (cell[:, 8:, 3] == 0).all()
    field, picture = field_of("grey")
    Image.fromarray(np.tile(np.arange(32, dtype=np.float32), (24, 1))).save(tmp_path / "a.tif")
    checkpoint.save(tmp_path / "g.safetensors", field, signal=picture.to_json(), source={})
    source = Source.of(tmp_path / "a.tif", {"nodata": 3.0})
    checkpoint.save(tmp_path / "g.safetensors", field, signal=picture.to_json(), source=source.to_json())
    (cell,) = cells_of(original_in(page_of(tmp_path / "g.safetensors")))
    assert (cell[..., 3] == np.where(np.arange(32) == 3, 0, 255)).all()


def test_the_part_that_was_fitted_is_read(tmp_path: Path) -> None:
    """Of a clip of which some frames were fitted, those are shown; a copy of the file is the same file."""
    encode(tmp_path / "clip.apng", shades([10, 40, 70, 100, 130, 160]), rate=5)
    problem = kinds.kind_named("video").problem_of(tmp_path / "clip.apng", frames=(1, 5, 2), size=(24, 16))
    assert problem.source is not None
    assert problem.source.to_json()["part"] == {"frames": [1, 5, 2], "size": [24, 16]}
    signal = problem.signal
    assert isinstance(signal, VideoSignal)
    path = tmp_path / "clip.safetensors"
    checkpoint.save(path, field_of("video")[0], signal=signal.to_json(), source=problem.source.to_json())
    levels = [int(each[..., 0].mean()) for each in cells_of(original_in(page_of(path)))]
    assert levels == pytest.approx([40, 100], abs=2)
    (tmp_path / "copy.apng").write_bytes((tmp_path / "clip.apng").read_bytes())
    assert len(cells_of(original_in(page_of(path, tmp_path / "copy.apng")))) == 2
    encode(tmp_path / "other.apng", shades([10, 40, 70]), rate=5)
    with pytest.raises(ValueError, match=r"other\.apng has 3 frames; expected the 2 of the field"):
        page_of(path, tmp_path / "other.apng")


@pytest.mark.parametrize("part", [{"frames": [0]}, {"size": "ab"}, {"nonsense": 3}, {"frames": ["a"]}])
def test_damaged_parts_are_told(part: dict[str, Any], tmp_path: Path) -> None:
    path, original = write_with_original("video", tmp_path)
    field, header = checkpoint.read(path)
    source = header["source"] | {"part": part}
    checkpoint.save(path, field, signal=header["signal"], source=source)
    if part == {"frames": ["a"]}:  # what no fit writes is not used
        assert original_in(page_of(path))["count"] == 10
        return
    assert original_in(page_of(path)) is None
    with pytest.raises(ValueError, match="has no such part as the field file tells"):
        page_of(path, original)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("grey", "expected the proportions 32 x 24 of the field"),
        ("video", "expected the proportions 32 x 24 of the field"),
        ("volume", "has 5 x 6 x 7 voxels; expected the 20 x 24 x 32 of the field"),
        ("audio", "has 500 samples at 8000 Hz in 2 channels; expected the 4,000 samples at 4000 Hz in 1 channels"),
        ("outline", "expected a picture with room for the outline of the field, which reaches from 24, 14 to 96, 86"),
    ],
)
def test_originals_of_other_sizes_are_refused(name: str, told: str, tmp_path: Path) -> None:
    path, original = write_with_original(name, tmp_path)
    match name:
        case "video":
            encode(original, shades(range(0, 100, 10), 16, 16), rate=5)
        case "volume":
            np.save(original, np.arange(210.0).reshape(5, 6, 7))
        case "audio":
            soundfile.write(original, np.random.default_rng(0).uniform(-1, 1, (500, 2)), 8000)
        case _:
            Image.fromarray(np.tile(np.arange(9, dtype=np.uint8), (9, 1))).save(original)
    assert original_in(page_of(path)) is None
    with pytest.raises(ValueError, match=re.escape(told)):
        page_of(path, original)


@pytest.mark.parametrize(
    ("name", "told"),
    [("shape", "beside a shape in space"), ("plane", "beside a field of kind 'equation'")],
)
def test_what_has_no_original_says_so(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told):
        page_of(write_field(name, tmp_path), "sample:camera")


def test_a_field_file_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    """Whoever exports somebody's field to a page must not give a picture of their own away with it."""
    field, signal = field_of("grey")
    (tmp_path / "below").mkdir()
    Image.fromarray(np.tile(np.arange(32, dtype=np.uint8), (24, 1))).save(tmp_path / "private.png")
    path = tmp_path / "below" / "photo.safetensors"
    for name in ("../private.png", str(tmp_path / "private.png")):
        checkpoint.save(path, field, signal=signal.to_json(), source={"name": name, "place": "", "content": ""})
        assert original_in(page_of(path)) is None


def test_pictures_are_no_larger_than_they_were_fitted(tmp_path: Path) -> None:
    field, signal = field_of("grey")
    assert isinstance(signal, ImageSignal)
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))).save(tmp_path / "a.png")
    checkpoint.save(tmp_path / "f.safetensors", field, signal=signal.to_json())
    found = original_in(page_of(tmp_path / "f.safetensors", tmp_path / "a.png"))
    assert (found["size"], found["told"]) == ([32, 24], "")
    large = replace(signal, lattice=Lattice.of_cubes((1200, 1600), 1, 0.0, 255.0))
    noise = torch.rand(1200, 1600, generator=torch.Generator().manual_seed(0)).mul(255).byte().numpy()
    Image.fromarray(noise).save(tmp_path / "large.png")
    checkpoint.save(tmp_path / "f.safetensors", field, signal=large.to_json())
    found = original_in(page_of(tmp_path / "f.safetensors", tmp_path / "large.png"))
    assert (found["size"], found["told"]) == ([1024, 768], "1024 x 768 of 1600 x 1200 pixels")
