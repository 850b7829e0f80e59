"""A field as GLSL: a function with its value and gradient, for shaders; and a whole one to paste into Shadertoy.

Features are written four by four, as vectors and matrices, and every layer with its own number of decimals, see
:mod:`sinefield.export.decimals`. The gradient is carried forward beside the value, so that normals need no differences.
Sines are polynomials after a reduction by multiples of π in two parts, as those of graphics processors may be wrong by
2^−11.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sinefield.export import glsl_tiles
from sinefield.export import shadertoy as shaders
from sinefield.export.decimals import Decimals, in_decimals
from sinefield.export.glsl_literals import AXES, SIZES, few, literal, vector
from sinefield.export.steps import Curve, Dense, Tiles
from sinefield.export.subject import Subject
from sinefield.io.files import replacing

ERROR: Final = 1e-3
"""The error of a value that a shader has at most, unless another is asked for; a step of 8 bits is 8e-3."""

LONG: Final = 250_000
"""Bytes from which a shader is told to be long: 128 x 2 features take 20 s without a graphics processor."""

_SINE = """\
// Sine and cosine to 2e-7, for |a| to some thousands.
vec4 snp(vec4 r){vec4 q=r*r;return r*(.999999977+q*(-.166666476+q*(.00833289982+q*(-.000198008978+q*2.5904885e-6))));}
vec4 sn(vec4 a){vec4 k=floor(a*.318309886+.5);return snp(a-k*3.140625-k*.000967653590)*(1.-2.*mod(k,2.));}
vec4 cs(vec4 a){vec4 k=floor(a*.318309886),h=k+.5;return snp(a-h*3.140625-h*.000967653590)*(2.*mod(k,2.)-1.);}
"""
_OPERATORS: Mapping[type[ast.AST], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


def write(subject: Subject, path: Path, *, shadertoy: bool = False, error: float = ERROR) -> str:
    """Return in a few words what was written: a field as GLSL.

    Args:
        subject: the field.
        path: where.
        shadertoy: a whole shader to paste.
        error: the bound of the error of the value that digits are chosen for.

    Raises:
        ValueError: the field is none that can be written so, or the bound cannot be held.
        OSError: the place cannot be written to.
    """
    text, found = source_of(subject, shadertoy=shadertoy, error=error)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="ascii")
    gradient = "" if found.gradient is None else f", of its gradient at most {found.gradient:.1g}"
    long = (
        "; so long a shader takes many seconds to compile, that of a narrower field fewer" if len(text) > LONG else ""
    )
    return (
        f"{len(text):,} bytes, {' + '.join(map(str, found.counts))} decimals: error of the value at most "
        f"{found.value:.1g}{gradient}{long}"
    )


def source_of(subject: Subject, *, shadertoy: bool = False, error: float = ERROR) -> tuple[str, Decimals]:
    """Return a field as GLSL, and in which digits.

    Raises:
        ValueError: the field is none that can be written so, or the bound cannot be held.
    """
    check(subject)
    made = subject.made_of
    box = [max(map(abs, each)) for each in subject.box]
    try:
        found = glsl_tiles.in_decimals_of(made, error) if isinstance(made, Tiles) else in_decimals(made, error, box)
    except ValueError as told:
        raise ValueError(f"{subject.path} cannot be written as GLSL: {told}") from told
    body = glsl_tiles.function(made, found) if isinstance(made, Tiles) else _function(found)
    steps = made.steps if isinstance(made, Tiles) else made
    d, c = steps.in_features, steps.out_features
    title = subject.title.encode("ascii", "replace").decode()
    ranges = [f"{name} in [{low:.4g}, {high:.4g}]" for name, (low, high) in zip(subject.axes, subject.box, strict=True)]
    axes = ", ".join(ranges).encode("ascii", "replace").decode()
    gradient = "" if found.gradient is None else f", of each derivative {found.gradient:.1e}"
    head = [
        f"// {title}: a function p -> {SIZES[c]}; p is {axes}.",
        f"// {subject.made_by}. GLSL ES 3.00 with precision highp; in exact arithmetic the error of the value is at",
        f"// most {found.value:.1e}{gradient}.",
    ]
    parts = ["\n".join(head) + "\n", *_definitions(found), "\n".join(body) + "\n"]
    if shadertoy:
        parts.append(shaders.image_of(subject, d, c))
    return "".join(parts), found


def check(subject: Subject) -> None:
    """Refuse a field that has no GLSL.

    Raises:
        ValueError: it takes or gives more than four numbers, or is of steps that are not written, or of large tiles.
    """
    made = subject.made_of
    if isinstance(made, Tiles) and not glsl_tiles.can_be_written(made):
        size = sum(each.weight.size + each.bias.size for each in made.steps.steps if isinstance(each, Dense))
        raise ValueError(
            f"{subject.path} cannot be written as GLSL: it is of {math.prod(made.counts)} tiles with {size:,} weights, "
            f"and at most {glsl_tiles.MOST:,} of tiles that share their only layer of sines can be; export a page "
            f"(.html), which draws tiles, or fit one network with --recipe fast --tiles "
            + "x".join("1" for _ in made.counts)
        )
    steps = made.steps if isinstance(made, Tiles) else made
    d, c = steps.in_features, steps.out_features
    if max(d, c) > 4 or "gelu" in steps.curves:
        raise ValueError(
            f"{subject.path} cannot be written as GLSL: it is a function of {d} coordinates with {c} values and curves "
            f"{', '.join(steps.curves)}; at most 4 of each, and no gelu, can be"
        )


def _definitions(found: Decimals) -> Iterator[str]:
    """Yield the definitions of the curves: y = σ(a) and s = σ'(a)."""
    yield _SINE
    for name in found.steps.curves:
        if name != "sine":
            formulas = Curve(name).formulas
            value, slope = (_translated(ast.parse(each, mode="eval").body) for each in (formulas.value, formulas.slope))
            yield f"void {_named(name)}(vec4 a,float w,out vec4 y,out vec4 s){{y={value};s={slope};}}\n"


