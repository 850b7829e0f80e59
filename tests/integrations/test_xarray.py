"""Tests of the backend of xarray: what it opens and what it leaves to others, laziness, units, files written again."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import xarray
from safetensors.torch import save_file
from torch import nn

from fields_of_kinds import field_of, write_field
from sinefield import checkpoint
from sinefield.integrations import sampled as sampling
from sinefield.integrations.xarray import SinefieldBackend
from sinefield.signals.sampling import sample_grid

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
Opener = Callable[..., xarray.Dataset]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    def open_field(name: str, **options: Any) -> xarray.Dataset:
        return xarray.open_dataset(write_field(name, tmp_path), engine=SinefieldBackend, **options)

    return open_field


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The numbers of places along each axis of all that is evaluated."""
    seen: list[list[int]] = []

    def noted(field: nn.Module, axes: Any, *more: Any) -> Any:
        seen.append([len(each) for each in axes])
        return sample_grid(field, axes, *more)

    monkeypatch.setattr(sampling, "sample_grid", noted)
    return seen


def test_the_entry_point_is_this_backend() -> None:
    stored = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]["xarray.backends"]["sinefield"]
    module, name = stored.split(":")
    assert getattr(import_module(module), name) is SinefieldBackend


@pytest.mark.parametrize(
    ("name", "names", "dtype"),
    [
        ("grey", ("y", "x"), np.float32),
        ("colour", ("y", "x", "channel"), np.float32),
        ("video", ("t", "y", "x", "channel"), np.float32),
        ("volume", ("z", "y", "x"), np.float32),
        ("audio", ("t",), np.float32),
        ("complex", ("x", "y"), np.complex64),
        ("heat", ("t", "x", "y"), np.float32),
    ],
)
def test_datasets_of_every_kind(opened: Opener, name: str, names: tuple[str, ...], dtype: Any) -> None:
    data = opened(name)
    axes = [each for each in names if each != "channel"]
    assert set(data) == {"value", "laplacian", *(f"gradient_{each}" for each in axes)}
    assert all(each.dims == names and each.dtype == dtype for each in data.values())
    corner = data.isel({each: slice(2) for each in axes}).load()
    assert all(bool(np.isfinite(each).all()) for each in corner.values())
    assert data.attrs["kind"] == field_of(name)[1].kind
    assert data.attrs["psnr"] == 40.0


