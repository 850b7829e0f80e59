"""Tests of MP3: lengths are those of the frames, whatever the first of them, tags and pictures say; FFmpeg agrees."""

from __future__ import annotations

import io
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from command import run, run_alone
from sinefield.io import SignalWarning, audio
from sinefield.io.recordings.mpeg import find_frames
from sounds import chirps, decoded, encode

COUNT = 100_000  # samples of the whole recording: 2.27 s
ID3 = b"ID3\3\0\0\0\1\0\0" + bytes(1 << 14)
ID3_V1 = b"TAG" + bytes(125)
PICTURE = b"ID3\3\0\0\0\x10\0\0" + bytes(range(256)) * 1024  # 262,144 bytes, with 0xFF 0xFE … in them


def ape(*, header: bool) -> bytes:
    """Return an APE tag of 100 bytes of items, with a header or only a footer."""
    fields = struct.pack("<III", 2000, 132, 1)
    first = b"APETAGEX" + fields + struct.pack("<I8x", 0xA0000000) if header else b""
    return first + b"y" * 100 + b"APETAGEX" + fields + struct.pack("<I8x", 0x80000000 * header)


@cache
def whole(rate: int = 44_100, channels: int = 2) -> bytes:
    """Return an MP3 of COUNT samples, with an Info frame that tells the number of frames, the delay and the padding."""
    return encode(chirps(rate, COUNT / rate, channels), rate, "libmp3lame", "mp3", "fltp")


@cache
def frames_only() -> bytes:
    found = find_frames(whole(), 0)
    assert found is not None
    return b"".join(whole()[each.start : each.stop] for each in found.pieces)


def with_info(offset: int, number: int, content: bytes | None = None) -> bytes:
    """Return a file whose Info frame has another number, at an offset from its name."""
    changed = bytearray(whole() if content is None else content)
    struct.pack_into(">I", changed, changed.index(b"Info") + offset, number)
    return bytes(changed)


def with_vbri(number: int) -> bytes:
    """Return a file whose first frame is of the kind that Fraunhofer's encoder writes."""
    start = whole().index(b"Info") - 36
    head = whole()[start : start + 4].ljust(36, b"\0")
    length = len(whole()) - start - len(frames_only())
    told = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(whole()) - start, number)
    return (head + told).ljust(length, b"\0") + frames_only()


NOISE = np.random.default_rng(0).bytes(5000)
HEALTHY = {
    "as it is": whole(),
    "behind a tag": ID3 + whole(),
    "behind a picture": PICTURE + ID3 + whole(),
    "behind an APE tag": ape(header=True) + whole(),
    "behind other bytes": NOISE + whole(),
    "before ID3v1": whole() + ID3_V1,
    "before APE with a header": whole() + ape(header=True) + ID3_V1,
    "before APE without": whole() + ape(header=False),
    "before lyrics": whole() + b"LYRICSBEGININD0000200000017LYRICS200" + ID3_V1,
    "before zeros": whole() + bytes(9000),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.filterwarnings("error")
def test_a_healthy_file_has_the_length_of_the_recording(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(HEALTHY[name])
    found = audio.read(tmp_path / "a.mp3")
    assert found.values.shape == (COUNT, 2)
    assert np.abs(found.values - decoded(whole())).max() < 2e-6


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (32_000, 2), (22_050, 2), (16_000, 1), (8000, 1)])
@pytest.mark.filterwarnings("error")
def test_every_rate_is_decoded_as_ffmpeg_does(rate: int, channels: int, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(whole(rate, channels))
    found = audio.read(tmp_path / "a.mp3")
    assert (found.rate, found.values.shape) == (rate, (COUNT, channels))
    assert np.abs(found.values - decoded(whole(rate, channels))).max() < 2e-6


@pytest.mark.parametrize("name", ["without a picture", "with a picture", "of varying bit rate"])
@pytest.mark.filterwarnings("error")
def test_without_an_info_frame_the_frames_are_counted(name: str, tmp_path: Path) -> None:
    content = {
        "without a picture": frames_only(),
        "with a picture": PICTURE + frames_only(),
        "of varying bit rate": varying(),
    }[name]
    (tmp_path / "a.mp3").write_bytes(content)
    found = audio.read(tmp_path / "a.mp3")
    truth = decoded(content)
    assert found.values.shape == truth.shape
    assert len(truth) % 1152 == 0
    assert np.abs(found.values - truth).max() < 1e-5


def varying() -> bytes:
    """Return frames of a recording that begins in silence: the first are a fraction of the length of the others."""
    samples = np.concatenate([np.zeros((20_000, 1)), np.random.default_rng(0).uniform(-0.5, 0.5, (80_000, 1))])
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 44_100, "MPEG_LAYER_III", format="MP3", bitrate_mode="VARIABLE")
    content = buffer.getvalue()
    found = find_frames(content, 0)
    assert found is not None
    assert found.pieces[0].start > 0  # its Info frame
    return b"".join(content[each.start : each.stop] for each in found.pieces)


