"""Tests of what libsndfile decodes: a format is known by its content, bits by its codec, lengths are compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sinefield.io import SignalWarning, audio
from sinefield.io.recordings.decoding import XIPH_ORDER, Length
from sounds import RATE, chirps, content, decoded, make


def test_lengths_are_compared_both_ways() -> None:
    assert Length(100, 100, "bytes").compared("a") is None
    assert Length(98, 100, "bytes").compared("a") == (
        "ends early: 98 of 100 bytes are there, and are used; get another copy for the rest"
    )
    assert Length(1.5, 1.25, "s").compared("a") == (
        "goes on longer than its header says: 1.5 s are there, not 1.25; all are used"
    )
    with pytest.raises(ValueError, match=r"^a ends early: 97 of 100 bytes are there; get another copy$"):
        Length(97, 100, "bytes").compared("a")


@pytest.mark.parametrize(("real", "ending"), [(".flac", ".mp3"), (".m4a", ".wav"), (".wav", ".m4a"), (".ogg", ".flac")])
@pytest.mark.filterwarnings("error")
def test_a_wrong_ending_does_not_matter(real: str, ending: str, tmp_path: Path) -> None:
    make(tmp_path / f"a{real}", 0.5)
    shutil.copy(tmp_path / f"a{real}", tmp_path / f"b{ending}")
    first, second = (audio.read(tmp_path / name) for name in (f"a{real}", f"b{ending}"))
    assert np.array_equal(first.values, second.values)


@pytest.mark.parametrize(
    ("form", "subtype", "bits", "step"),
    [
        ("WAV", "ULAW", 16, 2**-5),
        ("WAV", "ALAW", 16, 2**-5),
        ("WAV", "IMA_ADPCM", 16, 2**-4),
        ("WAV", "MS_ADPCM", 16, 2**-4),
        ("WAV", "DOUBLE", 64, 2**-23),
        ("WAV", "PCM_32", 32, 2**-23),
        ("CAF", "ALAC_16", 16, 2**-15),
        ("CAF", "ALAC_24", 24, 2**-22),
        ("AIFF", "PCM_U8", 8, 2**-6),
        ("FLAC", "PCM_S8", 8, 2**-6),
    ],
)
@pytest.mark.filterwarnings("error")
def test_codecs_are_of_as_many_bits_as_they_are(
    form: str, subtype: str, bits: int, step: float, tmp_path: Path
) -> None:
    samples = chirps(RATE, 0.5, 2)
    (tmp_path / "a.wav").write_bytes(content(samples, RATE, form, subtype))
    found = audio.read(tmp_path / "a.wav")
    assert (found.bits, found.floats) == (bits, subtype == "DOUBLE")
    assert found.values.dtype == (np.int16 if bits <= 16 else np.float32)
    late = 200  # samples until ADPCM knows how loud it is
    assert np.abs(found.values[late : len(samples)] / found.full - samples[late:]).max() <= step
    assert len(found.values) - len(samples) < 1024  # blocks of ADPCM are filled up


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("channels", XIPH_ORDER)
def test_channels_of_ogg_have_the_order_that_ffmpeg_gives_them(subtype: str, channels: int, tmp_path: Path) -> None:
    samples = chirps(48_000, 0.5, channels)
    (tmp_path / "a.ogg").write_bytes(content(samples, 48_000, "OGG", subtype))
    found = audio.read(tmp_path / "a.ogg").values
    with soundfile.SoundFile(tmp_path / "a.ogg") as file:
        assert np.allclose(found, file.read(dtype="float32")[:, XIPH_ORDER[channels]])
    if channels < 8:  # the planes of more cannot be read by PyAV
        assert np.abs(found[: len(samples) - 2000] - decoded(tmp_path / "a.ogg")[: len(samples) - 2000]).max() < 5e-3


def test_opus_keeps_the_rate_of_the_recording(tmp_path: Path) -> None:
    for rate in (8000, 16_000, 24_000, 48_000):
        (tmp_path / "a.opus").write_bytes(content(chirps(rate, 0.5), rate, "OGG", "OPUS"))
        found = audio.read(tmp_path / "a.opus")
        assert (found.rate, len(found.values)) == (rate, rate // 2)


def test_an_ogg_file_without_an_end_is_used_and_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (60_000, 1))
    whole = content(noise, RATE, "OGG", "VORBIS")
    (tmp_path / "a.ogg").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(
        SignalWarning, match=r"a\.ogg has no end mark, as if it had been cut: the \d\.\d\d s that are the"
    ):
        found = audio.read(tmp_path / "a.ogg")
    assert 2 < found.seconds < 4
    (tmp_path / "a.ogg").write_bytes(content(noise[:3000], RATE, "OGG", "VORBIS")[:-1])
    with pytest.raises(ValueError, match=r"a\.ogg ends early: no part of it can be decoded; get another copy$"):
        audio.read(tmp_path / "a.ogg")


def test_formats_that_do_not_tell_their_length_are_refused(tmp_path: Path) -> None:
    for form in ("VOC", "NIST", "IRCAM", "PAF", "SVX", "AVR"):
        (tmp_path / "a.wav").write_bytes(content(chirps(RATE, 0.2), RATE, form, "PCM_16"))
        with pytest.raises(ValueError, match=r"a\.wav cannot be read as a recording; .* convert it to WAV or FLAC$"):
            audio.read(tmp_path / "a.wav")
