"""Tests of writing recordings: what a format cannot hold is told in words, channels keep their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sinefield.io import audio
from sinefield.io.recordings.encoding import WRITTEN
from sounds import chirps, decoded

SAMPLES = chirps(48_000, 0.2, 2).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        (
            "a.mp3",
            96_000,
            r"MP3 holds 8000, 11025, .*, 48000 samples a second, and not 96000; choose one of these with -",
        ),
        (
            "a.mp3",
            44_056,
            r"MP3 holds 8000, 11025, .* and not 44056; choose one of these with --rate, or \.wav or \.flac$",
        ),
        ("a.opus", 44_100, r"Opus holds 8000, 12000, 16000, 24000, 48000 samples a second, and not 44100"),
        ("a.flac", 2**22, r"FLAC holds up to 655350 samples a second, and not 4194304; choose one"),
        ("a.flac", 200_001, r"FLAC does not hold 2 channels at 200001 Hz; choose \.wav$"),
        ("a.ogg", 2**20, r"OGG holds up to 200000 samples a second, and not 1048576; choose one"),
    ],
)
def test_rates_that_a_format_does_not_hold_are_told(name: str, rate: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        audio.write(tmp_path / name, iter([SAMPLES]), rate, 2, 16)
    assert str(caught.value).startswith(f"cannot write {tmp_path / name}: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "most"), [("a.mp3", 2), ("a.flac", 8), ("a.ogg", 8), ("a.opus", 8)])
def test_channels_that_a_format_does_not_hold_are_told(name: str, most: int, tmp_path: Path) -> None:
    many = np.zeros((100, most + 1), dtype=np.float32)
    with pytest.raises(ValueError, match=rf"does not hold {most + 1} channels \(at most {most}\); choose \.wav$"):
        audio.write(tmp_path / name, iter([many]), 48_000, most + 1, 16)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au"])
def test_more_than_32_bits_count_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"more than the 4 GiB that \w+ holds; choose \.rf64, \.w64 or \.caf, or a part"
    ):
        audio.write(tmp_path / name, iter([SAMPLES]), 48_000, 2, 24, count=2**30)
    assert not list(tmp_path.iterdir())
    audio.write(tmp_path / "a.caf", iter([SAMPLES]), 48_000, 2, 24, count=2**30)


@pytest.mark.parametrize("ending", [".ogg", ".opus", ".flac", ".wav"])
@pytest.mark.parametrize("channels", [3, 5, 6, 7, 8])
def test_channels_come_back_in_their_order(ending: str, channels: int, tmp_path: Path) -> None:
    path, samples = tmp_path / f"a{ending}", chirps(48_000, 0.5, channels).astype(np.float32)
    audio.write(path, iter([samples]), 48_000, channels, 16)
    found = audio.read(path)
    middle, window = slice(9000, 13_000), np.hanning(4000)[:, None]
    for each in (found.values, decoded(path) if channels < 8 else found.values):  # FFmpeg puts them in WAVE's order too
        pitches = [np.abs(np.fft.rfft(part[middle] * window, axis=0)).argmax(axis=0) for part in (samples, each)]
        low = 3 if channels >= 6 and ending in (".ogg", ".opus") else None  # low frequencies, and codecs know it
        differs = [k for k in range(channels) if abs(int(pitches[0][k]) - int(pitches[1][k])) > 1 and k != low]
        assert not differs


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_long_block_is_written_as_short_ones(ending: str, tmp_path: Path) -> None:
    # libvorbis keeps a whole block on the stack.
    path = tmp_path / f"a{ending}"
    audio.write(path, iter([np.tile(SAMPLES, (220, 1))]), 48_000, 2, 16)
    assert audio.read(path).seconds == pytest.approx(44, abs=0.1)


@pytest.mark.parametrize(("ending", "subtype"), [(".wav", "PCM_16"), (".flac", "PCM_24"), (".aiff", "PCM_24")])
def test_other_programs_read_the_same_samples(ending: str, subtype: str, tmp_path: Path) -> None:
    path, bits = tmp_path / f"a{ending}", int(subtype[-2:])
    whole = np.rint(SAMPLES * 2.0 ** (bits - 1)) / 2.0 ** (bits - 1)
    whole[5] = [-1, 1 - 2.0 ** (1 - bits)]
    audio.write(path, iter([whole.astype(np.float32)]), 48_000, 2, bits)
    assert soundfile.info(path).subtype == subtype
    assert np.array_equal(soundfile.read(path)[0], whole)
