"""glTF and GLB, through trimesh: the meshes and points of a scene, at their places in it, in metres with y upright.

Materials and textures are not read. What the header says of lengths, files and compression is checked before, so that
a message can tell.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import logging
import urllib.parse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sinefield.io.shapes.content import NO_TRIANGLES, Content, DamagedError, Doubles, Integers, tell_rounding
from sinefield.io.shapes.text import decode

_COMPRESSED = {"KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshoptimizer"}
_SKIPPED = {2: "closed lines", 3: "lines", 6: "fans of triangles"}  # modes that trimesh leaves out
_MOST = 1 << 27  # numbers in an accessor that no bytes stand for, so that a damaged header cannot ask for all memory


def read(data: bytes, path: Path) -> Content:
    """Return what a GLB or glTF file holds.

    Args:
        data: of the file.
        path: where it is; the files that it refers to are looked for beside it.

    Raises:
        DamagedError: the file was cut short, refers to a file that is missing, is compressed, or holds no mesh and no
            points.
    """
    header, told = _header(data)
    told += _check(header, path, len(data))
    if importlib.util.find_spec("trimesh") is None:
        raise DamagedError("needs trimesh to be read; install it with: pip install 'sinefield[mesh]'")
    import trimesh

    kind = "glb" if data.startswith(b"glTF") else "gltf"
    source: Any = io.BytesIO(data)
    resolver = trimesh.resolvers.FilePathResolver(str(path))
    with quiet("trimesh"):
        try:
            scene = trimesh.load_scene(source, file_type=kind, resolver=resolver, process=False, skip_materials=True)
            parts = list(_parts(scene))
        except Exception:  # trimesh raises any kind of error where a file is damaged
            raise DamagedError("holds a scene that does not agree with its header; it is damaged") from None
    meshes = [part for part in parts if len(part[1])]
    points = [part for part in parts if not len(part[1])]
    if not parts:
        raise DamagedError("holds no mesh and no points")
    if meshes and points:
        told.append(f"holds {len(points)} clouds of points beside its meshes; they are left out")
    used = meshes or points
    if len(used) > 1:
        told.append(f"holds {len(used)} {'meshes' if meshes else 'clouds of points'}; they are joined to one shape")
    begins = np.cumsum([0, *(len(vertices) for vertices, _ in used)])
    vertices = np.concatenate([each for each, _ in used])
    triangles = np.concatenate([each + start for (_, each), start in zip(used, begins, strict=False)])
    told += tell_rounding(vertices)
    return Content(vertices, triangles, None, tuple(told), up="y", unit="m")


def _parts(scene: Any) -> Iterator[tuple[Doubles, Integers]]:
    """Yield the vertices and triangles of each mesh or cloud at its place in the scene.

    Raises:
        ValueError: a triangle has a corner that is no vertex.
    """
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if hasattr(geometry, "entities"):  # lines
            continue
        places = np.asarray(geometry.vertices, np.float64)
        triangles = np.asarray(getattr(geometry, "faces", NO_TRIANGLES), np.int64).reshape(-1, 3)
        if np.linalg.det(transform[:3, :3]) < 0:  # a mirror image is seen from the other side
            triangles = triangles[:, ::-1]
        if len(triangles) and not 0 <= int(triangles.min()) <= int(triangles.max()) < len(places):
            raise ValueError
        yield places @ transform[:3, :3].T + transform[:3, 3], triangles


def _header(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the JSON of a file, and what is to be told of its length.

    Raises:
        DamagedError: there is none, or the file is shorter than it says.
    """
    told: list[str] = []
    text = data
    if data.startswith(b"glTF"):
        if len(data) < 20:
            raise DamagedError("ends within its header; it was cut short")
        version, length, chunk = (int.from_bytes(data[k : k + 4], "little") for k in (4, 8, 12))
        if version != 2:
            raise DamagedError(f"is of version {version} of glTF; export it as version 2")
        if len(data) < length:
            raise DamagedError(
                f"was cut short: it holds {len(data):,} of the {length:,} bytes that it promises; copy it again"
            )
        if len(data) > length:
            told = [f"holds {len(data) - length:,} bytes more than its header promises; they are left out"]
        text = data[20 : 20 + chunk]
    try:
        found = json.loads(decode(text))
    except (ValueError, RecursionError):
        raise DamagedError("has a header that is no JSON; it was cut short, or is no glTF file") from None
    if not isinstance(found, dict) or not all(
        isinstance(each, list) and all(isinstance(item, dict) for item in each)
        for each in (found.get(name, []) for name in ("meshes", "buffers", "accessors", "nodes"))
    ):
        raise DamagedError("has a header that is not of glTF; it is damaged")
    return found, told


def _check(header: dict[str, Any], path: Path, size: int) -> list[str]:
    """Return what is to be told of a scene.

    Raises:
        DamagedError: it cannot be read.
    """
    primitives = [
        each
        for mesh in header.get("meshes", [])
        for each in (mesh.get("primitives") if isinstance(mesh.get("primitives"), list) else [])
        if isinstance(each, dict)
    ]
    needed = json.dumps([header.get("extensionsRequired"), [each.get("extensions") for each in primitives]])
    for name, called in _COMPRESSED.items():
        if name in needed:
            raise DamagedError(f"is compressed by {called}, which is not read; export it without compression")
    for k, each in enumerate(header.get("buffers", [])):
        _check_buffer(each, k, path, size)
    for each in header.get("accessors", []):
        count = each.get("count", 0)
        if not isinstance(count, int) or not 0 <= count <= _MOST:
            raise DamagedError(f"has an array of {count!r} numbers; it is damaged")
    told = []
    modes = [each.get("mode", 4) for each in primitives]
    told += [
        f"holds {modes.count(mode)} {called}, which are left out" for mode, called in _SKIPPED.items() if mode in modes
    ]
    if 1 in modes:
        told.append(f"holds {modes.count(1)} sets of lines, which are left out")
    unused = [name for name in ("animations", "skins") if header.get(name)]
    if any(each.get("targets") for each in primitives):
        unused.append("morph targets")
    if header.get("textures") or header.get("images"):
        unused.append("textures")
    if unused:
        told.append(f"has {', '.join(unused)}, which are not used")
    return told


def _check_buffer(buffer: dict[str, Any], k: int, path: Path, size: int) -> None:
    """Check that the bytes of a buffer are there.

    Raises:
        DamagedError: they are not.
    """
    uri, length = buffer.get("uri"), buffer.get("byteLength", 0)
    if not isinstance(length, int) or not (uri is None or isinstance(uri, str)):
        raise DamagedError(f"has a buffer {k} that is not of glTF; it is damaged")
    if uri is None:
        there = size
    elif uri.startswith("data:"):
        try:
            there = len(base64.b64decode(uri.partition(",")[2] + "=="))
        except ValueError:
            raise DamagedError(f"has a buffer {k} that cannot be decoded; it is damaged") from None
    else:
        file = path.parent / urllib.parse.unquote(uri)
        try:
            there = file.stat().st_size if file.is_file() else -1
        except (OSError, ValueError):
            there = -1
        if there < 0:
            shown = "".join(each if each.isprintable() else "?" for each in uri)[:80]
            raise DamagedError(
                f"refers to the file {shown}, which is not there; put it beside, or export as .glb, one file"
            )
    if there < length:
        raise DamagedError(f"needs {length:,} bytes in its buffer {k}, and {there:,} are there; it was cut short")


@contextmanager
def quiet(library: str) -> Iterator[None]:
    """Keep the log lines and warnings of a library back, as what matters of them is told in words of ours."""
    log = logging.getLogger(library)
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
