"""Tables of numbers in text, as scanners, spreadsheets and programs write them: XYZ, PTS, CSV, ASC, TXT.

Columns are separated by spaces, tabs, commas, semicolons or bars; decimals begin with a point or a comma. Names of the
columns may stand in the first line, or in the last comment before the numbers. A number that stands alone is the count
of the points that follow.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sinefield.io.shapes.content import DamagedError, Doubles, tell_short
from sinefield.io.shapes.text import decode, tell_open_end

_COMMENT = re.compile(r"(?<![\w.])#|//|%|!")  # no comment is what follows a digit, as in 1.#QNAN
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
_MISSING = {
    "",
    "-",
    "na",
    "n/a",
    "nan",
    "-nan",
    "null",
    "none",
    "nan(ind)",
    "-nan(ind)",
    "1.#qnan",
    "-1.#ind",
    "1.#inf",
}
_SAMPLE = 50  # rows that show how columns are separated


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Numbers in rows.

    Args:
        numbers: ``(n, k)``, NaN where there is none.
        names: of the columns; None: the file names none.
        told: what was found and done, each going on after the file's name.
    """

    numbers: Doubles
    names: tuple[str, ...] | None
    told: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    line: int  # from 1
    text: str


def read(data: bytes) -> Table:
    """Return the table in a file.

    Raises:
        DamagedError: a row holds something else than numbers, or fewer or more than the others; or there are none.
    """
    text = decode(data)
    rows, comment = _rows(text)
    if not rows:
        raise DamagedError("holds no rows of numbers; expected x y z in each row")
    if re.match(r"(?i)ncols\s", rows[0].text):
        raise DamagedError(
            "is an elevation grid of ESRI, not a table of points; convert it to TIFF, for example with gdal_translate"
        )
    separator, decimal_comma = _separator([row.text for row in rows[1 : _SAMPLE + 1]] or [rows[0].text])
    told = ["has decimal commas, which are read as points"] if decimal_comma else []
    if decimal_comma:
        rows = [_Row(row.line, row.text.replace(",", ".")) for row in rows]
    rows, names = _take_names(rows, separator)
    rows, promised = _take_counts(rows, separator)
    if not rows:
        raise DamagedError("holds no rows of numbers below its first line; expected x y z in each row")
    width = Counter(len(_cells(row.text, separator)) for row in rows[:_SAMPLE]).most_common(1)[0][0]
    if names is None and comment and len(found := re.split(r"[\s,;|]+", comment)) == width:
        names = tuple(found)
    if names is not None and len(names) != width:
        raise DamagedError(f"has {width} columns, and {len(names)} names for them: {', '.join(names)[:80]}")
    open_end = tell_open_end(text)
    if open_end and (len(rows) > 1 and _is_cut(rows, separator, width)):
        told.append(f"was cut short within line {rows[-1].line}, which is left out")
        rows, open_end = rows[:-1], []
    numbers = _numbers(rows, separator, width)
    if promised is not None:
        told += tell_short(len(numbers), promised, "points")
    elif open_end:
        told += open_end
    return Table(numbers, names, tuple(told))


def _rows(text: str) -> tuple[list[_Row], str]:
    """Return the lines that hold something, without comments, and the last comment before them."""
    comment = ""
    rows: list[_Row] = []
    plain = _COMMENT.search(text) is None
    for k, line in enumerate(text.replace('"', "").rstrip("\x1a").split("\n")):
        kept = line.strip(" ")
        if not plain and (found := _COMMENT.search(kept)):
            if not rows and found.start() == 0:
                comment = kept[found.end() :].strip(" #/%!\t") or comment
            kept = kept[: found.start()].rstrip()
        if kept.strip():
            rows.append(_Row(k + 1, kept))
    return rows, comment


def _separator(lines: Sequence[str]) -> tuple[str | None, bool]:
    """Return what separates columns (None: spaces and tabs), and whether decimals begin with a comma."""
    for each in (";", "|", "\t"):
        if all(each in line for line in lines):
            comma = any("," in line for line in lines) and not any("." in line for line in lines)
            if each == "\t" and not any(line != line.strip("\t") or "\t\t" in line for line in lines):
                return None, comma
            return each, comma
    if not any("," in line for line in lines):
        return None, False
    words = [line.split() for line in lines]
    if all(len(each) > 1 and all(map(_DECIMAL_COMMA.fullmatch, each)) for each in words):
        return None, True
    return ",", False


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    found = [each.strip() for each in line.split(separator)]
    return found[:-1] if len(found) > 1 and not found[-1] else found  # many programs end each row by a separator


def _number(word: str) -> float | None:
    """Return the number that a word is, NaN for the words that say there is none; None: it is something else."""
    if word.lower() in _MISSING:
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def _is_numeric(cells: Sequence[str]) -> bool:
    return all(_number(each) is not None for each in cells)


def _take_names(rows: list[_Row], separator: str | None) -> tuple[list[_Row], tuple[str, ...] | None]:
    """Return the rows without that of names, and the names; None: there are none."""
    cells = _cells(rows[0].text, separator)
    return (rows, None) if _is_numeric(cells) else (rows[1:], tuple(cells))


def _take_counts(rows: list[_Row], separator: str | None) -> tuple[list[_Row], int | None]:
    """Return the rows without those that are a count, and the sum of the counts; None: the first row is none."""
    if len(rows) < 2 or not rows[0].text.isdecimal() or len(_cells(rows[1].text, separator)) < 2:
        return rows, None
    counts = [int(row.text) for row in rows if row.text.isdecimal()]  # one for each scan in the file
    return [row for row in rows if not row.text.isdecimal()], sum(counts)


def _is_cut(rows: Sequence[_Row], separator: str | None, width: int) -> bool:
    """Return whether the last row ends before the others do: in columns, or in digits if all have the same."""
    last = _cells(rows[-1].text, separator)
    if len(last) < width or not _is_numeric(last):
        return True
    others = {_length(_cells(row.text, separator)[-1]) for row in rows[-_SAMPLE - 1 : -1]}
    return len(others) == 1 and len(rows) > 2 and _length(last[-1]) < others.pop()


def _length(word: str) -> int:
    """Return how many characters there are after the point of a number, or 0."""
    return len(word.partition(".")[2])


def _numbers(rows: Sequence[_Row], separator: str | None, width: int) -> Doubles:
    """Return the numbers in rows ``(n, width)``.

    Raises:
        DamagedError: a row holds something else, or fewer or more than the others.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = np.loadtxt([row.text for row in rows], delimiter=separator, comments=None, ndmin=2)
        if found.shape == (len(rows), width):
            return found
    except (ValueError, UserWarning):  # something is missing or wrong in a row, which is found below
        pass
    numbers = np.empty((len(rows), width))
    for k, row in enumerate(rows):
        cells = _cells(row.text, separator)
        found_here = [_number(each) for each in cells]
        shown = f"{row.text.strip()[:60]!r} in line {row.line}"
        if len(cells) != width:
            raise DamagedError(f"has {len(cells)} columns, {shown}, where other rows have {width}")
        if None in found_here:
            raise DamagedError(f"has {shown}; {width} numbers are expected there")
        numbers[k] = found_here
    return numbers
