"""Tests of the command line on shapes, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from command import run

SMALL = ["--width", "32", "--depth", "2", "--passes", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the field of an egg, 40 x 40 x 60 around (100, 0, 0), as a mesh in a file."""
    folder = tmp_path_factory.mktemp("egg")
    egg = trimesh.creation.icosphere(3)
    egg.apply_scale([20, 20, 30])
    egg.apply_translation([100, 0, 0])
    egg.export(folder / "egg.ply")
    found = run(folder, "fit", "egg.ply", "--samples", "4000", "--figure", "egg.png", "--learning-rate", "2e-3", *SMALL)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("egg.ply: surface error 0.0")
    assert (folder / "egg.png").stat().st_size > 50_000
    return folder / "egg.safetensors"


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".stl", ".glb"])
def test_a_scan_becomes_a_mesh_in_its_units(field: Path, tmp_path: Path, suffix: str) -> None:
    found = run(tmp_path, "mesh", str(field), f"out{suffix}", "--resolution", "40", "--json")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert (told["watertight"], told["components"], told["genus"]) == (True, 1, 0)
    assert told["volume"] == pytest.approx(4 / 3 * np.pi * 20 * 20 * 30, rel=0.1)
    assert 0 < told["of_a_dense_grid"] < 1
    mesh = trimesh.load(tmp_path / f"out{suffix}", force="mesh")
    assert np.allclose(mesh.bounds, [[80, -20, -30], [120, 20, 30]], atol=2)


def test_an_offset_surface_is_larger(field: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "mesh", str(field), "out.ply", "--resolution", "32", "--offset", "2")
    assert found.returncode == 0, found.stderr
    assert "1 part, watertight, genus 0" in found.stdout
    assert np.allclose(trimesh.load(tmp_path / "out.ply").bounds, [[78, -22, -32], [122, 22, 32]], atol=2)