TOLD = {
    "more frames than its header says": (
        with_info(8, 10),
        r"goes on longer than its header says: 88 frames .*, not 10",
    ),
    "fewer frames, but all bytes": (with_info(8, 9999), r"tells 9999 frames in its header, and 88 are there"),
    "VBRI of fewer": (with_vbri(44), r"goes on longer than its header says: 88 frames are there, not 44"),
    "a second file behind": (whole() + ID3 + whole(), r"176 frames are there, not 88; all are used"),
    "other bytes between": (whole()[:9000] + NOISE + whole()[9000:], r"has \d+ bytes between its frames"),
    "other bytes behind": (whole() + NOISE, r"has 5000 bytes after its last frame"),
    "a byte of many frames missing": (
        (frames_only() * 2)[:-1],
        r"ends early: 175 of 176 frames are there, and are used",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_differs_is_told(name: str, tmp_path: Path) -> None:
    content, message = TOLD[name]
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.warns(SignalWarning, match=message):
        found = audio.read(tmp_path / "a.mp3")
    times = 2 if name in ("a second file behind", "a byte of many frames missing") else 1
    assert len(found.values) == pytest.approx(times * COUNT, abs=2500)
    assert 0.3 < np.abs(found.values).max() < 0.8  # a frame in two parts is heard, at most


@pytest.mark.parametrize(
    "content",
    [
        whole()[: len(whole()) // 2],
        (ID3 + whole())[: len(whole()) // 2 + len(ID3)],
        with_info(12, 9_999_999, with_info(8, 9999)),
    ],
    ids=["half", "half with a tag", "another copy of it was larger"],
)
def test_a_file_that_was_cut_is_refused_with_the_amount(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mp3 ends early: \d\d of \d+ frames are there; get another copy$"):
        audio.read(tmp_path / "a.mp3")


def test_bytes_that_are_no_frames_are_none() -> None:
    for content in (b"", b"\xff", NOISE * 20, b"\xff\xfb" * 4000, b"RIFF" + bytes(9000)):
        assert find_frames(content, 0) is None
    for length in (1, 2, 3):  # very few frames are some
        found = find_frames(frames_only()[: 418 * length], 0)
        assert found is not None
        assert found.count >= length - 1


def test_the_command_line_prints_no_line_of_a_library(tmp_path: Path) -> None:
    (tmp_path / "cut.mp3").write_bytes(whole()[:-200])
    (tmp_path / "half.mp3").write_bytes(whole()[: len(whole()) // 2])
    settings = ["--width", "16", "--depth", "1", "--passes", "1", "--device", "cpu", "--quiet"]
    found = run_alone(tmp_path, "fit", "cut.mp3", *settings)
    assert found.returncode == 0, found.stderr
    assert found.stderr == (
        "sinefield: cut.mp3 ends early: 87 of 88 frames are there, and are used; get another copy for the rest\n"
    )
    found = run(tmp_path, "fit", "half.mp3", *settings)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("sinefield: half.mp3 ends early: ")
