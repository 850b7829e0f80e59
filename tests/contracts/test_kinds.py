"""The contract of a kind of signal: read, fit, save, load, render, write and read again; and one made up here.

The last tests register a kind that the library does not know and change nothing else: help shows it, ``fit`` fits
it and ``render`` renders it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import sinefield
from sinefield import checkpoint, cli, kinds, problems, solve
from sinefield.constraint import Constraint
from sinefield.domains import Grid
from sinefield.fields.field import build
from sinefield.io import audio as recordings
from sinefield.io import image as pictures
from sinefield.io import points as shapes
from sinefield.io import video as clips
from sinefield.io import volume as volumes
from sinefield.kinds import KINDS, Kind, kind_named, kind_of
from sinefield.kinds.options import Options, option
from sinefield.problem import Problem
from sinefield.recipe import named
from sinefield.signals.signal import Axis, Signal

TINY: dict[str, Any] = {"hidden_features": 16, "hidden_layers": 1}
FLAGS = ["--width", "16", "--depth", "1", "--passes", "2", "--device", "cpu"]


def small_file(kind: str, folder: Path) -> Path:
    """Write a small file of a kind with ordinary means, and return where it is."""
    y, x = np.mgrid[0:16, 0:24]
    match kind:
        case "image":
            path = folder / "small.png"
            Image.fromarray((127 + 100 * np.sin(x / 4) * np.cos(y / 3)).astype(np.uint8)).save(path)
        case "audio":
            path = folder / "small.wav"
            soundfile.write(path, np.sin(np.arange(800) / 7) / 2, 8000)
        case "video":
            path = folder / "small.mp4"
            frames = (np.repeat((127 + 100 * np.sin(x / 4 + t))[:, :, None], 3, 2).astype(np.uint8) for t in range(4))
            clips.write(path, frames, 8.0)
        case "volume":
            path = folder / "small.npy"
            np.save(path, np.sin(np.mgrid[0:6, 0:7, 0:8].sum(0) / 3).astype(np.float32))
        case "shape":
            path = folder / "small.xyz"
            ball = np.random.default_rng(0).standard_normal((500, 3))
            ball /= np.linalg.norm(ball, axis=1, keepdims=True)
            np.savetxt(path, np.concatenate([3 * ball, ball], axis=1))
        case _:
            pytest.fail(f"make a small file of the new kind {kind!r} here")
    return path


WRITTEN = {"image": "out.png", "audio": "out.wav", "video": "out.mp4", "volume": "out.npy", "shape": "out.png"}
"""What a signal of each kind is written to, and as what it is read again: a shape is seen in a picture."""


@pytest.mark.parametrize("name", KINDS)
def test_read_fit_save_load_render_write_and_read(name: str, tmp_path: Path) -> None:
    kind, source = KINDS[name], small_file(name, tmp_path)
    assert kind_of(source) == name
    assert kind.read(source).name
    problem = problems.of(source, **TINY)
    assert problem.name == name
    assert isinstance(problem.signal, Signal)
    solution = solve(problem, passes=1, device="cpu")
    solution.save(tmp_path / "field.safetensors")

    field, header = checkpoint.read(tmp_path / "field.safetensors")
    signal = kinds.signal_from_json(header["signal"])
    assert type(signal) is kind.signal_class()
    assert signal == problem.signal
    size = {"size": (20, 16)} if name == "shape" else {}  # a shape has no samples, and its picture is slow to find
    found = signal.sample(field, **size)
    assert np.array_equal(found, solution.render(**size))

    output = tmp_path / WRITTEN[name]
    assert signal.write(field, output, **size)
    again = kind_named(kind_of(output)).read(output)
    match name:
        case "image":
            assert np.abs(again.values - np.clip(found, 0, 255)).max() <= 0.51  # of a byte, to which it is rounded
        case "audio":
            assert np.abs(again.values / again.full - np.clip(found, -1, 1)).max() <= 2**-14
        case "video":
            assert (again.frames, again.height, again.width) == found.shape[:3]
        case "volume":
            assert np.array_equal(again.values.reshape(found.shape), found)
        case "shape":
            assert np.array_equal(again.values, found)  # the bytes of a picture


@pytest.mark.parametrize("name", KINDS)
def test_the_figure_of_each_kind_is_drawn(name: str, tmp_path: Path) -> None:
    path = small_file(name, tmp_path)
    if name == "shape":  # in the plane, as its pictures in space are slow to find
        y, x = np.mgrid[0:24, 0:24] - 11.5
        path = tmp_path / "disc.png"
        Image.fromarray((255 * (np.hypot(x, y) > 7)).astype(np.uint8)).save(path)
    solution = solve(problems.of(path, name, **TINY), passes=1, device="cpu")
    assert KINDS[name].figure_of(solution).axes


@pytest.mark.parametrize("name", KINDS)
def test_options_are_those_of_the_problem_and_of_the_signal(name: str) -> None:
    kind = KINDS[name]
    module, _, attribute = kind.problem.partition(":")
    taken = inspect.signature(getattr(importlib.import_module(module), attribute)).parameters
    assert set(kind.fit.declared()) <= set(taken)
    taken = inspect.signature(kind.signal_class().write).parameters
    assert set(kind.render.declared()) - ({"up"} if name == "shape" else set()) <= set(taken)
    records: list[Any] = [kind.fit, kind.render]  # a checker does not know that they are dataclasses
    assert all(dataclasses.is_dataclass(each) for each in records)
    for record in records:
        assert record.__dataclass_params__.frozen
        assert record().arguments() == {}


@pytest.mark.parametrize("name", KINDS)
def test_its_budget_is_the_recipe_s(name: str, tmp_path: Path) -> None:
    tuning = problems.of(small_file(name, tmp_path), **TINY).tuning.get("fast", {})
    assert KINDS[name].budget.startswith(f"{tuning.get('passes', named('fast').passes):g} passes")


def test_endings_are_those_that_are_read() -> None:
    assert set(KINDS["image"].endings) == set(pictures.SUFFIXES)
    assert set(KINDS["audio"].endings) == set(recordings.SUFFIXES)
    assert set(KINDS["video"].endings) == set(clips.SUFFIXES)
    assert set(KINDS["volume"].endings) == set(volumes.SUFFIXES)
    assert set(KINDS["shape"].endings) == set(shapes.SUFFIXES)


@pytest.mark.parametrize(
    ("shape", "kind"), [((5, 6), "image"), ((5, 6, 3), "image"), ((5, 6, 7), "volume"), ((2, 3, 4, 5), "volume")]
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_the_header_of_an_npy_file_tells_its_kind(
    shape: tuple[int, ...], kind: str, version: tuple[int, int], tmp_path: Path
) -> None:
    with (tmp_path / "A.NPY").open("wb") as file:
        np.lib.format.write_array(file, np.zeros(shape, dtype=np.float32), version=version)
    assert kind_of(tmp_path / "A.NPY") == kind


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x05\x00{'a'}", b"\x93NUMPY\x01\x00\xff", b"GIF"]
)
def test_a_damaged_npy_file_is_left_to_its_reader(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    assert kind_of(tmp_path / "a.npy") == "image"
    assert kind_of(tmp_path / "none.npy") == "image"


def test_endings_are_read_whatever_their_case() -> None:
    assert [kind_of(name) for name in ("A.NII.GZ", "a.nii", "a.gz", "A.PLY", "B.Mp4")] == [
        "volume",
        "volume",
        "image",
        "shape",
        "video",
    ]


def test_kinds_are_told_without_torch_and_numpy() -> None:
    script = (
        "import sys; from sinefield.kinds import kind_of; print(kind_of('a.wav'), kind_of('a.npy'));"
        "print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["audio image", "[]"]


def test_a_former_name_is_told_and_still_read() -> None:
    with pytest.raises(ValueError, match=r"unknown kind of signal 'sdf'; choose one of image, .*'sdf' is 'shape'"):
        kind_named("sdf")
    stored = {"kind": "sdf", "centre": [0, 0, 0], "scale": 2.0, "extent": [0.9, 0.9, 0.5], "up": "z"}
    assert kinds.signal_from_json(stored).to_json() == stored | {"kind": "shape"}


def test_an_option_of_other_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^frames is an option of kind video, and .*small\.png is of kind image$"):
        problems.of(small_file("image", tmp_path), frames=(0, 2, 1))


# A kind that is not of the library: a row of numbers in a text file.


@final
@dataclass(frozen=True)
class CurveFit(Options):
    """How a curve is fitted."""

    shift: float | None = option("--shift", float, "What is added to every number.", least=0)


@final
@dataclass(frozen=True)
class CurveRender(Options):
    """How a curve is rendered."""

    count: int | None = option("--count", int, "How many numbers.", least=1)


@final
@dataclass(frozen=True)
class CurveSignal(Signal):
    """How a field of one coordinate is read back as a curve."""

    length: int
    kind: ClassVar[str] = "curve"

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (Axis("x", "number", self.length),)

    @property
    def channels(self) -> int:
        return 1

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "length": self.length}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CurveSignal:
        return cls(int(stored["length"]))

    def sample(self, field: nn.Module, count: int | None = None) -> NDArray[Any]:
        points = Grid((count or self.length,)).at(torch.arange(count or self.length)).points
        with torch.no_grad():
            values: NDArray[Any] = field(points)[:, 0].numpy()
        return values

    def write(self, field: nn.Module, path: Path, count: int | None = None) -> str:
        np.savetxt(path, values := self.sample(field, count))
        return f"{len(values)} numbers"


def curve(source: str, shift: float = 0.0, *, network: str = "siren", **settings: Any) -> Problem:
    """Return the problem of a curve."""
    values = torch.from_numpy(np.loadtxt(source)).float()[:, None] + shift
    return Problem.of_one(
        name="curve",
        constraints=[
            Constraint(Grid((len(values),), {"value": values}), lambda u, value: u.value - value, name="value")
        ],
        network=lambda first_omega: build(network, 1, 1, **({"first_omega": first_omega} | settings)),
        measure=lambda field, _: {"largest": float(field(torch.linspace(-1, 1, 9)[:, None]).detach().abs().max())},
        signal=CurveSignal(len(values)),
    )


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Kind:
    kind = Kind(
        name="curve",
        title="Curves",
        about="A curve: numbers in rows.",
        endings=(".curve",),
        reader="numpy:loadtxt",
        problem=f"{__name__}:curve",
        signal=f"{__name__}:CurveSignal",
        figure=None,
        fit=CurveFit,
        render=CurveRender,
        examples=("sinefield fit rain.curve --shift 1", "sinefield render rain.safetensors rain.txt --count 99"),
        budget="16 passes over the numbers",
    )
    monkeypatch.setitem(sys.modules, __name__, inspect.getmodule(curve) or sys.modules[__name__])
    monkeypatch.setitem(KINDS, "curve", kind)
    return kind


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return status, output and errors of a command."""
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    printed = capsys.readouterr()
    return int(left.value.code or 0), printed.out, printed.err


