"""No command replaces a file that it reads, or that is no output of its kind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import run

SMALL = ["--width", "16", "--depth", "1", "--passes", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, the same under other names, another picture, and a field by an unusual name."""
    folder = tmp_path_factory.mktemp("outputs")
    for seed, name in enumerate(("photo.png", "other.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "symbolic.safetensors").symlink_to("photo.png")
    os.link(folder / "photo.png", folder / "hard.safetensors")
    assert run(folder, "fit", "photo.png", "-o", "field.safetensors", *SMALL).returncode == 0
    os.link(folder / "field.safetensors", folder / "field.png")
    os.link(folder / "field.safetensors", folder / "field.ply")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "photo.png", "-o", "photo.png", *SMALL], "it is the input photo.png"),
        (["fit", "photo.png", "-o", "./photo.png", *SMALL], "it is the input photo.png"),
        (["fit", "photo.png", "-o", "symbolic.safetensors", *SMALL], "it is the input photo.png"),
        (["fit", "photo.png", "-o", "hard.safetensors", *SMALL], "it is the input photo.png"),
        (["fit", "photo.png", "-o", "other.png", *SMALL], "its ending must be .safetensors"),
        (["fit", "photo.png", "--figure", "photo.png", *SMALL], "it is the input photo.png"),
        (["fit", "photo.png", "--figure", "new.png", "--animate", "new.png", *SMALL], "two outputs have this name"),
        (["compare", "photo.png", "--figure", "photo.png"], "it is the input photo.png"),
        (["render", "field.png", "field.png"], "it is the input field.png"),
        (["mesh", "field.ply", "field.ply"], "it is the input field.ply"),
        (["inspect", "field.png", "--figure", "field.png"], "it is the input field.png"),
    ],
)
def test_no_command_replaces_a_file_that_it_reads(folder: Path, arguments: list[str], message: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(folder, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_fit_again_replaces_its_own_field(folder: Path) -> None:
    before = (folder / "again.safetensors").write_bytes(b"old")
    assert run(folder, "fit", "photo.png", "-o", "again.safetensors", *SMALL).returncode == 0
    assert (folder / "again.safetensors").stat().st_size > before
