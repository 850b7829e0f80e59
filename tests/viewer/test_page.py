"""Tests of the page as a file: what is in it, and what cannot get into it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fields_of_kinds import field_of, write_field
from sinefield import checkpoint
from sinefield.fields import Field, Siren
from sinefield.signals.image import ImageSignal
from sinefield.signals.lattice import Lattice
from sinefield.viewer import page as pages
from sinefield.viewer.described import Weights, describe
from sinefield.viewer.page import MODULES, page_of, policy, script, style, write_page
from sinefield.viewer.picture import picture_of
from sinefield.viewer.views import view_of

KINDS = [
    "grey",
    "colour",
    "tanh",
    "tiled",
    "solved",
    "video",
    "volume",
    "audio",
    "recording",
    "shape",
    "outline",
    "plane",
    "complex",
    "heat",
    "disc",
    "closed",
    "expansions",
    "outgoing",
    "line",
    "unknown",
]


def parts_of(page: str) -> tuple[dict[str, Any], np.ndarray[Any, np.dtype[np.float32]]]:
    described = re.search(r'<script type="application/json" id="field">(.*?)</script>', page, re.DOTALL)
    weights = re.search(r'<script type="text/plain" id="weights">(.*?)</script>', page, re.DOTALL)
    assert described
    assert weights
    return json.loads(described[1]), np.frombuffer(base64.b64decode(weights[1]), "<f4")


@pytest.mark.parametrize("name", KINDS)
def test_pages_are_small_and_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    told = write_page(write_field(name, tmp_path), path)
    page = path.read_text(encoding="utf-8")
    described, weights = parts_of(page)
    assert len(page.encode()) - 4 * -(-weights.nbytes // 3) <= 120_000
    assert f"{weights.size:,} weights" in told
    assert described["title"] == f"{name}.safetensors"
    assert described["picture"] is None or described["picture"].startswith("data:image/webp;base64,")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_pictures_of_much_detail_are_halved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    field, signal = Siren(2, 3, first_omega=3000.0, hidden_features=64, hidden_layers=1), field_of("colour")[1]
    assert isinstance(signal, ImageSignal)
    *_, weight, _ = field.parameters()
    weight.data.mul_(10)
    signal = replace(signal, lattice=Lattice.of_cubes((400, 400), 3, 0.0, 255.0))
    checkpoint.save(tmp_path / "f.safetensors", field, signal=signal.to_json())
    described, weights = parts_of(page := page_of(tmp_path / "f.safetensors"))
    assert len(picture_of(field, signal) or "") > 20_000
    assert 1000 < len(described["picture"]) <= 8192
    assert len(page.encode()) - 4 * -(-weights.nbytes // 3) <= 120_000


def test_a_layer_that_tiles_share_is_in_the_page_once(tmp_path: Path) -> None:
    field, _ = field_of("solved")
    _, weights = parts_of(page_of(write_field("solved", tmp_path)))
    assert weights.size == sum(each.numel() for each in field.parameters())


def test_metadata_is_only_text(tmp_path: Path) -> None:
    page = page_of(write_field("grey", tmp_path))
    assert "<b>" not in page
    described, _ = parts_of(page)
    assert ["problem", "</script><b>bold"] in described["facts"]
    for name in MODULES:
        text = script()
        assert "innerHTML" not in text
        assert "outerHTML" not in text
        assert "insertAdjacent" not in text
        assert f'"./{name}.js"' not in text


def test_the_policy_allows_what_is_in_the_page_and_nothing_else(tmp_path: Path) -> None:
    page = page_of(write_field("grey", tmp_path))
    assert f"<style>{style()}</style>" in page
    assert f'<script type="module">{script()}</script>' in page
    assert policy().replace("'", "&#x27;") in page
    assert "default-src 'none'" in policy()
    assert "unsafe" not in policy()


def test_the_script_is_one_module() -> None:
    text = script()
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    static = Path(pages.__file__).parent / "static"
    written = "".join((static / f"{name}.js").read_text(encoding="utf-8") for name in MODULES)
    names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", written, re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"Viewer", "Plane", "Surface", "Graph"} <= set(names)
    assert "</script" not in text
    assert "<!--" not in text


def test_texts_are_in_the_script_as_they_are_written() -> None:
    """Of the space that it leaves out none is in a text, also in one that other things are put into."""
    static, shaders = Path(pages.__file__).parent / "static", {"compute", "graphics", "layers", "surface"}
    for name in MODULES:
        code = re.sub(
            r"^ *//.*|^import .*", "", (static / f"{name}.js").read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        texts = re.findall(r'"[^"\n]+"' if name in shaders else r'"[^"\n]+"|`[^`\n]+`', code)
        assert [each for each in texts if each not in script()] == []


def test_pages_are_the_same_every_time(tmp_path: Path) -> None:
    path = write_field("grey", tmp_path)
    assert page_of(path) == page_of(path)


@pytest.mark.parametrize("name", ["grey", "tanh", "audio"])
def test_descriptions_are_the_field(name: str) -> None:
    """The layers of a description, computed by NumPy in single precision, are the network."""
    field, _ = field_of(name)
    weights = Weights()
    node = describe(field, weights)
    numbers = weights.stored()
    points = torch.rand(50, getattr(field, "in_features", 0)) * 2 - 1
    values = points.double().numpy()
    for layer in node["layers"]:
        m, n = layer["outputs"], layer["inputs"]
        matrix = numbers[layer["weight"] : layer["weight"] + m * n].reshape(m, n).astype(np.float64)
        values = values @ matrix.T + numbers[layer["bias"] : layer["bias"] + m]
        values = {"sine": np.sin(values), "tanh": np.tanh(values), "identity": values}[layer["activation"]]
    with torch.no_grad():
        np.testing.assert_allclose(values, field(points).numpy(), atol=2e-5)


@pytest.mark.parametrize("name", ["grey", "video", "volume", "shape", "outline", "plane", "heat"])
def test_planes_lie_where_the_signal_says(name: str) -> None:
    field, signal = field_of(name)
    assert isinstance(field, Field)
    view = view_of(signal, field)
    plane = view["planes"][0]
    across = (
        [
            sum(x)
            for x in zip(
                plane["origin"],
                *(
                    [value * d for d in slider["direction"]]
                    for value, slider in ((view["sliders"][k]["value"], view["sliders"][k]) for k in plane["sliders"])
                ),
                strict=True,
            )
        ]
        if plane["sliders"]
        else plane["origin"]
    )
    corner = [
        o + plane["width"] * r + plane["height"] * d
        for o, r, d in zip(across, plane["right"], plane["down"], strict=True)
    ]
    expected = {
        "grey": ([-0.75, -1.0], [0.75, 1.0]),
        "video": ([-10 / 32, -0.75, -1.0], [-10 / 32, 0.75, 1.0]),
        "volume": ([0.0, -0.75, -1.0], [0.0, 0.75, 1.0]),
        "shape": ([0.0, -0.7, 0.7], [0.0, 0.7, -0.7]),
        "outline": ([-1.0, -1.0], [1.0, 1.0]),
        "plane": ([0.0, 1.0], [4.0, -1.0]),
        "heat": ([2.0, -1.0, 1.0], [2.0, 1.0, -1.0]),
    }[name]
    np.testing.assert_allclose(across, expected[0], atol=1e-12)
    np.testing.assert_allclose(corner, expected[1], atol=1e-12)


def test_what_the_page_cannot_evaluate_is_told(tmp_path: Path) -> None:
    described, weights = parts_of(page_of(write_field("unknown", tmp_path)))
    assert described["field"] is None
    assert described["reason"] == "The page cannot evaluate a layer of the type SquaredDistances."
    assert described["picture"]
    assert weights.size == 0


def test_what_is_no_field_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a field file"):
        write_page(tmp_path / "no.safetensors", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_the_field_and_the_picture_of_the_documentation_are_small(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    field = docs / "fields" / "sunflower.safetensors"
    assert field.stat().st_size <= 120_000
    assert (docs / "pictures" / "viewer.png").stat().st_size <= 200_000
    write_page(field, tmp_path / "page.html")
    assert "fields/sunflower.html" in (docs / "viewing.md").read_text(encoding="utf-8")
