"""Tests of NIfTI, Analyze and MGH: orientation, units, scales, series, what headers promise, and files written."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel.freesurfer import MGHImage
from numpy.typing import NDArray

import scans
from sinefield.io import SignalWarning, volume
from sinefield.io.volumes.placement import Placement


def values(found: volume.Volume) -> NDArray[Any]:
    return found.values.reshape(found.shape)


def quietly(path: Path, **options: Any) -> tuple[volume.Volume, list[str]]:
    """Return the volume in a file and what was told of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = volume.read(path, **options)
    assert all(each.category is SignalWarning for each in told)
    return found, [str(each.message) for each in told]


@pytest.mark.parametrize("codes", scans.CODES)
def test_a_head_is_upright_whatever_the_order_of_axes(codes: str, tmp_path: Path) -> None:
    found = volume.read(scans.save(tmp_path / "a.nii", *scans.stored(codes)))
    assert np.array_equal(values(found), scans.head())
    assert found.sizes == pytest.approx(scans.SIZES)
    assert found.placement is not None
    assert found.placement.codes == codes


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PIR"])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_either_form_tells_the_orientation(codes: str, form: str, tmp_path: Path) -> None:
    array, affine = scans.stored(codes)
    image: Any = nibabel.Nifti1Image(array, affine)
    image.header.set_sform(affine, code=1 if form == "sform" else 0)
    image.header.set_qform(affine, code=1 if form == "qform" else 0)
    nibabel.save(image, tmp_path / "a.nii")
    found = volume.read(tmp_path / "a.nii")
    assert np.array_equal(values(found), scans.head())
    assert found.placement is not None
    assert (found.placement.sform, found.placement.qform) == ((1, 0) if form == "sform" else (0, 1))


def test_the_sform_goes_before_a_qform_that_differs(tmp_path: Path) -> None:
    array, affine = scans.stored("LPS")
    image: Any = nibabel.Nifti1Image(array, affine)
    image.header.set_qform(np.diag([1.5, 2, 3, 1]), code=1)
    image.header.set_sform(affine, code=4)
    nibabel.save(image, tmp_path / "a.nii")
    found = volume.read(tmp_path / "a.nii")
    assert np.array_equal(values(found), scans.head())
    assert found.placement is not None
    assert (found.placement.sform, found.placement.qform) == (4, 0)


def test_an_oblique_scan_keeps_its_axes_and_is_called_after_the_nearest(tmp_path: Path) -> None:
    angle = np.radians(25)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    for codes in ("RAS", "LSP"):
        array, affine = scans.stored(codes)
        found = volume.read(scans.save(tmp_path / "a.nii", array, turn @ affine))
        assert np.array_equal(values(found), scans.head())
        assert found.sizes == pytest.approx(scans.SIZES, rel=1e-5)
        assert found.placement is not None
        assert found.placement.turn == pytest.approx(25, abs=0.01)


def without_forms(path: Path) -> Path:
    """Return a file that tells the sizes of its voxels alone."""
    array, affine = scans.stored("LAS")
    return scans.patch(scans.save(path, array, affine), 252, struct.pack("<hh", 0, 0))


def test_sizes_alone_are_taken_as_scans_were_written_before(tmp_path: Path) -> None:
    found, told = quietly(without_forms(tmp_path / "a.nii"))
    assert np.array_equal(values(found), scans.head())
    assert found.sizes == pytest.approx(scans.SIZES)
    assert len(told) == 1
    assert "does not tell which way its axes run (no sform, no qform)" in told[0]


