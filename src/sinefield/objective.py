"""Constraints grouped by domain: batches of points, and the gradient of the weighted sum of norms at them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sinefield import kernels
from sinefield.constraint import Constraint, moved
from sinefield.domains import Domain, FiniteDomain, Samples
from sinefield.fields.derivatives import Derivative, highest_order
from sinefield.jet import jet

CONTINUOUS_PASS = 65_536
"""How many points of a continuous domain count as one pass over it."""

STOCK = 65_536
"""How many points of a finite domain are looked up at a time."""


@dataclass
class Stream:
    """The endless sequence of batches of one domain; of a finite one each pass visits every point once.

    Args:
        domain: Ω.
        batch: points at a time, made a multiple of the domain's granule.
        generator: of the order of points, or of the points.
    """

    domain: Domain
    batch: int
    generator: torch.Generator
    _visits: Iterator[Tensor] = field(default_factory=lambda: iter(()))  # what is left of the pass
    _order: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))  # the part of it that is known
    _stock: list[Samples] = field(default_factory=list)  # the next batches, last first

    def __post_init__(self) -> None:
        """Make the batch a multiple of the granule."""
        self.batch = max(self.domain.granule, self.batch // self.domain.granule * self.domain.granule)

    def take(self) -> Samples:
        """Return the next batch."""
        if not isinstance(self.domain, FiniteDomain):
            return self.domain.draw(self.batch, self.generator)
        size = self.domain.size
        if self.batch >= size:
            return self.domain.at(torch.arange(size))
        if not self._stock:
            self._refill(self.domain)
        return self._stock.pop()

    def _refill(self, domain: FiniteDomain) -> None:
        """Look up points for many batches at once, which takes far less time than one by one."""
        while len(self._order) == 0:
            self._order = next(self._visits, self._order)
            if len(self._order) == 0:
                self._visits = domain.visits(self.generator)
        count = max(STOCK // self.batch, 1) * self.batch
        samples, self._order = domain.at(self._order[:count]), self._order[count:]
        starts = range(0, len(samples.points), self.batch)
        self._stock = [_rows(samples, start, start + self.batch) for start in reversed(starts)]

    @property
    def size(self) -> int:
        """How many points make a pass."""
        return pass_size(self.domain)

    @property
    def steps_per_pass(self) -> int:
        """How many batches make a pass."""
        return math.ceil(self.size / self.batch)


@dataclass(frozen=True)
class System:
    """Constraints grouped by domain, with what each group reads of each field.

    Args:
        fields: the unknowns by name.
        groups: a domain, the constraints on it, and the quantities that they read of each field.
    """

    fields: Mapping[str, nn.Module]
    groups: Sequence[tuple[Domain, Sequence[Constraint], Mapping[str, frozenset[Derivative]]]]

    @classmethod
    def of(cls, fields: Mapping[str, nn.Module], constraints: Sequence[Constraint]) -> System:
        """Return the system of ``constraints``; their residuals are called once, to see what they read.

        Raises:
            ValueError: there is nothing to solve, two constraints have one name, or one reads nothing.
        """
        names = [each.name for each in constraints]
        if not fields or not constraints or len(set(names)) < len(names):
            raise ValueError(
                f"solve needs a field and constraints of different names, got {len(fields)} fields and "
                f"constraints {names}; name each with Constraint(…, name=…)"
            )
        domains = {id(each.domain): each.domain for each in constraints}
        groups = []
        for key, domain in domains.items():
            members = [each for each in constraints if id(each.domain) == key]
            reads = [each.needs(fields) for each in members]
            for member, read in zip(members, reads, strict=True):
                if not any(read.values()):
                    raise ValueError(
                        f"the residual of constraint {member.name!r} reads nothing of any field; "
                        "it must depend on u.value, u.gradient or another quantity of a jet"
                    )
            groups.append((domain, members, {name: frozenset().union(*(r[name] for r in reads)) for name in fields}))
        return cls(fields, groups)

    @property
    def order(self) -> int:
        """The highest derivative that any constraint reads."""
        return max(highest_order(need) for *_, reads in self.groups for need in reads.values())

    @property
    def work(self) -> list[int]:
        """FLOP per point of each group: evaluation and gradient."""
        return [
            sum(kernels.work(self.fields[name], need) for name, need in reads.items() if need)
            for _, _, reads in self.groups
        ]

    def memory(self, counts: Sequence[int]) -> int:
        """Return about how many bytes a step takes, with that many points of each group."""
        return max(
            sum(kernels.memory(self.fields[name], need, count) for name, need in reads.items() if need)
            for (_, _, reads), count in zip(self.groups, counts, strict=True)
        )

    def accumulate(self, batches: Sequence[Samples], device: torch.device, fraction: float = 0.0) -> dict[str, Tensor]:
        """Return the terms of the weighted sum over ``batches``; its gradient is added to that of the parameters.

        Args:
            batches: of each group.
            device: where the fields are.
            fraction: how much of the budget is used.
        """
        terms: dict[str, Tensor] = {}
        for (domain, members, reads), batch in zip(self.groups, batches, strict=True):
            count = len(batch.points)
            size = min(kernels.block_size(each, reads[name]) for name, each in self.fields.items())
            size = max(domain.granule, size // domain.granule * domain.granule)
            for start in range(0, count, size):
                block = moved(_rows(batch, start, start + size), device)
                share = len(block.points) / count  # norms are averages, so blocks add up by their share
                for name, loss in self._descend(block, members, reads, share, fraction).items():
                    terms[name] = terms[name] + loss if name in terms else loss
        return terms

    def _descend(
        self,
        block: Samples,
        members: Sequence[Constraint],
        reads: Mapping[str, frozenset[Derivative]],
        share: float,
        fraction: float,
    ) -> dict[str, Tensor]:
        """Return the terms of one block; their gradient is added, and all that it took is forgotten."""
        jets = {name: jet(each, block.points, reads[name]) for name, each in self.fields.items()}
        losses = {each.name: share * each.loss(jets, block.targets, fraction) for each in members}
        torch.stack(list(losses.values())).sum().backward()
        return {name: loss.detach() for name, loss in losses.items()}


def _rows(samples: Samples, start: int, stop: int) -> Samples:
    return Samples(samples.points[start:stop], {name: each[start:stop] for name, each in samples.targets.items()})


def pass_size(domain: Domain) -> int:
    """Return how many points make a pass over a domain."""
    return domain.size if isinstance(domain, FiniteDomain) else CONTINUOUS_PASS
