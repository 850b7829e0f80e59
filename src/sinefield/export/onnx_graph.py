"""A field as an ONNX graph: its value, or its value with gradient, Laplacian and Hessian.

A derivative cannot be exported by tracing, as no graph holds ``autograd.grad``. Here derivatives are carried forward
from layer to layer, as a jet (h, ∂_i h, ∂_i ∂_j h) of ordinary operators in the same graph:

    affine   h ← W h + b      ∂_i h ← W ∂_i h        ∂_i ∂_j h ← W ∂_i ∂_j h
    curve    h ← σ(a)         ∂_i h ← σ'(a) ∂_i a    ∂_i ∂_j h ← σ''(a) ∂_i a ∂_j a + σ'(a) ∂_i ∂_j a

All up to the first curve is computed in double precision, as the phases ω (W x + b) of a first layer may be hundreds of
radians large, of which a float holds too few digits; what follows is computed in floats.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sinefield import __version__
from sinefield.export.steps import Curve, Dense, Radial, Step, Steps, steps_of
from sinefield.export.subject import Subject
from sinefield.io.files import replacing

OPSET: Final = 18  # ReduceSum and the rest as they are since; read by runtimes of 2023 and later
_IR_VERSION: Final = 9  # of the same time

_OPERATORS: Mapping[type[ast.operator], str] = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}
_FUNCTIONS: Mapping[str, str] = {
    each.lower(): each for each in ("Sin", "Cos", "Tanh", "Exp", "Log", "Erf", "Abs", "Max", "Min", "Where")
}


def onnx(module: nn.Module, *, derivatives: bool = True, double: bool = False) -> Any:
    """Return a field, or any sequence of affine maps and usual activations, as an ``onnx.ModelProto``.

    The graph takes ``points`` (n, d), of any n, and gives ``value`` (n, c); with derivatives also ``gradient``
    (n, c, d), ``laplacian`` (n, c) and ``hessian`` (n, c, d, d).

    Args:
        module: Φ; a field with a chain, or an ``nn.Sequential`` of linear layers, sines and activations.
        derivatives: give the derivatives too.
        double: take, compute and give doubles; otherwise floats, the first layer in double precision inside.

    Raises:
        ValueError: a part of the module cannot be written, or the extra ``onnx`` is not installed.

    >>> model = onnx(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
    >>> [each.name for each in model.graph.output]
    ['value', 'gradient', 'laplacian', 'hessian']
    """
    return _model(steps_of(module), derivatives=derivatives, double=double, told={})


def write(subject: Subject, path: Path, *, derivatives: bool = False, double: bool = False) -> str:
    """Return in a few words what was written: a field as an ONNX file.

    Raises:
        ValueError: the field is none that can be written so, or the extra ``onnx`` is not installed.
        OSError: the place cannot be written to.
    """
    told = {"axes": json.dumps(subject.axes), "of": subject.title}
    if (signal := subject.signal_json()) is not None:
        told["signal"] = signal
    model = _model(subject.steps, derivatives=derivatives, double=double, told=told)
    stored = model.SerializeToString()
    with replacing(path) as temporary:
        temporary.write_bytes(stored)
    outputs = ", ".join(each.name for each in model.graph.output)
    return f"{outputs} in {len(model.graph.node)} operators, {len(stored) / 1000:,.0f} kB"


def _model(steps: Steps, *, derivatives: bool, double: bool, told: Mapping[str, str]) -> Any:
    if importlib.util.find_spec("onnx") is None:
        raise ValueError("exporting to ONNX needs onnx; install it with: pip install 'sinefield[onnx]'")
    from onnx import TensorProto, helper

    d, c = steps.in_features, steps.out_features
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    graph = _Graph()
    jet = _Jet(graph, d, derivatives=derivatives)
    for step in steps.folded().steps:
        jet.apply(step)
        if isinstance(step, Curve) and not double:
            jet.cast(np.float32)
    jet.cast(np.float64 if double else np.float32)
    jet.name_outputs()
    shapes: dict[str, list[int | str]] = {"value": ["n", c]}
    if derivatives:
        shapes |= {"gradient": ["n", c, d], "laplacian": ["n", c], "hessian": ["n", c, d, d]}
    made = helper.make_graph(
        graph.nodes,
        "field",
        [helper.make_tensor_value_info("points", kind, ["n", d])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        graph.constants,
    )
    model = helper.make_model(
        made,
        producer_name="sinefield",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, dict(told))
    return model


@final
class _Graph:
    """The operators and constants of a graph, in the order of their evaluation."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._scalars: dict[tuple[float, type], str] = {}

    def constant(self, array: NDArray[Any]) -> str:
        """Return the name of a new constant."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Return the name of what a new operator gives."""
        from onnx import helper

        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def scalar(self, number: float, kind: type) -> str:
        """Return the name of a constant number of a precision."""
        if (number, kind) not in self._scalars:
            self._scalars[number, kind] = self.constant(np.asarray(number, kind))
        return self._scalars[number, kind]

    def formula(self, text: str, names: Mapping[str, str], parameter: float, kind: type) -> str:
        """Return the name of what a formula gives, see :class:`~sinefield.export.steps.Formulas`."""

        def translated(node: ast.expr) -> str | float:
            match node:
                case ast.Name():
                    return parameter if node.id == "w" else names[node.id]
                case ast.Constant(value=float(number)):
                    return number
                case ast.UnaryOp():
                    inner = translated(node.operand)
                    return -inner if isinstance(inner, float) else self.add("Neg", inner)
                case ast.BinOp():
                    left, right = translated(node.left), translated(node.right)
                    return self._combined(node.op, left, right, kind)
                case ast.Compare():
                    return self.add("Greater", *map(named, (node.left, node.comparators[0])))
                case ast.Call(func=ast.Name(id=name)):
                    return self.add(_FUNCTIONS[name], *map(named, node.args))
            raise AssertionError(f"no operator is known for {ast.unparse(node)}")

        def named(node: ast.expr) -> str:
            found = translated(node)
            return self.scalar(found, kind) if isinstance(found, float) else found

        return named(ast.parse(text, mode="eval").body)

    def _combined(self, operator: ast.operator, left: str | float, right: str | float, kind: type) -> str | float:
        """Return a product, sum or difference; products of numbers, and with ±1, take no operator of the graph."""
        if isinstance(operator, ast.Mult):
            if isinstance(left, float) and isinstance(right, float):
                return left * right
            if left in (1.0, -1.0):
                return right if left == 1.0 or isinstance(right, float) else self.add("Neg", right)
        sides = [self.scalar(each, kind) if isinstance(each, float) else each for each in (left, right)]
        return self.add(_OPERATORS[type(operator)], *sides)


@final
class _Jet:
    """A field's value and derivatives after each step, as names in a graph.

    Args:
        graph: the graph, to which operators are added.
        dimension: d.
        derivatives: carry the derivatives too.

    Attributes:
        value: h, ``(n, m)``.
        first: ∂_i h, ``(d, n, m)``, or ``(d, 1, m)`` while it is the same at every point; None: not carried.
        second: ∂_i ∂_j h, ``(pairs, n, m)`` for i ≤ j; None: not carried, or zero.
    """

    def __init__(self, graph: _Graph, dimension: int, *, derivatives: bool) -> None:
        self.graph, self.dimension, self.derivatives = graph, dimension, derivatives
        self.kind: type = np.float64
        self.pairs = list(itertools.combinations_with_replacement(range(dimension), 2))
        self.value = graph.add("Cast", "points", to=_onnx_kind(np.float64))
        self.first = graph.constant(np.eye(dimension)[:, None, :]) if derivatives else None
        self.second: str | None = None

    def apply(self, step: Step) -> None:
        """Carry the value and the derivatives through a step."""
        match step:
            case Dense():
                self._affine(step)
            case Radial():
                self._radial(step)
            case Curve():
                self._curve(step)

    def _affine(self, step: Dense) -> None:
        weight = self.graph.constant(step.weight.T.astype(self.kind))
        self.value = self.graph.add("MatMul", self.value, weight)
        if np.any(step.bias):
            self.value = self.graph.add("Add", self.value, self.graph.constant(step.bias.astype(self.kind)))
        if self.first is not None:
            self.first = self.graph.add("MatMul", self.first, weight)
        if self.second is not None:
            self.second = self.graph.add("MatMul", self.second, weight)

    def _radial(self, step: Radial) -> None:
        """Carry them through q = −σ² ‖x − c‖²: Dq[t] = −2 σ² (x − c)·t, D²q[s, t] = −2 σ² s·t."""
        add, constant = self.graph.add, self.graph.constant
        centres: NDArray[Any] = step.centres.astype(self.kind)
        widths = -np.square(step.inverse_widths.astype(self.kind))
        last = constant(np.asarray([-1], np.int64))
        towards, double = constant(centres.T), constant(2 * widths)

        def inner(one: str, other: str) -> str:
            return add("ReduceSum", add("Mul", one, other), last, keepdims=1)

        def slope(along: str) -> str:
            return add("Mul", add("Sub", inner(self.value, along), add("MatMul", along, towards)), double)

        second = None if self.second is None else slope(self.second)
        if self.first is not None:
            bent = add("Mul", inner(*self._sides(self.first)), double)
            self.second = bent if second is None else add("Add", bent, second)
            first = slope(self.first)
        # ‖x − c‖² in differences, (n, 1, d) − (m, d), as squares of each would cancel.
        middle = constant(np.asarray([1], np.int64))
        apart = add("Sub", add("Unsqueeze", self.value, middle), constant(centres))
        squares = add("ReduceSum", add("Mul", apart, apart), last, keepdims=0)
        self.value = add("Mul", squares, constant(widths))
        if self.first is not None:
            self.first = first

    def _curve(self, step: Curve) -> None:
        add, formulas = self.graph.add, step.formulas
        names = {"a": self.value}
        names["y"] = self.graph.formula(formulas.value, names, step.parameter, self.kind)
        if self.first is not None:
            slope = self.graph.formula(formulas.slope, names, step.parameter, self.kind)
            curvature = self.graph.formula(formulas.curvature, names, step.parameter, self.kind)
            bent = add("Mul", curvature, add("Mul", *self._sides(self.first)))
            self.second = bent if self.second is None else add("Add", bent, add("Mul", slope, self.second))
            self.first = add("Mul", slope, self.first)
        self.value = names["y"]

    def _sides(self, first: str) -> tuple[str, str]:
        """Return ∂_i h and ∂_j h for each pair i ≤ j."""
        left, right = (
            self.graph.add("Gather", first, self.graph.constant(np.asarray([pair[k] for pair in self.pairs], np.int64)))
            for k in range(2)
        )
        return left, right

    def cast(self, kind: type) -> None:
        """Go on in another precision."""
        if kind is self.kind:
            return
        self.kind = kind

        def moved(name: str) -> str:
            return self.graph.add("Cast", name, to=_onnx_kind(kind))

        self.value = moved(self.value)
        self.first = None if self.first is None else moved(self.first)
        self.second = None if self.second is None else moved(self.second)

    def name_outputs(self) -> None:
        """Give the value and the derivatives the shapes and the names of outputs."""
        add, d = self.graph.add, self.dimension
        value = add("Identity", self.value, output="value")
        if self.first is None:
            return

        def indices(numbers: list[int]) -> str:
            return self.graph.constant(np.asarray(numbers, np.int64))

        nothing = add("Mul", value, self.graph.scalar(0.0, self.kind))
        first = add("Add", self.first, nothing)  # of as many points, where it is the same at all
        second = nothing if self.second is None else self.second
        second = add("Add", second, add("Unsqueeze", nothing, indices([0])))
        if self.second is None:
            second = add("Tile", second, indices([len(self.pairs), 1, 1]))
        add("Transpose", first, perm=[1, 2, 0], output="gradient")
        place = {pair: k for k, pair in enumerate(self.pairs)}
        equal = add("Gather", second, indices([place[i, i] for i in range(d)]))
        add("ReduceSum", equal, indices([0]), keepdims=0, output="laplacian")
        both = add("Gather", second, indices([place[min(i, j), max(i, j)] for i in range(d) for j in range(d)]))
        rows = add("Transpose", both, perm=[1, 2, 0])
        add("Reshape", rows, indices([0, 0, d, d]), output="hessian")


def _onnx_kind(kind: type) -> int:
    from onnx import TensorProto

    return int(TensorProto.DOUBLE if kind is np.float64 else TensorProto.FLOAT)