@pytest.mark.parametrize(
    ("pixdim", "sizes", "words"),
    [
        ((0.0, 2.0, 3.0), (3.0, 2.0, 1.0), "0 or negative, and taken for 1 x 2 x 3 mm"),
        ((1.5, -2.0, 3.0), (3.0, 2.0, 1.5), "0 or negative, and taken for 1.5 x 2 x 3 mm"),
        ((1.5, 2.0, 1e30), None, "no plausible sizes of its voxels; they are taken for cubes"),
        ((1.5, 2.0, float("nan")), None, "no plausible sizes of its voxels; they are taken for cubes"),
    ],
)
def test_sizes_that_are_none_are_told(
    pixdim: tuple[float, ...], sizes: tuple[float, ...] | None, words: str, tmp_path: Path
) -> None:
    path = scans.patch(without_forms(tmp_path / "a.nii"), 80, struct.pack("<fff", *pixdim))
    found, told = quietly(path)
    assert words in told[-1]
    assert found.sizes == pytest.approx(sizes or (1, 1, 1))
    assert found.unit == ("mm" if sizes else "voxel")
    assert quietly(path, sizes=(5.0, 6.0, 7.0))[0].sizes == (5.0, 6.0, 7.0)


def test_a_form_that_is_no_mapping_gives_way_to_the_next(tmp_path: Path) -> None:
    array, affine = scans.stored("LPS")
    image: Any = nibabel.Nifti1Image(array, affine)
    image.header.set_qform(affine, code=1)
    image.header.set_sform(affine, code=1)
    nibabel.save(image, tmp_path / "a.nii")
    found, told = quietly(scans.patch(tmp_path / "a.nii", 280, bytes(48)))
    assert np.array_equal(values(found), scans.head())
    assert "the sform of" in told[0]
    assert "is no mapping of space; its qform alone tells" in told[0]


def test_sizes_that_are_told_in_two_ways_and_skews_are_told(tmp_path: Path) -> None:
    path = scans.save(tmp_path / "a.nii", *scans.stored("RAS"))
    found, told = quietly(scans.patch(path, 80, struct.pack("<fff", 9, 9, 9)))
    assert found.sizes == pytest.approx(scans.SIZES)
    assert "tells voxels of 9 x 9 x 9 and, by its orientation, of 1.5 x 2 x 3; the latter are used" in told[0]
    skew = np.diag([1.0, 1, 1, 1])
    skew[0, 1] = 0.5
    _, told = quietly(scans.save(tmp_path / "b.nii", scans.stored("RAS")[0], skew))
    assert any("26.6° off right angles" in each for each in told)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("micron", 1e-3), ("meter", 1e3), ("unknown", 1.0)])
def test_lengths_are_millimetres_and_the_unit_is_kept(unit: str, factor: float, tmp_path: Path) -> None:
    image: Any = nibabel.Nifti1Image(*scans.stored("LAS"))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    found = volume.read(tmp_path / "a.nii")
    assert found.sizes == pytest.approx([each * factor for each in scans.SIZES])
    volume.write(tmp_path / "b.nii", values(found).astype(np.float32), found.placement, found.sizes)
    again: Any = nibabel.load(tmp_path / "b.nii")
    assert again.header.get_xyzt_units()[0] == unit
    assert again.affine == pytest.approx(image.affine)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("codes", scans.CODES[::5])
def test_what_is_written_is_what_was_read(codes: str, ending: str, tmp_path: Path) -> None:
    array, affine = scans.stored(codes)
    image: Any = nibabel.Nifti1Image(array, affine)
    image.header.set_sform(affine, code=4)
    image.header.set_qform(affine, code=1)
    nibabel.save(image, tmp_path / "a.nii")
    found = volume.read(tmp_path / "a.nii")
    volume.write(tmp_path / f"b{ending}", values(found).astype(np.float32), found.placement, found.sizes)
    again: Any = nibabel.load(tmp_path / f"b{ending}")
    assert np.array_equal(again.get_fdata(), array)
    assert again.affine == pytest.approx(affine)
    assert again.header.get_zooms() == pytest.approx(image.header.get_zooms())
    assert (int(again.header["sform_code"]), int(again.header["qform_code"])) == (4, 1)
    assert again.get_data_dtype() == np.float32


