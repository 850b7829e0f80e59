"""Tests that every example, and every Python block of the README and the documentation, runs at a small size."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import pytest
import skimage.data
from PIL import Image

import test_documents

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOME = [page for page in PAGES if page.name not in test_documents.PAGES]  # the others run as they stand


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_poisson_equation() -> None:
    assert load("poisson_equation").main(passes=0.5) < 0.05


def test_picture_from_gradients() -> None:
    assert load("picture_from_gradients").main(passes=3.0, longest=24).metrics["gradient_error"] < 1


def test_derivatives_anywhere() -> None:
    assert load("derivatives_anywhere").main(passes=1.0, longest=24).laplacian.shape == (2, 3)


def test_recording_resampled() -> None:
    assert load("recording_resampled").main(passes=8.0) < 0.3


def test_slow_motion() -> None:
    assert load("slow_motion").main(passes=3.0) < 20


def test_slope_of_a_volume() -> None:
    assert load("slope_of_a_volume").main(passes=3.0) < 0.5


def test_picture_in_tiles() -> None:
    assert load("picture_in_tiles").main(passes=0.5, longest=128) < 1e-5


def test_shape_from_points() -> None:
    report = load("shape_from_points").main(passes=0.5)
    assert (report["watertight"], report["genus"]) == (True, 1)
    assert report["volume"] == pytest.approx(2 * math.pi**2 * 0.4**2, rel=0.05)


def test_star_in_the_plane() -> None:
    assert load("star_in_the_plane").main(passes=1.0) < 0.5


def test_no_example_is_left_out() -> None:
    tested = set(re.findall(r'load\("(\w+)"\)', Path(__file__).read_text()))
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == tested


@pytest.mark.parametrize("page", SOME, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    # Budgets and pictures are made small, with places in them; what is called stays as printed.
    small = "\n".join(blocks).replace('"photo.png"', '"sample:camera", longest=16')
    small = re.sub(r"passes=\d+(\.\d+)?", "passes=0.1", small)
    for name in set(re.findall(r'"sample:(\w+)"', small)):
        Image.fromarray(getattr(skimage.data, name)()[::8, ::8]).save(f"{name}.png")
        small = small.replace(f'"sample:{name}"', f'"{name}.png"')
    small = re.sub(r"at=\((\d+), (\d+)\)", lambda found: f"at=({int(found[1]) // 8}, {int(found[2]) // 8})", small)
    exec(compile(small, page.name, "exec"), {})