def test_it_is_drawn_as_seen_by_a_camera_in_slices_and_turning(field: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "render", str(field), "seen.png", "--size", "60x40", "--camera", "30,20,4")
    assert found.stdout == "seen.png: 60 x 40, shaded\n", found.stderr
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.size == (60, 40)
        assert picture.getpixel((0, 0)) == (255, 255, 255)
    found = run(tmp_path, "render", str(field), "slice.png", "--axis", "z", "--at", "5")
    assert found.stdout.startswith("slice.png: 512 x 512, distance from -"), found.stderr
    assert "a line each" in found.stdout
    run(tmp_path, "render", str(field), "slice.npy", "--axis", "x", "--size", "41x61")
    distances = np.load(tmp_path / "slice.npy")
    assert distances.shape == (61, 41)
    assert distances[30, 20] == pytest.approx(-18, abs=4)  # a kink, which is rounded
    found = run(tmp_path, "render", str(field), "turn.gif", "--size", "24x24", "--frames", "3")
    assert found.stdout == "turn.gif: 3 frames around the shape\n", found.stderr
    told = run(tmp_path, "info", str(field)).stdout
    assert "kind shape" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mesh", "FIELD", "out.step"], "ending must be one of .ply, .obj, .stl, .glb"),
        (["mesh", "FIELD", "out.ply", "--resolution", "4"], "resolution is 4; expected a whole number"),
        (["mesh", "FIELD", "out.ply", "--offset", "30"], "offset of 30 leaves the box"),
        (["mesh", "FIELD", "out.ply", "--offset", "-29"], "no level"),
        (["render", "FIELD", "out.png", "--axis", "w"], "unknown axis 'w' of a shape; choose x, y or z"),
        (["render", "FIELD", "out.png", "--axis", "x", "--at", "0"], "x = 0 misses the shape, which is from 7"),
        (["render", "FIELD", "out.png", "--at", "0"], "give the axis too"),
        (["render", "FIELD", "out.png", "--axis", "x", "--camera", "0,0"], "a slice has no camera"),
        (["render", "FIELD", "out.png", "--camera", "0,100"], "elevation is 100"),
        (["render", "FIELD", "out.png", "--camera", "here"], "--camera is 2 or 3 numbers"),
        (["render", "FIELD", "out.png", "--colouring", "wood"], "colouring is 'wood'"),
        (["render", "FIELD", "out.png", "--rate", "8000"], "rate is an option of kind audio, and "),
        (["render", "FIELD", "out.png", "--frames", "9"], "a turn is a .mp4 or .gif"),
        (["render", "FIELD", "out.wav"], "ending must be one of"),
        (["fit", "NOTHING.ply"], "there is no file NOTHING.ply"),
        (["fit", "few.xyz"], "few.xyz has 3 different points; a shape needs at least 10"),
        (["fit", "flat.xyz"], "all lie in a plane"),
        (["fit", "words.xyz"], "expected x y z in each row"),
        (["fit", "broken.ply"], "broken.ply ends within its header, or has none; it was cut short"),
        (["fit", "open.xyz"], "enclose nothing that can be told from outside"),
        (["fit", "ball.xyz", "--terms", "best"], "unknown terms 'best'; choose one of distance, published, digs"),
        (["fit", "ball.xyz", "--on", "gradient"], "on is an option of kind image"),
        (["fit", "sample:camera", "--terms", "digs"], "terms is an option of kind shape"),
    ],
)
def test_what_cannot_be_is_one_line(field: Path, arguments: list[str], message: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savetxt(tmp_path / "few.xyz", random.random((3, 3)))
    np.savetxt(tmp_path / "flat.xyz", random.random((50, 3)) * [1, 1, 0])
    np.savetxt(tmp_path / "open.xyz", random.random((5000, 3)) * [1, 1, 0.001])
    ball = random.standard_normal((500, 3))
    np.savetxt(tmp_path / "ball.xyz", ball / np.linalg.norm(ball, axis=1, keepdims=True))
    (tmp_path / "words.xyz").write_text("one two three\n")
    (tmp_path / "broken.ply").write_bytes(b"ply\nformat binary_little_endian 1.0\n")
    before = sorted(tmp_path.iterdir())
    found = run(tmp_path, *(str(field) if each == "FIELD" else each for each in arguments))
    assert found.returncode == 2, found.stdout
    assert message in found.stderr
    assert found.stderr.startswith("sinefield: ")
    assert found.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_repaired_is_said(tmp_path: Path) -> None:
    normals = np.random.default_rng(0).standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savetxt(tmp_path / "inwards.xyz", np.concatenate([normals, -normals], axis=1))
    found = run(tmp_path, "fit", "inwards.xyz", *SMALL)
    assert found.returncode == 0
    assert found.stderr == "sinefield: inwards.xyz: 2000 of 2000 normals point inwards; they are turned\n"
    told = run(tmp_path, "mesh", "inwards.safetensors", "a.ply", "--resolution", "24", "--json")
    assert json.loads(told.stdout)["volume"] == pytest.approx(4 / 3 * np.pi, rel=0.15)


def test_a_glyph_is_drawn_with_lines_of_equal_distance(tmp_path: Path) -> None:
    y, x = np.mgrid[0:40, 0:40] + 0.5
    Image.fromarray((255 * (np.hypot(y - 20, x - 20) > 12)).astype(np.uint8)).save(tmp_path / "disc.png")
    found = run(tmp_path, "fit", "disc.png", "--kind", "shape", "--figure", "figure.png", *SMALL, "--passes", "6")
    assert found.returncode == 0, found.stderr
    found = run(tmp_path, "render", "disc.safetensors", "distance.png", "--size", "64x64")
    assert found.stdout.startswith("distance.png: 64 x 64, distance from -1"), found.stderr
    with Image.open(tmp_path / "distance.png") as picture:
        pixel = picture.convert("RGB").getpixel((32, 32))
    assert isinstance(pixel, tuple)
    red, _, blue = pixel
    assert blue > red
