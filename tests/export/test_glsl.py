"""Tests of fields as GLSL: the text is evaluated again, number by number, and holds the bound that it states."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from exported import IMAGE, NETWORKS, SIGNALS, derivatives_of, difference, network, points_of, subject_of
from sinefield.export import glsl
from sinefield.export.decimals import in_decimals
from sinefield.fields import Siren, TiledSiren

Doubles = NDArray[np.float64]


class Matrix:
    """A matrix of GLSL, written column by column, times rows of vectors."""

    def __init__(self, rows: int, *numbers: float) -> None:
        self.columns = np.array(numbers).reshape(-1, rows)

    def __mul__(self, vectors: Doubles) -> Doubles:
        return np.asarray(vectors @ self.columns)


class Point:
    def __init__(self, points: Doubles) -> None:
        for k, name in enumerate("xyzw"[: points.shape[1]]):
            setattr(self, name, points[:, k : k + 1])


class Vector(np.ndarray):
    """Rows of vectors, with the names of their parts."""

    def __getattr__(self, name: str) -> Any:
        if set(name) <= set("rgba"):
            return self[:, : len(name)]
        raise AttributeError(name)


def evaluated(text: str, points: Doubles) -> tuple[Doubles, list[Doubles]]:
    """Return the value and the derivatives that a written function gives, in double precision."""
    body = re.findall(r"field\([^)]*out[^)]*\)\{(.*?)return r;\}", text, re.DOTALL)[0]
    n = len(points)

    def vector(*numbers: Any) -> Any:
        parts = [np.broadcast_to(each, (n, 1)) if np.ndim(each) == 0 else np.asarray(each) for each in numbers]
        joined = np.concatenate(parts, axis=1)
        return (np.broadcast_to(joined, (n, 4)) if joined.shape[1] == 1 else joined).copy().view(Vector)

    names: dict[str, Any] = {
        "p": points if points.shape[1] == 1 else Point(points),
        "sn": np.sin,
        "cs": np.cos,
        "dot": lambda a, b: (a * b).sum(-1, keepdims=True),
        "float": lambda each: np.full((n, 1), float(each)),
        "mat4": lambda *each: Matrix(4, *each),
        **{
            f"vec{k}": vector if k == 4 else (lambda *each, k=k: vector(*(each if len(each) > 1 else each * k)))
            for k in (2, 3, 4)
        },
        **{f"mat4x{k}": (lambda *each, k=k: Matrix(k, *each)) for k in (2, 3, 4)},
    }
    for name, (value, slope) in CURVES.items():
        names[f"{name}_"] = (value, slope)
    for statement in re.sub(r"\s", "", re.sub(r"\b(float|vec\d|mat\dx?\d?) (?=\w)", "", body)).split(";"):
        if "=" not in statement:
            if called := re.fullmatch(r"(\w+)\(a,([^,]*),(\w+),s\)", statement):
                value, slope = names[called[1]]
                names["s"], names[called[3]] = slope(names["a"], float(called[2])), value(names["a"], float(called[2]))
            continue
        for part in re.split(r",(?=[a-z]\w*=)", statement):
            target, operator, expression = re.fullmatch(r"(\w+)([+*]?)=(.*)", part).groups()  # type: ignore[union-attr]
            names[target] = eval(f"{target}{operator}({expression})" if operator else expression, names)
    return np.asarray(names["r"]), [np.asarray(names[f"d{'xyzw'[k]}"]) for k in range(points.shape[1])]


# Of the curves whose formulas are not read here; what a shader makes of them is seen in a browser.
CURVES: dict[str, Any] = {
    "relu": (lambda a, w: np.maximum(a, 0), lambda a, w: (a > 0) * 1.0),
    "tanh": (lambda a, w: np.tanh(a), lambda a, w: 1 - np.tanh(a) ** 2),
    "sigmoid": (lambda a, w: 1 / (1 + np.exp(-a)), lambda a, w: np.exp(-a) / (1 + np.exp(-a)) ** 2),
    "softplus": (lambda a, w: np.log1p(np.exp(a)), lambda a, w: 1 / (1 + np.exp(-a))),
    "elu": (lambda a, w: np.where(a > 0, a, w * np.expm1(a)), lambda a, w: np.where(a > 0, 1, w * np.exp(a))),
    "selu": (
        lambda a, w: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a)),
        lambda a, w: 1.0507009873554805 * np.where(a > 0, 1, 1.6732632423543772 * np.exp(a)),
    ),
}


@pytest.mark.parametrize(
    ("inputs", "outputs", "width", "depth"), [(1, 1, 8, 1), (2, 3, 10, 2), (3, 1, 13, 1), (4, 4, 8, 0), (3, 2, 6, 3)]
)
def test_the_numbers_in_the_text_hold_the_bound(inputs: int, outputs: int, width: int, depth: int) -> None:
    field, points = network("siren", inputs, outputs, width, depth), points_of(300, inputs)
    exact = derivatives_of(field, points)
    lengths = []
    for error in (1e-1, 1e-3, 1e-6):
        text, found = glsl.source_of(subject_of(field), error=error)
        value, slopes = evaluated(text, points.double().numpy())
        apart = np.abs(value - exact[0]).max()
        assert apart <= found.value <= error
        assert apart > found.value / 1e4  # the bound is of what is written, not of a float's digits
        assert found.gradient is not None
        for k, slope in enumerate(slopes):
            assert np.abs(slope - exact[1][:, :, k]).max() <= found.gradient
        lengths.append(len(text))
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("name", NETWORKS[:-1])
def test_networks_of_any_curve(name: str) -> None:
    field, points = network(name, 2, 3, 9), points_of(200, 2)
    text, found = glsl.source_of(subject_of(field), error=1e-4)
    exact = derivatives_of(field, points)
    value, slopes = evaluated(text, points.double().numpy())
    assert np.abs(value - exact[0]).max() <= found.value <= 1e-4
    assert all(difference(slope, exact[1][:, :, k]) < 1e-3 for k, slope in enumerate(slopes))
    assert (found.gradient is None) == (name != "siren")


def test_a_curve_after_the_last_layer() -> None:
    torch.manual_seed(0)
    for outputs in (1, 3):
        module = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, outputs), nn.Sigmoid())
        points = points_of(50, 2)
        value, slopes = evaluated(glsl.source_of(subject_of(module), error=1e-7)[0], points.double().numpy())
        exact = derivatives_of(module, points)
        assert np.abs(value - exact[0]).max() < 1e-7
        assert difference(slopes[1], exact[1][:, :, 1]) < 1e-6


def test_an_affine_map_alone() -> None:
    torch.manual_seed(0)
    module, points = nn.Sequential(nn.Linear(2, 2)), points_of(9, 2)
    value, slopes = evaluated(glsl.source_of(subject_of(module), error=1e-9)[0], points.double().numpy())
    assert np.abs(value - derivatives_of(module, points)[0]).max() < 1e-9
    assert difference(slopes[0] + np.zeros((9, 1)), derivatives_of(module, points)[1][:, :, 0]) < 1e-8


def test_the_bound_counts_the_size_of_coordinates() -> None:
    steps = subject_of(network("siren")).steps
    near, far = (in_decimals(steps, 1e-3, [each] * 2) for each in (1.0, 50.0))
    assert near.counts[0] < far.counts[0]


def test_more_digits_where_they_gain_most() -> None:
    found = in_decimals(subject_of(Siren(2, 1, 32, 2)).steps, 1e-3)
    assert found.counts[0] > found.counts[2]  # few numbers, of which all layers after make more


@pytest.mark.parametrize("kind", SIGNALS)
def test_shaders_to_paste_show_each_kind(kind: str) -> None:
    dimension, told = SIGNALS[kind]
    field = network("siren", dimension, 3 if kind == "image" else 1, 4, 1)
    text, _ = glsl.source_of(subject_of(field, told), shadertoy=True)
    expected = {
        "image": "field(vec2(0.0-q.y,0.0+q.x))",
        "audio": "field(0.0+1.0*(q.x",
        "video": "vec3(0.0+1.0*(2.*fract(iTime/2.0)-1.),0.0-q.y,0.0+q.x)",
        "volume": "fract(iTime/4.0)",
        "shape": "field((eye+t*ray).yzx,n.x,n.y,n.z);\n      n=normalize(n.zxy)",
        "equation": "field(vec2(1.0+q.x,2.0+q.y))",
    }
    assert expected[kind] in text
    assert text.count("{") == text.count("}")
    assert "mainImage" not in glsl.source_of(subject_of(field))[0]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    refused: list[tuple[nn.Module, float, str]] = [
        (network("siren"), 0.0, "the error must be a positive number, got 0"),
        (network("siren"), 1e-15, "an error of 1e-15 needs more digits than floats have"),
        (network("siren", 5), 1e-3, "a function of 5 coordinates with 3 values"),
        (network("relu-rbf"), 1e-3, "only affine maps with a curve after each"),
        (
            TiledSiren(2, 3, hidden_features=4, tiles="2x2"),
            1e-3,
            r"it is of 4 tiles with \d+ weights.*export a page \(.html\)",
        ),
    ]
    for field, error, told in refused:
        with pytest.raises(ValueError, match=told):
            glsl.write(subject_of(field), tmp_path / "field.glsl", error=error)
    assert not list(tmp_path.iterdir())


def test_the_file_says_how_exact_it_is(tmp_path: Path) -> None:
    told = glsl.write(subject_of(network("siren"), IMAGE), tmp_path / "field.glsl")
    text = (tmp_path / "field.glsl").read_text("ascii")
    assert f"{len(text):,} bytes" in told
    assert re.search(
        r"\d \+ \d \+ \d \+ \d decimals: error of the value at most 0.000\d, of its gradient at most", told
    )
    assert "y in [-0.75, 0.75], x in [-1, 1]" in text


def test_a_shader_that_takes_long_to_compile_is_told(tmp_path: Path) -> None:
    assert "compile" not in glsl.write(subject_of(network("siren")), tmp_path / "short.glsl")
    assert "so long a shader takes many" in glsl.write(subject_of(network("siren", width=120)), tmp_path / "long.glsl")