def test_a_new_kind_is_in_the_help(registered: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = ran(capsys, "fit", "--help")
    for each in ("Curves", "--shift FLOAT", registered.examples[0], registered.budget, "--kind curve"):
        assert each in shown
    _, shown, _ = ran(capsys, "render", "--help")
    assert "--count INTEGER" in shown


def test_a_new_kind_is_fitted_and_rendered(
    registered: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savetxt("rain.curve", np.sin(np.arange(40) / 5))
    status, told, errors = ran(capsys, "fit", "rain.curve", "--shift", "2", "--json", *FLAGS)
    assert status == 0, errors
    assert json.loads(told)["files"] == {"field": "rain.safetensors"}
    status, told, errors = ran(capsys, "render", "rain.safetensors", "rain.txt", "--count", "7")
    assert (status, told) == (0, "rain.txt: 7 numbers\n"), errors
    field, header = checkpoint.read(Path("rain.safetensors"))
    assert np.loadtxt("rain.txt") == pytest.approx(CurveSignal(40).sample(field, 7), abs=1e-6)
    assert header["signal"] == {"kind": "curve", "length": 40}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "rain.curve", "--resize", "9"], "resize is an option of kind image, and rain.curve is of kind curve"),
        (["fit", "sample:camera", "--shift", "2"], "shift is an option of kind curve, and sample:camera is of kind"),
        (["fit", "rain.curve", "--shift", "much"], "Invalid value for '--shift'"),
        (["fit", "rain.curve", "--shift", "-1"], "greater than or equal to 0"),
        (["fit", "rain.curve", "--figure", "a.png", *FLAGS], "there is no figure of signals of kind 'curve'"),
    ],
)
def test_what_a_new_kind_cannot_do_is_told(
    arguments: list[str],
    message: str,
    registered: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savetxt("rain.curve", np.sin(np.arange(40) / 5))
    status, _, errors = ran(capsys, *arguments)
    assert status == 2
    assert message in errors


def test_two_declarations_of_one_option_are_refused(registered: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Other(Options):
        frames: int | None = option("--frames", int, "Something else.")

    monkeypatch.setitem(KINDS, "curve", dataclasses.replace(registered, fit=Other))
    with pytest.raises(TypeError, match="the option 'frames' of fit is declared in two ways"):
        kinds.declared("fit")


def test_every_quantity_is_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The norm of the Hessian, which the library does not know: one entry in the table, and it is rendered."""
    from sinefield.quantities import QUANTITIES, Quantity

    norm = Quantity(
        "bending", "‖Hessian‖", ("hessian",), lambda hessian: hessian.flatten(-2).norm(dim=-1), order=2, signed=False
    )
    monkeypatch.chdir(tmp_path)
    path = small_file("image", tmp_path)
    assert ran(capsys, "fit", str(path), *FLAGS)[0] == 0
    status, _, errors = ran(capsys, "render", "small.safetensors", "a.npy", "--quantity", "bending")
    assert (status, errors) == (
        2,
        "sinefield: unknown quantity 'bending'; choose one of value, gradient, laplacian\n",
    )
    monkeypatch.setitem(QUANTITIES, "bending", norm)
    status, told, errors = ran(capsys, "render", "small.safetensors", "a.npy", "--quantity", "bending")
    assert status == 0, errors
    assert "bending from" in told
    field, header = checkpoint.read(Path("small.safetensors"))
    points = Grid((16, 24)).at(torch.arange(16 * 24)).points
    hessian = sinefield.jet(field, points).hessian.detach()[:, 0]
    expected = 127.5 * (2 / 24) ** 2 * torch.linalg.matrix_norm(hessian).numpy().reshape(16, 24)
    assert np.load("a.npy") == pytest.approx(expected, rel=1e-3)
    assert "bending" in kinds.signal_from_json(header["signal"]).quantities
