"""Snapshots: all that a search needs to go on as if it had never stopped; and whether it is the same search."""

from __future__ import annotations

import hashlib
import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from sinefield.domains import FiniteDomain
from sinefield.history import Record
from sinefield.problem import Problem

_HASHED: Final = 1 << 20  # points of a domain that tell whether an input has changed
_FRACTIONS: Final = (0.0, 0.3, 0.6, 0.9)  # of the budget, at which a weight is looked at
_RESIDUALS: Final = (0.01, 0.3, 7.0)  # at which a norm is looked at


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a search needs to go on from a step as if it had never stopped, beside the fields.

    Args:
        part: the number of the independent problem that is being solved.
        step: steps taken in it.
        seconds: time spent fitting in it.
        history: records of each part so far, the last one that of ``part``.
        tensors: the state of the solver, the sums of losses since the last record, and of random numbers.
        compiling: whether kernels are compiled.
        rounding: whether backward products are rounded.
        source: a digest of what the search is fitted to, see :func:`fingerprint`.
    """

    part: int
    step: int
    seconds: float
    history: Sequence[Sequence[Record]]
    tensors: Mapping[str, Tensor]
    compiling: bool
    rounding: bool
    source: str

    def to_json(self) -> dict[str, Any]:
        """Return what is no tensor as JSON; records are numbers in columns, and go with the tensors."""
        return {
            "part": self.part,
            "step": self.step,
            "seconds": self.seconds,
            "compiling": self.compiling,
            "rounding": self.rounding,
            "source": self.source,
            "columns": self._columns,
            "parts": len(self.history),
        }

    def all_tensors(self) -> dict[str, Tensor]:
        """Return the tensors, with a table of numbers for the records of each part."""
        tables = {}
        columns = self._columns
        for number, records in enumerate(self.history):
            rows = [[_flat(record).get(column, math.nan) for column in columns] for record in records]
            tables[f"history/{number}"] = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(columns))
        return dict(self.tensors) | tables

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Snapshot:
        """Return the snapshot that :meth:`to_json` and :meth:`all_tensors` stored.

        Raises:
            KeyError: something is missing.
            ValueError: a table has other columns than names.
        """
        history = []
        for number in range(int(stored["parts"])):
            table = tensors[f"history/{number}"].tolist()
            history.append([_record(dict(zip(stored["columns"], row, strict=True))) for row in table])
        others = {name: each for name, each in tensors.items() if not name.startswith("history/")}
        return cls(
            int(stored["part"]),
            int(stored["step"]),
            float(stored["seconds"]),
            history,
            others,
            bool(stored["compiling"]),
            bool(stored["rounding"]),
            str(stored["source"]),
        )

    @property
    def _columns(self) -> list[str]:
        """The names of all numbers in records: once for all parts, as a header has little room."""
        return list(dict.fromkeys(column for records in self.history for each in records for column in _flat(each)))


def _flat(record: Record) -> dict[str, float]:
    own = {"step": float(record.step), "passes": record.passes, "seconds": record.seconds, "loss": record.loss}
    losses = {f"losses/{name}": value for name, value in record.losses.items()}
    return own | losses | {f"metrics/{name}": value for name, value in record.metrics.items()}


def _record(row: Mapping[str, float]) -> Record:
    parts: dict[str, dict[str, float]] = {"losses": {}, "metrics": {}}
    for column, value in row.items():
        kind, _, name = column.partition("/")
        if name and not math.isnan(value):
            parts[kind][name] = value
    return Record(int(row["step"]), row["passes"], row["seconds"], row["loss"], parts["losses"], parts["metrics"])


def check_same(path: str | Path, header: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a file to resume from was written by the search that is to go on.

    Raises:
        ValueError: by another one: the line says what differs.
    """
    told = {
        "sinefield": "the version of sinefield",
        "problem": "the problem",
        "source": "the input, or an option that changes it,",
        "signal": "the signal",
        "fields": "the network",
        "recipe": "the recipe",
        "seed": "the seed",
    }
    for key, name in told.items():
        had, has = header.get(key), wanted.get(key)
        if had == has:
            continue
        places: list[str] = []
        while isinstance(had, dict) and isinstance(has, dict):
            places.append(next(each for each in sorted(had.keys() | has.keys()) if had.get(each) != has.get(each)))
            had, has = had.get(places[-1]), has.get(places[-1])
        if places:
            name = f"{name}'s {' '.join(places)}"
        detail = "" if key == "source" else f": it was {reprlib.repr(had)}, and is {reprlib.repr(has)} now"
        raise ValueError(f"cannot resume from {path}: {name} is another{detail}; give the same, or fit from the start")


def fingerprint(problem: Problem) -> str:
    """Return a digest of what a problem is fitted to: domains, targets, weights, norms and names of its constraints.

    Of finite domains of more than a million points, a million spread evenly over them count; a continuous domain is
    told by the first points that it draws, a weight and a norm by some of their values.
    """
    digest = hashlib.sha256()
    for constraint in problem.constraints:
        domain = constraint.domain
        digest.update(f"{constraint.name} {type(domain).__name__} {domain.dimension}".encode())
        digest.update(str([constraint.weight_at(fraction) for fraction in _FRACTIONS]).encode())
        digest.update(str([float(constraint.norm.loss(torch.tensor(each))) for each in _RESIDUALS]).encode())
        if isinstance(domain, FiniteDomain):
            digest.update(str(domain.size).encode())
            samples = domain.at(torch.arange(0, domain.size, max(1, domain.size // _HASHED)))
        else:
            samples = domain.draw(16, torch.Generator().manual_seed(0))
        for each in (samples.points, *(samples.targets[name] for name in sorted(samples.targets))):
            digest.update(each.contiguous().numpy().tobytes())
    return digest.hexdigest()
