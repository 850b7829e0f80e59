"""Tests of the reader of napari: its manifest, which files it takes, and that every scale shows the same place."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from fields_of_kinds import field_of, write_field
from sinefield import checkpoint
from sinefield.integrations import sampled as sampling
from sinefield.integrations.napari import Scale, get_reader
from sinefield.signals.sampling import sample_grid

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def layers_of(name: str, folder: Path) -> list[tuple[list[Scale], dict[str, Any], str]]:
    path = str(write_field(name, folder))
    read = get_reader(path)
    assert read is not None
    return read(path)


def test_the_manifest_is_found_and_names_the_reader() -> None:
    stored = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["napari.manifest"]["sinefield"]
    package, file = stored.split(":")
    manifest = yaml.safe_load((resources.files(package) / file).read_text(encoding="utf-8"))
    assert manifest["name"] == tomllib.loads(PROJECT.read_text())["project"]["name"]
    (reader,) = manifest["contributions"]["readers"]
    (command,) = (each for each in manifest["contributions"]["commands"] if each["id"] == reader["command"])
    assert command["id"].startswith(f"{manifest['name']}.")
    module, function = command["python_name"].split(":")
    assert getattr(import_module(module), function) is get_reader
    assert reader["filename_patterns"] == ["*.safetensors"]
    assert reader["accepts_directories"] is False


@pytest.mark.parametrize(
    ("name", "count", "axes"),
    [
        ("grey", 3, ["y", "x"]),
        ("colour", 1, ["y", "x"]),
        ("video", 1, ["t", "y", "x"]),
        ("volume", 3, ["z", "y", "x"]),
        ("outline", 3, ["y", "x"]),
        ("plane", 3, ["y", "x"]),
        ("complex", 6, ["y", "x"]),
        ("heat", 3, ["t", "y", "x"]),
    ],
)
def test_layers_of_every_kind(name: str, count: int, axes: Sequence[str], tmp_path: Path) -> None:
    """They are what napari documents: (data, keywords of Image, "image"), the largest scale first."""
    layers = layers_of(name, tmp_path)
    assert len(layers) == count
    for data, meta, kind in layers:
        assert kind == "image"
        assert set(meta) <= {
            "name",
            "rgb",
            "visible",
            "colormap",
            "contrast_limits",
            "multiscale",
            "scale",
            "translate",
            "metadata",
        }
        assert meta["multiscale"] is True
        assert meta["metadata"]["axes"] == axes
        assert len(meta["scale"]) == len(meta["translate"]) == len(axes)
        for coarse, fine in zip(data[1:], data[:-1], strict=True):
            factors = np.divide(fine.shape, coarse.shape)[: len(axes)]
            np.testing.assert_array_equal(factors, [*[1.0] * (len(axes) - 2), 2.0, 2.0])
        assert max(data[-1].shape) <= 512
        if not meta.get("rgb"):
            low, high = meta["contrast_limits"]
            assert -np.inf < low < high < np.inf
    assert len({meta["name"] for _, meta, _ in layers}) == count
    assert [meta.get("visible", True) for _, meta, _ in layers] == ([True, False, False] * count)[:count]


def test_every_scale_shows_the_same_place_in_the_units_of_the_signal(tmp_path: Path) -> None:
    """What napari draws at a place of the world is what is rendered there, on every scale and after any slicing."""
    (data, meta, _), *_ = layers_of("grey", tmp_path)
    field, signal = field_of("grey")
    assert data[0].shape == (8 * 24, 8 * 32)
    for each in data:
        # As napari places scales: numbers of samples times the ratio of shapes are numbers of samples of the finest.
        row, column = each.shape[0] // 3, each.shape[1] // 2
        y, x = meta["translate"] + np.array(meta["scale"]) * [row, column] * np.divide(data[0].shape, each.shape)
        # It draws pixels of the original around integers, which begin there here.
        truth = signal.sample(field, (1, 1), region=(x + 0.4, y + 0.4, x + 0.6, y + 0.6))[0, 0, 0]
        assert float(np.asarray(each[row, column])) == pytest.approx(truth, rel=1e-5)


def test_layers_lie_on_the_originals_they_are_of(tmp_path: Path) -> None:
    """The world is that of an array of the original's shape, whose samples napari centres at 0, 1, …"""
    for name, step in (("grey", [1.0, 1.0]), ("video", [1 / 5, 1.0, 1.0]), ("volume", [1.0, 1.0, 1.0])):
        (data, meta, _), *_ = layers_of(name, tmp_path)
        axes = len(step)
        low = np.array(meta["translate"]) - np.array(meta["scale"]) / 2
        np.testing.assert_allclose(low, -np.array(step) / 2)
        high = low + np.array(meta["scale"]) * data[0].shape[:axes]
        original = [each.count or 0 for each in field_of(name)[1].axes]
        np.testing.assert_allclose(high, (np.array(original) - 0.5) * step)
    (data, meta, _), *_ = layers_of("plane", tmp_path)
    low = np.array(meta["translate"]) - np.array(meta["scale"]) / 2
    np.testing.assert_allclose([low, low + np.array(meta["scale"]) * data[0].shape], [[-1.0, 0.0], [1.0, 4.0]])


