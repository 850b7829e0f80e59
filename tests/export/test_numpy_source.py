"""Tests of fields as Python files that need NumPy alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import sinefield
from exported import IMAGE, NETWORKS, derivatives_of, difference, network, points_of, subject_of
from sinefield.export import numpy_source
from sinefield.export.steps import CURVES, Curve
from sinefield.fields import Sum, TiledSiren
from sinefield.signals.image import ImageSignal


def run(text: str) -> dict[str, Any]:
    """Return the names that a Python file defines."""
    names: dict[str, Any] = {}
    exec(compile(text, "field.py", "exec"), names)
    return names


@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_derivatives_are_those_of_the_field(name: str) -> None:
    field, points = network(name), points_of(40, 2)
    written = run(numpy_source.source_of(subject_of(field)))
    expected = derivatives_of(field, points)
    assert difference(written["value"](points.numpy()), expected[0]) < 1e-14
    for found, exact in zip(written["derivatives"](points.numpy()), expected, strict=True):
        assert difference(found, exact) < 1e-12 if np.any(exact) else not np.any(found)


@pytest.mark.parametrize(
    "layer", [nn.SiLU(), nn.GELU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.Softplus(), nn.Sigmoid(), nn.Tanh(), nn.SELU()]
)
def test_modules_of_usual_layers_are_written_too(layer: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8, bias=False), layer, nn.Sequential(nn.Linear(8, 2), nn.Identity()))
    points = points_of(30, 3) * 3
    written = run(numpy_source.source_of(subject_of(module)))
    for found, exact in zip(written["derivatives"](points.numpy()), derivatives_of(module, points), strict=True):
        assert difference(found, exact) < 1e-12 if np.any(exact) else not np.any(found)


@pytest.mark.parametrize("name", CURVES)
def test_the_bounds_of_curves_hold(name: str) -> None:
    """The steepest slope and the largest value, which the bound of an exported shader's error is made of."""
    names: dict[str, Any] = {"np": np}
    source = numpy_source._definition(name)
    exec("import math\n" + numpy_source._MAPS[Curve] + source, names)
    a = np.linspace(-8, 0 if name == "exponential" else 8, 20001)
    value, slope, _ = names[f"_{name.replace('-', '_')}"](a, 1.0)
    formulas = CURVES[name]
    steepest = np.abs(slope(np.ones_like(a))).max()
    assert 0.98 * formulas.steepest <= steepest <= formulas.steepest
    assert np.abs(value).max() <= formulas.most


def test_a_final_activation_and_many_points_in_blocks() -> None:
    torch.manual_seed(1)
    field = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    written = run(numpy_source.source_of(subject_of(field)))
    points = points_of(9000, 1)
    with torch.no_grad():
        expected = field.double()(points.double()).numpy()
    assert difference(written["value"](points.numpy()), expected) < 1e-14
    assert written["derivatives"](points.numpy())[3].shape == (9000, 1, 1, 1)
    assert written["derivatives"](np.zeros((0, 1)))[0].shape == (0, 1)


def test_samples_are_those_that_rendering_gives() -> None:
    field = network("siren")
    written = run(numpy_source.source_of(subject_of(field, IMAGE)))
    signal = ImageSignal.from_json({name: each for name, each in IMAGE.items() if name != "profile"})
    assert difference(written["sample"](), signal.sample(field).astype(np.float64)) < 1e-6
    assert difference(written["sample"](3, 5), signal.sample(field, (5, 3)).astype(np.float64)) < 1e-6
    assert written["SIGNAL"]["shape"] == [6, 8]


def test_a_written_file_runs_without_the_package(tmp_path: Path) -> None:
    path = tmp_path / "field.py"
    assert numpy_source.write(subject_of(network("siren")), path).endswith("kB")
    script = (
        "import sys; sys.modules['torch'] = sys.modules['sinefield'] = None; import field; print(field.value([[0, 0]]))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_what_a_file_tells_is_never_code() -> None:
    subject = subject_of(network("siren"))
    subject.header["source"]["name"] = '"""\nimport os; os._exit(3)\n"""\\'  # a name that would end the docstring
    assert '"""\nimport os' not in numpy_source.source_of(subject)
    run(numpy_source.source_of(subject))


@pytest.mark.parametrize(
    ("layers", "settings"),
    [
        (1, {"tiles": "2x3", "extent": "0.75x1.0", "overlap": 0.4}),
        (1, {"tiles": "1x4", "overlap": 1.0}),
        (1, {"tiles": "1x1", "overlap": 0.2}),
        (0, {"tiles": "2x3", "first_layer": "shared"}),
    ],
)
def test_tiles_are_joined_as_the_field_joins_them(layers: int, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    field = TiledSiren(2, 3, 6, layers, **settings).double()
    written = run(numpy_source.source_of(subject_of(field)))
    points = (points_of(300, 2) * 1.1).double()  # some of them outside
    u = sinefield.jet(field, points)
    expected = [each.detach().numpy() for each in (u.value, u.jacobian, u.laplacian, u.hessian)]
    assert difference(written["value"](points.numpy()), expected[0]) < 1e-13
    for found, exact in zip(written["derivatives"](points.numpy()), expected, strict=True):
        assert difference(found, exact) < 1e-12


def test_a_layer_that_tiles_share_is_written_once() -> None:
    field = TiledSiren(2, 1, 64, 0, tiles="8x8", first_layer="shared")
    numbers = sum(each.numel() for each in field.parameters())
    assert len(numpy_source.source_of(subject_of(field))) < 1.3 * 4 * numbers + 7000  # in base 85, and the code


def test_what_is_made_of_several_networks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"field.safetensors cannot be exported so: a Sum is made of several"):
        numpy_source.source_of(subject_of(Sum(network("siren"), network("siren"))))
    with pytest.raises(ValueError, match="a Bilinear is none of the layers"):
        numpy_source.source_of(subject_of(nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 1))))
