"""Tests of clips: what is read is what was written, sizes and ranges, bad files are told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from films import encode, waves
from sinefield.io import SignalWarning, video


def noise(frames: int = 30) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (frames, 32, 32, 3), dtype=np.uint8)


def shaped(clip: video.Clip) -> NDArray[np.float64]:
    return clip.values.reshape(clip.frames, clip.height, clip.width, -1).astype(float)


def test_a_lossless_clip_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", noise(), "ffv1", "bgr0")
    found = video.read(path)
    assert (found.frames, found.height, found.width, found.rate, found.name) == (30, 32, 32, 25, str(path))
    assert np.array_equal(shaped(found), noise())
    assert np.array_equal(found.frame(7), noise()[7])
    assert found.seconds == pytest.approx(1.2)


def test_a_grey_clip_has_one_channel(tmp_path: Path) -> None:
    grey = waves(channels=1)[..., 0]
    found = video.read(encode(tmp_path / "a.avi", grey, "ffv1", "gray"))
    assert np.array_equal(shaped(found)[..., 0], grey)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_read_as_they_are(channels: int) -> None:
    clip = waves(channels=channels)
    sources: list[NDArray[np.uint8] | Tensor] = [clip, torch.from_numpy(clip)]
    for source in sources + ([clip[..., 0]] if channels == 1 else []):
        assert np.array_equal(shaped(video.read(source, rate=12.5)), clip)


def test_a_part_of_a_clip() -> None:
    clip = waves(10)
    found = video.read(clip, (1, 8, 3), crop=(4, 2, 30, 20), rate=30)
    assert np.array_equal(shaped(found), clip[1:8:3, 2:20, 4:30])
    assert found.rate == 10
    assert video.read(clip, (4, None, 1), rate=30).frames == 6


def test_scaled_frames_are_averages(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[:, None], (3, 32, 32))
    found = shaped(video.read(np.ascontiguousarray(ramp), size=(8, 16), rate=1))
    assert found.shape == (3, 16, 8, 1)
    assert np.abs(found[0, 1:-1, :, 0] - (16 * np.arange(16) + 4)[1:-1, None]).max() <= 1


def test_many_frames_are_mapped_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinefield.io.allocation.IN_MEMORY", 1000)
    found = video.read(waves(), rate=1)
    assert isinstance(found.values, np.memmap)
    assert np.array_equal(shaped(found), waves())


@pytest.mark.parametrize(("suffix", "tolerance"), [(".mp4", 4), (".gif", 4)])
@pytest.mark.parametrize("size", [(24, 32), (25, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back(
    tmp_path: Path, suffix: str, tolerance: float, size: tuple[int, int], channels: int
) -> None:
    clip = waves(6, *size, channels)
    path = tmp_path / f"a{suffix}"
    if suffix == ".mp4" and size[0] % 2:
        with pytest.warns(
            SignalWarning, match="33 x 25 has an odd side, so colours are stored at the whole resolution"
        ):
            video.write(path, iter(clip), 12.5)
    else:
        video.write(path, iter(clip), 12.5)
    found = video.read(path)
    assert (found.frames, found.height, found.width, found.rate) == (6, *size, 12.5)
    assert np.abs(shaped(found).mean(-1) - clip.astype(float).mean(-1)).mean() < tolerance


@pytest.mark.parametrize("rate", [24000 / 1001, 30000 / 1001, 60000 / 1001, 25, 0.1, 12.5, 240])
def test_rates_are_written_and_read_exactly(tmp_path: Path, rate: float) -> None:
    video.write(tmp_path / "a.mp4", iter(waves(5)), rate)
    assert video.read(tmp_path / "a.mp4").rate == pytest.approx(rate, rel=1e-12)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    def failing() -> Any:
        yield waves()[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        video.write(tmp_path / "a.mp4", failing(), 25)
    with pytest.raises(ValueError, match=r"ending must be one of \.mp4, \.gif"):
        video.write(tmp_path / "a.avi", iter(waves()), 25)
    with pytest.raises(ValueError, match="no frames"):
        video.write(tmp_path / "a.mp4", iter([]), 25)
    with pytest.raises(ValueError, match="nan frames a second"):
        video.write(tmp_path / "a.mp4", iter(waves()), float("nan"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (waves()[:0], "has no frames"),
        (waves()[:1], "gives 1 frame; a clip needs at least 2, and one is fitted as a picture with --kind image"),
        (waves()[:, :1], "needs at least 2 pixels each way"),
        (np.full((3, 4, 4), 7, dtype=np.uint8), "is constant: every sample is 7"),
        (waves().astype(np.float32), "has values from [0-9]+ to [0-9]+; expected .*, or numbers from 0 to 1"),
        (waves(channels=2), "is no clip"),
        (waves()[0, 0], "is no clip"),
    ],
)
def test_arrays_that_are_no_clip_are_told(clip: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        video.read(clip, rate=25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": None}, "give rate="),
        ({"rate": 0.0}, "is to have 0 frames a second"),
        ({"rate": float("nan")}, "is to have nan frames a second"),
        ({"frames": (6, None, 1)}, "has 6 frames, and 6: is outside; they are 0:6"),
        ({"frames": (0, 7, 1)}, "has 6 frames, and 0:7 is outside"),
        ({"frames": (3, 3, 1)}, "the first, the one after the last and the step"),
        ({"frames": (0, 3, 0)}, "the first, the one after the last and the step"),
        ({"frames": (0, 2, 2)}, "gives 1 frame"),
        ({"size": (1, 20)}, "at least 2 pixels each way"),
        ({"crop": (0, 0, 33, 10)}, "within 32 x 24 of .*, got 0,0,33,10"),
        ({"crop": (5, 0, 5, 10)}, "left, top, right, bottom"),
    ],
)
def test_what_is_outside_a_clip_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        video.read(waves(), **({"rate": 25.0} | options))


def test_bad_files_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        video.read(tmp_path / "none.mp4")
    with pytest.raises(ValueError, match="is a folder"):
        video.read(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match="is empty"):
        video.read(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_bytes(b"no clip at all " * 20)
    with pytest.raises(ValueError, match=r"^[^\n]*cannot be read as a clip: nothing in it is of a format"):
        video.read(tmp_path / "text.mp4")


def test_a_file_without_pictures_is_told(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(2000), 8000)
    (tmp_path / "a.wav").rename(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="has no moving pictures in it, only sound; fit it with --kind audio"):
        video.read(tmp_path / "a.mp4")


def test_damage_and_early_ends_are_told_with_what_is_left(tmp_path: Path) -> None:
    encode(tmp_path / "a.avi", noise(), "mpeg4", "yuv420p")
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "half.avi").write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(ValueError, match=r"(ends early: |is damaged at frame ).* --frames 0:\d+$") as told:
        video.read(tmp_path / "half.avi")
    left = int(str(told.value).rsplit(":", 1)[1])
    assert video.read(tmp_path / "half.avi", (0, left, 1)).frames == left
    encode(tmp_path / "a.mp4", noise(), "libx264", "yuv420p")
    content = (tmp_path / "a.mp4").read_bytes()
    middle = len(content) // 2
    (tmp_path / "damaged.mp4").write_bytes(content[:middle] + bytes(4000) + content[middle + 4000 :])
    with pytest.raises(ValueError, match=r"cannot be decoded after frame|is damaged at frame"):
        video.read(tmp_path / "damaged.mp4")


def test_frames_that_change_their_size_are_told(tmp_path: Path) -> None:
    def picture(size: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(noise(1)[0]).resize((size, size)).save(buffer, "jpeg")
        return buffer.getvalue()

    (tmp_path / "a.mjpeg").write_bytes(3 * picture(32) + 2 * picture(48))
    message = "changes its size at frame 3: from 32 x 32 pixels of 3 channels to 48 x 48"
    with pytest.raises(ValueError, match=message):
        video.read(tmp_path / "a.mjpeg")
    with pytest.warns(SignalWarning, match="do not say how many frames a second are shown; 25 are taken, and --fps"):
        assert video.read(tmp_path / "a.mjpeg", (0, 3, 1)).frames == 3
    assert video.read(tmp_path / "a.mjpeg", (0, 3, 1), rate=10.0).rate == 10


def test_a_missing_decoder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a clip")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs PyAV; install it with: pip install 'sinefield\[video\]'"):
        video.read(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"needs PyAV"):
        video.check_suffix("a.mp4")
