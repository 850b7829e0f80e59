"""The page of a field: one file of HTML that needs no other file, no server and no network.

It holds the description of the field as JSON, its weights as base64 of single-precision numbers, and the script and
the style in this package's folder ``static``. Its Content-Security-Policy allows that script and that style, by their
digests, and nothing else; what a field file tells about itself is only ever shown as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield import __version__, checkpoint, kinds
from sinefield.fields import Network
from sinefield.io.files import replacing
from sinefield.signals.signal import Signal
from sinefield.viewer.described import NotShownError, Weights, describe, needs_double
from sinefield.viewer.original import original_of
from sinefield.viewer.picture import picture_of
from sinefield.viewer.views import view_of

MODULES: Final = (
    "closed",
    "expansion",
    "network",
    "layers",
    "graphics",
    "compute",
    "evaluation",
    "quantities",
    "elements",
    "original",
    "gestures",
    "plane",
    "graph",
    "surface",
    "viewer",
    "live",
    "start",
)
"""The modules of the script, each after those that it imports."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
_COMMENT = re.compile(r"(^ *| +)// .*$", re.MULTILINE)
_INDENT = re.compile(r"^ +", re.MULTILINE)  # in no text of the script does it matter
_BREAK = re.compile(r"(?<=[{(,;\n])\n+|\n(?=})")  # where no statement ends by it
# Space beside a sign, which is needed in texts alone. A template within another counts as none: it is of a shader, in
# which space is not needed either.
_SPACE = re.compile(r'("[^"\n]*"|`[^`]*`)| ?((?<![+-]) [+-] (?![+-])|=>|[]=,;:?<>(){}*&|%/![]) ?')
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) )", re.MULTILINE)
_PICTURE: Final = 1 << 13  # characters of the picture for browsers that evaluate nothing
_PALETTES: Final = {"sequential": "viridis", "diverging": "RdBu_r", "cyclic": "twilight"}


class Subject(Protocol):
    """What a page is made of: a field, its file, and what the file tells."""

    @property
    def path(self) -> Path:
        """The field file."""

    @property
    def field(self) -> nn.Module:
        """Φ."""

    @property
    def header(self) -> Mapping[str, Any]:
        """Of the file."""


@final
@dataclass(frozen=True)
class Read:
    """A field that was read, or is in the making.

    Args:
        path: its file.
        field: Φ.
        header: of the file.
    """

    path: Path
    field: nn.Module
    header: Mapping[str, Any]


def write_page(field: str | Path, path: str | Path, original: str | Path | None = None) -> str:
    """Return in a few words what was written: the page of a field file.

    Args:
        field: a field file.
        path: where the page goes, whole or not at all.
        original: the file that the field was fitted to, which is shown beside it; None: that of the field's own source,
            where it lies beside the field file.

    Raises:
        ValueError: the file is no field, or the original is none of its size.
        OSError: a file cannot be read or written.
    """
    return export(Read(Path(field), *checkpoint.read(field)), Path(path), original=original)


def export(subject: Subject, path: Path, *, original: str | Path | None = None) -> str:
    """Return in a few words what was written: the page of a field that was read; see :func:`write_page`.

    Raises:
        ValueError: the original is none of the field's size.
        OSError: a file cannot be read or written.
    """
    page, count, beside = _page_of(subject, original)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    size = len(page.encode())
    told = f"a page of {size / 1024:.0f} KiB, {(size - 16 * count // 3) / 1024:.0f} KiB of it beside {count:,} weights"
    return told if beside is None else f"{told}; {_told_of(beside)}"


def page_of(field: str | Path, original: str | Path | None = None) -> str:
    """Return the page of a field file.

    Raises:
        ValueError: as for :func:`write_page`.
        OSError: a file cannot be read.
    """
    return _page_of(Read(Path(field), *checkpoint.read(field)), original)[0]


def live_page_of(subject: Subject, number: int) -> str:
    """Return the page of a field in the making, which asks its server for newer ones than that of a number."""
    return _page_of(subject, None, number)[0]


def field_of(field: nn.Module, signal: Signal) -> tuple[dict[str, Any], NDArray[Any], bool]:
    """Return the description of a field, its weights, and whether the page must evaluate it in double precision.

    Raises:
        NotShownError: it is made of something that the page cannot evaluate.
    """
    weights = Weights()
    node = describe(field, weights)
    double = needs_double(field, node, weights, _looked_at(view_of(signal)))
    return node, weights.stored(double=double), double


