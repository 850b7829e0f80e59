"""Tests of sound that FFmpeg decodes: which track, what a clip is told, what cannot be read, in words."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from command import run
from sinefield.io import SignalWarning, audio
from sounds import RATE, chirps, content, encode, make

SETTINGS = ["--width", "16", "--depth", "1", "--passes", "1", "--device", "cpu", "--quiet"]


def clip(path: Path, *, tracks: int) -> None:
    """Write a clip of a second, with so many sound tracks, each half as loud as the one before."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=Fraction(8))
        pictures.width = pictures.height = 32
        pictures.pix_fmt = "yuv420p"
        sounds = [container.add_stream("aac", rate=RATE, layout="mono") for _ in range(tracks)]
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 30 * number, np.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        for number, sound in enumerate(sounds):
            planes = (chirps(RATE, 1.0) / 2**number).T.astype(np.float32)
            for start in range(0, RATE, 1024):
                part = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes[:, start : start + 1024]), "fltp", "mono")
                part.sample_rate, part.pts = RATE, start
                container.mux(sound.encode(part))
        for stream in (pictures, *sounds):
            container.mux(stream.encode(None))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov"])
def test_the_sound_of_a_clip_is_read_and_that_is_told(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"12:30 clip{ending}"  # which could be taken for an address
    clip(path, tracks=1)
    with pytest.warns(
        SignalWarning, match=r"holds a clip, of which only the sound is used; --kind video fits its pict"
    ):
        found = audio.read(path)
    assert found.rate == RATE
    assert found.seconds == pytest.approx(1, abs=0.15)
    assert found.peak == pytest.approx(0.4, abs=0.1)


def test_the_first_of_several_tracks_is_used_and_that_is_told(tmp_path: Path) -> None:
    samples = chirps(RATE, 1.0)
    path = tmp_path / "a.mka"
    path.write_bytes(encode(samples, RATE, "pcm_s16le", "matroska", "s16", tracks=3))
    with pytest.warns(
        SignalWarning, match=r"a\.mka has 3 sound tracks, and the first is used; choose another with --tr"
    ):
        first = audio.read(path)
    for track in range(3):
        found = audio.read(path, track=track)
        assert np.abs(found.values / found.full - samples / 2**track).max() <= 2.0**-15
    assert np.array_equal(first.values, audio.read(path, track=0).values)
    for track in (3, -1):
        with pytest.raises(ValueError, match=rf"has 3 sound tracks, 0 to 2; there is no track {track}$"):
            audio.read(path, track=track)
    (tmp_path / "a.wav").write_bytes(content(samples, RATE, "WAV", "PCM_16"))
    with pytest.raises(ValueError, match=r"a\.wav has one sound track, 0; there is no track 1$"):
        audio.read(tmp_path / "a.wav", track=1)


def test_the_command_line_reads_a_voice_memo_and_another_track(tmp_path: Path) -> None:
    make(tmp_path / "memo.m4a", 0.5, 2)
    found = run(tmp_path, "fit", "memo.m4a", *SETTINGS)
    assert (found.returncode, found.stderr) == (0, "")
    (tmp_path / "two.mka").write_bytes(encode(chirps(RATE, 0.5), RATE, "pcm_s16le", "matroska", "s16", tracks=2))
    found = run(tmp_path, "fit", "two.mka", "--track", "1", *SETTINGS)
    assert (found.returncode, found.stderr) == (0, "")
    clip(tmp_path / "clip.mp4", tracks=1)
    found = run(tmp_path, "fit", "clip.mp4", "--kind", "audio", *SETTINGS)
    assert found.returncode == 0
    assert found.stderr == (
        "sinefield: clip.mp4 holds a clip, of which only the sound is used; --kind video fits its pictures\n"
    )


def test_a_clip_without_sound_is_told(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", tracks=0)
    with pytest.raises(ValueError, match=r"a\.mp4 has no sound in it, only pictures; fit them with --kind video$"):
        audio.read(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "whole",
    [
        b"no sound at all " * 99,
        b"#EXTM3U\nhttp://127.0.0.1:9/a.mp3\n",
        b"ffconcat version 1.0\nfile a.wav\n",
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        np.random.default_rng(1).bytes(20_000),
        b"fLaC" + bytes(20),
    ],
    ids=["text", "a list of addresses", "a list of files", "a picture", "noise", "FLAC"],
)
def test_what_is_no_recording_is_refused_in_words(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(whole)
    with pytest.raises(
        ValueError, match=r"a\.m4a cannot be read as a recording; it may be damaged, protected, or of an"
    ):
        audio.read(tmp_path / "a.m4a")


def test_without_pyav_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.m4a", 0.2)
    make(tmp_path / "a.mp3", 0.2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ValueError,
        match=r"a\.m4a is damaged, or of a format that needs PyAV; install it with: pip install 'sinefield\[video\]'$",
    ):
        audio.read(tmp_path / "a.m4a")
    assert audio.read(tmp_path / "a.mp3").rate == RATE  # which needs no extra


@pytest.mark.parametrize(
    ("codec", "layout", "bits", "floats"),
    [
        ("pcm_s16le", "s16", 16, False),
        ("pcm_s24le", "s32", 24, False),
        ("pcm_s32le", "s32", 32, False),
        ("pcm_f32le", "flt", 32, True),
        ("pcm_f64le", "dbl", 64, True),
        ("flac", "s16", 16, False),
        ("libopus", "flt", 16, False),
    ],
)
def test_bits_are_those_of_the_codec(codec: str, layout: str, bits: int, floats: bool, tmp_path: Path) -> None:
    rate = 48_000
    samples = chirps(rate, 0.2, 2)
    (tmp_path / "a.mka").write_bytes(encode(samples, rate, codec, "matroska", layout))
    found = audio.read(tmp_path / "a.mka")
    assert (found.bits, found.floats, found.values.shape) == (bits, floats, samples.shape)
    if codec != "libopus":
        assert np.abs(found.values / found.full - samples).max() <= 2.0**-15


@pytest.mark.parametrize(
    ("codec", "form", "layout", "rate"),
    [
        ("g722", "wav", "s16", 16_000),
        ("flac", "ogg", "s16", 48_000),
        ("alac", "caf", "s16p", 48_000),
    ],
)
@pytest.mark.filterwarnings("error")
def test_codecs_that_libsndfile_lacks_are_read_in_its_containers(
    codec: str, form: str, layout: str, rate: int, tmp_path: Path
) -> None:
    samples = chirps(rate, 0.5)
    whole = encode(samples, rate, codec, form, layout)
    (tmp_path / f"a.{form}").write_bytes(whole)
    found = audio.read(tmp_path / f"a.{form}")
    assert (found.rate, found.bits) == (rate, 16)
    assert found.seconds == pytest.approx(0.5, abs=0.05)
    assert found.peak == pytest.approx(0.4, abs=0.1)
    (tmp_path / f"a.{form}").write_bytes(whole[: len(whole) // 2])
    message = r"ends early: \d+ of \d+ bytes of samples are there|what is there cannot be decoded; get"
    with pytest.raises(ValueError, match=message):
        audio.read(tmp_path / f"a.{form}")


def test_channels_keep_their_order_and_speakers(tmp_path: Path) -> None:
    rate = 48_000
    samples = chirps(rate, 0.5, 6)
    make(tmp_path / "a.ac3", 0.5, 6)
    found = audio.read(tmp_path / "a.ac3")
    assert found.speakers == 0x60F  # the surround channels of AC-3 are at the sides
    middle, window = slice(9000, 11_000), np.hanning(2000)[:, None]
    pitches = [np.abs(np.fft.rfft(each[middle] * window, axis=0)).argmax(axis=0) for each in (samples, found.values)]
    kept = [0, 1, 2, 4, 5]  # the fourth holds low frequencies only
    assert np.abs(pitches[0][kept] - pitches[1][kept]).max() <= 1


def test_eight_channels_are_read(tmp_path: Path) -> None:
    # The planes of eight channels, read one by one, end the process in PyAV.
    samples = chirps(48_000, 0.2, 8)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("flac", rate=48_000, layout="7.1")
        stream.codec_context.format = "s16"
        stored = np.rint(samples * 32768).astype(np.int16)
        for start in range(0, len(stored), 4608):
            part = np.ascontiguousarray(stored[start : start + 4608]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, "s16", "7.1")
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (tmp_path / "a.mka").write_bytes(buffer.getvalue())
    found = audio.read(tmp_path / "a.mka")
    assert np.array_equal(found.values, stored)
    assert found.speakers == 0x63F


def test_gaps_between_blocks_are_told(tmp_path: Path) -> None:
    samples = chirps(RATE, 2.0).T.astype(np.float32)
    with av.open(str(tmp_path / "a.mka"), "w") as container:
        sound = container.add_stream("pcm_f32le", rate=RATE, layout="mono")
        for start in range(0, 2 * RATE, 1000):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + 1000]), "flt", "mono")
            part.sample_rate, part.pts = RATE, start + (RATE // 2 if start >= RATE else 0)
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    with pytest.warns(SignalWarning, match=r"a\.mka has gaps of 0\.50 s in all, which are left out$"):
        found = audio.read(tmp_path / "a.mka")
    assert np.array_equal(found.values, samples.T)


def test_a_file_whose_end_tells_what_it_holds_is_refused_without_it(tmp_path: Path) -> None:
    make(tmp_path / "a.m4a", 2.0)
    (tmp_path / "a.m4a").write_bytes((tmp_path / "a.m4a").read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"a\.m4a ends early, and what is there cannot be decoded; get another copy$"):
        audio.read(tmp_path / "a.m4a")


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    make(tmp_path / "a.aac", 4.0)
    whole = bytearray((tmp_path / "a.aac").read_bytes())
    whole[20_000:20_400] = bytes(400)
    (tmp_path / "a.aac").write_bytes(whole)
    with pytest.warns(SignalWarning, match=r"is damaged or ends early: \d of its \d+ blocks cannot be decoded"):
        found = audio.read(tmp_path / "a.aac")
    assert found.seconds == pytest.approx(4, abs=0.2)
    for start in range(2000, len(whole) - 400, 1000):
        whole[start : start + 200] = bytes(200)
    (tmp_path / "a.aac").write_bytes(whole)
    with pytest.raises(ValueError, match=r"is damaged: \d+ of \d+ blocks can be decoded; get another copy"):
        audio.read(tmp_path / "a.aac")


@pytest.mark.filterwarnings("error")
def test_a_cover_is_no_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        cover = container.add_stream("mjpeg")
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        for packet in (*cover.encode(frame), *cover.encode(None)):
            container.mux(packet)
        planes = chirps(RATE, 1.0).T.astype(np.float32)
        for start in range(0, RATE, 1024):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes[:, start : start + 1024]), "fltp", "mono")
            part.sample_rate, part.pts = RATE, start
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))
    with av.open(str(tmp_path / "a.m4a")) as container:
        assert [each.type for each in container.streams] == ["audio", "video"]
    assert audio.read(tmp_path / "a.m4a").seconds == pytest.approx(1, abs=0.15)
