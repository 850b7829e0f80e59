"""Tests of 3MF: objects of objects at their places, in other parts, and in the unit of the file."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import trimesh

from sinefield.geometry import Mesh
from sinefield.io.shapes import threemf
from sinefield.io.shapes.content import DamagedError

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"


def mesh(number: int) -> str:
    """Return the XML of a box of sides 1, 2, 3."""
    box = trimesh.creation.box((1, 2, 3))
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in box.vertices)
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in box.faces)
    inner = f"<mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh>"
    return f'<object id="{number}" type="model">{inner}</object>'


def model(resources: str, items: str, unit: str | None = None) -> str:
    said = "" if unit is None else f' unit="{unit}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><model xmlns="{CORE}" xmlns:p="{PRODUCTION}"{said}>'
        f"<metadata name='Title'>pièce</metadata><resources>{resources}</resources><build>{items}</build></model>"
    )


def packed(parts: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


ONE = packed({"3D/3dmodel.model": model(mesh(1), '<item objectid="1"/>')})


def volume(data: bytes) -> float:
    found = threemf.read(data)
    return Mesh(found.vertices, found.triangles, found.vertices).volume


@pytest.mark.parametrize(("unit", "short"), [(None, "mm"), ("millimeter", "mm"), ("inch", "in"), ("meter", "m")])
def test_one_object_and_its_unit(unit: str | None, short: str) -> None:
    found = threemf.read(packed({"3D/3dmodel.model": model(mesh(1), '<item objectid="1"/>', unit)}))
    assert np.allclose([found.vertices.min(0), found.vertices.max(0)], [[-0.5, -1, -1.5], [0.5, 1, 1.5]])
    assert (found.unit, found.up, found.told) == (short, "z", ())


def test_objects_of_objects_at_their_places() -> None:
    """A component turned about z and moved, within an item that is mirrored and moved."""
    turned = "0 1 0 -1 0 0 0 0 1 10 0 0"
    whole = f'<object id="2"><components><component objectid="1" transform="{turned}"/></components></object>'
    items = '<item objectid="2" transform="-1 0 0 0 1 0 0 0 1 0 0 5"/><item objectid="1"/>'
    data = packed({"3D/3dmodel.model": model(mesh(1) + whole, items)})
    found = threemf.read(data)
    assert volume(data) == pytest.approx(12)
    assert np.allclose([found.vertices.min(0), found.vertices.max(0)], [[-11, -1, -1.5], [0.5, 1, 6.5]])
    assert found.told == ("holds 2 objects; they are joined to one shape",)


def test_objects_in_other_parts_as_slicers_write_them() -> None:
    other = '<object id="9"><components><component p:path="/3D/Objects/a.model" objectid="2"/></components></object>'
    parts = {
        "3D/3dmodel.model": model(other, '<item objectid="9"/>'),
        "3D/Objects/a.model": model(mesh(1) + mesh(2), ""),
    }
    assert volume(packed(parts)) == pytest.approx(6)  # of the two in that part only one is meant


@pytest.mark.parametrize("missing", [1, 200, len(ONE) // 2])
def test_what_is_cut_is_refused(missing: int) -> None:
    with pytest.raises(DamagedError, match="is no whole ZIP file"):
        threemf.read(ONE[:-missing])


LOOP = '<object id="1"><components><component objectid="1"/></components></object>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (model("", ""), "holds no mesh"),
        (model(mesh(1), '<item objectid="3"/>'), "refers to the object '3'"),
        (model(LOOP, '<item objectid="1"/>'), "or holds itself"),
        (model(mesh(1), '<item objectid="1" p:path="/no.model"/>'), "refers to its part 'no.model'"),
        (model(mesh(1), '<item objectid="1" transform="1 0"/>'), "not of twelve numbers"),
        (model(mesh(1).replace('v1="1"', 'v1="99"', 1), '<item objectid="1"/>'), "vertices that are not there"),
        (model(mesh(1).replace('x="-0.5"', 'x="wide"', 1), '<item objectid="1"/>'), "are no numbers"),
        ("<model", "no XML"),
        ('<!DOCTYPE m [<!ENTITY a "b">]><model/>', "document type"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        threemf.read(packed({"3D/3dmodel.model": text}))
    with pytest.raises(DamagedError, match="holds no model"):
        threemf.read(packed({"readme.txt": text}))
