"""Tests of what exporters are told of a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from exported import IMAGE, SIGNALS, network, subject_of
from sinefield import checkpoint
from sinefield.export.subject import Subject, check_signal


@pytest.mark.parametrize(
    ("kind", "axes", "box"),
    [
        ("image", ("y", "x"), ((-0.75, 0.75), (-1.0, 1.0))),
        ("audio", ("t",), ((-1.0, 1.0),)),
        ("shape", ("x", "y", "z"), ((-1.0, 1.0),) * 3),
        ("equation", ("t", "x"), ((0.0, 2.0), (1.0, 3.0))),
    ],
)
def test_axes_and_their_ranges(kind: str, axes: tuple[str, ...], box: tuple[tuple[float, float], ...]) -> None:
    dimension, stored = SIGNALS[kind]
    subject = subject_of(network("siren", dimension), stored)
    assert (subject.axes, subject.box) == (axes, box)


def test_a_field_of_nothing() -> None:
    subject = subject_of(network("siren", 3))
    assert subject.axes == ("x0", "x1", "x2")
    assert subject.box == ((-1.0, 1.0),) * 3
    assert [subject.lattice, subject.signal, subject.signal_json()] == [None] * 3
    with pytest.raises(ValueError, match="does not tell what it is of"):
        check_signal(subject)


def test_titles_are_harmless() -> None:
    subject = Subject(Path("a.safetensors"), network("siren"), {"source": {"name": 'x"\n*/`\\' + "y" * 200}})
    assert not set(subject.title) & set("\"'\\\n*`")
    assert len(subject.title) == 80
    assert Subject(Path("a.safetensors"), network("siren"), {"source": 3}).title == "a"


def test_bytes_of_the_signal_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "photo.safetensors"
    checkpoint.save(path, network("siren"), signal=IMAGE)
    subject = Subject.read(path)
    assert "profile" not in str(subject.signal_json())
    assert subject.size == path.stat().st_size