def test_what_told_no_orientation_is_written_without_one(tmp_path: Path) -> None:
    found, _ = quietly(without_forms(tmp_path / "a.nii"))
    volume.write(tmp_path / "b.nii", values(found).astype(np.float32), found.placement, found.sizes)
    one, other = (nibabel.load(tmp_path / name) for name in ("a.nii", "b.nii"))
    assert other.affine == pytest.approx(one.affine)
    assert np.array_equal(quietly(tmp_path / "b.nii")[0].values, found.values)


def test_arrays_without_orientation_come_back_as_they_are(tmp_path: Path) -> None:
    for sizes in (None, (3.0, 2.0, 1.0)):
        volume.write(tmp_path / "a.nii.gz", scans.head().astype(np.float32), None, sizes)
        found = volume.read(tmp_path / "a.nii.gz")
        assert np.array_equal(values(found), scans.head())
        assert found.sizes == (sizes or (1.0, 1.0, 1.0))


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        volume.write(tmp_path / name, scans.head().astype(np.float32), Placement.of_boxes((1.0, 1.0, 1.0)))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_one_volume_of_a_series_is_read(ending: str, tmp_path: Path) -> None:
    array, affine = scans.stored("LAS")
    series = np.stack([array + 7 * number for number in range(5)], axis=-1)
    path = scans.save(tmp_path / f"a{ending}", series, affine)
    found, told = quietly(path)
    assert np.array_equal(values(found), scans.head())
    assert told == [f"{path} holds 5 volumes, the first is used; choose another with --volume N, from 0"]
    for number in (0, 3, 4):
        found, told = quietly(path, volume=number)
        assert np.array_equal(values(found), scans.head() + 7 * number)
        assert told == []
    with pytest.raises(ValueError, match="holds 5 volumes, from 0 to 4; got 5"):
        volume.read(path, volume=5)
    single = scans.save(tmp_path / f"b{ending}", array[..., None], affine)
    assert quietly(single)[1] == []
    with pytest.raises(ValueError, match="holds 1 volume, from 0 to 0; got 1"):
        volume.read(single, volume=1)


@pytest.mark.parametrize(
    ("slope", "shift", "expected"),
    [(0.5, -100.0, True), (0.0, 5.0, False), (float("nan"), float("nan"), False), (1.0, 0.0, False), (-2.0, 3.0, True)],
)
def test_scaled_values_are_those_that_are_meant(slope: float, shift: float, expected: bool, tmp_path: Path) -> None:
    path = scans.save(tmp_path / "a.nii", *scans.stored("RAS"))
    found = volume.read(scans.patch(path, 112, struct.pack("<ff", slope, shift)))
    meant = scans.head() * slope + shift if expected else scans.head()
    assert values(found) == pytest.approx(meant)
    assert found.values.dtype == (np.float32 if expected else np.int16)


def test_a_shift_that_is_no_number_is_told(tmp_path: Path) -> None:
    path = scans.save(tmp_path / "a.nii", *scans.stored("RAS"))
    with pytest.raises(ValueError, match=r"the shift \(scl_inter\) of its values is no number"):
        volume.read(scans.patch(path, 112, struct.pack("<ff", 2.0, float("nan"))))


def test_other_byte_orders_versions_and_containers(tmp_path: Path) -> None:
    array, affine = scans.stored("PIR")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    nibabel.save(nibabel.Nifti1Image(array, affine, header), tmp_path / "big.nii")
    nibabel.save(nibabel.Nifti2Image(array, affine), tmp_path / "second.nii")
    nibabel.save(nibabel.Nifti1Pair(array, affine), tmp_path / "pair.img")
    nibabel.save(MGHImage(array, affine), tmp_path / "mgh.mgh")
    nibabel.save(MGHImage(array, affine), tmp_path / "mgz.mgz")
    plain = scans.save(tmp_path / "plain.nii", array, affine).read_bytes()
    (tmp_path / "named.nii.gz").write_bytes(plain)  # not compressed, in spite of its name
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    (tmp_path / "no_ending").write_bytes(plain)
    names = ["big.nii", "second.nii", "pair.img", "pair.hdr", "mgh.mgh", "mgz.mgz", "named.nii.gz", "packed.nii"]
    for name in [*names, "no_ending"]:
        found, told = quietly(tmp_path / name)
        assert np.array_equal(values(found), scans.head()), name
        assert found.sizes == pytest.approx(scans.SIZES), name
        assert told == [], name
    (tmp_path / "pair.hdr").unlink()
    with pytest.raises(FileNotFoundError, match=r"pair\.hdr, its header, is not beside it"):
        volume.read(tmp_path / "pair.img")


