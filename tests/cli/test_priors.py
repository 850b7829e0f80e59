"""Tests of ``sinefield prior`` as it is run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import font_manager
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.io import wavfile

from command import run_here
from sinefield import checkpoint
from sinefield.fields import Siren
from sinefield.jet import jet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pictures, a prior of them, and a mask."""
    place = tmp_path_factory.mktemp("priors")
    (place / "data").mkdir()
    generator, grid = np.random.default_rng(0), np.linspace(-1, 1, 8)
    for number, (y, x) in enumerate(generator.uniform(-0.6, 0.6, (40, 2))):
        blob = np.exp(-((grid[:, None] - y) ** 2 + (grid - x) ** 2) / 0.2)
        Image.fromarray((255 * blob).astype(np.uint8)).save(place / "data" / f"{number:02}.png")
    Image.fromarray(np.where(np.arange(64).reshape(8, 8) % 3 == 0, 255, 0).astype(np.uint8)).save(place / "mask.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(place / "black.png")
    Image.fromarray(np.arange(72, dtype=np.uint8).reshape(8, 9)).save(place / "wide.png")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(place / "colour.png")
    done = run_here(
        place, "prior", "train", "data", "-o", "prior.safetensors", "--latent", "16", "--passes", "0.004", "--quiet"
    )
    assert done.returncode == 0, done.stderr
    assert "forward prior of 40 pictures of 8 x 8" in done.stdout
    return place


def answered(folder: Path, *arguments: str) -> str:
    """Return the line that a command ends in error with."""
    done = run_here(folder, "prior", *arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_picture_is_found_from_some_pixels_and_rendered(folder: Path) -> None:
    options = ["--pixels", "20", "--spread", "spread.safetensors", "--figure", "found.pdf", "--json"]
    done = run_here(folder, "prior", "fit", "prior.safetensors", "data/03.png", "-o", "found.safetensors", *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["known"] == 20
    assert (folder / "found.pdf").stat().st_size > 1000
    assert told["metrics"]["mse"] < 0.05
    assert run_here(folder, "render", "found.safetensors", "found.png", "--scale", "2").returncode == 0
    picture = np.asarray(Image.open(folder / "found.png"), dtype=np.float64)
    original = np.asarray(Image.open(folder / "data" / "03.png"), dtype=np.float64)
    assert picture.shape == (16, 16)
    assert np.abs(picture.reshape(8, 2, 8, 2).mean((1, 3)) - original).mean() < 12
    field, header = checkpoint.read(folder / "found.safetensors")
    assert type(field) is Siren
    assert header["signal"]["kind"] == "image"
    assert "problem    prior" in run_here(folder, "info", "found.safetensors").stdout
    spread, _ = checkpoint.read(folder / "spread.safetensors")
    assert float(spread(torch.zeros(1, 2)).detach()) > 0


def test_a_mask_tells_what_is_known(folder: Path) -> None:
    told = []
    for arguments in (["--mask", "mask.png"], []):
        done = run_here(
            folder, "prior", "fit", "prior.safetensors", "data/05.png", "-o", "masked.safetensors", "--json", *arguments
        )
        told.append(json.loads(done.stdout)["known"])
    assert told == [22, 64]


def test_walks_and_samples_are_field_files(folder: Path) -> None:
    walk = ["interpolate", "prior.safetensors", "data/01.png", "data/02.png", "--at", "0.25"]
    for number, arguments in enumerate((walk, ["sample", "prior.safetensors"])):
        done = run_here(folder, "prior", *arguments, "-o", f"made{number}.safetensors")
        assert done.returncode == 0, done.stderr
        field, _ = checkpoint.read(folder / f"made{number}.safetensors")
        assert type(field) is Siren


def test_a_prior_tells_what_it_is(folder: Path) -> None:
    told = run_here(folder, "prior", "info", "prior.safetensors").stdout
    assert "forward prior of pictures of 8 x 8 x 1" in told
    assert "error at 10" in told
    assert "u a prior" in run_here(folder, "info", "prior.safetensors").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["data/03.png", "--pixels", "0"], "a context needs at least one pixel"),
        (["data/03.png", "--pixels", "65"], "data/03.png has 64 pixels, and --pixels asks for 65"),
        (["data/03.png", "--pixels", "3", "--mask", "mask.png"], "by --mask or by --pixels"),
        (["data/03.png", "--mask", "black.png"], "selects no pixel"),
        (["data/03.png", "--mask", "wide.png"], "the mask wide.png is 9 x 8 pixels"),
        (["wide.png"], "wide.png is 9 x 8 with 1 channels, and the prior is of pictures of 8 x 8 with 1"),
        (["colour.png"], "colour.png is 8 x 8 with 3 channels"),
        (["none.png"], "none.png"),
    ],
)
def test_contexts_that_are_none_are_told_in_a_line(arguments: list[str], told: str, folder: Path) -> None:
    assert told in answered(folder, "fit", "prior.safetensors", *arguments, "-o", "no.safetensors")
    assert not (folder / "no.safetensors").exists()


