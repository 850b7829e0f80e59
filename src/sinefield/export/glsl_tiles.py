"""Tiles as GLSL, with weights in constant arrays: those that share one layer of sines, as solved fields do.

A point is evaluated by the tiles on either side of the nearest seam along each axis, and their values are joined by
Leibniz's rule, see :mod:`sinefield.fields.tiled`. Weights of the joined tiles add up to 1, so that the error of the
value is at most that of a tile, and that of a derivative at most

    |∂_i Φ − ∂_i Φ̂| ≤ max_k |∂_i Φ_k − ∂_i Φ̂_k| + Σ_k |∂_i w_k| max_k |Φ_k − Φ̂_k|,   Σ_k |∂_i w_k| ≤ 2 · 15/8 / overlap
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from sinefield.export.decimals import Decimals, in_decimals
from sinefield.export.glsl_literals import AXES, SIZES, literal, vector
from sinefield.export.steps import Curve, Dense, Steps, Tiles

MOST: Final = 30_000
"""Weights that are written: some 250 kB."""


def can_be_written(tiles: Tiles) -> bool:
    """Return whether tiles share their only layer of sines, and are of few weights."""
    match tiles.steps.steps:
        case (Dense() as first, Curve(name="sine"), Dense() as last):
            return len(first.weight) == 1 and last.weight.size + last.bias.size <= MOST
    return False


def in_decimals_of(tiles: Tiles, error: float) -> Decimals:
    """Return tiles as one network whose outputs are those of all tiles, in as few digits as a bound allows.

    Raises:
        ValueError: the bound cannot be held.
    """
    first, curve, last = tiles.steps.steps
    assert isinstance(first, Dense), "can_be_written was asked"
    assert isinstance(last, Dense), "likewise"
    stacked = Dense(last.weight.reshape(-1, last.weight.shape[-1]), last.bias.reshape(-1))
    widths = [2 * e / count for e, count in zip(tiles.extent, tiles.counts, strict=True)]
    box = [width * (1 + tiles.overlap) / 2 for width in widths]
    found = in_decimals(Steps((Dense(first.weight[0], first.bias[0]), curve, stacked)), error, box)
    steepest = max(15 / 4 / (tiles.overlap * width) for width in widths)
    assert found.gradient is not None, "of sines it is known"
    return replace(found, gradient=found.gradient + steepest * found.value)


def function(tiles: Tiles, found: Decimals) -> Iterator[str]:
    """Yield the lines of the functions: of one tile, of the value with the gradient, and of the value alone."""
    first, _, last = found.steps.steps
    assert isinstance(first, Dense), "can_be_written was asked"
    assert isinstance(last, Dense), "likewise"
    d, c, count = tiles.steps.in_features, tiles.steps.out_features, math.prod(tiles.counts)
    axes, value, point = AXES[:d], SIZES[c], SIZES[d]
    blocks = -(-len(first.weight) // 4)
    fill = (0, 4 * blocks - len(first.weight))
    rows = np.pad(np.column_stack([first.weight, first.bias]), (fill, (0, 0))).T.reshape(d + 1, blocks, 4)
    for name, row in zip([*(f"first{axis}" for axis in axes), "phase"], rows, strict=True):
        yield _array("vec4", name, [vector(each, found.counts[0]) for each in row])
    weights = np.pad(last.weight, ((0, 0), fill)).reshape(-1, 4)
    yield _array("vec4", "last", [vector(each, found.counts[1]) for each in weights])
    yield _array("float", "rest", [literal(each, found.counts[1]) for each in last.bias])

    slopes = ",".join(f"out {value} d{axis}" for axis in axes)
    at = [f"q.{axis}" if d > 1 else "q" for axis in axes]
    yield f"{value} tile(int k,{point} q,{slopes}){{"
    outputs = [f".{AXES[o]}" if c > 1 else "" for o in range(c)]
    starts = ",".join(f"rest[k*{c}+{o}]" for o in range(c))
    yield f"{value} r={value}({starts});vec4 a,s,w;{''.join(f'd{axis}={value}(0);' for axis in axes)}"
    phase = "+".join([*(f"first{axis}[j]*{x}" for axis, x in zip(axes, at, strict=True)), "phase[j]"])
    yield f"for(int j=0;j<{blocks};j++){{a={phase};s=cs(a);a=sn(a);"
    for o, part in enumerate(outputs):
        slope = "".join(f"d{axis}{part}+=dot(w*s,first{axis}[j]);" for axis in axes)
        yield f"w=last[(k*{c}+{o})*{blocks}+j];r{part}+=dot(w,a);{slope}"
    yield "}return r;}"

    yield f"{value} field({point} p,{slopes}){{"
    yield f"{value} r={value}(0),h,{','.join(f'h{axis}' for axis in axes)};{point} q;float w;int k;"
    yield "".join(f"d{axis}={value}(0);" for axis in axes)
    for i, axis in enumerate(axes):
        yield from _along(tiles, i, axis, f"p.{axis}" if d > 1 else "p")
    strides = [math.prod(tiles.counts[i + 1 :]) for i in range(d)]
    for sides in itertools.product((0, 1), repeat=d):
        factors = [f"f{axis}{side}" for axis, side in zip(axes, sides, strict=True)]
        place = ",".join(f"q{axis}{side}" for axis, side in zip(axes, sides, strict=True))
        index = "+".join(f"{s}*(n{axis}+{side - 1})" for s, axis, side in zip(strides, axes, sides, strict=True))
        joined = ""
        for i, axis in enumerate(axes):
            bent = "*".join([*factors[:i], f"g{axis}{sides[i]}", *factors[i + 1 :]])
            joined += f"d{axis}+=w*h{axis}+{bent}*h;"
        call = f"h=tile(k,q,{','.join(f'h{axis}' for axis in axes)});"
        yield f"w={'*'.join(factors)};if(w>0.){{q={point}({place});k={index};{call}r+=w*h;{joined}}}"
    yield "return r;}"
    names = ",".join(f"d{axis}" for axis in axes)
    yield f"{value} field({point} p){{{value} {names};return field(p,{names});}}"
    assert len(weights) == count * c * blocks, "there is a row for each output of each tile"


def _along(tiles: Tiles, i: int, axis: str, x: str) -> Iterator[str]:
    """Yield the lines of an axis: the seam n, places q from the middles on its two sides, weights f, slopes g."""
    count, extent, overlap = tiles.counts[i], float(tiles.extent[i]), float(tiles.overlap)
    width = 2 * extent / count
    yield (
        f"float u{axis}=({x}+{extent!r})/{width!r};"
        f"int n{axis}=int(clamp(floor(u{axis}+.5),1.,{float(max(count - 1, 1))!r}));"
    )
    lone = "0.*" if count == 1 else ""
    yield (
        f"float t{axis}=clamp((u{axis}-float(n{axis}))/{overlap!r}+.5,0.,1.),"
        f"f{axis}1={lone}t{axis}*t{axis}*t{axis}*(t{axis}*(6.*t{axis}-15.)+10.),f{axis}0=1.-f{axis}1,"
        f"g{axis}1={lone}30.*t{axis}*t{axis}*(t{axis}-1.)*(t{axis}-1.)/{overlap * width!r},g{axis}0=-g{axis}1,"
        f"q{axis}0=(u{axis}-float(n{axis})+.5)*{width!r},q{axis}1=(u{axis}-float(n{axis})-.5)*{width!r};"
    )


def _array(kind: str, name: str, members: list[str]) -> str:
    return f"const {kind} {name}[{len(members)}]={kind}[{len(members)}]({','.join(members)});"
