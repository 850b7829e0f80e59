"""Tests of scans from file to file: upright slices whatever the order of axes, what is not known, proportions."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import scans
from command import run
from scans import Interpolated
from sinefield import checkpoint, kinds, plots, problems, solve
from sinefield.io import SignalWarning
from sinefield.problem import Problem
from sinefield.problems import volume
from sinefield.signals.volume import VolumeSignal

TINY: dict[str, Any] = {"hidden_features": 16, "hidden_layers": 1}


class Ramp(nn.Module):
    """A field that rises along z, by so much a unit of its coordinate."""

    in_features = 3

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return points[:, :1] * self.slope


def posed(source: Any, **options: Any) -> tuple[Problem, VolumeSignal, Interpolated]:
    """Return the problem of a volume, its signal, and the field that is the volume."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = volume(source, **TINY, **options)
    assert isinstance(problem.signal, VolumeSignal)
    return problem, problem.signal, Interpolated(problem)


def pixels(path: Path) -> NDArray[np.float64]:
    """Return a picture from 0 to 1."""
    found = np.asarray(Image.open(path), dtype=np.float64)
    return found / (65535 if found.max() > 255 else 255)


@pytest.mark.parametrize("codes", scans.CODES[::3])
def test_slices_are_upright_whatever_the_order_of_axes(codes: str, tmp_path: Path) -> None:
    _, signal, field = posed(scans.save(tmp_path / "a.nii", *scans.stored(codes)))
    head = scans.head().astype(np.float32)
    assert signal.sample(field) == pytest.approx(head, abs=1e-3)
    # Rows run down from the top or the front, columns to the right of the body or, across x, to its front.
    for axis, at in (("z", 5.5), ("y", 2.5), ("x", 6.5)):
        expected = np.take(head, int(at), "zyx".index(axis))[::-1]
        assert signal.sample(field, axis=axis, at=at) == pytest.approx(expected, abs=1e-3)
    told = signal.write(field, tmp_path / "a.png", axis="y")
    assert told.endswith(", superior at the top and left at the left")
    shown = pixels(tmp_path / "a.png")
    assert shown[:2].mean() > 2 * shown[-2:].mean()  # the top of the head is bright
    assert shown[:, -2:].mean() > shown[:, :2].mean()  # and its right


@pytest.mark.parametrize("codes", scans.CODES[::7])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_scan_comes_back_as_it_was_at_any_size(codes: str, ending: str, tmp_path: Path) -> None:
    array, affine = scans.stored(codes)
    original: Any = nibabel.load(scans.save(tmp_path / "a.nii", array, affine))
    _, signal, field = posed(tmp_path / "a.nii")
    signal.write(field, tmp_path / f"b{ending}")
    again: Any = nibabel.load(tmp_path / f"b{ending}")
    assert again.get_fdata() == pytest.approx(original.get_fdata(), abs=1e-3)
    assert again.affine == pytest.approx(original.affine)
    assert again.header.get_xyzt_units() == original.header.get_xyzt_units()
    signal.write(field, tmp_path / f"c{ending}", (14, 18, 16))
    finer: Any = nibabel.load(tmp_path / f"c{ending}")
    assert nibabel.aff2axcodes(finer.affine) == tuple(codes)
    assert finer.header.get_zooms() == pytest.approx([each / 2 for each in original.header.get_zooms()])
    for corner in (0.0, 1.0):
        old, new = (each.affine @ [*(corner * np.array(each.shape) - 0.5), 1] for each in (original, finer))
        assert new == pytest.approx(old)


