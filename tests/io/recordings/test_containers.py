"""Tests of what headers promise: lengths of streams, lengths that lie, chunks and tags around the samples, speakers."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sinefield.io import SignalWarning, audio
from sinefield.io.recordings.containers import find_samples, skip_tags
from sounds import RATE, chirps, content

TRUTH = np.rint(chirps(RATE, 1.0)[:, :1] * 32768) / 32768  # 16,000 bytes
BYTES = 16_000
ID3 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
LIST = b"LIST\x04\0\0\0INFO"


def made(form: str, subtype: str = "PCM_16") -> bytes:
    return content(TRUTH, RATE, form, subtype)


def put(whole: bytes, place: int, form: str, number: int) -> bytes:
    """Return a copy of a file with a number written at a place."""
    changed = bytearray(whole)
    struct.pack_into(form, changed, place, number)
    return bytes(changed)


Place = Callable[[bytes], int]
LENGTHS: dict[
    str, tuple[Place, str, int, tuple[int, ...]]
] = {  # container: where its length of samples is, how, what it counts besides, and what says that it is unknown
    "WAV": (lambda whole: whole.index(b"data") + 4, "<I", 0, (0, 0xFFFFFFFF, 0x80000000, 0x7FFFF000)),
    "RF64": (lambda whole: whole.index(b"ds64") + 16, "<Q", 0, (0, 2**64 - 1)),
    "W64": (lambda whole: whole.index(b"data") + 16, "<Q", 24, (0, 24, 2**64 - 1)),
    "AIFF": (lambda whole: whole.index(b"SSND") + 4, ">I", 8, (0, 8, 0xFFFFFFFF)),
    "AU": (lambda whole: 8, ">I", 0, (0, 0xFFFFFFFF)),
    "CAF": (lambda whole: whole.index(b"data") + 4, ">q", 4, (0, -1)),
}


def read(whole: bytes, folder: Path) -> NDArray[np.float64]:
    (folder / "a.wav").write_bytes(whole)
    found = audio.read(folder / "a.wav")
    samples: NDArray[np.float64] = found.values / found.full
    return samples


@pytest.mark.parametrize("form", LENGTHS)
@pytest.mark.filterwarnings("error")
def test_a_stream_whose_length_was_not_known_is_read_whole(form: str, tmp_path: Path) -> None:
    place, way, _, unknown = LENGTHS[form]
    for number in unknown:
        whole = put(made(form), place(made(form)), way, number)
        assert np.array_equal(read(whole, tmp_path), TRUTH), number


@pytest.mark.parametrize("form", LENGTHS)
def test_a_length_that_lies_is_told_both_ways(form: str, tmp_path: Path) -> None:
    place, way, more, _ = LENGTHS[form]
    whole = made(form)
    low, high, far = (put(whole, place(whole), way, number + more) for number in (4000, BYTES + 100, BYTES + 1000))
    with pytest.warns(SignalWarning, match=r"a\.wav has 12000 more bytes after the 4000 bytes of samples that its he"):
        assert np.array_equal(read(low, tmp_path), TRUTH[:2000])
    with pytest.warns(SignalWarning, match=r"ends early: 16000 of 16100 bytes of samples are there, and are used"):
        assert np.array_equal(read(high, tmp_path), TRUTH)
    with pytest.raises(
        ValueError, match=r"a\.wav ends early: 16000 of 17000 bytes of samples are there; get another c"
    ):
        read(far, tmp_path)


@pytest.mark.parametrize("form", [*LENGTHS, "FLAC"])
@pytest.mark.filterwarnings("error")
def test_tags_around_a_file_are_no_sound(form: str, tmp_path: Path) -> None:
    for whole in (ID3 + made(form), made(form) + b"TAG" + bytes(125), ID3 + ID3 + made(form)):
        assert np.array_equal(read(whole, tmp_path), TRUTH)


WAVES = {
    "chunks behind": made("WAV") + LIST + b"id3 " + struct.pack("<I", len(ID3)) + ID3,
    "chunks before": made("WAV")[:12] + LIST + b"bext" + struct.pack("<I", 603) + bytes(604) + made("WAV")[12:],
    "the whole length wrong": put(made("WAV"), 4, "<I", 7),
    "the whole length unknown": put(made("WAV"), 4, "<I", 0xFFFFFFFF),
    "big-endian": b"",
    "BW64": b"BW64" + made("RF64")[4:],
    "a long fmt chunk": made("WAV")[:16] + b"\x28\0\0\0" + made("WAV")[20:36] + bytes(24) + made("WAV")[36:],
    "20 valid bits of 24": put(made("WAVEX", "PCM_24"), made("WAVEX", "PCM_24").index(b"fmt ") + 26, "<H", 20),
}


@pytest.mark.parametrize("name", WAVES)
@pytest.mark.filterwarnings("error")
def test_waves_as_programs_write_them_are_read(name: str, tmp_path: Path) -> None:
    whole = WAVES[name]
    if name == "big-endian":
        import soundfile

        soundfile.write(tmp_path / "b.wav", TRUTH, RATE, "PCM_16", format="WAV", endian="BIG")
        whole = (tmp_path / "b.wav").read_bytes()
        assert whole[:4] == b"RIFX"
    assert np.abs(read(whole, tmp_path) - TRUTH).max() <= 2.0**-15


@pytest.mark.filterwarnings("error")
def test_an_odd_number_of_bytes_is_read_with_its_padding_and_without(tmp_path: Path) -> None:
    whole = made("WAV", "PCM_U8")
    odd = put(whole, whole.index(b"data") + 4, "<I", 7999)[:-1]
    for each in (odd, odd + b"\0", odd + b"\0" + LIST, odd + LIST):
        assert len(read(each, tmp_path)) == 7999


@pytest.mark.filterwarnings("error")
def test_the_last_block_of_adpcm_ends_where_the_header_says(tmp_path: Path) -> None:
    whole = made("WAV", "IMA_ADPCM")
    place = whole.index(b"fact") + 8
    assert len(read(put(whole, place, "<I", 7900), tmp_path)) == 7900
    filled = len(read(put(whole, place, "<I", 0), tmp_path))  # as programs leave it that do not know
    assert filled >= 8000
    assert len(read(put(whole, place, "<I", 2**31), tmp_path)) == filled


def test_the_number_of_samples_of_aiff_is_compared(tmp_path: Path) -> None:
    whole = made("AIFF")
    place = whole.index(b"COMM") + 10
    with pytest.warns(SignalWarning, match=r"goes on longer than its header says: 8000 samples are there, not 7000"):
        assert np.array_equal(read(put(whole, place, ">I", 7000), tmp_path), TRUTH)
    with pytest.raises(ValueError, match="ends early: 8000 of 9000 samples are there"):
        read(put(whole, place, ">I", 9000), tmp_path)


def test_the_number_of_samples_of_flac_is_compared(tmp_path: Path) -> None:
    whole = made("FLAC")

    def claiming(count: int) -> bytes:
        bits = int.from_bytes(whole[21:26], "big") >> 36 << 36 | count
        return whole[:21] + bits.to_bytes(5, "big") + whole[26:]

    assert np.array_equal(read(claiming(0), tmp_path), TRUTH)  # a stream
    with pytest.warns(SignalWarning, match="goes on longer than its header says: 8000 samples are there, not 3000"):
        assert np.array_equal(read(claiming(3000), tmp_path), TRUTH)
    with pytest.warns(SignalWarning, match="ends early: 8000 of 8100 samples are there, and are used"):
        assert np.array_equal(read(claiming(8100), tmp_path), TRUTH)
    with pytest.raises(ValueError, match="ends early: 8000 of 9000 samples are there"):
        read(claiming(9000), tmp_path)


@pytest.mark.parametrize(("channels", "mask"), [(1, 0x4), (2, 0x3), (2, 0x30), (4, 0x33), (6, 0x3F), (6, 0x60F)])
def test_speakers_are_read_and_written_back(channels: int, mask: int, tmp_path: Path) -> None:
    whole = content(chirps(RATE, 0.2, channels), RATE, "WAVEX", "PCM_16")
    (tmp_path / "a.wav").write_bytes(put(whole, whole.index(b"fmt ") + 28, "<I", mask))
    found = audio.read(tmp_path / "a.wav")
    assert found.speakers == (None if channels <= 2 and mask in (3, 4) else mask)
    samples = (found.values / found.full).astype(np.float32)
    for ending in (".wav", ".rf64"):
        audio.write(tmp_path / f"b{ending}", iter([samples]), RATE, channels, 16, speakers=found.speakers)
        again = audio.read(tmp_path / f"b{ending}")
        assert again.speakers == found.speakers
        assert np.array_equal(again.values, found.values)


def test_what_is_none_of_these_is_told_apart() -> None:
    for whole in (
        b"",
        b"RIFF",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"RIFF\0\0\0\0AVI LIST",
        b".snd",
        b"caff\0\1\0\0",
        b"x" * 99,
    ):
        assert find_samples(io.BytesIO(whole), 0) is None
    assert skip_tags(io.BytesIO(b"ID3\4\0\x10\0\0\1\0" + bytes(138) + b"RIFF")) == 148  # with a footer
    assert skip_tags(io.BytesIO(b"ID3\4\0\0\xff\xff\xff\xff")) == 0
    begun = find_samples(io.BytesIO(made("WAV")[:50]), 0)
    assert begun is not None
    assert (begun.begin, begun.there, begun.promised, begun.missing) == (44, 6, BYTES, BYTES - 6)


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC"])
def test_a_second_file_behind_the_first_is_told(form: str, tmp_path: Path) -> None:
    whole = made(form)
    with pytest.warns(
        SignalWarning, match=r"more bytes after the 16000 bytes|is followed by another FLAC file, from byte"
    ):
        assert np.array_equal(read(whole + made(form), tmp_path), TRUTH)


def test_a_second_chunk_of_samples_is_told(tmp_path: Path) -> None:
    second = b"data" + struct.pack("<I", 8000) + bytes(8000)
    with pytest.warns(SignalWarning, match="has 8008 more bytes after the 16000 bytes of samples"):
        assert np.array_equal(read(made("WAV") + LIST + second, tmp_path), TRUTH)