def _page_of(subject: Subject, original: str | Path | None, live: int | None = None) -> tuple[str, int, Any | None]:
    """Return the page of a field, how many weights are in it, and the original that is; None: it is not."""
    module, header = subject.field, subject.header
    signal = kinds.signal_from_json(header.get("signal") or {})
    found: dict[str, Any] = {
        "original": original_of(signal, subject.path, header, original),
        "title": subject.path.name,
        "kind": signal.kind,
        "facts": _facts(module, header),
        "view": view_of(signal, module),
        "palettes": _palettes(),
        "live": live,
    }
    try:
        found["field"], stored, found["exact"] = field_of(module, signal)
    except NotShownError as error:
        stored = np.empty(0, "<f4")
        found |= {"field": None, "reason": f"{error}."[:1].upper() + f"{error}."[1:]}
    found["picture"] = picture_of(module, signal, _PICTURE)
    return _html(found, base64.b64encode(stored.tobytes()).decode()), stored.nbytes // 4, found["original"]


def _told_of(original: Mapping[str, Any]) -> str:
    size = math.ceil(len(original.get("source", original.get("samples", ""))) / 1024)
    return f"{size} KiB are the original" + (f", of which there are {original['told']}" if original["told"] else "")


def _looked_at(view: Mapping[str, Any]) -> torch.Tensor:
    """Return some points ``(n, d)`` that a page shows at first."""
    if "sound" in view:
        sound = view["sound"]
        return torch.linspace(0, sound["seconds"], 64)[:, None] * float(sound["direction"]) + float(sound["origin"])
    plane = view["planes"][0]
    point = torch.tensor(plane["origin"], dtype=torch.float64)
    for each in plane["sliders"]:
        slider = view["sliders"][each]
        point = point + slider["value"] * torch.tensor(slider["direction"], dtype=torch.float64)
    s, t = torch.meshgrid(torch.linspace(0, 1, 12), torch.linspace(0, 1, 12), indexing="ij")
    right, down = (torch.tensor(plane[name], dtype=torch.float64) for name in ("right", "down"))
    places: torch.Tensor = s.reshape(-1, 1) * (plane["width"] * right) + t.reshape(-1, 1) * (plane["height"] * down)
    return point + places


@cache
def script() -> str:
    """Return the script of the page: its modules as one, without imports, comments, and space that says nothing."""
    text = "\n".join(_static(f"{name}.js") for name in MODULES)
    for what in (_IMPORT, _EXPORT, _COMMENT, _INDENT, _BREAK):
        text = what.sub("", text)
    return _SPACE.sub(lambda found: found[1] or found[2].strip(), text)


@cache
def style() -> str:
    """Return the style of the page."""
    return _static("style.css")


def policy(*, live: bool = False) -> str:
    """Return the Content-Security-Policy of the page: its own script and style, pictures in it, nothing else.

    Args:
        live: the page may ask its own server for more.
    """
    connected = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; script-src '{_digest(script())}'; style-src '{_digest(style())}'; "
        f"img-src data: blob:; {connected}base-uri 'none'; form-action 'none'"
    )


def _html(page: Mapping[str, Any], weights: str) -> str:
    # In a script element only "<" can end it or begin a comment.
    described = json.dumps(page, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(policy(live=page["live"] is not None))}">
<meta name="generator" content="sinefield {__version__}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{html.escape(page["title"])}</title>
<link rel="icon" href="data:,">
<style>{style()}</style>
</head>
<body>
<div id="viewer">
<noscript>This page evaluates a function as you look at it, for which it needs JavaScript.</noscript>
</div>
<script type="application/json" id="field">{described}</script>
<script type="text/plain" id="weights">{weights}</script>
<script type="module">{script()}</script>
</body>
</html>
"""


def _static(name: str) -> str:
    return (resources.files("sinefield.viewer") / "static" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _facts(field: nn.Module, header: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the file tells about itself, in the order of a page."""
    network = Network.of(field)
    numbers = sum(each.numel() for each in field.state_dict().values())
    metrics = header.get("metrics")
    told = {
        "fitted to": (header.get("source") or {}).get("name"),
        "problem": header.get("problem"),
        "network": f"{network.architecture}, {numbers:,} numbers",
        "settings": ", ".join(f"{name} {each}" for name, each in network.settings.items()),
        "reached": ", ".join(f"{name} {each:.4g}" for name, each in metrics.items() if isinstance(each, int | float))
        if isinstance(metrics, Mapping)
        else None,
        "sinefield": header.get("sinefield"),
    }
    return [(name, str(each)) for name, each in told.items() if each]


@cache
def _palettes() -> dict[str, str]:
    """Return the colours of each palette, evenly spaced, as hexadecimal digits."""
    from matplotlib import colormaps

    found = {}
    for name, palette in _PALETTES.items():
        colours = colormaps[palette](torch.linspace(0, 1, 33).numpy(), bytes=True)
        found[name] = "".join(f"{r:02x}{g:02x}{b:02x}" for r, g, b, _ in colours)
    return found
