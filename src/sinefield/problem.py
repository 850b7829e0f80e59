"""Problems: a named list of constraints, with the fields to look for and how they are read back as a signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, final

from torch import nn

from sinefield.constraint import Constraint

if TYPE_CHECKING:  # what a problem is used for comes after it
    from sinefield.io.source import Source
    from sinefield.recipe import Changes
    from sinefield.signals.signal import Signal


Measure = Callable[[nn.Module, int | None], dict[str, float]]
"""The metrics of a field, from this many points or, for None, from all of them."""


class InClosedForm(Protocol):
    """A field that follows from a problem without a search."""

    def problem(self, of: Problem, *, asked: bool, psnr: float | None = None) -> Problem | None:
        """Return a problem with that field; None: a search may find a better one, and nobody asked for this one.

        Args:
            of: what is solved.
            asked: whether this field was asked for.
            psnr: in dB, that is wanted of a field as small as may be; None: nobody said.

        Raises:
            ValueError: it was asked for, and there is none after all.
        """


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A named list of constraints, with the unknowns to look for and how they are read back as a signal.

    Args:
        name: what is solved, in a word.
        constraints: C_1 … C_M.
        unknowns: by name, what builds each field to look for, given ω₀ of its first layer; the first is the main one.
        signal: how the main field is read back; None for a problem that is not a signal.
        measure: the metrics of the fields by name, from this many points or, for None, from all of them.
        omega: ω₀ of the first layer that the spectrum of the signal suggests; None: unknown.
        reference: the signal itself where there is one, for figures to compare with.
        source: the file that it is of; None: it is of none, or it is not known.
        tuning: settings of recipes that this problem overrides, by the recipe's name; those of ``"fast"`` hold for
            ``"best"`` too.
        accuracy: the metric ``residual`` that a solution of an equation must reach; None: it is no equation.
        parts: the independent problems that this one falls into, given its fields, which share no parameter; None: it
            is solved as a whole.
        solved: the field that follows without a search, where there is one; None: there is none.
        spent: the seconds of finding what there is before the search.
    """

    name: str
    constraints: Sequence[Constraint]
    unknowns: Mapping[str, Callable[[float], nn.Module]]
    signal: Signal | None = None
    measure: Callable[[Mapping[str, nn.Module], int | None], dict[str, float]] = lambda _fields, _count: {}
    omega: float | None = None
    reference: object = None
    source: Source | None = None
    accuracy: float | None = None
    tuning: Mapping[str, Changes] = field(default_factory=dict)
    parts: Callable[[Mapping[str, nn.Module]], Sequence[Part]] | None = None
    solved: InClosedForm | None = None
    spent: float = 0.0

    @classmethod
    def of_one(
        cls,
        name: str,
        constraints: Sequence[Constraint],
        network: Callable[[float], nn.Module],
        measure: Measure,
        **settings: Any,
    ) -> Problem:
        """Return the problem of one unknown, ``u``.

        Args:
            name: what is solved.
            constraints: C_1 … C_M.
            network: builds the field, given ω₀ of its first layer.
            measure: its metrics.
            **settings: as for the class.
        """
        return cls(name, constraints, {"u": network}, measure=partial(_of_main, measure), **settings)

    def build(self, first_omega: float) -> dict[str, nn.Module]:
        """Return fields to look for, by name, with ω₀ of their first layers."""
        return {name: build(first_omega) for name, build in self.unknowns.items()}


def _of_main(measure: Measure, fields: Mapping[str, nn.Module], count: int | None) -> dict[str, float]:
    return measure(next(iter(fields.values())), count)


@final
@dataclass(frozen=True, eq=False)
class Part:
    """One of the independent problems that a problem falls into.

    Args:
        fields: the unknowns by name; their parameters are some of those of the whole, so that it learns with them.
        problem: the constraints on them, and their metrics.
    """

    fields: Mapping[str, nn.Module]
    problem: Problem
