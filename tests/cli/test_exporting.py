"""Tests of ``sinefield export``, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sinefield
from command import run_alone, run_here
from exported import IMAGE, network
from sinefield import checkpoint
from sinefield.fields import TiledSiren


@pytest.fixture
def field(tmp_path: Path) -> Path:
    path = tmp_path / "photo.safetensors"
    checkpoint.save(path, network("siren"), signal=IMAGE)
    return path


def test_the_ending_chooses_the_format(field: Path) -> None:
    done = run_alone(field.parent, "export", "photo.safetensors", "photo.py", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"] == "photo.py"
    assert f"sinefield {sinefield.__version__}" in (field.parent / "photo.py").read_text()
    again = run_here(field.parent, "export", "photo.safetensors", "photo.py")  # ours may be replaced
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("photo.safetensors", "photo.xyz"), "cannot export to photo.xyz: its ending must be .onnx (a graph"),
        (("photo.safetensors", "mine.py"), "there is a file that was not exported from a field"),
        (("missing.safetensors", "out.py"), "there is no field file missing.safetensors"),
        (("photo.safetensors", "nowhere/out.py"), "there is no folder nowhere"),
        (("photo.safetensors", "full"), "cannot write full: it is a folder that is not empty"),
        (
            ("photo.safetensors", "out.py", "--shadertoy"),
            "--shadertoy is an option of .glsl, and out.py is a",
        ),
        (("photo.safetensors", "out.glb"), "photo.safetensors is of kind 'image'; only shapes"),
        (("photo.safetensors", "out.glsl", "--error", "-1"), "the error must be a positive number, got -1"),
        (
            ("tiled.safetensors", "out.glsl"),
            "tiled.safetensors cannot be written as GLSL: it is of 4 tiles with 268 weights",
        ),
        (("script.py", "script.py"), "it is the input script.py"),
    ],
)
def test_what_cannot_be_written_is_told_in_a_line(field: Path, arguments: tuple[str, ...], told: str) -> None:
    mine = field.with_name("mine.py")
    mine.write_text("import sinefield  # and much else\n")
    field.with_name("script.py").write_bytes(field.read_bytes())
    checkpoint.save(field.with_name("tiled.safetensors"), TiledSiren(2, 3, hidden_features=4, tiles="2x2"))
    field.with_name("full").mkdir()
    field.with_name("full").joinpath("file").touch()
    done = run_here(field.parent, "export", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert mine.read_text() == "import sinefield  # and much else\n"
    assert not list(field.parent.glob("out.*"))


def test_every_format_is_written_and_what_it_wrote_replaced(field: Path) -> None:
    for name in ("photo.onnx", "photo.glsl", "photo.py", "photo.html", "photo"):
        assert run_here(field.parent, "export", "photo.safetensors", name).returncode == 0
        assert field.with_name(name).exists()
    for name in ("photo.onnx", "photo.glsl", "photo.py", "photo.html"):
        assert run_here(field.parent, "export", "photo.safetensors", name).returncode == 0
    shader = ("export", "photo.safetensors", "photo.glsl", "--shadertoy")
    assert [run_here(field.parent, *shader).returncode for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("ending", ["onnx", "glsl", "py", "html", "glb"])
def test_what_only_names_sinefield_is_kept(field: Path, ending: str) -> None:
    mine = field.with_name(f"mine.{ending}")
    mine.write_text("Sinefield: import sinefield; sinefield.load('a.safetensors')")
    done = run_here(field.parent, "export", "photo.safetensors", mine.name)
    assert done.returncode == 2
    assert "was not exported from a field" in done.stderr
    assert mine.read_text().startswith("Sinefield: ")


def test_a_file_of_another_kind_is_replaced_where_that_is_asked_for(field: Path) -> None:
    mine = field.with_name("mine.py")
    mine.write_text("print('mine')")
    assert run_here(field.parent, "export", "photo.safetensors", "mine.py", "--force").returncode == 0
    assert "def value" in mine.read_text()