def test_nothing_but_its_like_is_replaced(folder: Path) -> None:
    """A prior takes half an hour to train, and a field of one picture is none of another."""
    found = ["fit", "prior.safetensors", "data/03.png", "--pixels", "9"]
    for arguments in ([*found, "-o", "own.safetensors"], ["sample", "prior.safetensors", "-o", "drawn.safetensors"]):
        assert [run_here(folder, "prior", *arguments).returncode for _ in range(2)] == [0, 0]  # its like
    (folder / "trained.safetensors").write_bytes((folder / "prior.safetensors").read_bytes())
    np.save(folder / "set.npy", np.random.default_rng(0).random((20, 8, 8)))
    Image.open(folder / "data" / "04.png").save(folder / "photo.png")
    for arguments in (
        ["sample", "prior.safetensors", "-o", "trained.safetensors"],
        ["interpolate", "prior.safetensors", "data/03.png", "data/04.png", "-o", "own.safetensors"],
        ["fit", "prior.safetensors", "data/04.png", "-o", "own.safetensors"],
        ["fit", "prior.safetensors", "data", "-o", "own.safetensors"],
        ["fit", "prior.safetensors", "data/04.png", "-o", "drawn.safetensors"],
        [*found, "-o", "new.safetensors", "--spread", "trained.safetensors"],
        ["train", "data", "-o", "own.safetensors"],
        ["train", "set.npy", "-o", "trained.safetensors"],
    ):
        kept = {each: each.read_bytes() for each in folder.glob("*.safetensors")}
        assert "it holds something else than a" in answered(folder, *arguments)
        assert kept == {each: each.read_bytes() for each in folder.glob("*.safetensors")}
    assert "ending must be .safetensors" in answered(folder, *found, "-o", "new.safetensors", "--spread", "photo.png")