def _named(name: str) -> str:
    return name.replace("-", "_") + "_"  # elu_, as some names are of the language


def _translated(node: ast.expr) -> str:
    """Return a formula in GLSL, of vectors of four.

    Raises:
        AssertionError: it holds what no formula of a curve does.
    """
    match node:
        case ast.Name():
            return node.id
        case ast.Constant(value=float(number)):
            return f"vec4({number!r})"
        case ast.UnaryOp():
            return f"(-{_translated(node.operand)})"
        case ast.BinOp():
            return f"({_translated(node.left)}{_OPERATORS[type(node.op)]}{_translated(node.right)})"
        case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as test, then, otherwise]):
            over = f"vec4(greaterThan({_translated(test.left)},{_translated(test.comparators[0])}))"
            return f"mix({_of_four(otherwise)},{_of_four(then)},{over})"
        case ast.Call(func=ast.Name(id=name)):
            return f"{name}({','.join(map(_translated, node.args))})"
    raise AssertionError(f"no GLSL is known for {ast.unparse(node)}")


def _of_four(node: ast.expr) -> str:
    return f"vec4({_translated(node)})"


def _function(found: Decimals) -> Iterator[str]:
    """Yield the lines of the functions: of the value with the gradient, and of the value alone."""
    d, c = found.steps.in_features, found.steps.out_features
    point, value = SIZES[d], SIZES[c]
    yield f"{value} field({point} p,{''.join(f'out {value} d{AXES[k]},' for k in range(d))[:-1]}){{"
    yield "vec4 a,s;mat4 m;"
    inputs = [f"p.{AXES[k]}" if d > 1 else "p" for k in range(d)]
    steps = iter(found.steps.steps)
    number = 0
    counts = iter(found.counts)
    for step in steps:
        if isinstance(step, Dense):
            digits = next(counts)
            last = number == len(found.counts) - 1
            lines = _last(step, digits, number, d) if last else _layer(step, digits, number, d, inputs)
            yield from lines
            number += 1
        elif number < len(found.counts):
            blocks = -(-len(_weights(found, number - 1).weight) // 4)
            yield from (_curve(step, number - 1, k, d) for k in range(blocks))
    yield from _ending(found, value, d)


def _weights(found: Decimals, number: int) -> Dense:
    return [step for step in found.steps.steps if isinstance(step, Dense)][number]


def _layer(step: Dense, digits: int, number: int, d: int, inputs: list[str]) -> Iterator[str]:
    """Yield the lines of an affine map, four of its outputs at a time, and of their derivatives."""
    weight, bias = _padded(step)
    here, before = _letter(number), _letter(number - 1)
    for k in range(len(weight) // 4):
        rows = slice(4 * k, 4 * k + 4)
        if number == 0:
            columns = [vector(weight[rows, axis], digits) for axis in range(d)]
            terms = "+".join([*(f"{x}*{here}{k}{AXES[i]}" for i, x in enumerate(inputs)), vector(bias[rows], digits)])
            slopes = ",".join(f"{here}{k}{AXES[i]}={column}" for i, column in enumerate(columns))
            yield f"vec4 {slopes},{here}{k}={terms};"
            continue
        zeros = "".join(f",{here}{k}{AXES[i]}=vec4(0)" for i in range(d))
        yield f"vec4 {here}{k}={vector(bias[rows], digits)}{zeros};"
        for j in range(weight.shape[1] // 4):
            block = weight[rows, 4 * j : 4 * j + 4]
            sums = "".join(f"{here}{k}{x}+=m*{before}{j}{x};" for x in ("", *AXES[:d]))
            yield f"m=mat4({','.join(literal(each, digits) for each in block.T.ravel())});{sums}"


def _curve(step: Any, number: int, k: int, d: int) -> str:
    """Return the line of a curve of four features."""
    here = f"{_letter(number)}{k}"
    if step.name == "sine":
        line = f"a={here};s=cs(a);{here}=sn(a);"
    else:
        line = f"a={here};{_named(step.name)}(a,{step.parameter!r},{here},s);"
    return line + "".join(f"{here}{AXES[i]}*=s;" for i in range(d))


def _last(step: Dense, digits: int, number: int, d: int) -> Iterator[str]:
    """Yield the lines of the last affine map, which has few outputs, as sums r of vectors of four."""
    weight, bias = _padded(step, rows=False)
    c, before = len(weight), _letter(number - 1)
    starts = ",".join([f"r={few(bias, digits)}", *(f"r{AXES[i]}={SIZES[c]}(0)" for i in range(d))])
    yield f"{SIZES[c]} {starts};"
    if number == 0:
        for i in range(d):
            column = few(weight[:, i], digits)
            yield f"r+={'p' if d == 1 else f'p.{AXES[i]}'}*{column};r{AXES[i]}={column};"
        return
    for j in range(weight.shape[1] // 4):
        block = weight[:, 4 * j : 4 * j + 4]
        numbers = ",".join(literal(each, digits) for each in block.T.ravel())
        for x in ("", *AXES[:d]):
            product = f"dot(a,{before}{j}{x})" if c == 1 else f"n{j}*{before}{j}{x}"
            declared = (f"a=vec4({numbers});" if c == 1 else f"mat4x{c} n{j}=mat4x{c}({numbers});") if x == "" else ""
            yield f"{declared}r{x}+={product};"


def _ending(found: Decimals, value: str, d: int) -> Iterator[str]:
    """Yield the last lines: a curve after the last layer where there is one, and the value alone."""
    last = found.steps.steps[-1]
    c = found.steps.out_features
    if isinstance(last, Curve):
        parts = "rgba"[:c]
        wide = f"vec4(r{'' if c == 4 else ',vec4(0)' if c == 1 else f',vec{4 - c}(0)' if c < 3 else ',0'})"
        if c == 1:
            wide = "vec4(r)"
        call = (
            "s=cs(a);a=sn(a);" if last.name == "sine" else f"vec4 y;{_named(last.name)}(a,{last.parameter!r},y,s);a=y;"
        )
        yield f"a={wide};{call}r=a.{parts};" + "".join(f"r{AXES[i]}*=s.{parts};" for i in range(d))
    yield "".join(f"d{AXES[i]}=r{AXES[i]};" for i in range(d)) + "return r;}"
    names = ",".join(f"d{AXES[i]}" for i in range(d))
    yield f"{value} field({SIZES[d]} p){{{value} {names};return field(p,{names});}}"


def _padded(step: Dense, *, rows: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a map with features of weight zero, so that they come in fours; inputs of the first layer do not."""
    m, n = step.weight.shape
    below = -m % 4 if rows else 0
    beside = -n % 4 if n > 4 else 0 if n == 4 else 4 - n
    return np.pad(step.weight, ((0, below), (0, beside))), np.pad(step.bias, (0, below))


def _letter(number: int) -> str:
    """Return the letter of the features of a layer, none of those of other variables."""
    return f"h{number}_"
