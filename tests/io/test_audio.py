"""Tests of recordings: what is read is what soundfile says, what is written is read back, bad files are told."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from command import run
from sinefield.io import SignalWarning, audio
from sinefield.io.files import replacing

RATE = 8000


def tone(channels: int = 1, count: int = 4000) -> np.ndarray[Any, np.dtype[np.float64]]:
    times = np.arange(count)[:, None] / RATE
    return 0.5 * np.sin(2 * np.pi * (220 + 110 * np.arange(channels)) * times)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    ("suffix", "subtype", "bits", "tolerance"),
    [
        (".wav", "PCM_U8", 8, 2**-7),
        (".wav", "PCM_16", 16, 2**-15),
        (".wav", "PCM_24", 24, 2**-22),
        (".wav", "FLOAT", 32, 1e-7),
        (".flac", "PCM_16", 16, 2**-15),
        (".aiff", "PCM_S8", 8, 2**-7),
    ],
)
def test_samples_are_those_that_were_written(
    tmp_path: Path, channels: int, suffix: str, subtype: str, bits: int, tolerance: float
) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, tone(channels), RATE, subtype)
    found = audio.read(path)
    assert (found.rate, found.bits, found.values.shape) == (RATE, bits, (4000, channels))
    assert np.abs(found.values / found.full - tone(channels)).max() <= 2 * tolerance
    assert found.peak == pytest.approx(0.5, abs=0.01)
    assert found.clipped == 0
    assert found.seconds == 0.5


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_lossy_formats_are_read(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / f"a{suffix}", tone(2), RATE)
    found = audio.read(tmp_path / f"a{suffix}")
    assert found.rate == RATE
    assert found.peak == pytest.approx(0.5, abs=0.05)


def test_integers_are_held_as_such() -> None:
    found = audio.read((tone() * 32767).astype(np.int16), RATE)
    assert found.values.dtype == np.int16
    assert found.full == 32768.0
    assert audio.read(torch.from_numpy(tone()), RATE).values.dtype == np.float32


def test_clipped_samples_are_counted_and_told() -> None:
    with pytest.warns(SignalWarning, match=r"an array of shape .*: 6\d % of the samples are at full scale"):
        assert audio.read(np.clip(4 * tone(), -1, 1), RATE).clipped == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("dtype", "scale", "shift", "bits", "floats"),
    [
        (np.int8, 2**7, 0, 8, False),
        (np.uint8, 2**7, 128, 8, False),
        (np.int16, 2**15, 0, 16, False),
        (np.int32, 2**31, 0, 32, False),
        (np.float16, 1, 0, 32, True),
        (np.float32, 1, 0, 32, True),
        (np.float64, 1, 0, 64, True),
    ],
)
def test_arrays_of_every_type_are_read(dtype: Any, scale: float, shift: float, bits: int, floats: bool) -> None:
    found = audio.read((tone(2) * scale + shift).astype(dtype), RATE)
    assert (found.bits, found.floats, found.values.shape) == (bits, floats, (4000, 2))
    assert np.abs(found.values / found.full - tone(2)).max() <= (
        2e-3 if dtype == np.float16 else 1.0 / min(scale, 2**15)
    )
    assert found.peak == pytest.approx(0.5, abs=0.01)


def test_a_full_scale_that_is_given_is_used(tmp_path: Path) -> None:
    for array in ((tone() * 32768).astype(np.int64), tone() * 32768, (tone() * 32768).astype(np.int32)):
        found = audio.read(array, RATE, full_scale=32768)
        assert found.peak == pytest.approx(0.5, abs=0.01)
    path = tmp_path / "a.wav"
    soundfile.write(path, tone() * 32768, RATE, "FLOAT")
    with pytest.warns(SignalWarning, match=r"a\.wav: its largest sample is 16\d+ times full scale, as if integers had"):
        assert audio.read(path).peak == pytest.approx(16384, abs=300)
    assert audio.read(path, full_scale=32768).peak == pytest.approx(0.5, abs=0.01)
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a number above 0"):
            audio.read(path, full_scale=wrong)
    soundfile.write(path, tone(), RATE, "PCM_16")
    with pytest.raises(ValueError, match=r"a\.wav holds no floating-point numbers, and tells its full scale"):
        audio.read(path, full_scale=32768)


def test_quiet_integers_of_32_bits_are_told() -> None:
    with pytest.warns(SignalWarning, match=r"of int32 has no sample beyond 163\d\d, as if they were of fewer bits"):
        audio.read((tone() * 32768).astype(np.int32), RATE)


def test_floats_a_little_beyond_full_scale_are_no_integers(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 4 * tone(), RATE, "FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert audio.read(path).peak == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("ending", [".wav", ".aifc", ".caf"])
def test_numbers_that_are_none_are_told_and_not_known(ending: str, tmp_path: Path) -> None:
    samples = tone(2)
    samples[100:110, 1], samples[200, 0], samples[300] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / f"a{ending}", samples, RATE, "FLOAT", format={".aifc": "AIFF"}.get(ending))
    with pytest.warns(SignalWarning, match=r"13 of 8000 samples are NaN or infinity; nothing is fitted there"):
        found = audio.read(tmp_path / f"a{ending}")
    assert found.known is not None
    assert np.array_equal(found.known, np.isfinite(samples))
    assert np.array_equal(found.values[found.known], samples.astype(np.float32)[np.isfinite(samples)])
    assert np.isfinite(found.values).all()
    assert found.peak == pytest.approx(0.5, abs=0.01)


def test_a_constant_and_a_silent_channel_are_recordings() -> None:
    assert audio.read(np.full((50, 1), 0.25), RATE).peak == 0.25
    half = tone(2)
    half[:, 1] = 0
    assert audio.read(half, RATE).values.shape == (4000, 2)


@pytest.mark.parametrize("rate", [1, 11_025, 22_254, 44_056, 96_000, 192_000, 2**24])
def test_any_rate_is_read_and_written(rate: int, tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", iter([tone().astype(np.float32)]), rate, 1, 16)
    assert audio.read(tmp_path / "a.wav").rate == rate


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((100, 1)), "is silent"),
        (np.full((100, 1), 1e-40, dtype=np.float32), "is silent"),
        (np.full((100, 1), -3e38, dtype=np.float32), "has samples of 3e\\+38 times full scale, which are no sound"),
        (np.ones((1, 1)), "needs at least 2"),
        (np.full((9, 1), np.nan), "only NaN or infinity in channel 0"),
        (np.array([[0.5, np.inf]] * 9), "only NaN or infinity in channel 1"),
        (np.ones((9, 1, 1)), "is no recording"),
        (np.ones((9, 1), dtype=np.uint16), "does not tell its full scale; give full_scale="),
        (np.ones((9, 1), dtype=bool), "is no recording"),
        (np.ones((2, 40)), "has 40 channels of 2 samples.*give its transpose"),
    ],
)
def test_arrays_that_are_no_recording_are_told(array: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        audio.read(array, RATE)


def test_an_array_needs_a_plausible_rate() -> None:
    with pytest.raises(ValueError, match="give rate="):
        audio.read(tone())
    for rate in (0, -5, 2**31):
        with pytest.raises(ValueError, match=f"claims {rate} samples a second"):
            audio.read(tone(), rate)


def test_bad_files_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(ValueError, match="is a folder"):
        audio.read(tmp_path)
    for name, content in (("text.wav", b"no sound at all " * 9), ("riff.wav", b"RIFF\xff\xff\xff\xffWAVEfmt ")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot be read as a recording; it may be damaged[^\n]*$"):
            audio.read(tmp_path / name)
    (tmp_path / "empty.wav").touch()
    with pytest.raises(ValueError, match="is empty"):
        audio.read(tmp_path / "empty.wav")


def test_a_stream_that_ends_early_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.flac", np.random.default_rng(0).uniform(-1, 1, (50_000, 1)), RATE)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cannot be read as a recording|ends early"):
        audio.read(tmp_path / "half.flac")


@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_bytes_that_are_missing_are_told(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"half{suffix}"
    soundfile.write(path, tone(), RATE, subtype="PCM_24")
    audio.read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"half\{suffix} ends early: \d+ of \d+ bytes"):
        audio.read(path)


def test_a_wave_written_before_its_length_was_known_is_read(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4  # as programs leave it that write to a pipe
    path.write_bytes(content)
    assert len(audio.read(path).values) == len(tone())


@pytest.mark.parametrize(
    ("suffix", "bits", "tolerance"), [(".wav", 16, 1e-4), (".wav", 24, 1e-6), (".wav", 32, 1e-7), (".flac", 24, 1e-6)]
)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, bits: int, tolerance: float) -> None:
    samples = tone(2).astype(np.float32)
    assert audio.write(tmp_path / f"a{suffix}", iter(np.array_split(samples, 3)), RATE, 2, bits) == 0
    found = audio.read(tmp_path / f"a{suffix}")
    assert found.rate == RATE
    assert np.abs(found.values / found.full - samples).max() <= tolerance


def test_what_is_louder_than_full_scale_is_clipped_and_told(tmp_path: Path) -> None:
    loud = 3 * tone().astype(np.float32)
    part = audio.write(tmp_path / "a.wav", iter([loud]), RATE, 1, 16)
    assert part == pytest.approx(np.mean(np.abs(loud) > 1))
    assert audio.write(tmp_path / "b.wav", iter([loud]), RATE, 1, 32) == 0
    assert audio.read(tmp_path / "b.wav").peak == pytest.approx(1.5, abs=0.01)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    def failing() -> Any:
        yield tone().astype(np.float32)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        audio.write(tmp_path / "a.wav", failing(), RATE, 1, 16)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="ending must be one of"):
        audio.check_suffix("a.xyz")
    with pytest.raises(ValueError, match=r"FLAC does not hold 9 channels \(at most 8\); choose \.wav"):
        audio.write(tmp_path / "a.flac", iter([tone(9).astype(np.float32)]), RATE, 9, 16)
    with replacing(tmp_path / "x") as temporary:
        temporary.touch()


def test_the_command_line_takes_a_full_scale_and_tells_what_a_format_does_not_hold(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone() * 32768, RATE, "FLOAT")
    settings = ["--width", "16", "--depth", "1", "--passes", "1", "--device", "cpu", "--quiet"]
    found = run(tmp_path, "fit", "a.wav", "--full-scale", "32768", *settings)
    assert (found.returncode, found.stderr) == (0, "")
    found = run(tmp_path, "render", "a.safetensors", "b.wav")
    assert (found.returncode, soundfile.info(tmp_path / "b.wav").subtype) == (0, "FLOAT")
    found = run(tmp_path, "render", "a.safetensors", "b.mp3", "--rate", "96000")
    assert found.returncode == 2
    assert found.stderr.startswith("sinefield: cannot write b.mp3: MP3 holds 8000, 11025, ")
    assert found.stderr.count("\n") == 1
    assert not (tmp_path / "b.mp3").exists()
