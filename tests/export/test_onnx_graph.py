"""Tests of fields as ONNX graphs: valid, and with the values and derivatives of the field in a runtime of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import sinefield.export
from exported import IMAGE, NETWORKS, derivatives_of, difference, network, points_of, subject_of
from sinefield.export import onnx_graph
from sinefield.fields import Siren, Sum

OUTPUTS = ("value", "gradient", "laplacian", "hessian")


def run(model: Any, points: Any) -> list[Any]:
    """Return what a graph gives at points, after it was checked."""
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, {"points": points})
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_derivatives_are_those_of_the_field(name: str) -> None:
    field, points = network(name), points_of(40, 2)
    found = run(sinefield.export.onnx(field), points.numpy())
    for each, exact in zip(found, derivatives_of(field, points), strict=True):
        assert difference(each, exact) < 2e-6 if np.any(exact) else not np.any(each)
    with torch.no_grad():
        assert difference(found[0], field(points).double().numpy()) < 1e-5


@pytest.mark.parametrize("omega", [30.0, 3000.0])
def test_large_frequencies_lose_no_digits(omega: float) -> None:
    """Phases of thousands of radians, as those of recordings: in floats their sines would be wrong by 2e-4."""
    torch.manual_seed(0)
    field = Siren(1, 1, 64, 2, first_omega=omega)
    points = points_of(200, 1)
    exact = derivatives_of(field, points)
    for each, wanted in zip(run(sinefield.export.onnx(field), points.numpy()), exact, strict=True):
        assert difference(each, wanted) < 1e-5
    with torch.no_grad():
        plain = difference(field(points).numpy(), exact[0])
    assert omega < 1000 or plain > 1e-5


def test_double_precision_throughout() -> None:
    field, points = network("siren", 3, 2), points_of(30, 3).double()
    for each, exact in zip(
        run(sinefield.export.onnx(field, double=True), points.numpy()), derivatives_of(field, points), strict=True
    ):
        assert each.dtype == np.float64
        assert difference(each, exact) < 1e-13


@pytest.mark.parametrize(
    "layer", [nn.SiLU(), nn.GELU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.Softplus(), nn.ReLU(), nn.Dropout(0.5)]
)
def test_modules_of_usual_layers(layer: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8, bias=False), layer, nn.Linear(8, 2)).eval()
    points = points_of(30, 3) * 3
    for each, exact in zip(run(onnx_graph.onnx(module), points.numpy()), derivatives_of(module, points), strict=True):
        assert difference(each, exact) < 5e-6


def test_an_affine_map_alone_has_a_gradient_and_no_curvature() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 2))
    for each, exact in zip(
        run(onnx_graph.onnx(module), np.zeros((5, 3), np.float32)),
        derivatives_of(module, torch.zeros(5, 3)),
        strict=True,
    ):
        assert each.shape == exact.shape
        assert np.allclose(each, exact, rtol=1e-6)


def test_any_number_of_points() -> None:
    model = sinefield.export.onnx(network("siren"), derivatives=False)
    assert [each.name for each in model.graph.output] == ["value"]
    for count in (0, 1, 1000):
        assert run(model, points_of(count, 2).numpy())[0].shape == (count, 3)


def test_a_written_file_tells_how_to_read_it(tmp_path: Path) -> None:
    path = tmp_path / "field.onnx"
    told = onnx_graph.write(subject_of(network("siren"), IMAGE), path, derivatives=True)
    assert told.startswith("value, gradient, laplacian, hessian in ")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["signal"])["shape"] == [6, 8]
    assert json.loads(properties["axes"]) == ["y", "x"]
    assert session.get_inputs()[0].shape == ["n", 2]
    assert b"sinefield" in path.read_bytes()[:4096]


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="a Sum is made of several fields"):
        sinefield.export.onnx(Sum(network("siren"), network("siren")))
    with pytest.raises(ValueError, match="a LSTM is none of the layers"):
        sinefield.export.onnx(nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)))
    with pytest.raises(ValueError, match="without an affine map"):
        sinefield.export.onnx(nn.Sequential(nn.ReLU()))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs onnx; install it with: pip install 'sinefield\[onnx\]'"):
        sinefield.export.onnx(network("siren"))
