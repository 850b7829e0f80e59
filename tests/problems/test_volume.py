"""Tests of volumes as problems: a fit, metrics, slices and derivatives against closed forms, bad requests."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from sinefield import kinds, plots, problems, solve
from sinefield.problem import Problem
from sinefield.problems import volume
from sinefield.signals.volume import VolumeSignal

SHAPE, SIZES = (6, 10, 8), (2.0, 1.0, 1.5)
TINY: dict[str, Any] = {"hidden_features": 32, "hidden_layers": 1}


def millimetres(*counts: int) -> tuple[NDArray[np.float64], ...]:
    """Return the centres of equal parts of the axes, in millimetres from the corner."""
    lengths = [n * size for n, size in zip(SHAPE, SIZES, strict=True)]
    axes = [(np.arange(count) + 0.5) * length / count for count, length in zip(counts, lengths, strict=True)]
    return tuple(np.meshgrid(*axes, indexing="ij"))


def paraboloid(z: Any, y: Any, x: Any) -> Any:
    return 3 * z**2 + 2 * y * x + x**2


def scan() -> NDArray[np.float32]:
    return np.asarray(paraboloid(*millimetres(*SHAPE)), dtype=np.float32)


class Truth(nn.Module):
    """The field that is the paraboloid, in the coordinates and the scale of a problem."""

    in_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        lengths = torch.tensor([n * size for n, size in zip(SHAPE, SIZES, strict=True)], dtype=torch.float64)
        z, y, x = (points * lengths.max() / 2 + lengths / 2).unbind(1)
        low, high = float(scan().min()), float(scan().max())
        values: torch.Tensor = ((paraboloid(z, y, x) - low) / (high - low) * 2 - 1)[:, None]
        return values + 0 * self.unused


def problem_of(**options: Any) -> Problem:
    return volume(scan(), voxel=SIZES, **TINY, **options)


def signal_of(problem: Problem) -> VolumeSignal:
    assert isinstance(problem.signal, VolumeSignal)
    return problem.signal


def test_the_field_that_is_the_volume_has_no_error_and_gives_it_back() -> None:
    problem = problem_of()
    assert problem.measure({"u": Truth()}, None)["psnr"] > 110  # the volume is of single precision
    assert problem.measure({"u": Truth()}, 50)["psnr"] > 110
    signal = signal_of(problem)
    assert np.allclose(signal.sample(Truth()), scan(), atol=1e-3)
    fine = signal.sample(Truth(), (12, 7, 9))
    assert np.allclose(fine, paraboloid(*millimetres(12, 7, 9)), atol=1e-3)


@pytest.mark.parametrize(("axis", "name"), [(0, "z"), (1, "y"), (2, "X")])
def test_slices_are_those_of_the_volume(axis: int, name: str) -> None:
    signal = signal_of(problem_of())
    for number in (0, 3):
        found = signal.sample(Truth(), axis=name, at=number + 0.5)
        assert np.allclose(found, scan().take(number, axis), atol=1e-3)
    left = [n for each, n in enumerate(SHAPE) if each != axis]
    assert np.allclose(signal.sample(Truth(), axis=axis), signal.sample(Truth(), axis=str(axis), at=SHAPE[axis] / 2))
    assert signal.sample(Truth(), (5, 4), axis=axis).shape == (4, 5)
    assert signal.sample(Truth(), axis=axis).shape == tuple(left)


def test_derivatives_are_those_of_space() -> None:
    signal = signal_of(problem_of())
    z, y, x = millimetres(*SHAPE)
    expected = np.sqrt((6 * z) ** 2 + (2 * x) ** 2 + (2 * y + 2 * x) ** 2)
    assert np.allclose(signal.sample(Truth(), quantity="gradient"), expected, rtol=1e-4)
    assert np.allclose(signal.sample(Truth(), quantity="laplacian"), 8, rtol=1e-4)


def test_a_volume_is_fitted_drawn_and_written(tmp_path: Path) -> None:
    problem = problem_of()
    solution = solve(problem, passes=150, batch=128)
    assert solution.metrics["psnr"] > 25
    signal = signal_of(problem)
    assert signal.write(solution.field, tmp_path / "a.npy", (3, 4, 5)).startswith("3 x 4 x 5, value from ")
    assert np.array_equal(np.load(tmp_path / "a.npy"), solution.render((3, 4, 5)))
    signal.write(solution.field, tmp_path / "a.png", axis="y", at=2.5)
    written = np.asarray(Image.open(tmp_path / "a.png")) / 65535 * (scan().max() - scan().min()) + scan().min()
    expected = np.clip(solution.render((8, 8), axis="y", at=2.5), scan().min(), scan().max())
    assert np.abs(written - expected).max() < 0.01
    signal.write(solution.field, tmp_path / "g.png", axis="y", quantity="gradient")
    assert np.asarray(Image.open(tmp_path / "g.png")).max() == 255
    plots.save_figure(plots.solution_figure(solution), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_files_are_known_as_volumes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", scan())
    np.save(tmp_path / "b.npy", scan()[:, :, :3])
    image: Any = nibabel.Nifti1Image(scan().T, np.diag([1.5, 1.0, 2.0, 1.0]))
    nibabel.save(image, tmp_path / "a.nii.gz")
    assert problems.of(tmp_path / "a.npy", **TINY).name == "volume"
    assert problems.of(tmp_path / "b.npy", **TINY).name == "image"
    assert problems.of(tmp_path / "b.npy", "volume", **TINY).name == "volume"
    signal = signal_of(problems.of(tmp_path / "a.nii.gz", **TINY))
    assert replace(signal, placement=None) == signal_of(problem_of())
    assert signal.lattice.extent == (1.0, 10 / 12, 1.0)
    assert problems.of(tmp_path / "a.npy", **TINY).signal != signal


def test_the_signal_survives_json() -> None:
    signal = signal_of(problem_of())
    assert kinds.signal_from_json(json.loads(json.dumps(signal.to_json()))) == signal
    for change in ({"sizes": [1, 2]}, {"sizes": [1, 2, 0]}, {"sizes": "abc"}, {"unit": "mile"}, {"bits": 9}):
        with pytest.raises(ValueError, match="stored volume is not plausible"):
            kinds.signal_from_json(signal.to_json() | change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantity": "curl"}, "unknown quantity 'curl'"),
        ({"axis": "w"}, "unknown axis 'w'"),
        ({"at": 2.0}, "needs the axis it is along"),
        ({"axis": "z", "at": 6.5}, "outside axis z, which has 6 voxels"),
        ({"axis": "z", "at": math.nan}, "outside axis z"),
        ({"size": (4, 4)}, "three integers, along z, y and x"),
        ({"size": (4, 4, 0)}, "three integers, along z, y and x"),
        ({"axis": "z", "size": (4, 4, 4)}, "width and height"),
    ],
)
def test_what_cannot_be_rendered_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        signal_of(problem_of()).sample(Truth(), **options)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    signal = signal_of(problem_of())
    with pytest.raises(ValueError, match=r"a volume's ending must be one of \.npy, .*; give --axis and --at"):
        signal.write(Truth(), tmp_path / "a.png")
    with pytest.raises(ValueError, match="its ending must be one of"):
        signal.write(Truth(), tmp_path / "a.docx", axis="z")
