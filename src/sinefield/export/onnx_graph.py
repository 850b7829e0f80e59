"""A field as an ONNX graph: its value, or its value with gradient, Laplacian and Hessian.

A derivative cannot be exported by tracing, as no graph holds ``autograd.grad``. Here derivatives are carried forward
from layer to layer, as a jet (h, ∂_i h, ∂_i ∂_j h) of ordinary operators in the same graph:

    affine   h ← W h + b      ∂_i h ← W ∂_i h        ∂_i ∂_j h ← W ∂_i ∂_j h
    curve    h ← σ(a)         ∂_i h ← σ'(a) ∂_i a    ∂_i ∂_j h ← σ''(a) ∂_i a ∂_j a + σ'(a) ∂_i ∂_j a

All up to the first curve is computed in double precision, as the phases ω (W x + b) of a first layer may be hundreds of
radians large, of which a float holds too few digits; what follows is computed in floats.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import nn

from sinefield import __version__
from sinefield.export.onnx_jet import Graph, Jet
from sinefield.export.onnx_tiles import joined
from sinefield.export.steps import Steps, Tiles, made_of
from sinefield.export.subject import Subject
from sinefield.io.files import replacing

OPSET: Final = 18  # ReduceSum and the rest as they are since; read by runtimes of 2023 and later
_IR_VERSION: Final = 9  # of the same time


def onnx(module: nn.Module, *, derivatives: bool = True, double: bool = False) -> Any:
    """Return a field, or any sequence of affine maps and usual activations, as an ``onnx.ModelProto``.

    The graph takes ``points`` (n, d), of any n, and gives ``value`` (n, c); with derivatives also ``gradient``
    (n, c, d), ``laplacian`` (n, c) and ``hessian`` (n, c, d, d). The points of tiles are doubles, as their coordinates
    have more digits than a float.

    Args:
        module: Φ; a field with a chain, tiles, or an ``nn.Sequential`` of linear layers, sines and activations.
        derivatives: give the derivatives too.
        double: take, compute and give doubles; otherwise floats, the first layer in double precision inside.

    Raises:
        ValueError: a part of the module cannot be written, or the extra ``onnx`` is not installed.

    >>> model = onnx(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
    >>> [each.name for each in model.graph.output]
    ['value', 'gradient', 'laplacian', 'hessian']
    """
    return _model(made_of(module), derivatives=derivatives, double=double, told={})


def write(subject: Subject, path: Path, *, derivatives: bool = False, double: bool = False) -> str:
    """Return in a few words what was written: a field as an ONNX file.

    Raises:
        ValueError: the field is none that can be written so, or the extra ``onnx`` is not installed.
        OSError: the place cannot be written to.
    """
    told = {"axes": json.dumps(subject.axes), "of": subject.title}
    if (signal := subject.signal_json()) is not None:
        told["signal"] = signal
    model = _model(subject.made_of, derivatives=derivatives, double=double, told=told)
    stored = model.SerializeToString()
    with replacing(path) as temporary:
        temporary.write_bytes(stored)
    outputs = ", ".join(each.name for each in model.graph.output)
    if isinstance(subject.made_of, Tiles):
        outputs += " of tiles, at points that are doubles,"
    return f"{outputs} in {len(model.graph.node)} operators, {len(stored) / 1000:,.0f} kB"


def _model(made: Steps | Tiles, *, derivatives: bool, double: bool, told: Mapping[str, str]) -> Any:
    if importlib.util.find_spec("onnx") is None:
        raise ValueError("exporting to ONNX needs onnx; install it with: pip install 'sinefield[onnx]'")
    from onnx import TensorProto, helper

    steps = made.steps if isinstance(made, Tiles) else made
    d, c = steps.in_features, steps.out_features
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    tiled = isinstance(made, Tiles)  # whose coordinates have more digits than a float
    graph = Graph()
    points = graph.add("Cast", "points", to=TensorProto.DOUBLE)
    if isinstance(made, Tiles):
        jet = joined(graph, made, points, derivatives=derivatives, double=double)
    else:
        jet = Jet(graph, d, points, derivatives=derivatives)
        jet.run(steps, double=double)
    _name_outputs(jet)
    shapes: dict[str, list[int | str]] = {"value": ["n", c]}
    if derivatives:
        shapes |= {"gradient": ["n", c, d], "laplacian": ["n", c], "hessian": ["n", c, d, d]}
    field = helper.make_graph(
        graph.nodes,
        "field",
        [helper.make_tensor_value_info("points", TensorProto.DOUBLE if tiled else kind, ["n", d])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        graph.constants,
    )
    model = helper.make_model(
        field,
        producer_name="sinefield",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, dict(told))
    return model


def _name_outputs(jet: Jet) -> None:
    """Give a value and its derivatives the shapes and the names of outputs."""
    graph, d = jet.graph, jet.dimension
    add, integers = graph.add, graph.integers
    value = add("Identity", jet.value, output="value")
    if jet.first is None:
        return
    nothing = add("Mul", value, graph.scalar(0.0, jet.kind))
    first = add("Add", jet.first, nothing)  # of as many points, where it is the same at all
    second = nothing if jet.second is None else jet.second
    second = add("Add", second, add("Unsqueeze", nothing, integers(0)))
    if jet.second is None:
        second = add("Tile", second, integers(len(jet.pairs), 1, 1))
    add("Transpose", first, perm=[1, 2, 0], output="gradient")
    place = {pair: k for k, pair in enumerate(jet.pairs)}
    equal = add("Gather", second, integers(*(place[i, i] for i in range(d))))
    add("ReduceSum", equal, integers(0), keepdims=0, output="laplacian")
    both = add("Gather", second, integers(*(place[min(i, j), max(i, j)] for i in range(d) for j in range(d))))
    rows = add("Transpose", both, perm=[1, 2, 0])
    add("Reshape", rows, integers(0, 0, d, d), output="hessian")
