"""Tests of tables in text: separators, decimals, headers, encodings, counts, and rows that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from sinefield.io.shapes import table
from sinefield.io.shapes.content import DamagedError

ROWS = np.array([[1.5, -2.25, 3.0], [4.5, 5.5, -6.5], [0.25, 8.0, 9.5], [1.0, 2.0, 4.0]])


def text(separator: str = " ", decimal: str = ".", end: str = "\n") -> str:
    return "".join(separator.join(f"{x:.2f}" for x in row).replace(".", decimal) + end for row in ROWS)


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ",", ", ", ";", " ; ", "|", " | "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_separators_and_ends_of_lines(separator: str, end: str) -> None:
    found = table.read(text(separator, end=end).encode())
    assert np.array_equal(found.numbers, ROWS)
    assert (found.names, found.told) == (None, ())


@pytest.mark.parametrize("separator", [" ", "\t", ";", "|", " ; "])
def test_decimal_commas(separator: str) -> None:
    found = table.read(text(separator, ",").encode())
    assert np.array_equal(found.numbers, ROWS)
    assert found.told == ("has decimal commas, which are read as points",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["#", "//", "%", "!", "# "])
def test_encodings_and_comments(encoding: str, mark: str) -> None:
    some = (
        f"{mark} scan\n\n{text()}{mark} end\n"
        if "16-" in encoding
        else f"{mark} créé à l'atelier\n{text()}{mark} fin\n"
    )
    found = table.read(some.encode(encoding))
    assert np.array_equal(found.numbers, ROWS)
    assert found.told == ()


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("x y z\n", ("x", "y", "z")),
        ("//X Y Z\n", ("X", "Y", "Z")),
        ("# x y z\n", ("x", "y", "z")),
        ('"X [m]" "Y" "Z"\n', None),
        ("# made on a Tuesday\n", None),
        ("# a b c d\n", None),
    ],
)
def test_names_of_columns(head: str, names: tuple[str, ...] | None) -> None:
    if '"' in head:
        found = table.read((head.replace(" ", ",").replace(",[m]", " [m]") + text(",")).encode())
        assert found.names == ("X [m]", "Y", "Z")
    else:
        found = table.read((head + text()).encode())
        assert found.names == names
    assert np.array_equal(found.numbers, ROWS)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (4, ()),
        (5, ("was cut short: it holds 4 of the 5 points that it promises; these are used",)),
        (3, ("promises 3 points and holds 4; all are used",)),
    ],
)
def test_a_count_is_compared(count: int, told: tuple[str, ...]) -> None:
    found = table.read(f"{count}\n{text()}".encode())
    assert np.array_equal(found.numbers, ROWS)
    assert found.told == told


def test_several_scans_with_a_count_each() -> None:
    found = table.read(f"4\n{text()}4\n{text()}".encode())
    assert np.array_equal(found.numbers, np.concatenate([ROWS, ROWS]))
    assert found.told == ()


@pytest.mark.parametrize("word", ["nan", "NaN", "-", "null", "NA", "-nan(ind)", "1.#QNAN", ""])
def test_what_is_missing_is_no_number(word: str) -> None:
    found = table.read(text(",").replace("5.50", word).encode())
    assert np.isnan(found.numbers[1, 1])
    assert np.isfinite(found.numbers).sum() == 11


def test_a_separator_at_the_end_of_each_row() -> None:
    assert np.array_equal(table.read(text(";", end=";\n").encode()).numbers, ROWS)


@pytest.mark.parametrize("missing", [2, 3, 6, 8, 12])
def test_a_last_row_that_is_cut_is_left_out(missing: int) -> None:
    found = table.read(text().encode()[:-missing])
    assert np.array_equal(found.numbers, ROWS[:3])
    assert found.told == ("was cut short within line 4, which is left out",)


def test_an_end_without_a_line_end_is_told() -> None:
    found = table.read(text().encode()[:-1])
    assert np.array_equal(found.numbers, ROWS)
    assert found.told == ("has no line end after its last line, as a file that was cut short; what is there is used",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows of numbers"),
        (b"# nothing\n", "holds no rows of numbers"),
        (b"x y z\n", "below its first line"),
        (text().replace("5.50", "five").encode(), r"'4.50 five -6.50' in line 2; 3 numbers are expected there"),
        (text().replace("4.50 ", "").encode(), r"has 2 columns, '5.50 -6.50' in line 2, where other rows have 3"),
        (f"x y\n{text()}".encode(), "has 3 columns, and 2 names for them: x, y"),
        (b"ncols 4\nnrows 4\nxllcorner 0\n1 2 3 4\n", "elevation grid of ESRI"),
        (bytes(range(256)) * 9, "is no text"),
        (b"12\nwater\nO 0 0 0\nH 0 0 1\nH 0 1 0\n", "has 1 columns, '12' in line 1, where other rows have 4"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(content: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        table.read(content)


def test_many_rows_are_read_in_time() -> None:
    some = np.random.default_rng(0).standard_normal((100_000, 3))
    lines = "\n".join("{:.6f},{:.6f},{:.6f}".format(*row) for row in some.tolist()) + "\n"
    assert np.allclose(table.read(lines.encode()).numbers, some, atol=1e-6)
