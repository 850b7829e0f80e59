"""Tests of ``sinefield fit FOLDER``, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import sinefield
from sinefield import checkpoint, collection
from sinefield.cli.commands import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three pictures of two sizes, one of them in a folder of its own; returns what it is in."""
    numbers = np.random.default_rng(0)
    (tmp_path / "in" / "more").mkdir(parents=True)
    for name, size in (("a.png", (8, 8)), ("b.png", (8, 8)), ("more/a.bmp", (6, 9, 3))):
        PIL.Image.fromarray(numbers.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / "in" / name)
    return tmp_path


@dataclass(frozen=True)
class Answer:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process, which has torch already."""

    def command(folder: Path, *arguments: str) -> Answer:
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return Answer(int(ended.value.code or 0), told.out, told.err)

    return command


def test_a_folder_becomes_fields_and_what_is_there_is_kept(folder: Path, run: Command) -> None:
    done = run(folder, "fit", "in/", "-o", "out/", "--json", "--seed", "3")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["fitted"], told["kept"], told["left_out"]) == (3, 0, {})
    assert min(told["psnr"].values()) > 45
    names = ["a.safetensors", "b.safetensors", "more/a.safetensors"]
    assert sorted(str(each.relative_to(folder / "out")) for each in (folder / "out").rglob("*.*")) == names
    header = checkpoint.read_header(folder / "out" / "more" / "a.safetensors")
    assert (header["seed"], header["source"]["name"]) == (3, "a.bmp")

    before = checkpoint.read(folder / "out" / "b.safetensors")[0]
    (folder / "out" / "b.safetensors").unlink()
    times = {each: each.stat().st_mtime_ns for each in (folder / "out").rglob("*.safetensors")}
    again = json.loads(run(folder, "fit", "in", "-o", "out", "--json", "--seed", "3").stdout)
    assert (again["fitted"], again["kept"]) == (1, 2)
    assert {each: each.stat().st_mtime_ns for each in times} == times
    found = checkpoint.read(folder / "out" / "b.safetensors")[0]
    for one, another in zip(before.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(one, another, rtol=0, atol=1e-5)  # alone it is the same field

    other = json.loads(run(folder, "fit", "in", "-o", "out", "--json").stdout)  # another start: found anew
    assert (other["fitted"], other["kept"]) == (3, 0)
    assert run(folder, "render", "out/b.safetensors", "b.npy").returncode == 0
    picture = np.asarray(PIL.Image.open(folder / "in" / "b.png")).astype(float)
    assert np.abs(np.load(folder / "b.npy") - picture).max() < 4


def test_what_cannot_be_fitted_is_left_out_in_a_line_each(folder: Path, run: Command) -> None:
    (folder / "in" / "bad.png").write_bytes(b"nothing")
    (folder / "in" / "song.wav").write_bytes(b"RIFF")
    (folder / "in" / ".hidden").write_bytes(b"nothing")
    PIL.Image.new("L", (8, 8)).save(folder / "in" / "black.png")
    (folder / "out").mkdir()
    (folder / "out" / "b.safetensors").write_bytes(b"mine")
    done = run(folder, "fit", "in", "-o", "out")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    for name, why in (
        ("in/bad.png", "cannot be read"),
        ("in/song.wav", "cannot be read"),
        ("in/black.png", "is constant"),
        ("in/b.png", "it holds no field"),
    ):
        assert [name in line and why in line for line in lines].count(True) == 1
    assert "2 fitted" in done.stdout
    assert "4 left out" in done.stdout
    assert (folder / "out" / "b.safetensors").read_bytes() == b"mine"
    assert isinstance(sinefield.load(folder / "out" / "a.safetensors"), sinefield.Siren)


def test_what_is_stopped_goes_on(folder: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    save = collection.Fitted.save

    def stop_at_the_second(self: collection.Fitted, path: Path) -> None:
        if path.stem == "b":
            raise KeyboardInterrupt
        save(self, path)

    monkeypatch.setattr(collection.Fitted, "save", stop_at_the_second)
    done = run(folder, "fit", "in", "-o", "out")
    assert done.returncode == 130
    assert "1 fitted" in done.stdout
    assert "stopped by you" in done.stdout
    assert [each.name for each in (folder / "out").iterdir()] == ["a.safetensors"]
    monkeypatch.undo()
    again = json.loads(run(folder, "fit", str(folder / "in"), "-o", str(folder / "out"), "--json").stdout)
    assert (again["fitted"], again["kept"], again["stopped"]) == (2, 1, False)


def test_files_that_differ_in_their_ending_alone_have_a_field_each(folder: Path, run: Command) -> None:
    PIL.Image.open(folder / "in" / "a.png").save(folder / "in" / "a.tif")
    assert run(folder, "fit", "in", "-o", "out").returncode == 0
    names = {each.name for each in (folder / "out").iterdir()}
    assert names == {"a.png.safetensors", "a.tif.safetensors", "b.safetensors", "more"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("in", "-o", "out", "--passes", "3", "--width", "8"), "--passes, --width is for a single signal"),
        (("in", "-o", "in"), "it is that of the signals"),
        (("in", "-o", "in/a.png"), "it is a file; name a folder"),
        (("in", "-o", "out", "--kind", "video"), "got --kind video"),
        (("empty", "-o", "out"), "holds no file to fit"),
        (("sounds", "-o", "out"), "nothing in sounds was fitted: 1 of 1 files were left out"),
    ],
)
def test_what_is_for_single_signals_is_refused(
    folder: Path, arguments: tuple[str, ...], told: str, run: Command
) -> None:
    (folder / "empty").mkdir()
    (folder / "sounds").mkdir()
    (folder / "sounds" / "song.wav").write_bytes(b"RIFF")
    done = run(folder, "fit", *arguments)
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]
    assert not (folder / "out").exists()
