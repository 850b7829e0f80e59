"""A field as a Python file that needs NumPy alone: its value and its derivatives by forward jets."""

from __future__ import annotations

import base64
import json
import pprint
import re
from pathlib import Path

import numpy as np

from sinefield.export.steps import Array, Curve, Dense, Radial, Step, Tiles
from sinefield.export.subject import Subject
from sinefield.io.files import replacing

_HEAD = '''\
"""{title}: a function of {inputs} ({axes}) with {outputs}.

{made_by}; needs NumPy alone. Coordinates are those of the field: the longest axis of a signal spans [-1, 1].

    value(points)        points (n, {d}) -> values (n, {c})
    derivatives(points)  -> value (n, {c}), gradient (n, {c}, {d}), laplacian (n, {c}), hessian (n, {c}, {d}, {d})
"""

import base64
{imports}
import numpy as np

SIGNAL = {signal}


def _array(kind, shape, text):
    return np.frombuffer(base64.b85decode("".join(text.split())), kind).astype(float).reshape(shape)

'''

_BODY = '''

def value(points):
    """Return the values (n, {c}) at points (n, {d})."""
    points = np.asarray(points, float).reshape(-1, {d})
    found = np.empty((len(points), {c}))
    for start in range(0, len(points), 4096):
        found[start : start + 4096] = _value(points[start : start + 4096])
    return found


def derivatives(points):
    """Return value, gradient, Laplacian and Hessian at points (n, {d}), by the chain rule from layer to layer."""
    points = np.asarray(points, float).reshape(-1, {d})
    blocks = [_jet(points[start : start + 1024]) for start in range(0, max(len(points), 1), 1024)]
    value, first, second = (np.concatenate(each, axis=-2) for each in zip(*blocks))
    return value, np.moveaxis(first, 0, -1), np.einsum("iinc->nc", second), np.moveaxis(second, (0, 1), (-2, -1))
'''

_NETWORK = """

def _value(points, k=None):
    h = points
    for step, *weights in _steps(k):
        h = step(h, *weights)[0]
    return h


def _jet(points, k=None):
    h = points
    t = np.broadcast_to(np.eye({d})[:, None, :], ({d}, *points.shape))  # dh/dx_i, (i, n, m)
    s = np.zeros(({d}, {d}, *points.shape))  # d2h/dx_i dx_j, (i, j, n, m)
    for step, *weights in _steps(k):
        h, slope, bend = step(h, *weights)
        t, s = slope(t), bend(t[:, None], t) + slope(s)
    return h, t, s


def _steps(k):
    def chosen(each):
        return each[k % len(each)] if np.ndim(each) and k is not None else each  # of tile k, or the one of all tiles

    return [(step, *map(chosen, weights)) for step, *weights in STEPS]
"""

# Σ_k w_k Φ_k, where w_k is a product over axes, by Leibniz's rule; a tile is evaluated where its weight is not zero.
_TILES = '''

COUNTS, EXTENT, OVERLAP = {counts}, {extent}, {overlap!r}


def _value(points):
    total = np.zeros((len(points), {c}))
    for k, some, offsets, factors in _tiles(points):
        total[some] += np.prod(factors[:, 0], axis=0)[:, None] * _value_of_one(offsets, k)
    return total


def _jet(points):
    shape = (len(points), {c})
    value, first, second = np.zeros(shape), np.zeros(({d}, *shape)), np.zeros(({d}, {d}, *shape))
    for k, some, offsets, factors in _tiles(points):
        h, t, s = _jet_of_one(offsets, k)

        def weight(*axes):
            return np.prod([factor[axes.count(i)] for i, factor in enumerate(factors)], axis=0)[:, None]

        value[some] += weight() * h
        for i in range({d}):
            first[i, some] += weight() * t[i] + weight(i) * h
            for j in range({d}):
                second[i, j, some] += weight() * s[i, j] + weight(i) * t[j] + weight(j) * t[i] + weight(i, j) * h
    return value, first, second


def _tiles(points):
    """Yield tiles: number, which points they have a weight at, places from the middle, factors of the weights."""
    for k, index in enumerate(np.ndindex(*COUNTS)):
        factors = np.array([_factor(points[:, i], i, index[i]) for i in range({d})])  # (axis, order, n)
        some = np.flatnonzero((factors[:, 0] > 0).all(axis=0))
        middle = [(2 * index[i] + 1 - COUNTS[i]) * EXTENT[i] / COUNTS[i] for i in range({d})]
        yield k, some, points[some] - middle, factors[:, :, some]


def _factor(x, i, index):
    """Return the weight of a tile along an axis, from 0 to 1 and back across the overlaps, and two derivatives."""
    width = 2 * EXTENT[i] / COUNTS[i]
    value, slope, bend = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
    for seam, sign in ((index, 1), (index + 1, -1)):
        if 0 < seam < COUNTS[i]:
            c = sign / (OVERLAP * width)
            t = np.clip(c * (x + EXTENT[i] - seam * width) + 0.5, 0, 1)
            r = t**3 * (t * (6 * t - 15) + 10), 30 * (t * (t - 1)) ** 2 * c, 60 * t * (t - 1) * (2 * t - 1) * c**2
            bend = bend * r[0] + 2 * slope * r[1] + value * r[2]
            value, slope = value * r[0], slope * r[0] + value * r[1]
    return value, slope, bend
'''

