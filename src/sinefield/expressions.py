"""Functions of coordinates as people write them: ``sin(pi*x) * exp(-t)``, read without running any code.

Nothing here imports torch until a function is evaluated, so that the command line can check what it is given at once.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from torch import Tensor

FUNCTIONS = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "abs", "atan", "asinh", "erf", "sign")
"""What can be called, of one argument; ``min``, ``max``, ``atan2`` and ``where`` (condition, then, else) besides."""

_SEVERAL = {"min": ("minimum", 2), "max": ("maximum", 2), "atan2": ("atan2", 2), "where": ("where", 3)}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_LONGEST = 2000  # characters
_LARGEST = 1e300
_DEEPEST = 200  # operations within operations
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@final
@dataclass(frozen=True)
class Expression:
    """A function of the coordinates, as text.

    Args:
        text: of numbers, ``pi``, ``e``, names of axes, ``+ - * / **`` (or ``^``), comparisons and :data:`FUNCTIONS`.
        axes: the names of the coordinates, in their order.

    Raises:
        ValueError: the text is no such function.

    >>> import torch
    >>> Expression("2*pi^0 * sin(pi*x) - y", "xy")(torch.tensor([[0.5, 1.0], [1.5, 0.0]], dtype=torch.float64)).tolist()
    [[1.0], [-2.0]]
    """

    text: str
    axes: Sequence[str]

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            ValueError: as the class says.
        """
        _check(self._tree(), self.axes, self.text)

    def _tree(self) -> ast.expr:
        text = re.sub(r"\^", "**", self.text.strip())
        try:
            if len(text) > _LONGEST:
                raise SyntaxError
            return ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(
                f"{self.text[:80]!r} is no expression; write one such as sin(pi*{self.axes[-1]})"
            ) from error

    @property
    def is_constant(self) -> bool:
        """Whether no coordinate is in it."""
        return not {each.id for each in ast.walk(self._tree()) if isinstance(each, ast.Name)} & set(self.axes)

    def __call__(self, points: Tensor) -> Tensor:
        """Return the values ``(n, 1)`` at points ``(n, d)``.

        Raises:
            ValueError: a value is not finite.
        """
        import torch

        values = {name: points[:, place : place + 1] for place, name in enumerate(self.axes)}
        found = _value(self._tree(), values)
        result: Tensor = torch.as_tensor(found, dtype=points.dtype, device=points.device).expand(len(points), 1)
        if not bool(torch.isfinite(result).all()):
            place = points[int((~torch.isfinite(result)).nonzero()[0, 0])].tolist()
            where = ", ".join(f"{name} = {value:.6g}" for name, value in zip(self.axes, place, strict=True))
            raise ValueError(f"{self.text!r} is not finite at {where}; give a function that is, in all of the domain")
        return result


Function = str | float | Callable[["Tensor"], "Tensor"]
"""A function of points ``(n, d)``, in code or as text of the names of axes, such as ``"sin(pi*x)"``; or a number."""


def function_of(function: Function, axes: Sequence[str]) -> Callable[[Tensor], Tensor]:
    """Return a function of points, from text where it is one.

    Raises:
        ValueError: the text is no function of these axes.
    """
    return function if callable(function) else Expression(str(function), tuple(axes))


def _check(node: ast.AST, axes: Sequence[str], text: str, depth: int = 0) -> None:
    """Refuse what is no function of the coordinates.

    Raises:
        ValueError: it is none.
    """
    parts = list(ast.iter_child_nodes(node))
    operations = [each for each in parts if isinstance(each, ast.operator | ast.unaryop | ast.cmpop)]
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and abs(number) < _LARGEST:
            return
        case ast.Name(id=name):
            if name not in (*axes, *_CONSTANTS):
                names = ", ".join([*axes, *_CONSTANTS])
                raise ValueError(f"unknown name {name!r} in {text!r}; there are {names}, by the axes of the domain")
            return
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in (*FUNCTIONS, *_SEVERAL):
                raise ValueError(
                    f"unknown function {name!r} in {text!r}; there are {', '.join([*FUNCTIONS, *_SEVERAL])}"
                )
            expected = _SEVERAL[name][1] if name in _SEVERAL else 1
            if len(arguments) != expected:
                raise ValueError(f"{name} takes {expected} arguments, got {len(arguments)} in {text!r}")
            operands: Sequence[ast.AST] = arguments
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() if [type(each) in _OPERATORS for each in operations] == [True]:
            operands = [each for each in parts if each not in operations]
        case _:
            raise ValueError(
                f"{text!r} holds more than numbers, {', '.join(axes)}, operators and functions; write it with these"
            )
    if depth > _DEEPEST:
        raise ValueError(
            f"{text[:40]!r}… has more than {_DEEPEST} operations within each other; write a function in code"
        )
    for each in operands:
        _check(each, axes, text, depth + 1)


def _value(node: ast.AST, values: dict[str, Tensor]) -> Any:
    """Return the value of what was checked."""
    import torch

    match node:
        case ast.Constant(value=number):
            return torch.tensor(float(number), dtype=torch.float64)  # type: ignore[arg-type]  # a number, as was checked
        case ast.Name(id=name):
            return values[name] if name in values else torch.tensor(_CONSTANTS[name], dtype=torch.float64)
        case ast.UnaryOp(op=sign, operand=operand):
            return _OPERATORS[type(sign)](_value(operand, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            given = [_value(each, values) for each in arguments]
            if name == "where":
                return torch.where(given[0] > 0, given[1], given[2])
            return getattr(torch, _SEVERAL[name][0] if name in _SEVERAL else name)(*given)
    left, *_, right = (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
    op = next(each for each in ast.iter_child_nodes(node) if type(each) in _OPERATORS)
    found = _OPERATORS[type(op)](_value(left, values), _value(right, values))
    return found.to(torch.float64) if isinstance(node, ast.Compare) else found
