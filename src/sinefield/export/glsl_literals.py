"""Numbers and types as GLSL has them."""

from __future__ import annotations

from typing import Any, Final

from numpy.typing import NDArray

AXES: Final = "xyzw"
SIZES: Final = ("", "float", "vec2", "vec3", "vec4")
"""The types of one to four numbers."""


def vector(numbers: NDArray[Any], digits: int) -> str:
    """Return four numbers as a vector."""
    return f"vec4({','.join(literal(each, digits) for each in numbers)})"


def few(numbers: NDArray[Any], digits: int) -> str:
    """Return one to four numbers as a float or a vector."""
    return f"{SIZES[len(numbers)]}({','.join(literal(each, digits) for each in numbers)})"


def literal(number: float, digits: int) -> str:
    """Return a number as a literal, in as few characters as there are.

    >>> [literal(each, 3) for each in (0.5, -0.0625, 12.0, 0.0, -0.00001)]
    ['.5', '-.062', '12.', '0.', '0.']
    """
    text = f"{number:.{digits}f}"
    if "." not in text:
        text += "."
    text = text.rstrip("0")
    text = text.removeprefix("-") if float(text) == 0 else text
    sign, size = ("-", text[1:]) if text.startswith("-") else ("", text)
    size = size.removeprefix("0") if size.startswith("0.") and size != "0." else size
    return sign + size
