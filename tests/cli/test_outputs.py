"""No command loses a file: not one that it reads, not the source of a field, not the field of something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.models import OptionInfo

import sinefield
from command import run
from sinefield import cli
from sinefield.cli.commands import application

SMALL = ["--width", "16", "--depth", "1", "--passes", "1", "--device", "cpu"]


BLEND = ["blend", "other.png", "photo.png", "--mask", "mask.png", *SMALL]
INPAINT = ["inpaint", "photo.png", "--mask", "mask.png", *SMALL]


def picture(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)).save(path)


def ball(path: Path) -> None:
    points = np.random.default_rng(0).standard_normal((400, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    rows = "\n".join(" ".join(map(str, each)) for each in np.hstack([points, points]))
    header = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    path.write_text(f"ply\nformat ascii 1.0\nelement vertex 400\n{header}end_header\n{rows}\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of signals, their fields, the same files under other names, and what is no field."""
    folder = tmp_path_factory.mktemp("outputs")
    picture(folder / "photo.png", 0)
    picture(folder / "other.png", 1)
    picture(folder / "edited.png", 2)
    Image.fromarray(np.pad(np.full((8, 8), 255, np.uint8), 4)).save(folder / "mask.png")
    (folder / "below").mkdir()
    picture(folder / "below" / "photo.png", 3)
    soundfile.write(folder / "sound.wav", np.sin(np.arange(400) / 7) / 2, 8000)
    soundfile.write(folder / "edited.wav", np.sin(np.arange(400) / 5) / 2, 8000)
    np.save(folder / "scan.npy", np.sin(np.mgrid[0:6, 0:7, 0:8].sum(0) / 3).astype(np.float32))
    ball(folder / "ball.ply")
    for source in ("photo.png", "edited.png", "sound.wav", "scan.npy", "ball.ply"):
        done = run(folder, "fit", source, *SMALL)
        assert done.returncode == 0, done.stderr
    picture(folder / "edited.png", 4)  # retouched since
    (folder / "symbolic.png").symlink_to("photo.png")
    (folder / "symbolic.safetensors").symlink_to("photo.png")
    os.link(folder / "photo.png", folder / "hard.png")
    os.link(folder / "photo.png", folder / "hard.safetensors")
    (folder / "copy.png").write_bytes((folder / "photo.png").read_bytes())
    for ending in ("png", "wav", "npy", "ply"):
        os.link(folder / "photo.safetensors", folder / f"field.{ending}")
    done = run(folder, *BLEND, "-o", "blended.safetensors")
    assert done.returncode == 0, done.stderr
    (folder / "weights.safetensors").write_bytes(b"weights of something else")
    sinefield.checkpoint.save(folder / "older.safetensors", sinefield.build("siren", 2, 1, hidden_features=8))
    return folder


