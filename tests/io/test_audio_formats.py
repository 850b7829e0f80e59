"""Tests of the table of recordings' formats: each row is read, cut short and written as it says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from documented import endings, rows
from sinefield.io import SignalWarning, audio
from sinefield.io.recordings.encoding import WRITTEN
from sinefield.kinds import KINDS, kind_of
from sounds import ENDINGS, TRUNCATED, block_ends, chirps, cut, decoded, make, rate_of

ROWS = rows("Recordings")
LOSSLESS = (".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf", ".m4r")
SECONDS = 1.5


def test_every_ending_is_in_one_row() -> None:
    listed = [each for row in ROWS for each in endings(row)]
    assert sorted(listed) == sorted(audio.SUFFIXES)
    assert sorted(listed) == sorted(KINDS["audio"].endings)
    assert sorted(listed) == sorted(ENDINGS)  # of which a file can be made here


@pytest.mark.parametrize("ending", audio.SUFFIXES)
def test_a_file_of_each_ending_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    truth = make(path, SECONDS)
    assert kind_of(path) == "audio"
    found = audio.read(path)
    assert found.rate == rate_of(ending)
    assert found.values.shape[1] == 1
    assert found.seconds == pytest.approx(SECONDS, abs=0.06)  # codecs without a count fill their last block
    if ending in LOSSLESS:
        full = 2.0**7 if found.bits == 8 else 2.0**15
        assert len(found.values) == len(truth)
        assert np.abs(found.values / found.full - truth).max() <= 1.01 / full
    # Every moment has its own pitch: what is in the middle is what was there.
    middle = slice(len(truth) // 2 - 500, len(truth) // 2 + 500)
    window = np.hanning(1000)
    peaks = [np.abs(np.fft.rfft(each[middle, 0] * window)).argmax() for each in (truth, found.values / found.full)]
    assert abs(int(peaks[0]) - int(peaks[1])) <= 1


@pytest.mark.parametrize("kept", TRUNCATED)
@pytest.mark.parametrize("ending", audio.SUFFIXES)
def test_a_file_that_was_cut_is_refused_or_told(ending: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    make(path, SECONDS)
    whole = path.read_bytes()
    expected = audio.read(path)
    path.write_bytes(cut(whole, kept))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = audio.read(path)
        except ValueError as error:
            refused = str(error)
            found = None
    if found is None:
        assert "\n" not in refused
        assert refused.startswith(str(path))
        return
    assert all(each.category is SignalWarning for each in told)
    texts = [str(each.message) for each in told]
    if ending in (".wv", ".tta") and kept == -1:  # a tag after the sound was cut
        assert np.array_equal(found.values, expected.values)
    elif whole_blocks(ending, whole, kept):
        assert texts == []
    else:
        assert any("ends early" in each or "no end mark" in each for each in texts), texts
    assert kept < 0 or found.seconds <= (kept + 0.1) * expected.seconds


def whole_blocks(ending: str, whole: bytes, kept: float) -> bool:
    """Return whether a file that is nothing but blocks was cut between two of them, which nothing can tell."""
    return ending in (".ac3", ".eac3", ".ec3", ".aac") and len(cut(whole, kept)) in block_ends(whole)


WRITES: dict[str, Callable[[int], tuple[int, bool]]] = {  # bits, and whether they are floats, where those change
    ".flac": lambda bits: (min(bits, 24), False),
    **dict.fromkeys((".ogg", ".oga", ".opus", ".mp3"), lambda _: (16, False)),
}


@pytest.mark.parametrize(
    ("bits", "floats"), [(8, False), (16, False), (24, False), (32, False), (32, True), (64, True)]
)
@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_written_is_read_again(ending: str, bits: int, floats: bool, tmp_path: Path) -> None:
    path, rate = tmp_path / f"a{ending}", 48_000
    samples = chirps(rate, 0.1, 2).astype(np.float32)
    samples[100:102] = [[-1, 1]]
    if floats:
        samples *= 1.5
    else:
        full = 2.0 ** (bits - 1)
        samples = (np.clip(np.rint(samples * full), -full, full - 1) / full).astype(np.float32)
    audio.write(path, iter(np.array_split(samples, 3)), rate, 2, bits, floats=floats)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = audio.read(path)
    assert (found.rate, found.values.shape) == (rate, samples.shape)
    assert (found.bits, found.floats) == (WRITES[ending](bits) if ending in WRITES else (bits, floats))
    if ending in (".ogg", ".oga", ".opus", ".mp3"):
        assert np.abs(found.values - np.clip(samples, -1, 1))[1000:-1000].mean() < 0.02
    elif ending == ".flac":
        assert np.abs(found.values / found.full - np.clip(samples, -1, 1)).max() <= 2.0**-23
    else:
        assert np.array_equal(found.values / np.float32(found.full), samples)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(endings(row)[0]))
def test_what_the_table_says_is_written_is_written(row: dict[str, str]) -> None:
    written = [each for each in endings(row) if each in WRITTEN]
    if row["Written back"] == "no":
        assert not written
    else:
        assert written
        assert all(each in WRITTEN for each in endings({"Endings": row["Written back"]}))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(endings(row)[0]))
def test_two_decoders_agree(row: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / f"a{endings(row)[0]}"
    make(path, 0.5, 1)
    found = audio.read(path)
    samples = found.values / np.float32(found.full)
    other = decoded(path)
    # FFmpeg does not shorten the last block of a short Ogg file, whose page tells where the recording ends.
    assert len(samples) == (4000 if path.suffix == ".ogg" else len(other))
    assert np.abs(samples - other[: len(samples)]).max() < 2e-6