def test_extensions_and_offsets_are_no_voxels(tmp_path: Path) -> None:
    image: Any = nibabel.Nifti1Image(*scans.stored("LAS"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"as long as you like " * 500))
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(image, tmp_path / name)
        found, told = quietly(tmp_path / name)
        assert np.array_equal(values(found), scans.head())
        assert told == []
    path = scans.save(tmp_path / "b.nii", *scans.stored("LAS"))
    scans.patch(path, 108, struct.pack("<f", 0))  # no offset, which is the usual one
    assert np.array_equal(values(volume.read(path)), scans.head())


def test_analyze_tells_no_orientation(tmp_path: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(*scans.stored("LAS")), tmp_path / "a.img")
    found, told = quietly(tmp_path / "a.hdr")
    assert np.array_equal(values(found), scans.head())
    assert "does not tell which way its axes run" in told[0]


def test_what_has_other_than_one_number_a_voxel_is_told(tmp_path: Path) -> None:
    array, affine = scans.stored("RAS")
    colours = np.zeros(array.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    cases: list[tuple[NDArray[Any], str]] = [
        (colours, "holds colours, a volume has one number a voxel; save one channel"),
        (array.astype(np.complex64), "holds complex numbers, a volume has real ones; save the magnitude"),
        (np.stack([array] * 3, -1)[:, :, :, None], "holds 3 numbers a voxel .*; save one of them"),
    ]
    for number, (each, message) in enumerate(cases):
        nibabel.save(nibabel.Nifti1Image(each, affine), tmp_path / f"{number}.nii")
        with pytest.raises(ValueError, match=message):
            volume.read(tmp_path / f"{number}.nii")
    flat = scans.save(tmp_path / "flat.nii", array[:, :, 0], affine)
    with pytest.raises(ValueError, match="at least 2 voxels along each axis"):
        volume.read(flat)


CUTS = [0.3, 0.6, 0.9, -1, -200]


def cut(content: bytes, amount: float) -> bytes:
    return content[: int(amount * len(content))] if amount > 0 else content[: int(amount)]


@pytest.mark.parametrize("amount", CUTS)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img", "a.mgh", "a.mgz"])
def test_a_file_that_is_cut_short_is_refused(name: str, amount: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 999, (20, 10, 10)).astype(np.int16)
    kinds = {".img": nibabel.Nifti1Pair, ".mgh": MGHImage, ".mgz": MGHImage}
    nibabel.save(kinds.get(Path(name).suffix, nibabel.Nifti1Image)(noise, np.eye(4)), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(cut(content, amount))
    if amount == -1 and name in ("a.mgh", "a.mgz", "a.nii.gz"):  # of what follows the voxels, or of the checksum
        found, told = quietly(tmp_path / name)
        assert np.array_equal(values(found), noise.transpose())
        assert bool(told) == (name != "a.mgh")
        return
    with pytest.raises(ValueError, match=r"^[^\n]*ends early: its header promises [^\n]* are there \(\d+ %\)[^\n]*$"):
        volume.read(tmp_path / name)


def test_a_series_that_is_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    array, affine = scans.stored("RAS")
    series = np.random.default_rng(0).integers(0, 999, (*array.shape, 4)).astype(np.int16)
    for ending in (".nii", ".nii.gz"):
        path = scans.save(tmp_path / f"a{ending}", series, affine)
        path.write_bytes(cut(path.read_bytes(), 0.6))
        _, told = quietly(path)
        assert any("ends early: of 4 volumes 2 are whole; volume 0 is used" in each for each in told)
        with pytest.raises(ValueError, match="voxels of volume 3 and 0 bytes are there"):
            volume.read(path, volume=3)


def test_what_follows_the_voxels_is_told(tmp_path: Path) -> None:
    array, affine = scans.stored("RAS")
    plain = scans.save(tmp_path / "a.nii", array, affine)
    content = plain.read_bytes()
    plain.write_bytes(content + bytes(1000))
    assert "1,000 bytes follow after the voxels" in quietly(plain)[1][0]
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(content + bytes(500)))
    assert "500 bytes follow after the voxels" in quietly(packed)[1][0]
    packed.write_bytes(gzip.compress(content) + b"something else")
    assert "are whole, but something that is not compressed follows" in quietly(packed)[1][0]
    packed.write_bytes(gzip.compress(content[:3000]) + gzip.compress(content[3000:]))  # two members, as pigz writes
    assert quietly(packed)[1] == []


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
def test_parts_may_begin_anywhere_in_a_block(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = scans.save(tmp_path / "a.nii", *scans.stored("PIR")).read_bytes()
    parts = [gzip.compress(content[start : start + 100]) for start in range(0, len(content), 100)]
    (tmp_path / "a.nii.gz").write_bytes(bytes(3).join(parts) + bytes(5))
    monkeypatch.setattr("sinefield.io.volumes.voxels._BLOCK", block)
    header = gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
    assert header == content
    found, told = quietly(tmp_path / "a.nii.gz")
    assert np.array_equal(values(found), scans.head())
    assert told == []


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = scans.save(tmp_path / "a.nii.gz", *scans.stored("RAS"))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its checksum, is wrong"):
        volume.read(path)


def test_what_a_small_file_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    path = scans.save(tmp_path / "a.nii", *scans.stored("RAS"))
    content = scans.patch(path, 42, struct.pack("<hhh", 3000, 3000, 3000)).read_bytes()
    with pytest.raises(ValueError, match="ends early: its header promises 54,000,000,000 bytes"):
        volume.read(path)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=r"its header promises 54,000,000,352 bytes and .* cannot hold as much"):
        volume.read(tmp_path / "a.nii.gz")


BOMB = """
import resource, sys
from pathlib import Path
from sinefield.io import volume
import nibabel
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (1 << 27)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(volume.read(sys.argv[1]).shape)
except ValueError as error:
    print(error)
"""


def read_in_little_memory(path: Path) -> str:
    """Return what is said of a file where an eighth of a GiB of memory is left."""
    command = [sys.executable, "-W", "ignore", "-c", BOMB, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_what_expands_to_gigabytes_takes_little_memory(tmp_path: Path) -> None:
    sound = scans.save(tmp_path / "a.nii", *scans.stored("RAS")).read_bytes()
    empty = gzip.compress(bytes(1 << 26))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(sound) + 5 * empty)  # 320 MiB of nothing behind the voxels
    assert read_in_little_memory(tmp_path / "a.nii.gz") == "(7, 9, 8)"
    huge = scans.patch(tmp_path / "a.nii", 42, struct.pack("<hhh", 1100, 1100, 1100)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(huge) + 48 * empty)  # 3 GiB, as the header tells
    assert (tmp_path / "b.nii.gz").stat().st_size < 4_000_000
    assert "become 2.5 GiB, of which next to nothing can differ" in read_in_little_memory(tmp_path / "b.nii.gz")


def test_voxels_that_begin_as_compressed_files_do_are_none(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (6, 5, 4)).astype(np.uint8)
    array[:3, 0, 0] = (0x1F, 0x8B, 8)
    nibabel.save(nibabel.Nifti1Pair(array, np.eye(4)), tmp_path / "a.img")
    assert (tmp_path / "a.img").read_bytes()[:3] == b"\x1f\x8b\x08"
    assert np.array_equal(values(volume.read(tmp_path / "a.img")), array.transpose())