FIT = ["fit", "photo.png", *SMALL]
MADE = ["-o", "made.safetensors", *SMALL]
SOURCE = "was fitted to it"
REFUSED = [
    # what is read
    *(([*FIT, "-o", each], "it is the input photo.png") for each in ("photo.png", "./photo.png", "below/../photo.png")),
    *(([*FIT, "-o", f"{each}.safetensors"], "it is the input photo.png") for each in ("symbolic", "hard")),
    (["prior", "train", "scan.npy", "-o", "scan.npy"], "it is the input scan.npy"),
    *(
        (["prior", *asked, "-o", "weights.safetensors"], "it is the input weights.safetensors")
        for asked in (
            ["fit", "weights.safetensors", "photo.png"],
            ["interpolate", "weights.safetensors", "photo.png", "other.png"],
            ["sample", "weights.safetensors"],
        )
    ),
    (
        [
            "prior",
            "fit",
            "weights.safetensors",
            "photo.png",
            "-o",
            "made.safetensors",
            "--spread",
            "weights.safetensors",
        ],
        "it is the input weights.safetensors",
    ),
    (["import", "weights.safetensors", "-o", "weights.safetensors"], "it is the input weights.safetensors"),
    ([*FIT, "--warm-start", "older.safetensors", "-o", "older.safetensors"], "it is the input older.safetensors"),
    *(([*FIT, "--figure", each], "it is the input photo.png") for each in ("photo.png", "symbolic.png", "hard.png")),
    ([*FIT, "--animate", "photo.png"], "it is the input photo.png"),
    ([*FIT, "--figure", "photo.png", "--force"], "it is the input photo.png"),
    (["compare", "photo.png", "--figure", "photo.png"], "it is the input photo.png"),
    (["render", "field.png", "field.png"], "it is the input field.png"),
    (["render", "field.png", "./field.png", "--force"], "it is the input field.png"),
    (["mesh", "field.ply", "field.ply"], "it is the input field.ply"),
    (["inspect", "field.png", "--figure", "field.png"], "it is the input field.png"),
    (["solve", "poisson", "--figure", "photo.png", "-o", "photo.png"], "two outputs have this name"),
    *(
        ([*BLEND, *MADE, option, each], f"it is the input {each}")
        for option in ("--picture", "--figure")
        for each in ("photo.png", "other.png", "mask.png")
    ),
    ([*BLEND, *MADE, "--picture", "symbolic.png", "--force"], "it is the input photo.png"),
    *(
        ([*INPAINT, *MADE, option, each], f"it is the input {each}")
        for option in ("--picture", "--figure")
        for each in ("photo.png", "mask.png")
    ),
    # two outputs of one name
    ([*BLEND, *MADE, "--picture", "new.png", "--figure", "new.png"], "two outputs have this name"),
    ([*FIT, "--figure", "new.gif", "--animate", "new.gif"], "two outputs have this name"),
    # another kind than the ending
    (["solve", "poisson", "-o", "other.png"], "its ending must be .safetensors"),
    (["solve", "poisson", "--figure", "sound.wav"], "its ending must be one of .png"),
    (["solve", "poisson", "--animate", "other.png"], "its ending must be one of .gif"),
    ([*FIT, "-o", "other.png"], "its ending must be .safetensors"),
    ([*FIT, "-o", "other.png", "--force"], "its ending must be .safetensors"),
    ([*BLEND, "-o", "edited.png"], "its ending must be .safetensors"),
    ([*INPAINT, "-o", "edited.png"], "its ending must be .safetensors"),
    ([*BLEND, *MADE, "--picture", "sound.wav"], "its ending must be one of .png"),
    ([*FIT, "-o", "field"], "its ending must be .safetensors"),
    ([*FIT, "--figure", "sound.wav"], "its ending must be one of .png"),
    ([*FIT, "--animate", "other.png"], "its ending must be one of .gif"),
    (["compare", "photo.png", "--figure", "sound.wav"], "its ending must be one of .png"),
    (["inspect", "photo.safetensors", "--figure", "sound.wav"], "its ending must be one of .png"),
    (["render", "photo.safetensors", "sound.wav"], "its ending must be one of .png"),
    (["render", "photo.safetensors", "sound.safetensors"], "its ending must be one of .png"),
    (["render", "sound.safetensors", "other.png"], "ending must be one of .wav"),
    (["render", "scan.safetensors", "sound.wav"], "ending"),
    (["mesh", "ball.safetensors", "other.png"], "ending must be one of .ply"),
    # what the field was fitted to: where it lies, whatever it is called, as it was, and as it is now
    *((["render", "photo.safetensors", f"{each}.png"], SOURCE) for each in ("photo", "symbolic", "hard", "copy")),
    (["render", "photo.safetensors", "below/../photo.png"], SOURCE),
    (["render", "edited.safetensors", "edited.png"], SOURCE),
    (["render", "sound.safetensors", "sound.wav"], SOURCE),
    (["render", "scan.safetensors", "scan.npy"], SOURCE),
    (["mesh", "ball.safetensors", "ball.ply"], SOURCE),
    (["inspect", "photo.safetensors", "--figure", "photo.png"], SOURCE),
    (["render", "blended.safetensors", "photo.png"], SOURCE),
    # the field of something else
    (["solve", "poisson", "-o", "photo.safetensors"], "it holds the field of photo.png"),
    (["fit", "other.png", "-o", "photo.safetensors", *SMALL], "it holds the field of photo.png"),
    (["fit", "below/photo.png", *SMALL], "it holds the field of another photo.png"),
    (["fit", "sample:camera", "-o", "photo.safetensors", *SMALL], "it holds the field of photo.png"),
    ([*FIT, "-o", "weights.safetensors"], "it holds no field"),
    ([*BLEND, "-o", "photo.safetensors"], "it holds a field of photo.png itself"),
    ([*INPAINT, "-o", "photo.safetensors"], "it holds a field of photo.png itself"),
    ([*INPAINT, "-o", "blended.safetensors"], "it holds a field of photo.png itself, found as blend"),
    ([*BLEND, "-o", "ball.safetensors"], "it holds the field of ball.ply"),
    ([*FIT, "-o", "older.safetensors"], "it does not tell what it is the field of"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(each) for each, _ in REFUSED])