def test_what_is_not_known_is_fitted_nowhere_and_written_as_nan(tmp_path: Path) -> None:
    array = scans.head().astype(np.float32)
    outside = array == 0
    array[outside] = np.nan
    scans.save(tmp_path / "a.nii", *scans.stored("LAS", array))
    problem, signal, field = posed(tmp_path / "a.nii")
    assert problem.measure({"u": field}, None)["psnr"] > 100
    solution = solve(problem, passes=20, batch=64)
    assert solution.metrics["psnr"] > 9
    found = signal.sample(field)
    assert np.array_equal(np.isnan(found), outside)
    assert np.isnan(signal.sample(field, (14, 18, 16))).mean() == pytest.approx(outside.mean())
    signal.write(field, tmp_path / "b.nii")
    written: Any = nibabel.load(tmp_path / "b.nii")
    original: Any = nibabel.load(tmp_path / "a.nii")
    assert np.array_equal(np.isnan(written.get_fdata()), np.isnan(original.get_fdata()))
    signal.write(field, tmp_path / "b.png", (8, 9), axis="z", at=3.5)
    assert (pixels(tmp_path / "b.png")[np.isnan(signal.sample(field, axis="z", at=3.5))] == 0).all()
    solution.save(tmp_path / "a.safetensors")
    header = checkpoint.read(tmp_path / "a.safetensors")[1]
    assert kinds.signal_from_json(header["signal"]) == signal
    plots.save_figure(plots.solution_figure(solution), tmp_path / "figure.png")


def test_what_stands_where_nothing_is_known_has_no_part_in_the_error() -> None:
    array = scans.head().astype(np.float32)
    array[:, :, :3] = np.nan
    problem, _, field = posed(array)
    field.samples[..., :3] = 1e3
    assert problem.measure({"u": field}, None)["psnr"] > 100
    assert problem.measure({"u": field}, 50)["psnr"] > 100


def test_slices_are_square_pixels_unless_a_size_is_given(tmp_path: Path) -> None:
    _, signal, field = posed(scans.head(), voxel=(3.0, 2.0, 1.5))  # of 7 x 9 x 8
    for axis, shape in (("z", (12, 8)), ("y", (14, 8)), ("x", (10, 9))):
        signal.write(field, tmp_path / "a.png", axis=axis)
        assert pixels(tmp_path / "a.png").shape == shape
        signal.write(field, tmp_path / "a.png", (5, 4), axis=axis)
        assert pixels(tmp_path / "a.png").shape == (4, 5)
    assert signal.write(field, tmp_path / "a.npy", axis="y").startswith("8 x 7, value")
    assert np.load(tmp_path / "a.npy").shape[:2] == (7, 8)
    thin = replace(signal, sizes=(1e8, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"as square pixels are .*; give a size WxH"):
        thin.write(field, tmp_path / "a.png", axis="y")


def test_arrays_without_orientation_stay_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", scans.head())
    _, signal, field = posed(tmp_path / "a.npy")
    assert signal.sample(field, axis="y", at=2.5) == pytest.approx(scans.head()[:, 2].astype(np.float32), abs=1e-3)
    assert "at the top" not in signal.write(field, tmp_path / "a.png", axis="y")
    assert "placement" not in signal.to_json()


def test_a_stack_comes_back_as_a_stack(tmp_path: Path) -> None:
    stack = scans.head().astype(np.uint16)
    told = {"axes": "ZYX", "unit": "um", "spacing": 3.0}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(1.0, 0.5), metadata=told)
    _, signal, field = posed(tmp_path / "a.tif")
    assert signal.sizes == pytest.approx((3e-3, 2e-3, 1e-3))
    signal.write(field, tmp_path / "b.tif")
    signal.write(field, tmp_path / "c.tif", (14, 9, 8))
    for name, spacing in (("b.tif", 3.0), ("c.tif", 1.5)):
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert tiff.imagej_metadata["unit"] == "um"
            assert tiff.imagej_metadata["spacing"] == pytest.approx(spacing)
            assert tiff.pages.first.resolution == pytest.approx((1.0, 0.5))
            if name == "b.tif":
                assert tiff.asarray() == pytest.approx(stack.astype(np.float32), abs=1e-3)


def test_derivatives_are_per_millimetre_of_space(tmp_path: Path) -> None:
    z, y, x = np.mgrid[:7, :9, :8]
    ramp = (2.0 * 3.0 * z + 0.0 * y + 0.0 * x).astype(np.float32)  # 2 a millimetre upwards, of 3 mm a voxel
    scans.save(tmp_path / "a.nii", *scans.stored("PIR", ramp))
    _, signal, _ = posed(tmp_path / "a.nii")
    assert signal.sizes == pytest.approx(scans.SIZES)
    slope = Ramp(6.0 * 7 / 2 / signal.lattice.extent[0] / signal.lattice.contrast)
    assert signal.sample(slope, quantity="gradient") == pytest.approx(np.full((7, 9, 8), 2.0), rel=1e-5)


