"""Tests of the page that specifies field files: its reader and its test vectors, taken from the page."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from exported import IMAGE, derivatives_of, difference, network
from sinefield import checkpoint, problems, solve
from sinefield.fields import NETWORKS, Siren, activation
from sinefield.fields.tiled import TiledSiren
from sinefield.signals.image import ImageSignal

PAGE = (Path(__file__).parent.parent / "docs" / "format.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    """Return a block of code of a language, by its place among them."""
    return str(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number])


@pytest.fixture
def reader() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for number in (0, 1):
        exec(compile(block("python", number), "format.md", "exec"), names)
    return names


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    path = tmp_path / "vector.safetensors"
    path.write_bytes(base64.b64decode(block("text")))
    return path


def rows() -> Any:
    """Return the numbers of the table of test vectors."""
    table = PAGE[PAGE.index("| y | x | Φ₀") :]
    lines = [line for line in table.splitlines() if re.match(r"\| -?[\d.]", line)]
    return np.array([[float(each) for each in line.strip("| ").split("|")] for line in lines])


def test_the_reader_is_short() -> None:
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 60


def test_the_reader_of_the_page_gives_the_numbers_of_the_page(reader: dict[str, Any], vector: Path) -> None:
    header, tensors = reader["read"](vector)
    value, gradient = reader["siren"](header, tensors)(rows()[:, :2])
    assert len(rows()) == 4
    assert np.abs(value - rows()[:, 2:5]).max() <= 1e-6
    assert np.abs(gradient[:, 0] - rows()[:, 5:7]).max() <= 1e-5
    assert reader["sample"](header, reader["siren"](header, tensors)).shape == (6, 8, 3)


def test_so_does_the_package(vector: Path) -> None:
    field, header = checkpoint.read(vector)
    value, gradient, laplacian, _ = derivatives_of(field, torch.from_numpy(rows()[:, :2]))
    assert np.abs(value - rows()[:, 2:5]).max() <= 1e-6
    assert np.abs(gradient[:, 0] - rows()[:, 5:7]).max() <= 1e-5
    assert np.abs(laplacian[:, 0] - rows()[:, 7]).max() <= 1e-4
    assert header["signal"]["shape"] == [6, 8]


def test_the_reader_reads_what_the_package_writes(reader: dict[str, Any], tmp_path: Path) -> None:
    """With bytes of the signal, which make it version 3."""
    field, path = network("siren"), tmp_path / "field.safetensors"
    checkpoint.save(path, {"u": field, "m": network("relu")}, signal=IMAGE)
    header, tensors = reader["read"](path)
    assert header["version"] == checkpoint.VERSION == 3
    found = reader["sample"](header, reader["siren"](header, tensors), (3, 4))
    signal = ImageSignal.from_json(checkpoint.read(path)[1]["signal"] | {"profile": b""})
    assert difference(found, signal.sample(field, (4, 3)).astype(np.float64)) < 1e-6


def test_the_reader_refuses_what_it_does_not_know(reader: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    for field in (network("tanh"), Siren(2, 1, 4, 1, final_activation=activation("tanh"))):
        checkpoint.save(path, field)
        with pytest.raises(ValueError, match="is not read here"):
            reader["siren"](*reader["read"](path))


def test_every_key_of_the_header_is_specified(vector: Path) -> None:
    specified = set(re.findall(r"`([\w-]+)`", PAGE))
    assert set(NETWORKS) <= specified
    assert set(checkpoint.read_header(vector)) <= specified


@pytest.mark.parametrize("kind", ["picture", "edges", "recording", "trained"])
def test_the_reader_reads_tiles(reader: dict[str, Any], tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:60, :33] / 8
    match kind:
        case "picture":
            field = solve(problems.image(np.sin(x) * np.cos(y), value_range=(-1.0, 1.0))).field
        case "edges":
            field = solve(problems.image(generator.integers(0, 256, (20, 33, 3), dtype=np.uint8))).field
        case "recording":
            field = solve(problems.audio(generator.uniform(-1, 1, 700), rate=100)).field
        case _:
            field = TiledSiren(3, 2, hidden_features=5, hidden_layers=1, tiles="2x1x3", extent="1x0.4x0.8")
    checkpoint.save(tmp_path / "field.safetensors", {"u": field})
    header, tensors = reader["read"](tmp_path / "field.safetensors")
    extent = np.array(header["fields"]["u"]["settings"]["extent"].split("x"), float)
    points = generator.uniform(-1, 1, (200, len(extent))) * extent
    expected = field(torch.from_numpy(points)).detach().numpy()
    found = reader["tiled"](header, tensors)(points)
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()