def test_axes_are_turned_with_all_that_belongs_to_them(tmp_path: Path) -> None:
    (data, meta, _), (norms, *_), (curved, *_) = layers_of("heat", tmp_path)
    field, signal = field_of("heat")
    some = data[-1][:, 40:42][200][:, [3, 7, 8]]
    assert some.shape == (2, 3)
    t, y, x = (
        [low + scale * factor * each for each in index]
        for low, scale, index, factor in zip(
            meta["translate"],
            meta["scale"],
            ([200], [40, 41], [3, 7, 8]),
            np.divide(data[0].shape, data[-1].shape),
            strict=True,
        )
    )
    points = torch.tensor([[[t[0], a, b] for a in x] for b in y], requires_grad=True)
    value = field.double()(points)[..., 0]
    np.testing.assert_allclose(some, value.detach(), rtol=1e-3, atol=1e-4)
    (slope,) = torch.autograd.grad(value.sum(), points)
    np.testing.assert_allclose(norms[-1][200, 40:42, [3, 7, 8]], slope[..., 1:].norm(dim=-1), rtol=1e-2, atol=1e-3)
    assert curved[-1][..., 0].shape == data[-1].shape[:2]
    assert signal.axes[1].name == "x"


def test_colours_are_from_0_to_1(tmp_path: Path) -> None:
    ((data, meta, _),) = layers_of("colour", tmp_path)
    assert meta["rgb"] is True
    shown = np.asarray(data[-1])
    field, signal = field_of("colour")
    assert shown.shape == (24, 32, 3)
    fine = signal.sample(field, (8 * 32, 8 * 24))[::8, ::8]
    np.testing.assert_allclose(shown, np.clip(fine / 255, 0, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(data[-1][4, 2:5, 1], shown[4, 2:5, 1])


def test_scales_are_evaluated_where_they_are_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data, *_), *_ = layers_of("volume", tmp_path)
    seen: list[list[int]] = []

    def noted(field: torch.nn.Module, given: Any, *more: Any) -> Any:
        seen.append([len(each) for each in given])
        return sample_grid(field, given, *more)

    monkeypatch.setattr(sampling, "sample_grid", noted)
    part = data[0][:, 20:25, 30:34]  # napari's way: what is seen of all slices,
    assert part.shape == (20, 5, 4)
    slice_of_it = part[7]  # and then the slice
    assert slice_of_it.shape == (5, 4)
    assert slice_of_it.ndim == 2
    assert seen == []
    assert np.asarray(slice_of_it).shape == (5, 4)
    assert seen == [[1, 5, 4]]
    assert len(data[0]) == 20
    assert data[0].dtype == np.float32


def test_large_pictures_have_small_scales(tmp_path: Path) -> None:
    field, signal = field_of("grey")
    stored = signal.to_json() | {"shape": [3000, 5001], "extent": [3000 / 5001, 1.0]}
    checkpoint.save(tmp_path / "large.safetensors", field, signal=stored)
    read = get_reader(str(tmp_path / "large.safetensors"))
    assert read is not None
    (data, meta, _), *_ = read(str(tmp_path / "large.safetensors"))
    assert max(data[-1].shape) <= 512
    assert data[0].shape[1] == data[-1].shape[1] * 2 ** (len(data) - 1) >= 5001 * 4
    np.testing.assert_allclose(np.array(data[0].shape) * meta["scale"], [3000, 5001])


def test_other_files_are_left_to_other_readers(tmp_path: Path) -> None:
    theirs, broken, plain = (str(tmp_path / f"{name}.safetensors") for name in ("theirs", "broken", "plain"))
    save_file({"weight": torch.zeros(3)}, theirs)
    Path(broken).write_bytes(b"no field")
    checkpoint.save(plain, field_of("grey")[0])
    for path in (theirs, broken, plain, str(tmp_path / "none.safetensors")):
        assert get_reader(path) is None
    for name in ("audio", "line"):  # which are no images
        assert get_reader(str(write_field(name, tmp_path))) is None
    ours = str(write_field("grey", tmp_path))
    assert get_reader([ours, theirs]) is None
    read = get_reader([ours, str(write_field("colour", tmp_path))])
    assert read is not None
    assert [meta["name"] for _, meta, _ in read([ours, str(tmp_path / "colour.safetensors")])] == [
        "grey",
        "grey ‖gradient‖",
        "grey Laplacian",
        "colour",
    ]
