"""Tests of tiles as ONNX graphs: the values and derivatives of the field in a runtime, wherever points lie."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

import sinefield.export
from exported import Doubles, difference, network, points_of, subject_of
from sinefield.export import onnx_graph
from sinefield.fields import Siren, TiledSiren

SMALL: dict[str, Any] = {"hidden_features": 6, "hidden_layers": 1, "first_omega": 3.0}


def run(model: Any, points: Tensor) -> list[Any]:
    """Return what a graph gives at points, after it was checked."""
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, {"points": points.double().numpy()})
    return found


def tiled(dimension: int, tiles: str, **settings: Any) -> TiledSiren:
    torch.manual_seed(0)
    return TiledSiren(dimension, 2, tiles=tiles, **{**SMALL, **settings})


def by_hand(field: TiledSiren, points: Tensor) -> list[Doubles]:
    """Return value, Jacobian, Laplacian and Hessian in double precision by nested differentiation of Σ_k w_k Φ_k.

    All tiles are evaluated at all points, with weights by the formulas of the paper's partition of unity.
    """
    d, c = field.in_features, field.out_features

    def ramp(t: Tensor) -> Tensor:
        t = t.clamp(0, 1)
        return t**3 * (6 * t**2 - 15 * t + 10)

    at = points.double().requires_grad_(True)
    total = at.new_zeros(len(at), c)
    for k, index in enumerate(np.ndindex(*field.counts)):
        tile = Siren(d, c, **{name: field.settings[name] for name in SMALL}).double()  # type: ignore[arg-type]
        tile.load_state_dict({name: each[k].double() for name, each in field.tiles.weights().items()})
        window, place = at.new_ones(len(at)), []
        for axis, number in enumerate(index):
            count, e = field.counts[axis], field.extent[axis]
            width = 2 * e / count
            x = at[:, axis] + e
            for seam, sign in ((number, 1), (number + 1, -1)):
                if 0 < seam < count:
                    window = window * ramp(sign * (x - seam * width) / (field.overlap * width) + 0.5)
            place.append((x - (number + 0.5) * width) * count / ((1 + field.overlap) * e))
        total = total + window[:, None] * tile(torch.stack(place, dim=-1))

    def slopes(values: Tensor) -> Tensor:
        return torch.autograd.grad(values.sum(), at, create_graph=True)[0]

    first = torch.stack([slopes(total[:, k]) for k in range(c)], dim=1)
    second = torch.stack([torch.stack([slopes(first[:, k, i]) for i in range(d)], dim=1) for k in range(c)], dim=1)
    found = (total, first, second.diagonal(dim1=-2, dim2=-1).sum(-1), second)
    return [each.detach().numpy() for each in found]


@pytest.mark.parametrize(
    ("dimension", "tiles", "settings"),
    [
        (1, "9", {}),
        (2, "2x3", {"extent": "0.75x1.0", "overlap": 0.4}),
        (2, "1x4", {"overlap": 1.0}),
        (2, "1x1", {}),
        (2, "2x3", {"hidden_layers": 0, "first_layer": "shared"}),
        (3, "2x3x2", {"overlap": 0.6}),
    ],
)
def test_values_and_derivatives_are_those_of_the_field(dimension: int, tiles: str, settings: dict[str, Any]) -> None:
    field = tiled(dimension, tiles, **settings)
    points = points_of(150, dimension) * 1.1  # some of them outside
    with torch.no_grad():
        floats = field(points).numpy()
    exact = by_hand(field, points)
    found = run(sinefield.export.onnx(field), points)
    assert [each.dtype for each in found] == [np.float32] * 4
    assert np.abs(found[0] - floats).max() < 1e-5
    for each, wanted in zip(found, exact, strict=True):
        assert difference(each, wanted) < 2e-6
    for each, wanted in zip(run(sinefield.export.onnx(field, double=True), points), exact, strict=True):
        assert each.dtype == np.float64
        assert difference(each, wanted) < 1e-12


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 500])
def test_any_number_of_points_wherever_they_lie(count: int) -> None:
    """Few points of many tiles, and many of one, which fill several blocks."""
    field = tiled(2, "3x4")
    model = sinefield.export.onnx(field, derivatives=False)
    assert [each.name for each in model.graph.output] == ["value"]
    for points in (points_of(count, 2), points_of(count, 2) * 0.01 + 0.3):
        found = run(model, points)[0]
        with torch.no_grad():
            assert np.abs(found - field(points).numpy()).max(initial=0) < 1e-5
        assert found.shape == (count, 2)


def test_places_of_a_long_recording_keep_their_digits() -> None:
    """Two million samples: as floats their places are wrong by a thirtieth of what lies between two."""
    field = tiled(1, "256", first_omega=1000.0)
    count = 2_000_003
    points = (2 * torch.arange(count - 300, count, dtype=torch.float64)[:, None] + 1) / count - 1
    found = run(sinefield.export.onnx(field, derivatives=False), points)[0]
    with torch.no_grad():
        exact = field.double()(points).numpy()
        moved = field(points.float().double()).numpy()
    assert difference(found, exact) < 1e-5
    assert difference(moved, exact) > 1e-4


def test_a_layer_that_tiles_share_is_stored_once() -> None:
    field = tiled(2, "8x8", hidden_layers=0, hidden_features=64, first_layer="shared")
    graph = sinefield.export.onnx(field).graph
    stored = sum(math.prod(each.dims) for each in graph.initializer)
    assert stored < sum(each.numel() for each in field.parameters()) + 200  # and numbers of the grid


def test_a_written_file_tells_of_its_tiles(tmp_path: Path) -> None:
    subject = subject_of(tiled(2, "2x3"))
    told = onnx_graph.write(subject, tmp_path / "field.onnx")
    assert told.startswith("value of tiles, at points that are doubles, in ")
    session = onnxruntime.InferenceSession(tmp_path / "field.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(double)"
    assert session.get_outputs()[0].type == "tensor(float)"
    plain = onnx_graph.write(subject_of(network("siren")), tmp_path / "plain.onnx")
    assert plain.startswith("value in ")
