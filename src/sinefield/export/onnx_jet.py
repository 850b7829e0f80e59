"""A jet of ordinary operators in an ONNX graph: a value with its derivatives, carried from layer to layer."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from sinefield.export.steps import Curve, Dense, Radial, Step, Steps

_OPERATORS: Final[Mapping[type[ast.operator], str]] = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}
_FUNCTIONS: Final[Mapping[str, str]] = {
    each.lower(): each for each in ("Sin", "Cos", "Tanh", "Exp", "Log", "Erf", "Abs", "Max", "Min", "Where")
}


@final
class Graph:
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

    def unique(self, numbers: str) -> tuple[str, str, str]:
        """Return where each of some sorted integers is first, the rank of each one, and how often there is each."""
        from onnx import helper

        different, first, rank, counts = (f"{each}{len(self.nodes)}" for each in ("unique", "first", "rank", "counts"))
        self.nodes.append(helper.make_node("Unique", [numbers], [different, first, rank, counts]))
        return first, rank, counts

    def sorted(self, numbers: str) -> tuple[str, str]:
        """Return integers in ascending order, and from where each came."""
        from onnx import helper

        values, order = f"sorted{len(self.nodes)}", f"order{len(self.nodes)}"
        count = self.add("Shape", numbers)
        self.nodes.append(helper.make_node("TopK", [numbers, count], [values, order], largest=0))
        return values, order

    def zeros(self, shape: str, kind: type) -> str:
        """Return the name of zeros of a shape."""
        from onnx import numpy_helper

        return self.add("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1, kind)))

    def integers(self, *numbers: int) -> str:
        """Return the name of some integers, as shapes and indices are."""
        return self.constant(np.asarray(numbers, np.int64))

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
class Jet:
    """A field's value and derivatives after each step, as names in a graph.

    Args:
        graph: the graph, to which operators are added.
        dimension: d.
        points: ``(n, d)``, or ``(b, n, d)`` for networks side by side.
        derivatives: carry the derivatives too.
        chosen: which networks of those side by side are evaluated, ``(b,)``; None: the steps are of one network.

    Attributes:
        value: h, ``(…, n, m)``.
        first: ∂_i h, ``(d, …, n, m)``, or ``(d, …, 1, m)`` while it is the same at every point; None: not carried.
        second: ∂_i ∂_j h, ``(pairs, …, n, m)`` for i ≤ j; None: not carried, or zero.
    """

    def __init__(
        self, graph: Graph, dimension: int, points: str, *, derivatives: bool, chosen: str | None = None
    ) -> None:
        self.graph, self.dimension, self.chosen = graph, dimension, chosen
        self.kind: type = np.float64
        self.pairs = pairs_of(dimension)
        self.value = points
        along = np.eye(dimension)[:, None, :] if chosen is None else np.eye(dimension)[:, None, None, :]
        self.first = graph.constant(along) if derivatives else None
        self.second: str | None = None

    def run(self, steps: Steps, *, double: bool) -> None:
        """Carry them through all steps; unless double is asked for, in floats from the first curve on."""
        for step in steps.folded().steps:
            self.apply(step)
            if isinstance(step, Curve) and not double:
                self.cast(np.float32)
        self.cast(np.float64 if double else np.float32)

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
        weight = self._weights(step.weight.swapaxes(-1, -2))
        self.value = self.graph.add("MatMul", self.value, weight)
        if np.any(step.bias):
            bias = step.bias if self.chosen is None else step.bias[..., None, :]
            self.value = self.graph.add("Add", self.value, self._weights(bias))
        if self.first is not None:
            self.first = self.graph.add("MatMul", self.first, weight)
        if self.second is not None:
            self.second = self.graph.add("MatMul", self.second, weight)

    def _weights(self, array: NDArray[Any]) -> str:
        """Return weights: those of the networks that are evaluated, which may share them."""
        found = self.graph.constant(array.astype(self.kind))
        shared = self.chosen is None or len(array) == 1
        return found if shared else self.graph.add("Gather", found, str(self.chosen))

    def _radial(self, step: Radial) -> None:
        """Carry them through q = −σ² ‖x − c‖²: Dq[t] = −2 σ² (x − c)·t, D²q[s, t] = −2 σ² s·t."""
        add, constant = self.graph.add, self.graph.constant
        centres: NDArray[Any] = step.centres.astype(self.kind)
        widths = -np.square(step.inverse_widths.astype(self.kind))
        last = self.graph.integers(-1)
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
        middle = self.graph.integers(1)
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
            self.graph.add("Gather", first, self.graph.integers(*(pair[k] for pair in self.pairs))) for k in range(2)
        )
        return left, right

    def cast(self, kind: type) -> None:
        """Go on in another precision."""
        if kind is self.kind:
            return
        self.kind = kind

        def moved(name: str) -> str:
            return self.graph.add("Cast", name, to=onnx_kind(kind))

        self.value = moved(self.value)
        self.first = None if self.first is None else moved(self.first)
        self.second = None if self.second is None else moved(self.second)


def pairs_of(dimension: int) -> list[tuple[int, int]]:
    """Return the pairs i ≤ j of axes, in the order in which second derivatives are carried."""
    return list(itertools.combinations_with_replacement(range(dimension), 2))


def onnx_kind(kind: type) -> int:
    """Return the number of a precision in ONNX."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
