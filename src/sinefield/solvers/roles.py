"""Which part each parameter plays in its field, as chains tell it: first layers and hidden matrices are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import nn

from sinefield.fields.activations import Sine
from sinefield.fields.chain import Affine, Chain
from sinefield.fields.field import Field
from sinefield.objective import Objective

PUBLISHED_OMEGA = 30.0
"""The ω₀ that rates are made for."""


@final
@dataclass(frozen=True)
class Roles:
    """The parts that parameters play.

    Args:
        scales: by name, the factor of the rate: a first layer of frequency ω₀ takes 30/ω₀, as its phase moves ω₀/30 as
            far.
        hidden: the names of the weights of hidden affine maps, whose neighbours are learnt too.
    """

    scales: dict[str, float]
    hidden: frozenset[str]

    @classmethod
    def of(cls, objective: Objective) -> Roles:
        """Return the roles of the parameters of an objective."""
        names = {id(parameter): name for name, parameter in objective.parameters.items()}
        scales = dict.fromkeys(objective.parameters, 1.0)
        hidden: set[str] = set()
        for field in objective.unknowns.values():
            chains = list(chains_of(field))
            if not chains:  # nothing is known but the order in which its affine maps were made
                maps = [each.weight for each in field.modules() if isinstance(each, nn.Linear)]
                hidden |= {names[id(each)] for each in [each for each in maps if id(each) in names][1:-1]}
            for chain in chains:
                learnt = [each for each in chain.affines if id(each.weight) in names]
                if not learnt:
                    continue
                scale = PUBLISHED_OMEGA / _omega_after(chain, learnt[0])
                scales |= {names[id(each)]: scale for each in learnt[0].tensors() if id(each) in names}
                hidden |= {names[id(each.weight)] for each in learnt[1:-1]}
        return cls(scales, frozenset(hidden))


def chains_of(field: nn.Module) -> Iterator[Chain]:
    """Yield the chains of a field, or of the fields that it is made of."""
    if isinstance(field, Field):
        try:
            yield field.chain()
        except TypeError:  # it has layers that are no links
            return
        return
    for part in field.children():
        yield from chains_of(part)


def _omega_after(chain: Chain, affine: Affine) -> float:
    """Return the ω of the sine that follows an affine map; where there is none, that which leaves the rate as it is."""
    position = next(
        k for k, link in enumerate(chain.links) if isinstance(link, Affine) and link.weight is affine.weight
    )
    after = chain.links[position + 1] if position + 1 < len(chain.links) else None
    return after.omega if isinstance(after, Sine) else PUBLISHED_OMEGA