def test_no_file_is_lost(
    folder: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    told = capsys.readouterr().err.strip()
    assert message in told
    assert len(told.splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_every_option_of_a_path_is_tried() -> None:
    """An option of a path that is added to a command has to be tried above, or to be named here."""
    others = {"--resume", "--mask", "--log"}  # two inputs, and a folder in which files with new names are made
    app = application()
    groups = [each.typer_instance for each in app.registered_groups if each.typer_instance is not None]
    for registered in [*app.registered_commands, *(one for each in groups for one in each.registered_commands)]:
        callback: Any = registered.callback
        name = callback.__name__.rstrip("_")
        tried = {each for arguments, _ in REFUSED if name in arguments[:2] for each in arguments}
        for option, hint in get_type_hints(callback, include_extras=True).items():
            kind, *declared = get_args(hint) or (hint,)
            if Path in (kind, *get_args(kind)) and isinstance(declared[0], OptionInfo):
                first = declared[0].default  # typer takes the first flag for a default, until it makes the command
                flags = {f"--{option}", *(declared[0].param_decls or ()), *([first] if isinstance(first, str) else ())}
                assert flags & (tried | others), f"{callback.__name__} {flags}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "other.png", "-o", "again.safetensors", "--force", *SMALL],
        ["fit", "photo.png", "-o", "older.safetensors", "--force", *SMALL],
        ["render", "photo.safetensors", "copy.png", "--force"],
        ["inspect", "photo.safetensors", "--figure", "copy.png", "--force"],
        ["mesh", "ball.safetensors", "copy.ply", "--force", "--resolution", "16"],
    ],
)
def test_what_is_forced_is_replaced(folder: Path, tmp_path: Path, arguments: list[str]) -> None:
    for path in folder.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "again.safetensors").write_bytes((folder / "photo.safetensors").read_bytes())
    (tmp_path / "copy.ply").write_bytes((folder / "ball.ply").read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    changed = [name for name, content in before.items() if (tmp_path / name).read_bytes() != content]
    assert len(changed) == 1
    assert changed[0] in arguments


def test_a_fit_again_replaces_the_field_of_the_same_file(tmp_path: Path) -> None:
    picture(tmp_path / "photo.png", 0)
    assert run(tmp_path, "fit", "photo.png", *SMALL).returncode == 0
    before = (tmp_path / "photo.safetensors").read_bytes()
    assert run(tmp_path, "fit", "photo.png", *SMALL, "--seed", "1").returncode == 0
    assert (tmp_path / "photo.safetensors").read_bytes() != before
    picture(tmp_path / "photo.png", 1)  # retouched
    assert run(tmp_path, "fit", "photo.png", *SMALL).returncode == 0
    (tmp_path / "photo.png").rename(tmp_path / "renamed.png")
    assert run(tmp_path, "fit", "renamed.png", "-o", "photo.safetensors", *SMALL).returncode == 0
    assert run(tmp_path, "render", "photo.safetensors", "rendered.png").returncode == 0
    assert run(tmp_path, "render", "photo.safetensors", "rendered.png").returncode == 0


def test_a_field_is_passed_on_without_what_it_was_fitted_to(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.safetensors").write_bytes((folder / "photo.safetensors").read_bytes())
    assert str(folder) not in (tmp_path / "photo.safetensors").read_bytes().decode("latin-1")
    assert run(tmp_path, "render", "photo.safetensors", "photo.png").returncode == 0
    told = run(tmp_path, "info", "photo.safetensors").stdout
    assert "source     photo.png" in told
