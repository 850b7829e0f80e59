"""Tests of NRRD, as pynrrd writes it: orientation and sizes as the header tells them, voxels in any place, damage."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
from numpy.typing import NDArray

import scans
from sinefield.io import volume

SPACES = {"right-anterior-superior": (1, 1, 1), "left-posterior-superior": (-1, -1, 1), "LAS": (-1, 1, 1)}


def quietly(path: Path, **options: Any) -> tuple[volume.Volume, list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = volume.read(path, **options)
    return found, [str(each.message) for each in told]


def values(found: volume.Volume) -> NDArray[Any]:
    return found.values.reshape(found.shape)


def save(path: Path, codes: str = "LPS", space: str = "left-posterior-superior", **other: Any) -> Path:
    """Write the head in the order of axes that codes tell."""
    array, affine = scans.stored(codes)
    signs = np.array(SPACES[space])
    header = {
        "space": space,
        "space directions": (affine[:3, :3] * signs[:, None]).T,
        "space origin": affine[:3, 3] * signs,
        **other,
    }
    nrrd.write(str(path), other.pop("array", array), {k: v for k, v in header.items() if k != "array"})
    return path


@pytest.mark.parametrize("codes", scans.CODES[::5])
@pytest.mark.parametrize("space", SPACES)
def test_a_head_is_upright_whatever_the_order_of_axes(codes: str, space: str, tmp_path: Path) -> None:
    found, told = quietly(save(tmp_path / "a.nrrd", codes, space))
    assert np.array_equal(values(found), scans.head())
    assert found.sizes == pytest.approx(scans.SIZES)
    assert found.placement is not None
    assert found.placement.codes == codes
    assert found.placement.matrix == pytest.approx(scans.stored(codes)[1])
    assert told == []


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u4", ">f4", "f8", "i1", "u8"])
def test_voxels_of_any_type_are_read_beside_the_header_too(encoding: str, dtype: str, tmp_path: Path) -> None:
    array = (scans.stored("LPS")[0] // 5).astype(dtype)
    for name in ("a.nrrd", "a.nhdr"):
        save(tmp_path / name, encoding=encoding, array=array)
        found, told = quietly(tmp_path / name)
        assert np.array_equal(values(found), scans.head() // 5)
        assert found.values.dtype.itemsize == array.dtype.itemsize
        assert found.values.dtype.kind == array.dtype.kind
        assert told == []
    data = next(each for each in tmp_path.iterdir() if each.name.startswith("a.raw"))
    data.unlink()
    with pytest.raises(FileNotFoundError, match=r"the file of its voxels, a\.raw.*, is not beside it"):
        volume.read(tmp_path / "a.nhdr")


def test_sizes_without_an_orientation_leave_the_axes_as_they_are(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "a.nrrd"), scans.head().transpose(), {"spacings": [1.0, 2.0, 3.0]})
    found, _ = quietly(tmp_path / "a.nrrd")
    assert np.array_equal(values(found), scans.head())
    assert (found.sizes, found.unit, found.placement) == ((3, 2, 1), "mm", None)
    nrrd.write(str(tmp_path / "b.nrrd"), scans.head().transpose())
    assert quietly(tmp_path / "b.nrrd")[0].unit == "voxel"
    units: dict[str, Any] = {"space units": ["um", "um", "um"]}
    microns = save(tmp_path / "c.nrrd", **units)
    assert quietly(microns)[0].sizes == pytest.approx([each / 1000 for each in scans.SIZES])


def test_series_are_chosen_from_and_vectors_refused(tmp_path: Path) -> None:
    array, affine = scans.stored("RAS")
    rows = affine[:3, :3].T
    header: dict[str, Any] = {"space": "right-anterior-superior", "kinds": ["domain", "domain", "domain", "list"]}
    header |= {"space directions": np.vstack([rows, np.full(3, np.nan)]), "space origin": affine[:3, 3]}
    nrrd.write(str(tmp_path / "a.nrrd"), np.stack([array, 2 * array], -1), header)
    found, told = quietly(tmp_path / "a.nrrd")
    assert np.array_equal(values(found), scans.head())
    assert "holds 2 volumes, the first is used" in told[0]
    assert np.array_equal(values(quietly(tmp_path / "a.nrrd", volume=1)[0]), 2 * scans.head())
    header |= {"space directions": np.vstack([np.full(3, np.nan), rows])}
    header |= {"kinds": ["vector", "domain", "domain", "domain"]}
    nrrd.write(str(tmp_path / "b.nrrd"), np.stack([array, array, array]), header)
    with pytest.raises(ValueError, match="holds 3 numbers a voxel, and a volume has one"):
        volume.read(tmp_path / "b.nrrd")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"type: int16", b"type: block", "holds numbers of the type block"),
        (b"encoding: raw", b"encoding: hex", "stores its voxels as hex, with 0 lines before; save it as gzip or raw"),
        (b"dimension: 3", b"dimension: 4", "its header tells a shape of"),
        (b"sizes: 8 9 7", b"sizes: 8 9 -7", "its header tells a shape of"),
        (b"sizes: 8 9 7", b"sizes: 80 90 7000", "ends early: its header promises"),
        (b"sizes: 8 9 7", b"sizes: a b c", "its header is damaged"),
        (b"NRRD000", b"NRRD0009", "its header is damaged"),
    ],
)
def test_headers_that_are_wrong_are_told(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nrrd", encoding="raw", array=scans.stored("LPS")[0].astype("<i2"))
    content = path.read_bytes().replace(b"type: short", b"type: int16")
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match=rf"^[^\n]*{message}[^\n]*$"):
        volume.read(path)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("amount", [0.3, 0.6, 0.9, -1, -200])
def test_a_file_that_is_cut_short_is_refused(encoding: str, amount: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 999, (20, 10, 10)).astype("<i2")
    path = save(tmp_path / "a.nrrd", encoding=encoding, array=noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(amount * len(content)) if amount > 0 else int(amount)])
    if encoding == "gzip" and amount == -1:
        assert "ends within what is compressed" in quietly(path)[1][0]
        return
    with pytest.raises(ValueError, match=r"ends early: its header promises 4,000 bytes of voxels and .* are there"):
        volume.read(path)


def test_what_follows_the_voxels_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nrrd", encoding="raw")
    path.write_bytes(path.read_bytes() + bytes(77))
    assert "77 bytes follow after the voxels" in quietly(path)[1][0]


def test_a_missing_reader_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.nrrd")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs pynrrd and nibabel"):
        volume.read(path)