def test_variables_are_in_their_places(opened: Opener) -> None:
    data, (field, signal) = opened("colour"), field_of("colour")
    np.testing.assert_allclose(data.value, signal.sample(field), rtol=1e-5, atol=1e-3)
    one = data.value.sel(channel="green").sel(y=3.4, x=5.6, method="nearest")
    assert (float(one.y), float(one.x)) == (3.5, 5.5)
    np.testing.assert_allclose(one, signal.sample(field)[3, 5, 1], rtol=1e-5)
    norm = np.hypot(data.gradient_y, data.gradient_x)
    np.testing.assert_allclose(norm, signal.sample(field, quantity="gradient"), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(data.laplacian, signal.sample(field, quantity="laplacian"), rtol=1e-3, atol=1e-2)
    assert [data[each].attrs["units"] for each in ("x", "gradient_x", "laplacian")] == ["pixel", "1/pixel", "1/pixel^2"]


def test_complex_fields_are_complex(opened: Opener) -> None:
    data, (field, signal) = opened("complex", size={"x": 9, "y": 7}), field_of("complex")
    for part, name in ((np.real, "real"), (np.imag, "imaginary")):
        truth = signal.sample(field, (9, 7), quantity=name)[..., 0]
        np.testing.assert_allclose(part(data.value.values), truth, rtol=1e-4, atol=1e-5)
    assert np.iscomplexobj(data.laplacian.values)


def test_only_what_is_indexed_is_evaluated(opened: Opener, evaluated: list[list[int]]) -> None:
    data = opened("grey", size={"y": 10**5, "x": 10**5})
    repr(data)
    data._repr_html_()
    part = data.isel(y=slice(10, 13))[["value", "laplacian"]].isel(x=[5, 3 * 10**4], y=slice(None, None, -1))
    assert evaluated == []
    assert part.value.shape == (3, 2)
    assert evaluated == []
    found = part.value.values
    assert evaluated == [[3, 2]]
    assert found[0, 0] == pytest.approx(float(data.value.isel(y=12, x=5)), rel=1e-5)
    assert evaluated[1:] == [[1, 1]]


def test_indices_that_backends_get_wrong(opened: Opener) -> None:
    data = opened("grey")
    whole = data.value.values
    fresh = opened("grey").value
    np.testing.assert_array_equal(fresh[::-2, 5], whole[::-2, 5])
    points = xarray.DataArray([3, 1, 4], dims="point")
    np.testing.assert_array_equal(fresh.isel(y=points, x=points + 2), whole[[3, 1, 4], [5, 3, 6]])
    np.testing.assert_array_equal(fresh.isel(y=fresh.y.values > 20), whole[21 - 1 :][whole[20:, 0].size - 4 :])
    assert fresh.isel(x=slice(3, 3)).shape == (24, 0)
    np.testing.assert_array_equal(fresh.where(fresh.x > 30, drop=True), whole[:, 30:])


def test_more_samples_are_the_same_function(opened: Opener) -> None:
    coarse, fine = opened("grey"), opened("grey", size={"x": 96, "y": 72})
    np.testing.assert_allclose(coarse.x, fine.x[1::3])
    np.testing.assert_allclose(coarse.gradient_x, fine.gradient_x[1::3, 1::3], rtol=1e-3, atol=1e-3)


def test_variables_can_be_left_out(opened: Opener) -> None:
    assert set(opened("grey", drop_variables=["laplacian", "gradient_x"])) == {"value", "gradient_y"}
    assert set(opened("grey", drop_variables="value")) == {"gradient_y", "gradient_x", "laplacian"}


def test_datasets_survive_other_processes_and_files(opened: Opener, tmp_path: Path, evaluated: list[list[int]]) -> None:
    data = opened("video")
    joblib.dump(data, tmp_path / "data.joblib")
    assert evaluated == []
    again = joblib.load(tmp_path / "data.joblib")
    np.testing.assert_array_equal(again.laplacian.isel(t=2), data.laplacian.isel(t=2))
    sound = opened("audio")
    sound.to_netcdf(tmp_path / "sound.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "sound.nc", engine="scipy") as stored:
        xarray.testing.assert_identical(stored.load(), sound.load())
        assert stored.t.dtype == np.float64  # and no timedelta, which xarray would make of "seconds"


def test_the_file_may_go_once_it_is_open(opened: Opener, tmp_path: Path) -> None:
    with opened("grey") as data:
        (tmp_path / "grey.safetensors").unlink()
        assert bool(np.isfinite(data.value).all())


def test_files_of_others_are_left_to_others(tmp_path: Path) -> None:
    backend = SinefieldBackend()
    ours = write_field("grey", tmp_path)
    theirs, broken, text = (tmp_path / name for name in ("theirs.safetensors", "broken.safetensors", "data.nc"))
    save_file({"weight": torch.zeros(3)}, theirs, metadata={"format": "pt"})
    broken.write_bytes(ours.read_bytes()[:100])
    text.write_bytes(ours.read_bytes())
    assert backend.guess_can_open(ours)
    assert backend.guess_can_open(str(ours))
    for each in (
        theirs,
        broken,
        text,
        tmp_path,
        tmp_path / "none.safetensors",
        io.BytesIO(ours.read_bytes()),
        3,
        "https://a.b/c.nc",
    ):
        assert not backend.guess_can_open(each), each


def test_looking_for_a_backend_does_not_import_torch() -> None:
    """xarray imports all backends and asks each of them, whatever the file is."""
    script = (
        "import sys; from sinefield.integrations.xarray import SinefieldBackend\n"
        "print(SinefieldBackend().guess_can_open('data.nc'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_fields_without_a_signal_are_told_what_to_do(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "plain.safetensors", field_of("grey")[0])
    assert SinefieldBackend().guess_can_open(tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match=r"holds a field without the axes of a signal; evaluate it as sinefield.load"):
        xarray.open_dataset(tmp_path / "plain.safetensors", engine=SinefieldBackend)
    with pytest.raises(ValueError, match=r"size has numbers of samples, at least 1, along y, x; got .*z"):
        xarray.open_dataset(write_field("grey", tmp_path), engine=SinefieldBackend, size={"z": 3})
