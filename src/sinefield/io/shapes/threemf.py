"""3MF, the format of 3-D printing: XML in a ZIP file, in a stated unit.

Objects are meshes, or are composed of others at places of their own, which may be in other parts of the file; what is
printed stands in a list of items.

Source: 3MF Core Specification 1.3, and the production extension 1.1 for objects in other parts.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from sinefield.io.shapes.content import NO_TRIANGLES, Content, DamagedError, Doubles, Integers

_UNITS = {"micron": "µm", "millimeter": "mm", "centimeter": "cm", "inch": "in", "foot": "ft", "meter": "m"}
_LARGEST = 1 << 30  # bytes of one part, unpacked
_DEEPEST = 8  # objects within objects
_MOST = 50_000_000  # triangles of all instances


@dataclass
class _Object:
    vertices: Doubles = field(default_factory=lambda: np.empty((0, 3)))
    triangles: Integers = field(default_factory=lambda: NO_TRIANGLES)
    components: list[tuple[str, str, Doubles]] = field(default_factory=list)


def read(data: bytes) -> Content:
    """Return what a 3MF file holds.

    Raises:
        DamagedError: it is no 3MF file, was cut short, or holds no mesh.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Package(archive).content()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        raise DamagedError("is no whole ZIP file, as 3MF files are; it was cut short, or is damaged") from None
    except ElementTree.ParseError:
        raise DamagedError("holds a model that is no XML; it is damaged") from None


class _Package:
    """The parts of a file that are read so far."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.parts: dict[str, tuple[dict[str, _Object], Any]] = {}

    def content(self) -> Content:
        """Return the items that are printed, joined.

        Raises:
            DamagedError: there are none.
        """
        names = [each for each in self.archive.namelist() if each.lower().endswith(".model")]
        if not names:
            raise DamagedError("holds no model; it is no 3MF file, or is damaged")
        root = next((each for each in names if each.lower() == "3d/3dmodel.model"), names[0])
        objects, model = self.part(root)
        items = [(_path(each, root), each.get("objectid", ""), _transform(each)) for each in _all(model, "item")]
        if not items:  # a file without a list of what is printed
            items = [(root, name, np.eye(4)[:, :3]) for name in objects]
        found: list[tuple[Doubles, Integers]] = []
        for path, name, transform in items:
            self.place(path, name, transform, found, 0)
        used = [each for each in found if len(each[1])]
        if not used:
            raise DamagedError("holds no mesh; it may be a file of settings, or is damaged")
        begins = np.cumsum([0, *(len(vertices) for vertices, _ in used)])
        vertices = np.concatenate([each for each, _ in used])
        triangles = np.concatenate([each + start for (_, each), start in zip(used, begins, strict=False)])
        told = [f"holds {len(used)} objects; they are joined to one shape"] if len(used) > 1 else []
        return Content(vertices, triangles, None, tuple(told), unit=_UNITS.get(model.get("unit", "millimeter")))

    def part(self, name: str) -> tuple[dict[str, _Object], Any]:
        """Return the objects in a part by their numbers, and its XML.

        Raises:
            DamagedError: there is no such part, or it is too large.
        """
        if name not in self.parts:
            try:
                size = self.archive.getinfo(name).file_size
            except KeyError:
                raise DamagedError(f"refers to its part {name[:80]!r}, which is not there; it is damaged") from None
            if size > _LARGEST:
                raise DamagedError(
                    f"holds a model of {size:,} bytes, more than {_LARGEST:,}; export it as a binary STL"
                )
            text = self.archive.read(name)
            if re.search(rb"<!(DOCTYPE|ENTITY)", text[:4096]):
                raise DamagedError("holds a model with a document type, which 3MF does not allow")
            model = ElementTree.fromstring(text)
            self.parts[name] = {each.get("id", ""): _object(each, name) for each in _all(model, "object")}, model
        return self.parts[name]

    def place(
        self, path: str, name: str, transform: Doubles, found: list[tuple[Doubles, Integers]], depth: int
    ) -> None:
        """Add the meshes of an object at its place.

        Raises:
            DamagedError: an object is missing, or objects hold each other.
        """
        each = self.part(path)[0].get(name)
        if each is None or depth > _DEEPEST:
            raise DamagedError(f"refers to the object {name[:20]!r}, which is not there or holds itself; it is damaged")
        if sum(len(triangles) for _, triangles in found) + len(each.triangles) > _MOST:
            raise DamagedError(f"holds more than {_MOST:,} triangles; export fewer")
        turned = np.linalg.det(transform[:3]) < 0
        vertices = each.vertices @ transform[:3] + transform[3]
        found.append((vertices, each.triangles[:, ::-1] if turned else each.triangles))
        for other, number, moved in each.components:
            whole = np.concatenate([moved[:3] @ transform[:3], [moved[3] @ transform[:3] + transform[3]]])
            self.place(other, number, whole, found, depth + 1)


def _all(element: Any, name: str) -> list[Any]:
    """Return the elements of a name at any depth, whatever their namespace."""
    return [each for each in element.iter() if each.tag.rpartition("}")[2] == name]


def _object(element: Any, path: str) -> _Object:
    """Return an object.

    Raises:
        DamagedError: something stands where a number should, or a triangle has a corner that is not there.
    """
    try:
        vertices = [[float(each.attrib[axis]) for axis in "xyz"] for each in _all(element, "vertex")]
        corners = [[int(each.attrib[name]) for name in ("v1", "v2", "v3")] for each in _all(element, "triangle")]
        triangles = np.array(corners, np.int64).reshape(-1, 3)
    except (KeyError, ValueError, OverflowError):
        raise DamagedError("holds a mesh whose vertices or triangles are no numbers; it is damaged") from None
    if len(triangles) and not 0 <= int(triangles.min()) <= int(triangles.max()) < len(vertices):
        raise DamagedError("holds triangles of vertices that are not there; it is damaged")
    components = [
        (_path(each, path), each.get("objectid", ""), _transform(each)) for each in _all(element, "component")
    ]
    return _Object(np.array(vertices, np.float64).reshape(-1, 3), triangles, components)


def _path(element: Any, here: str) -> str:
    """Return the part that an element's object is in."""
    found = next((value for name, value in element.attrib.items() if name.rpartition("}")[2] == "path"), None)
    return here if found is None else str(found).lstrip("/")


def _transform(element: Any) -> Doubles:
    """Return the matrix ``(4, 3)`` that rows ``(x, y, z, 1)`` are multiplied by.

    Raises:
        DamagedError: it is not of twelve numbers.
    """
    text = element.get("transform")
    if text is None:
        return np.eye(4)[:, :3]
    try:
        return np.array(list(map(float, text.split()))).reshape(4, 3)
    except ValueError:
        raise DamagedError(f"holds a transform {text[:60]!r} that is not of twelve numbers; it is damaged") from None