def test_earlier_fields_have_no_placement_and_bad_ones_are_told(tmp_path: Path) -> None:
    _, signal, _ = posed(scans.save(tmp_path / "a.nii", *scans.stored("LPS")))
    stored = json.loads(json.dumps(signal.to_json()))
    assert kinds.signal_from_json(stored) == signal
    earlier = {name: each for name, each in stored.items() if name != "placement"}
    assert kinds.signal_from_json(earlier) == replace(signal, placement=None)
    for change in ({"sizes": [1, 1, 1]}, {"placement": {**stored["placement"], "axes": "RRR"}}, {"known": b"no mask"}):
        with pytest.raises(ValueError, match=r"stored|not plausible"):
            kinds.signal_from_json(stored | change)


def test_the_options_reach_the_reader(tmp_path: Path) -> None:
    series = np.stack([scans.head(), scans.head() * 2])
    np.save(tmp_path / "a.npy", series)
    with pytest.warns(SignalWarning, match=r"196 of 504 voxels \(39 %\) are of the value 0, nodata"):
        posed_of = problems.of(
            tmp_path / "a.npy", **TINY, volume=1, voxel=(3.0, 2.0, 1.0), value_range=(0.0, 4095.0), nodata=0.0
        )
    signal = posed_of.signal
    assert isinstance(signal, VolumeSignal)
    assert (signal.sizes, signal.unit) == ((3, 2, 1), "mm")
    assert (signal.lattice.low, signal.lattice.high) == (0, 4095)
    assert signal.mask is not None
    assert np.array_equal(signal.mask.known, series[1] != 0)


SMALL = ("--width", "16", "--depth", "1", "--passes", "1", "--json")


def test_the_command_line_reads_and_writes_scans(tmp_path: Path) -> None:
    array = scans.head().astype(np.float32)
    array[array == 0] = np.nan
    stored, affine = scans.stored("LAS", array)
    scans.save(tmp_path / "scan.nii.gz", np.stack([stored, 2 * stored], axis=-1), affine)
    done = run(tmp_path, "fit", "scan.nii.gz", "--figure", "scan.png", *SMALL)
    assert done.returncode == 0, done.stderr
    lines = [each for each in done.stderr.splitlines() if each.startswith("sinefield:")]
    assert any("holds 2 volumes, the first is used; choose another with --volume N" in each for each in lines)
    assert any("voxels" in each and "--background VALUE" in each for each in lines)
    done = run(tmp_path, "render", "scan.safetensors", "slice.png", "--axis", "z", "--quantity", "gradient")
    assert done.stdout.strip().endswith("anterior at the top and left at the left"), done.stderr
    done = run(tmp_path, "render", "scan.safetensors", "a.nii.gz", "--size", "7x18x8")
    assert done.returncode == 0, done.stderr
    written: Any = nibabel.load(tmp_path / "a.nii.gz")
    assert written.shape == (8, 18, 7)
    assert written.header.get_zooms() == pytest.approx((1.5, 1.0, 3.0))
    options = ("--volume", "1", "--background", "0", "--range", "0,500", "--voxel", "1,1,1", "-o", "b.safetensors")
    done = run(tmp_path, "fit", "scan.nii.gz", *options, *SMALL)
    assert done.returncode == 0, done.stderr
    signal = checkpoint.read(tmp_path / "b.safetensors")[1]["signal"]
    assert (signal["low"], signal["high"], signal["sizes"]) == (0, 500, [1, 1, 1])
    done = run(tmp_path, "fit", "scan.nii.gz", "--volume", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sinefield: scan.nii.gz holds 2 volumes, from 0 to 1; got 2\n"


def test_the_command_line_reads_and_writes_stacks(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", scans.head(), photometric="minisblack")
    done = run(tmp_path, "fit", "stack.tif", "--kind", "volume", "-o", "a.safetensors", *SMALL)
    assert done.returncode == 0, done.stderr
    done = run(tmp_path, "render", "a.safetensors", "b.tif")
    assert done.returncode == 0, done.stderr
    assert tifffile.imread(tmp_path / "b.tif").shape == (7, 9, 8)
    done = run(tmp_path, "render", "a.safetensors", "b.nrrd")
    assert done.returncode == 2
    assert "ending must be one of .npy, .nii" in done.stderr
