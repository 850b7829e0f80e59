"""Small recordings in every format that is read, made by soundfile and by PyAV, which are also the oracles."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 8000

SNDFILE = {  # container and subtype of soundfile, by ending
    ".wav": ("WAV", "PCM_16"),
    ".wave": ("WAVEX", "PCM_24"),
    ".bwf": ("WAV", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_S8"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "FLOAT"),
    ".au": ("AU", "PCM_16"),
    ".snd": ("AU", "ULAW"),
    ".caf": ("CAF", "PCM_24"),
    ".w64": ("W64", "PCM_16"),
    ".rf64": ("RF64", "PCM_16"),
}
FFMPEG = {  # codec, container, and the format of its samples, by ending
    ".m4a": ("aac", "ipod", "fltp"),
    ".m4b": ("aac", "ipod", "fltp"),
    ".m4r": ("alac", "ipod", "s16p"),
    ".aac": ("aac", "adts", "fltp"),
    ".wma": ("wmav2", "asf", "fltp"),
    ".mka": ("pcm_s24le", "matroska", "s32"),
    ".weba": ("libopus", "webm", "flt"),
    ".amr": ("libopencore_amrnb", "amr", "s16"),
    ".3ga": ("libopencore_amrnb", "3gp", "s16"),
    ".ac3": ("ac3", "ac3", "fltp"),
    ".eac3": ("eac3", "eac3", "fltp"),
    ".ec3": ("eac3", "eac3", "fltp"),
    ".mp2": ("mp2", "mp2", "s16"),
    ".mpga": ("libmp3lame", "mp3", "fltp"),
    ".wv": ("wavpack", "wv", "s16p"),
    ".tta": ("tta", "tta", "s16"),
}
_RATES = {".weba": 48_000, ".amr": RATE, ".3ga": RATE}  # others are of 44.1 kHz, but for AC-3
ENDINGS = (*SNDFILE, *FFMPEG)
TRUNCATED = (0.3, 0.6, 0.9, -1, -200)
"""Parts of a file that are kept, or bytes that are cut off."""


def rate_of(ending: str) -> int:
    """Return the rate of the recording of an ending that :func:`make` makes."""
    if ending in SNDFILE:
        return RATE
    return _RATES.get(ending, 48_000 if ending in (".ac3", ".eac3", ".ec3") else 44_100)


def chirps(rate: int, seconds: float, channels: int = 1) -> NDArray[np.float64]:
    """Return tones that rise, ``(n, channels)``, of which every moment and every channel has its own pitch."""
    times = np.arange(round(seconds * rate))[:, None] / rate
    start = 300 + 150 * np.arange(channels)
    found: NDArray[np.float64] = 0.4 * np.sin(2 * np.pi * (start * times + 100 / seconds * times**2))
    return found


def make(path: Path, seconds: float = 1.5, channels: int = 1) -> NDArray[np.float64]:
    """Write a recording in the format of an ending, and return its samples ``(n, channels)``."""
    ending = path.suffix
    samples = chirps(rate_of(ending), seconds, channels)
    if ending in SNDFILE:
        form, subtype = SNDFILE[ending]
        write(path, samples, RATE, form, subtype)
    else:
        codec, form, layout = FFMPEG[ending]
        path.write_bytes(encode(samples, rate_of(ending), codec, form, layout))
    return samples


def write(path: Path | io.BytesIO, samples: NDArray[np.float64], rate: int, form: str, subtype: str) -> None:
    """Write samples by soundfile, in blocks: libvorbis ends the process on long ones."""
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], subtype, format=form) as file:
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])


def content(samples: NDArray[np.float64], rate: int, form: str, subtype: str) -> bytes:
    """Return the bytes of the file that :func:`write` would write."""
    buffer = io.BytesIO()
    write(buffer, samples, rate, form, subtype)
    return buffer.getvalue()


def encode(samples: NDArray[np.float64], rate: int, codec: str, form: str, layout: str, *, tracks: int = 1) -> bytes:
    """Return the bytes of a file that FFmpeg writes.

    Args:
        samples: ``(n, channels)``; of each further track a softer half.
        rate: of samples.
        codec: name of the encoder.
        form: name of the container.
        layout: format of the samples that the encoder takes.
        tracks: how many sound tracks there are.
    """
    speakers = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[1]]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        streams = []
        for _ in range(tracks):
            options = {"b": "12200" if "amr" in codec else "128k"}
            stream = container.add_stream(codec, rate=rate, layout=speakers, options=options)
            stream.codec_context.format = layout
            streams.append(stream)
        for number, stream in enumerate(streams):
            for frame in _frames(samples / 2**number, rate, speakers, layout, stream.codec_context.frame_size or 1024):
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return buffer.getvalue()


def _frames(samples: NDArray[np.float64], rate: int, speakers: str, layout: str, size: int) -> Iterator[av.AudioFrame]:
    planes = np.ascontiguousarray(samples.T.astype(np.float32))
    resampler = av.AudioResampler(format=layout, layout=speakers, rate=rate)
    for start in range(0, planes.shape[1], size):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes[:, start : start + size]), "fltp", speakers)
        frame.sample_rate, frame.pts = rate, start
        yield from resampler.resample(frame)


def decoded(source: Path | bytes) -> NDArray[np.float32]:
    """Return the samples ``(n, channels)`` that FFmpeg decodes of a file, full scale 1."""
    resampler = av.AudioResampler(format="fltp")
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
    return np.concatenate([each.to_ndarray() for each in frames], axis=1).T


def block_ends(whole: bytes) -> list[int]:
    """Return where the blocks of a file end that is nothing but blocks, by FFmpeg."""
    with av.open(io.BytesIO(whole)) as container:
        return list(accumulate(packet.size for packet in container.demux(audio=0)))


def cut(whole: bytes, kept: float) -> bytes:
    """Return the beginning of a file, by one of :data:`TRUNCATED`."""
    return whole[: int(kept * len(whole)) if kept > 0 else int(kept)]
