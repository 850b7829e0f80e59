"""Tests of surveys: files of MATLAB and NumPy as people have them, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from sinefield.io.surveys import Survey, read

SOURCES = np.array([[0.0, -1.0], [0.5, -1.0]])
RECEIVERS = np.array([[0.0, 1.0], [0.5, 1.0], [1.0, 1.0]])
PRESSURES = np.arange(1, 7).reshape(2, 3) * (1 + 0.5j)


def write(path: Path, **arrays: Any) -> Path:
    if path.suffix == ".mat":
        scipy.io.savemat(path, arrays)
    else:
        np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("ending", [".mat", ".npz"])
@pytest.mark.parametrize(
    "arrays",
    [
        {"source": SOURCES, "receivers": RECEIVERS, "rec_val": PRESSURES.T, "k": 20.0},  # as of the original release
        {"sources": SOURCES, "receivers": RECEIVERS, "pressures": PRESSURES, "wavenumber": 20.0},
        {"src": SOURCES, "rec": RECEIVERS, "data": PRESSURES[None], "frequency": 10 / math.pi, "c": 1.0},
    ],
)
def test_surveys_are_read_by_the_names_that_people_give(tmp_path: Path, ending: str, arrays: dict[str, Any]) -> None:
    survey = read(write(tmp_path / f"survey{ending}", **arrays))
    np.testing.assert_array_equal(survey.sources, SOURCES)
    np.testing.assert_array_equal(survey.receivers, RECEIVERS)
    np.testing.assert_array_equal(survey.pressures, PRESSURES[None])
    np.testing.assert_allclose(survey.wavenumbers, [20.0])


def test_as_many_sources_as_receivers_are_told_apart_by_the_name(tmp_path: Path) -> None:
    square = PRESSURES[:, :2]
    for name, expected in (("pressures", square), ("rec_val", square.T)):
        arrays = {"source": SOURCES, "receivers": RECEIVERS[:2], name: square, "k": 1.0}
        np.testing.assert_array_equal(read(write(tmp_path / f"{name}.npz", **arrays)).pressures[0], expected)


def test_several_frequencies(tmp_path: Path) -> None:
    both = np.stack([PRESSURES, 2 * PRESSURES])
    path = write(tmp_path / "a.npz", sources=SOURCES, receivers=RECEIVERS, pressures=both, wavenumbers=[5.0, 10.0])
    assert read(path).pressures.shape == (2, 2, 3)
    assert read(path, [6.0, 12.0]).wavenumbers.tolist() == [6.0, 12.0]
    with pytest.raises(ValueError, match=r"with 1 wavenumbers must have the shape \(2, 3\), got \(2, 2, 3\)"):
        read(path, 6.0)


@pytest.mark.parametrize("ending", [".mat", ".npz"])
def test_what_a_file_lacks_is_named_beside_what_it_holds(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a{ending}", source=SOURCES, receivers=RECEIVERS, values=PRESSURES)
    with pytest.raises(
        ValueError, match=r"holds no pressures, looked for as pressures, .*; it holds source, receivers, "
    ):
        read(path)
    path = write(tmp_path / f"b{ending}", source=SOURCES, receivers=RECEIVERS, data=PRESSURES)
    with pytest.raises(ValueError, match="the file does not tell wavenumber; give --wavenumber"):
        read(path)
    path = write(tmp_path / f"c{ending}", source=SOURCES, receivers=RECEIVERS, data=PRESSURES, freq=3.0)
    with pytest.raises(ValueError, match="does not tell the speed of its frequency"):
        read(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pressures": PRESSURES.real}, "pressures must be complex, .* got float64"),
        ({"pressures": PRESSURES[:, :2]}, r"2 sources at 3 receivers .* shape \(2, 3\), got \(2, 2\)"),
        ({"pressures": PRESSURES[0]}, r"must have the shape \(2, 3\), got \(3,\)"),
        ({"pressures": np.where(PRESSURES.real > 5, np.nan, PRESSURES)}, "1 of 6 pressures are NaN"),
        ({"pressures": PRESSURES * [[1], [0]]}, "0 at all receivers; leave out that source"),
        ({"sources": SOURCES[:, :1]}, r"sources must be coordinates of shape \(n, 2\), got float64 of shape \(2, 1\)"),
        ({"sources": SOURCES * np.nan}, "coordinates of sources hold NaN"),
        ({"receivers": RECEIVERS[:0]}, r"got float64 of shape \(0, 2\)"),
        ({"wavenumbers": -3.0}, "wavenumbers must be positive numbers"),
        ({"wavenumbers": 1j}, "wavenumbers must be positive numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "sources": SOURCES,
        "receivers": RECEIVERS,
        "pressures": PRESSURES,
        "wavenumbers": 20.0,
    } | changes
    with pytest.raises(ValueError, match=message) as caught:
        Survey(**given)
    assert "\n" not in str(caught.value)


def test_files_name_themselves_in_messages(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mat", source=SOURCES, receivers=RECEIVERS, data=PRESSURES.real, k=1.0)
    with pytest.raises(ValueError, match=r"a\.mat: pressures must be complex"):
        read(path)


class Surprise:
    def __reduce__(self) -> Any:
        return exit, ()


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", sources=np.array([Surprise()]), receivers=RECEIVERS, pressures=PRESSURES, k=1.0)
    with pytest.raises(ValueError, match="holds Python objects, which are never unpickled"):
        read(path)


@pytest.mark.parametrize("ending", [".mat", ".npz"])
def test_damaged_files_are_said_to_be(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a{ending}", source=SOURCES, receivers=RECEIVERS, data=PRESSURES, k=1.0)
    whole = path.read_bytes()
    for contents in (whole[: len(whole) // 2], b"", b"nonsense" * 40):
        path.write_bytes(contents)
        with pytest.raises(ValueError, match=rf"a\{ending} (cannot be read as|holds no)") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "none.mat")
    (tmp_path / "a.csv").write_text("1")
    with pytest.raises(ValueError, match=r"a survey is a \.mat or an \.npz file, got .* with the ending '\.csv'"):
        read(tmp_path / "a.csv")
    (tmp_path / "new.mat").write_bytes(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n".ljust(900)
    )
    with pytest.raises(ValueError, match=r"version 7.3; save it again"):
        read(tmp_path / "new.mat")