_MAPS = {
    Dense: """

def _affine(x, weight, bias):
    return x @ weight.T + bias, lambda t: t @ weight.T, lambda s, t: 0.0
""",
    Radial: '''

def _radial(x, centres, widths):
    """q = -w^2 |x - c|^2"""
    q = -np.square(widths) * np.square(x[:, None, :] - centres).sum(-1)

    def slope(t):
        return -2 * np.square(widths) * ((x * t).sum(-1, keepdims=True) - t @ centres.T)

    return q, slope, lambda s, t: -2 * np.square(widths) * (s * t).sum(-1, keepdims=True)
''',
    Curve: """

def _curve(value, slope, curvature):
    def step(a, w):
        y = value(a, w)
        return y, lambda t: slope(a, y, w) * t, lambda s, t: curvature(a, y, w) * s * t

    return step
""",
}

_SAMPLE = '''

def sample(*counts):
    """Return an array (*counts, {c}) of samples at the centres of equal cells, in the units of the file."""
    counts = counts or {shape}
    axes = [((2 * np.arange(n) + 1) / n - 1) * e for n, e in zip(counts, {extent})]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, {d})
    return ((value(points) + 1) * {contrast!r} + {low!r}).reshape(*counts, {c})
'''

_FUNCTIONS = {
    "sin": "np.sin",
    "cos": "np.cos",
    "tanh": "np.tanh",
    "exp": "np.exp",
    "log": "np.log",
    "abs": "np.abs",
    "max": "np.maximum",
    "min": "np.minimum",
    "where": "np.where",
    "erf": "np.vectorize(math.erf, otypes=[float])",
}


def write(subject: Subject, path: Path) -> str:
    """Return in a few words what was written: a field as a Python file.

    Raises:
        ValueError: the field is none that can be written so.
        OSError: the place cannot be written to.
    """
    text = source_of(subject)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return f"value and derivatives in NumPy, {len(text) / 1000:,.0f} kB"


def source_of(subject: Subject) -> str:
    """Return the Python file of a field.

    Raises:
        ValueError: the field is none that can be written so.
    """
    made = subject.made_of
    steps = made.steps if isinstance(made, Tiles) else made
    d, c = steps.in_features, steps.out_features
    lattice = subject.lattice
    parts = [
        _HEAD.format(
            title=subject.title,
            made_by=subject.made_by,
            inputs=_counted(d, "coordinate"),
            axes=", ".join(subject.axes),
            outputs=_counted(c, "value"),
            signal=_literal(subject.signal_json()),
            imports="import math\n" if "gelu" in steps.curves else "",
            d=d,
            c=c,
        )
    ]
    parts += [_MAPS[kind] for kind in (Dense, Radial, Curve) if any(isinstance(each, kind) for each in steps.steps)]
    parts += [_definition(name) for name in steps.curves]
    parts.append("\n\nSTEPS = (\n" + "".join(_written(each) for each in steps.steps) + ")\n")
    parts.append(_BODY.format(d=d, c=c))
    network = _NETWORK.format(d=d)
    if isinstance(made, Tiles):
        network = network.replace("def _value(", "def _value_of_one(").replace("def _jet(", "def _jet_of_one(")
        grid = {"counts": made.counts, "extent": tuple(map(float, made.extent)), "overlap": float(made.overlap)}
        parts.append(_TILES.format(d=d, c=c, **grid))
    parts.append(network)
    if lattice is not None:
        numbers = {"contrast": lattice.contrast, "low": lattice.low}
        parts.append(_SAMPLE.format(shape=lattice.shape, extent=lattice.extent, c=c, d=d, **numbers))
    return "".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _literal(stored: str | None) -> str:
    """Return JSON as Python, on lines of bounded length."""
    if stored is None:
        return "None"
    return pprint.pformat(json.loads(stored), width=100, sort_dicts=True)


def _definition(name: str) -> str:
    """Return the definition of a curve."""
    formulas = Curve(name).formulas
    return (
        f"\n\n_{_identifier(name)} = _curve(\n"
        f"    lambda a, w: {_translated(formulas.value)},\n"
        f"    lambda a, y, w: {_translated(formulas.slope)},\n"
        f"    lambda a, y, w: {_translated(formulas.curvature)},\n"
        ")\n"
    )


def _translated(formula: str) -> str:
    return re.sub(r"\b([a-z]+)\(", lambda call: f"{_FUNCTIONS[call[1]]}(", formula)


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _written(step: Step) -> str:
    match step:
        case Dense():
            return f"    (\n        _affine,\n{_stored(step.weight)}{_stored(step.bias)}    ),\n"
        case Radial():
            return f"    (\n        _radial,\n{_stored(step.centres)}{_stored(step.inverse_widths)}    ),\n"
    return f"    (_{_identifier(step.name)}, {step.parameter!r}),\n"


def _stored(array: Array) -> str:
    """Return an array in ASCII, with all its bits."""
    kind = f"<f{array.itemsize}"
    text = base64.b85encode(np.ascontiguousarray(array, kind).tobytes()).decode("ascii")
    lines = "\n".join(text[start : start + 110] for start in range(0, len(text), 110))
    return f'        _array("{kind}", {array.shape}, r"""\n{lines}\n"""),\n'
