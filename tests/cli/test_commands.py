"""Tests of the command line, as a user runs it: in a subprocess, with files on disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import GifImagePlugin, Image
from torch import Tensor, nn

import sinefield
from command import run, run_alone

SMALL = ["--width", "32", "--depth", "1", "--passes", "2", "--device", "cpu"]


def values_of(path: Path, points: Tensor) -> Tensor:
    """Return what the one field in a file is at points."""
    field = sinefield.load(path)
    assert isinstance(field, nn.Module)
    values: Tensor = field(points)
    return values


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    y, x = np.mgrid[0:20, 0:30]
    red, green, blue = 8 * x, 12 * y, 127 + 100 * np.sin(x / 4) * np.cos(y / 3)
    Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def field(photo: Path) -> Path:
    path = photo.with_name("photo.safetensors")
    assert run(photo.parent, "fit", str(photo), "-o", str(path), *SMALL).returncode == 0
    return path


def test_help_and_version_answer_without_torch(tmp_path: Path) -> None:
    for arguments in (["--help"], ["fit", "--help"], ["render", "--help"], ["--version"]):
        script = f"import sys; from sinefield.cli import main\ntry: main({arguments})\nexcept SystemExit: pass\n"
        found = subprocess.run(
            [sys.executable, "-c", script + "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
    assert sinefield.__version__ in found.stdout


def test_help_shows_a_general_list_and_then_a_panel_for_each_kind(tmp_path: Path) -> None:
    for command in ("fit", "render"):
        shown = run(tmp_path, command, "--help").stdout
        panels = re.findall(r"^╭─ (\w+) ─", shown, re.MULTILINE)
        assert panels[:7] == ["Arguments", "Options", "Pictures", "Recordings", "Clips", "Volumes", "Shapes"]
        assert shown.count("Example: sinefield") == (5 if command == "fit" else 6)
        assert shown.count("Default budget: ") == (5 if command == "fit" else 0)
    assert panels[7:] == []


def test_an_estimate_fits_nothing(tmp_path: Path) -> None:
    found = run(tmp_path, "fit", "sample:camera", "--resize", "24", "--width", "8", "--estimate")
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(r"sample:camera: about \d+ s for 16 passes at [\d,]+ points/s, \d+ MiB\n", found.stdout)
    assert not list(tmp_path.iterdir())


def test_an_estimate_as_json(tmp_path: Path) -> None:
    found = run(tmp_path, "fit", "sample:camera", "--resize", "32", "--estimate", "--json", *SMALL)
    told = json.loads(found.stdout)
    assert told.keys() == {"seconds", "passes", "points_per_second", "memory", "notes"}
    assert told["passes"] == 2
    assert told["notes"] == []
    assert told["seconds"] == pytest.approx(2 * 32 * 32 / told["points_per_second"])
    assert not list(tmp_path.iterdir())


def test_progress_is_told_without_a_terminal_unless_it_shall_be_quiet(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sinefield import callbacks, cli

    monkeypatch.setattr(callbacks.ProgressLines.__init__, "__defaults__", (None, 0.0))
    monkeypatch.chdir(tmp_path)
    for quiet in ([], ["--quiet"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["fit", str(photo), *SMALL, *quiet])
        assert not ended.value.code
        assert ("fitting 100 %  pass 2.0" in capsys.readouterr().err) == (not quiet)


def test_speed_and_frequency_are_told(tmp_path: Path) -> None:
    small = ("--resize", "24", "--width", "8", "--depth", "1", "--passes", "1")
    found = run(tmp_path, "fit", "sample:camera", *small)
    speed = r"^  speed +[\d,]+ points/s, \d+ % of this machine's fastest float32 products$"
    assert re.search(speed, found.stdout, re.MULTILINE)
    assert re.search(r"^  ω₀ +\d+.*, from the spectrum of the signal$", found.stdout, re.MULTILINE)
    found = run(tmp_path, "fit", "sample:camera", *small, "--first-omega", "33", "--json")
    told = json.loads(found.stdout)
    assert told["network"]["first_omega"] == 33
    assert not told["omega_found"]
    assert told["points_per_second"] > 0
    assert 0 < told["fraction_of_peak"] < 1


HEAVY = (
    "imagecodecs",
    "matplotlib",
    "psutil",
    "rich",
    "scipy",
    "skimage",
    "sympy",
    "tifffile",
    "torch._dynamo",
    "torch._inductor",
)


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["photo.png"], HEAVY),
        (
            ["sample:camera", "--resize", "24", "--figure", "f.png", "--animate", "f.gif"],
            ("scipy", "skimage", "sympy", "torch._dynamo", "torch._inductor"),
        ),
    ],
)
def test_a_fit_loads_nothing_that_it_does_not_need(
    photo: Path, tmp_path: Path, arguments: list[str], unneeded: tuple[str, ...]
) -> None:
    (tmp_path / "photo.png").write_bytes(photo.read_bytes())
    script = (
        "import sys; from sinefield.cli import main\n"
        f"try: main({['fit', *arguments, *SMALL]})\n"
        "except SystemExit as ended: assert not ended.code\n"
        f"print(sorted(set({unneeded}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_bar_is_shown_on_a_terminal(photo: Path, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sinefield", "fit", str(photo), *SMALL, "--batch", "50"]
    # A terminal that stores few bytes has to be read while the command runs.
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as child:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how Linux says that nobody is left at the other end
            pass
        finally:
            os.close(ours)
    assert child.returncode == 0
    assert b"fitting" in shown
    assert b"pass" in shown


def test_help_tells_the_defaults_that_are_found_later(tmp_path: Path) -> None:
    shown = " ".join(run(tmp_path, "fit", "--help").stdout.replace("│", " ").split())
    assert "(default: SIGNAL.safetensors here)" in shown
    assert shown.count("(default: the recipe's)") == 4
    assert "(default: from the spectrum)" in shown


def test_fit_writes_field_figure_animation_and_log(photo: Path, tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "fit",
        str(photo),
        "-o",
        "f.safetensors",
        *SMALL,
        "--figure",
        "f.png",
        "--animate",
        "f.gif",
        "--log",
        "log",
        "--json",
        "--batch",
        "50",
    )
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["stopped"] == "budget"
    assert result["passes"] == 2
    assert result["files"] == {"field": "f.safetensors", "animation": "f.gif", "figure": "f.png"}
    assert values_of(tmp_path / "f.safetensors", torch.zeros(3, 2)).shape == (3, 3)
    with Image.open(tmp_path / "f.gif") as film:
        assert isinstance(film, GifImagePlugin.GifImageFile)
        assert film.n_frames > 2
    with Image.open(tmp_path / "f.png") as figure:
        assert min(figure.size) > 300
    assert list((tmp_path / "log").glob("events.*"))


def test_animation_as_mp4(photo: Path, tmp_path: Path) -> None:
    import av

    assert run(tmp_path, "fit", str(photo), *SMALL, "--batch", "50", "--animate", "f.mp4").returncode == 0
    with av.open(str(tmp_path / "f.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) > 2


def test_the_field_is_named_after_the_picture(photo: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "fit", str(photo), *SMALL).returncode == 0
    assert (tmp_path / "photo.safetensors").exists()


def test_same_seed_same_bytes(photo: Path, tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        done = run_alone(tmp_path, "fit", str(photo), "-o", f"{name}.safetensors", *SMALL, "--seed", seed)
        assert done.returncode == 0
        files.append((tmp_path / f"{name}.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("on", [["gradient"], ["laplacian"], ["value", "gradient"]])
def test_fit_on_derivatives(photo: Path, tmp_path: Path, on: list[str]) -> None:
    options = [part for each in on for part in ("--on", each)]
    found = run(tmp_path, "fit", str(photo), *SMALL, *options, "--figure", "f.png", "--json")
    assert found.returncode == 0, found.stderr
    metrics = json.loads(found.stdout)["metrics"]
    assert ("gradient_error" in metrics) == ("gradient" in on)
    assert ("laplacian_correlation" in metrics) == ("laplacian" in on)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], (30, 20)),
        (["--scale", "2"], (60, 40)),
        (["--size", "7x5"], (7, 5)),
        (["--region", "10,0,20,5", "--scale", "3"], (30, 15)),
        (["--quantity", "gradient"], (30, 20)),
        (["--quantity", "laplacian"], (30, 20)),
    ],
)
def test_render(field: Path, tmp_path: Path, options: list[str], size: tuple[int, int]) -> None:
    found = run(tmp_path, "render", str(field), "out.png", *options)
    assert found.returncode == 0, found.stderr
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == size


def test_render_keeps_numbers_in_npy(field: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "render", str(field), "out.npy", "--quantity", "laplacian").returncode == 0
    values = np.load(tmp_path / "out.npy")
    assert values.shape == (20, 30, 3)
    assert (values < 0).any()


def test_compare(photo: Path, tmp_path: Path) -> None:
    networks = ["--networks", "siren,relu"]
    found = run(tmp_path, "compare", str(photo), *networks, *SMALL, "--on", "laplacian", "--figure", "c.png")
    assert found.returncode == 0, found.stderr
    assert "siren" in found.stdout
    assert "relu" in found.stdout
    found = run_alone(tmp_path, "compare", str(photo), *networks, *SMALL, "--json")
    results = json.loads(found.stdout)["networks"]
    assert set(results) == {"siren", "relu"}
    assert all(each["metrics"]["psnr"] > 0 and each["seconds"] > 0 for each in results.values())
    assert (tmp_path / "c.png").stat().st_size > 10_000


def test_networks_are_compared_each_at_its_own_rates(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sinefield import cli
    from sinefield.problems import networks

    names = ["siren", *networks.CHOSEN]
    monkeypatch.chdir(tmp_path)

    def compared() -> dict[str, dict[str, Any]]:
        with pytest.raises(SystemExit) as ended:
            cli.main(
                ["compare", str(photo), "--networks", ",".join(names), *SMALL, "--passes", "40", "--json", "--quiet"]
            )
        assert not ended.value.code
        found: dict[str, dict[str, Any]] = json.loads(capsys.readouterr().out)["networks"]
        return found

    before = compared()
    assert list(before) == names
    assert before["siren"]["recipe"]["rest"] == sinefield.recipe.named("fast").to_json()["rest"]
    for name, (solver, rate) in networks.CHOSEN.items():
        own = networks.solver_of(solver, rate).to_json()
        assert {each: before[name]["recipe"].get(each) for each in own} == own
    assert before["relu-fourier"]["network"]["scale"] not in (0.0, 10.0)  # from the picture, as a SIREN's ω₀ is
    monkeypatch.setattr(networks, "CHOSEN", dict.fromkeys(networks.CHOSEN, ("Adam", 1e-09)))
    after = compared()
    assert after["siren"]["metrics"] == before["siren"]["metrics"]
    for name in networks.CHOSEN:
        assert after[name]["metrics"]["psnr"] < before[name]["metrics"]["psnr"]


def test_inspect_a_new_network_and_a_field(field: Path, tmp_path: Path) -> None:
    found = run(tmp_path, "inspect", "--depth", "2", "--figure", "i.png", "--json")
    layers = json.loads(found.stdout)["layers"]
    assert len(layers) == 3
    assert all(each["distance to arcsine"] < 0.05 for each in layers)
    assert (tmp_path / "i.png").exists()
    assert "2 sine" in run_alone(tmp_path, "inspect", str(field)).stdout


def test_info(field: Path, tmp_path: Path) -> None:
    assert "siren" in run(tmp_path, "info", str(field)).stdout
    header = json.loads(run(tmp_path, "info", str(field), "--json").stdout)
    assert header["signal"]["shape"] == [20, 30]
    assert header["fields"]["u"]["settings"]["hidden_features"] == 32


def test_a_file_of_the_first_version_is_told_and_rendered(field: Path, tmp_path: Path) -> None:
    """As version 1 wrote it: one network, its tensors under their own names, a picture as height and width."""
    tensors = {name.removeprefix("u/"): each for name, each in safetensors.torch.load_file(field).items()}
    header = json.loads(run(tmp_path, "info", str(field), "--json").stdout)
    signal = {"kind": "image", "height": 20, "width": 30, "channels": 3, "low": 0.0, "high": 255.0, "bits": 8}
    old = {"version": 1, "network": header["fields"]["u"], "signal": signal}
    safetensors.torch.save_file(tensors, tmp_path / "old.safetensors", metadata={"sinefield": json.dumps(old)})
    assert "siren" in run_alone(tmp_path, "info", "old.safetensors").stdout
    for name, path in (("old.png", "old.safetensors"), ("new.png", str(field))):
        found = run(tmp_path, "render", path, name)
        assert found.returncode == 0, found.stderr
    assert (tmp_path / "old.png").read_bytes() == (tmp_path / "new.png").read_bytes()


def test_interrupt_keeps_what_was_found(photo: Path, tmp_path: Path) -> None:
    arguments = ["fit", str(photo), "-o", "f.safetensors", "--seconds", "120", "--log", "log", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sinefield", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob("log/events.*")) and time.monotonic() < deadline:  # the fit begins right after
        time.sleep(0.2)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["stopped"] == "interrupted"
    assert values_of(tmp_path / "f.safetensors", torch.zeros(1, 2)).isfinite().all()


def test_divergence_gives_advice_and_keeps_the_best_field(photo: Path, tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "fit",
        str(photo),
        "-o",
        "f.safetensors",
        "--learning-rate",
        "1e30",
        "--passes",
        "60",
        "--figure",
        "f.png",
        "--animate",
        "f.gif",
    )
    assert (tmp_path / "f.png").exists()
    assert (tmp_path / "f.gif").exists()
    assert found.returncode == 2
    assert "learning rate" in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert values_of(tmp_path / "f.safetensors", torch.zeros(1, 2)).isfinite().all()


def bad_inputs(folder: Path) -> dict[str, list[str]]:
    """Make bad input of every kind in a folder; return the commands that get it, by name."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 24), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "good.png")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:200])
    (folder / "text.png").write_text("no picture at all")
    Image.fromarray(noise[:, :1]).save(folder / "thin.png")
    Image.fromarray(np.full((8, 8), 7, dtype=np.uint8)).save(folder / "constant.png")
    np.save(folder / "none.npy", np.zeros((0, 5), dtype=np.float32))
    (folder / "folder").mkdir()
    field = sinefield.build("siren", 2, 1, hidden_features=8, hidden_layers=0)
    sinefield.checkpoint.save(folder / "plain.safetensors", field)
    (folder / "cut.safetensors").write_bytes((folder / "plain.safetensors").read_bytes()[:300])
    safetensors.torch.save_file({"w": torch.zeros(2)}, folder / "other.safetensors")
    safetensors.torch.save_file(
        {"w": torch.zeros(2)}, folder / "newer.safetensors", metadata={"sinefield": json.dumps({"version": 99})}
    )
    return {
        "missing": ["fit", "missing.png"],
        "empty": ["fit", "empty.png"],
        "cut": ["fit", "cut.png"],
        "no picture": ["fit", "text.png"],
        "thin": ["fit", "thin.png"],
        "constant": ["fit", "constant.png"],
        "zero size": ["fit", "none.npy"],
        "folder": ["fit", "folder"],
        "sample": ["fit", "sample:nobody"],
        "network": ["fit", "good.png", "--network", "perceiver"],
        "setting": ["fit", "good.png", "--network", "relu", "--first-omega", "30"],
        "frequency": ["fit", "good.png", "--first-omega", "-1"],
        "activation": ["fit", "good.png", "--final-activation", "swoosh"],
        "recipe": ["fit", "good.png", "--recipe", "magic"],
        "budget": ["fit", "good.png", "--passes", "-3"],
        "quantity": ["fit", "good.png", "--on", "curl"],
        "device": ["fit", "good.png", "--device", "toaster"],
        "figure ending": ["fit", "good.png", "--figure", "figure.docx"],
        "animation ending": ["fit", "good.png", "--animate", "film.avi"],
        "log is a file": ["fit", "good.png", "--log", "text.png"],
        "no folder": ["fit", "good.png", "-o", "nowhere/f.safetensors"],
        "output folder": ["fit", "good.png", "-o", "folder"],
        "no field": ["render", "missing.safetensors", "o.png"],
        "cut field": ["render", "cut.safetensors", "o.png"],
        "other field": ["render", "other.safetensors", "o.png"],
        "newer field": ["info", "newer.safetensors"],
        "no signal": ["render", "plain.safetensors", "o.png"],
        "render ending": ["render", "plain.safetensors", "o.docx"],
        "size": ["render", "plain.safetensors", "o.png", "--size", "big"],
        "region": ["render", "plain.safetensors", "o.png", "--region", "1,2"],
        "compare network": ["compare", "good.png", "--networks", "siren,perceiver"],
        "compare nothing": ["compare", "good.png", "--networks", ","],
        "inspect": ["inspect", "--network", "perceiver"],
    }


def test_bad_input_gets_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sinefield import cli

    commands = bad_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for name, arguments in commands.items():
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        assert stopped.value.code == 2, name
        printed = capsys.readouterr()
        assert len(printed.err.strip().splitlines()) == 1, (name, printed.err)
        assert "Traceback" not in printed.err, name
        assert printed.out == "", name
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_output_survives_a_failure(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "f.safetensors").write_text("precious")
    found = run(tmp_path, "fit", str(photo.with_name("missing.png")), "-o", "f.safetensors")
    assert found.returncode == 2
    assert found.stderr.startswith("sinefield: there is no file")
    assert (tmp_path / "f.safetensors").read_text() == "precious"