def test_files_that_are_no_priors_are_told_in_a_line(folder: Path) -> None:
    run_here(folder, "prior", "sample", "prior.safetensors", "-o", "field.safetensors")
    assert "holds a field of kind 'image', and no prior" in answered(folder, "info", "field.safetensors")
    assert "there is no prior none.safetensors" in answered(folder, "info", "none.safetensors")
    content = (folder / "prior.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(content[: len(content) // 2])
    assert "damaged or cut short" in answered(folder, "info", "cut.safetensors")
    with safe_open(folder / "prior.safetensors", framework="pt") as stored:
        header = json.loads(stored.metadata()["sinefield"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no mapping
    save_file(tensors, folder / "newer.safetensors", {"sinefield": json.dumps(header | {"version": 99})})
    assert "it has format version 99" in answered(folder, "info", "newer.safetensors")
    header["fields"]["u"]["settings"]["latent"] = 17
    save_file(tensors, folder / "other.safetensors", {"sinefield": json.dumps(header)})
    assert "cannot be loaded" in answered(folder, "info", "other.safetensors")


def test_sets_that_cannot_be_learnt_are_told_in_a_line(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert "holds no picture" in answered(folder, "train", "empty", "-o", "no.safetensors")
    (folder / "one").mkdir()
    (folder / "one" / "a.png").write_bytes((folder / "data" / "01.png").read_bytes())
    assert "holds one" in answered(folder, "train", "one", "-o", "no.safetensors")
    (folder / "one" / "b.png").write_bytes((folder / "wide.png").read_bytes())
    assert "is mixed" in answered(folder, "train", "one", "-o", "no.safetensors")
    assert "unknown method" in answered(folder, "train", "data", "-o", "no.safetensors", "--method", "magic")


def test_no_other_file_is_replaced(folder: Path) -> None:
    checkpoint.save(folder / "other.safetensors", Siren(2, 1, 4, 0), problem="image")
    for arguments, than in (
        (["train", "data"], "a prior of the same pictures"),
        (["sample", "prior.safetensors"], "a field that a prior found of no picture"),
    ):
        assert f"something else than {than}" in answered(folder, *arguments, "-o", "other.safetensors")
    assert "its ending must be .safetensors" in answered(folder, "sample", "prior.safetensors", "-o", "data/01.png")


def test_a_learnt_start_is_a_prior_like_any_other(folder: Path) -> None:
    asked = ["train", "data", "-o", "start.safetensors", "--method", "meta", "--latent", "16", "--passes", "0.004"]
    done = run_here(folder, "prior", *asked, "--steps", "2", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "meta prior of 40 pictures of 8 x 8" in done.stdout
    assert "meta prior of pictures of 8 x 8 x 1" in run_here(folder, "prior", "info", "start.safetensors").stdout
    found = ["fit", "start.safetensors", "data/03.png", "-o", "started.safetensors", "--pixels", "20", "--json"]
    done = run_here(folder, "prior", *found)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["mse"] < 0.1
    told = answered(folder, "train", "data", "-o", "no.safetensors", "--steps", "2")
    assert "the encoder guess takes no steps" in told


# ---- sounds and shapes


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with short sounds, and a prior of them."""
    place = tmp_path_factory.mktemp("sounds")
    (place / "data").mkdir()
    generator = np.random.default_rng(0)
    for number in range(40):
        write_tone(place / "data" / f"{number:02}.wav", 64, generator.uniform(200, 700))
    done = run_here(place, "prior", "train", "data", "-o", "prior.safetensors", "--passes", "0.01", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "forward prior of 40 sounds of 64 samples of 1 channel" in done.stdout
    return place


def write_tone(path: Path, samples: int, hertz: float, rate: int = 8000, channels: int = 1) -> None:
    """Write a tone that fades."""
    time = np.arange(samples) / rate
    tone = 0.5 * np.exp(-100 * time) * np.sin(2 * np.pi * hertz * time)
    wavfile.write(path, rate, np.repeat((32767 * tone).astype(np.int16)[:, None], channels, axis=1))


def test_a_sound_is_found_from_some_samples_and_rendered(sounds: Path) -> None:
    write_tone(sounds / "new.wav", 64, 444.0)
    found = ["prior", "fit", "prior.safetensors", "new.wav", "-o", "found.safetensors", "--pixels", "16"]
    done = run_here(sounds, *found, "--spread", "spread.safetensors", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["known"] == 16
    assert told["metrics"]["mse"] < 2e-3  # of the peak's square; of silence it is 0.1
    assert run_here(sounds, "render", "found.safetensors", "found.wav").returncode == 0
    (rate, values), (_, original) = (wavfile.read(sounds / each) for each in ("found.wav", "new.wav"))
    assert (rate, len(values)) == (8000, 64)
    assert np.abs(values / 32768 - original / 32768).max() < 0.1
    assert run_here(sounds, "render", "found.safetensors", "finer.wav", "--rate", "32000").returncode == 0
    assert "sounds of 64 samples" in run_here(sounds, "prior", "info", "prior.safetensors").stdout
    for arguments in (["sample", "prior.safetensors"], ["interpolate", "prior.safetensors", "new.wav", "data/01.wav"]):
        assert run_here(sounds, "prior", *arguments, "-o", "made.safetensors").returncode == 0
        assert checkpoint.read(sounds / "made.safetensors")[1]["signal"]["kind"] == "audio"


def test_sounds_of_other_lengths_and_rates_are_taken_and_told(sounds: Path) -> None:
    write_tone(sounds / "short.wav", 50, 444.0)
    write_tone(sounds / "fine.wav", 300, 444.0, rate=16_000)
    for name, known, words in (
        ("short.wav", 50, "known for its 50 samples, of 64"),
        ("fine.wav", 64, "resampled from 16000 to 8000 samples a second and cut to its first 64 samples"),
    ):
        done = run_here(sounds, "prior", "fit", "prior.safetensors", name, "-o", f"{name}.safetensors", "--json")
        assert json.loads(done.stdout)["known"] == known
        assert words in done.stderr


def test_what_is_no_sound_of_the_prior_is_told_in_a_line(sounds: Path) -> None:
    write_tone(sounds / "two.wav", 64, 300.0, channels=2)
    for arguments, told in (
        (["two.wav"], "two.wav has 2 channels, and the prior is of sounds of 1"),
        (["data/01.wav", "--mask", "mask.png"], "a mask is a picture, which no sound has"),
        (["data/01.wav", "--figure", "a.png"], "a figure is of pictures and shapes"),
        (["data/01.wav", "--pixels", "65"], "has 64 samples, and --pixels asks for 65"),
        (["prior.safetensors"], "prior.safetensors"),
    ):
        assert told in answered(sounds, "fit", "prior.safetensors", *arguments, "-o", "no.safetensors")
    assert "and these are sounds of 4000 samples of 1 channel; take fewer with --samples or --rate" in run_here(
        sounds, "prior", "train", "data", "-o", "no.safetensors", "--samples", "4000"
    ).stderr.replace("\n", " ")


def test_a_shape_is_found_and_drawn(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    (tmp_path / "icons").mkdir()
    for number, (x, y, radius) in enumerate(generator.uniform((9, 9, 3), (15, 15, 7), (40, 3))):
        disc = f'<circle cx="{x}" cy="{y}" r="{radius}"/>'
        view = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"'
        (tmp_path / "icons" / f"{number:02}.svg").write_text(f"<svg {view}>{disc}</svg>")
    asked = ["icons", "-o", "prior.safetensors", "--resize", "12", "--passes", "0.01", "--quiet"]
    done = run_here(tmp_path, "prior", "train", *asked)
    assert "prior of 40 shapes of 12 x 12 samples" in done.stdout, done.stderr
    found = ["fit", "prior.safetensors", "icons/03.svg", "-o", "found.safetensors", "--pixels", "20"]
    done = run_here(tmp_path, "prior", *found, "--figure", "a.pdf", "--spread", "spread.safetensors", "--json")
    assert json.loads(done.stdout)["metrics"]["mse"] < 1e-3, done.stderr
    field, header = checkpoint.read(tmp_path / "found.safetensors")
    assert header["signal"]["kind"] == "shape"
    slope = jet(field, torch.rand(50, 2) - 0.5).gradient.norm(dim=1)
    assert float(slope.detach().median()) == pytest.approx(1, abs=0.15)  # it is a distance
    for name in ("found", "spread"):
        assert run_here(tmp_path, "render", f"{name}.safetensors", f"{name}.png").returncode == 0
    font = font_manager.findfont("DejaVu Sans", fallback_to_default=False)
    assert "is a font, of many shapes" in answered(tmp_path, "fit", "prior.safetensors", font, "-o", "no.safetensors")
    made = ["prior", "train", font, "-o", "glyphs.safetensors", "--characters", "ABCDEF", "--resize", "8"]
    done = run_here(tmp_path, *made, "--passes", "0.001", "--quiet")
    assert "prior of 6 shapes of 8 x 8 samples" in done.stdout, done.stderr
