"""Tests of the command line on shapes, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image

from command import run, run_alone, run_here
from sinefield.plots import shapes as figures

SMALL = ["--width", "32", "--depth", "2", "--passes", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the field of an egg, 40 x 40 x 60 around (100, 0, 0), as a mesh in a file."""
    folder = tmp_path_factory.mktemp("egg")
    egg = trimesh.creation.icosphere(3)
    egg.apply_scale([20, 20, 30])
    egg.apply_translation([100, 0, 0])
    egg.export(folder / "egg.ply")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_SIDE", 100)
        options = ["--samples", "4000", "--figure", "egg.png", "--learning-rate", "2e-3", *SMALL]
        found = run_here(folder, "fit", "egg.ply", *options)
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
    found = run_alone(tmp_path, "mesh", str(field), "out.ply", "--resolution", "32", "--offset", "2")
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
        (["fit", "ball.xyz", "--columns", "xyzrgb"], "ball.xyz has 3 columns, and --columns xyzrgb names 6"),
        (["fit", "ball.xyz", "--columns", "rgb"], "--columns names each column in order"),
        (["fit", "broken.ply", "--columns", "xyz"], "broken.ply says itself what it holds; --columns is for tables"),
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


def ball(count: int = 2000) -> NDArray[np.float64]:
    """Return points of a ball of radius 1, which are its normals too."""
    found = np.random.default_rng(0).standard_normal((count, 3))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def zero_normals(path: Path) -> None:
    """Write a ball as programs of Gaussian splatting do: with normals that are all zero, and colours."""
    names = ["x", "y", "z", "nx", "ny", "nz"]
    table = np.zeros(2000, [*((name, "<f4") for name in names), ("red", "u1")])
    table["x"], table["y"], table["z"] = ball().T
    kinds = [f"property float {name}" for name in names] + ["property uchar red"]
    header = ["ply", "format binary_little_endian 1.0", "element vertex 2000", *kinds, "end_header", ""]
    path.write_bytes("\n".join(header).encode() + table.tobytes())


def quads(path: Path) -> None:
    """Write a cube of side 2, whose faces are squares and triangles, in an encoding of old."""
    box = trimesh.creation.box((2, 2, 2))
    rows = [*(f"v {x} {y} {z}" for x, y, z in box.vertices), *(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in box.faces)]
    path.write_bytes("# cr\xe9\xe9\n".encode("latin-1") + ("\n".join(rows) + "\n").encode())


def white(path: Path) -> None:
    """Write a ball as a table of x y z and colours, all white."""
    np.savetxt(path, np.hstack([ball(), np.full((2000, 3), 255)]))


def stray(path: Path) -> None:
    """Write a ball and a point far from it."""
    np.savetxt(path, np.vstack([ball(), [[90, 0, 0]]]), delimiter=",", header="x,y,z")


RED = "has red beside places and normals; it is not used"
ZERO = "all normals are zero or NaN, which is none; normals are estimated from the points"
WHITE = "has 6 columns without names: 1 to 3 are used as xyz, and 4 5 6, whole numbers from 255 to 255, are left out"
STRAY = "1 of 2,001 points are far from all others and left out (--keep-strays keeps them)"


@pytest.mark.parametrize(
    ("name", "make", "told", "volume", "options"),
    [
        ("points3D.ply", zero_normals, [RED, ZERO], 4 / 3 * np.pi, []),
        ("points3D.ply", zero_normals, [RED], 4 / 3 * np.pi, ["--estimate-normals"]),
        ("white.xyz", white, [f"{WHITE} (--columns, such as xyznxnynz, says otherwise)"], 4 / 3 * np.pi, []),
        ("white.xyz", white, [], 4 / 3 * np.pi, ["--columns", "xyzrgb"]),
        ("stray.csv", stray, [STRAY], 4 / 3 * np.pi, []),
        ("cube.obj", quads, [], 8, ["--samples", "4000"]),
    ],
)
def test_files_as_people_have_them(
    name: str, make: Callable[[Path], None], told: list[str], volume: float, options: list[str], tmp_path: Path
) -> None:
    make(tmp_path / name)
    found = run(tmp_path, "fit", name, "--quiet", *options, *SMALL, "--batch", "1024", "--learning-rate", "3e-3")
    assert found.returncode == 0, found.stderr
    assert found.stderr.splitlines() == [f"sinefield: {name}: {each}" for each in told]
    field = Path(name).with_suffix(".safetensors").name
    answer = run(tmp_path, "mesh", field, "a.ply", "--resolution", "32", "--json")
    assert json.loads(answer.stdout)["volume"] == pytest.approx(volume, rel=0.06)
    assert json.loads(answer.stdout)["components"] == 1


def test_what_is_repaired_is_said(tmp_path: Path) -> None:
    normals = np.random.default_rng(0).standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savetxt(tmp_path / "inwards.xyz", np.concatenate([normals, -normals], axis=1))
    found = run(tmp_path, "fit", "inwards.xyz", *SMALL)
    assert found.returncode == 0
    told = [each for each in found.stderr.splitlines() if not each.startswith("fitting ")]  # progress of a slow machine
    assert told == ["sinefield: inwards.xyz: 2000 of 2000 normals point inwards; they are turned"]
    answer = run(tmp_path, "mesh", "inwards.safetensors", "a.ply", "--resolution", "24", "--json")
    assert json.loads(answer.stdout)["volume"] == pytest.approx(4 / 3 * np.pi, rel=0.15)


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
