"""Fields with other weights: given ones, which may be the output of another network, or many sets of them at once."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence, Set
from typing import final

import torch
from torch import Tensor, nn

from sinefield.fields.chain import Chain
from sinefield.fields.compose import Composite, Evaluate
from sinefield.fields.derivatives import Derivative
from sinefield.fields.field import Field
from sinefield.fields.network import Network


@final
class _ChainOf(nn.Module):
    """A module whose call gives the chain of a field, so that it can be called with other weights."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self) -> Chain:
        """Return the chain."""
        assert isinstance(self.field, Field), "only fields with a chain are called so"
        return self.field.chain()


def chain_with(field: nn.Module, weights: Mapping[str, Tensor]) -> Chain:
    """Return the chain of a field with other weights in place of its own.

    Args:
        field: a network with a chain, whose own weights are neither read nor changed where others are given.
        weights: by the names of its parameters, of their shapes, or with the same leading axes before all of these.

    Raises:
        TypeError: the field has no chain.

    >>> from sinefield.fields import Siren
    >>> field = Siren(2, 1, hidden_features=8)
    >>> many = {name: each.expand(5, *each.shape) for name, each in field.named_parameters()}
    >>> chain_with(field, many)(torch.zeros(3, 2)).shape
    torch.Size([5, 3, 1])
    """
    if not isinstance(field, Field):
        raise TypeError(f"a {type(field).__name__} has no chain, so that it cannot take other weights")
    chain, names = field.chain(), {id(each): name for name, each in field.named_parameters()}
    if {names.get(id(each)) for each in chain.tensors()} >= weights.keys():
        return chain.mapped(lambda each: weights.get(names.get(id(each), ""), each))
    # Some weights of the chain are functions of parameters, as those of a parametrised layer: these are computed anew.
    found: Chain = torch.func.functional_call(
        _ChainOf(field), {f"field.{name}": each for name, each in weights.items()}, (), strict=False
    )
    return found


@final
class Batched(Composite):
    """Networks of one shape side by side, their weights in tensors with a leading axis.

    As a field it takes the points of its members in turn: row r is a point of member r mod K.

    Args:
        member: a network with a chain, whose shape all have; its weights are not used.
        count: K. The weights are arbitrary until they are set.
        weights: by the names of the member's parameters, ``(K, …)``; None: new, with arbitrary contents.
        shared: the names of those that all members share; they are stored once, as ``(1, …)``.
    """

    member: nn.Module

    def __init__(
        self,
        member: nn.Module,
        count: int,
        weights: Mapping[str, Tensor] | None = None,
        shared: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.count, self.shared = count, frozenset(shared)
        if not isinstance(member, Field):
            raise TypeError(f"fields side by side need a network with a chain, got a {type(member).__name__}")
        self.in_features, self.out_features = member.in_features, member.out_features
        shape = copy.deepcopy(member).to("meta")
        self.__dict__["member"] = shape  # kept out of what is trained and saved
        for name, parameter in member.named_parameters():
            rows = 1 if name in self.shared else count
            own = (
                torch.empty(rows, *parameter.shape, device=torch.empty(0).device) if weights is None else weights[name]
            )
            self.register_parameter(name.replace(".", "_"), nn.Parameter(own))

    def __len__(self) -> int:
        """Return K."""
        return self.count

    def stored(self, name: str) -> Tensor:
        """Return the weights of the member's parameter of a name, ``(K, …)``, or ``(1, …)`` where they are shared."""
        found: Tensor = getattr(self, name.replace(".", "_"))  # tensors under functional_call
        return found

    def weights(self) -> dict[str, Tensor]:
        """Return the weights ``(K, …)`` by the names of the member's parameters."""
        found = {name: self.stored(name) for name, _ in self.member.named_parameters()}
        return {
            name: each.expand(self.count, *each.shape[1:]) if name in self.shared else each
            for name, each in found.items()
        }

    def some(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return the weights ``(len(numbers), …)`` of some members; those that are shared are not copied."""
        found = {name: self.stored(name) for name, _ in self.member.named_parameters()}
        return {
            name: each.expand(len(numbers), *each.shape[1:]) if name in self.shared else each[numbers]
            for name, each in found.items()
        }

    def chain(self) -> Chain:
        """Return the chain, whose weights have the leading axis K."""
        return chain_with(self.member, self.weights())

    def stored_chain(self) -> Chain:
        """Return the chain, whose weights have the leading axis K, or 1 where all members share them."""
        return chain_with(self.member, {name: self.stored(name) for name, _ in self.member.named_parameters()})

    def parts(self, needs: Set[Derivative]) -> Sequence[tuple[nn.Module | Chain, Set[Derivative]]]:
        """Return the chain."""
        return [(self.chain(), needs)]

    def derivatives(self, points: Tensor, needs: Set[Derivative], evaluate: Evaluate) -> dict[Derivative, Tensor]:
        """Return the derivatives of the members in turn, at points ``(n, d)``; n is a multiple of K.

        Raises:
            ValueError: it is not.
        """
        found = evaluate(self.chain(), by_member(points, len(self)), needs)
        return {need: in_turn(each) for need, each in found.items()}

    def member_at(self, number: int) -> nn.Module:
        """Return one of the networks by itself, with weights that are a copy."""
        field = Network.of(self.member).blank()
        field.load_state_dict(
            {name: each.detach()[number].clone() for name, each in self.weights().items()}, assign=True
        )
        return field.train(self.training)

    def part(self, start: int, stop: int) -> Batched:
        """Return the members from ``start`` to ``stop``; what is learnt in their place is learnt here."""
        names = [name for name, _ in self.member.named_parameters()]
        some = {
            name: self.stored(name).detach()[slice(None) if name in self.shared else slice(start, stop)]
            for name in names
        }
        return Batched(self.member, stop - start, some, self.shared)


def by_member(points: Tensor, count: int) -> Tensor:
    """Return rows ``(n, …)`` that are of each of ``count`` members in turn as ``(count, n / count, …)``.

    Raises:
        ValueError: n is no multiple of ``count``.
    """
    if len(points) % count:
        raise ValueError(f"{count} fields side by side take a multiple of as many points, got {len(points)}")
    rows: Tensor = points.unflatten(0, (-1, count)).transpose(0, 1)
    return rows


def in_turn(rows: Tensor) -> Tensor:
    """Return rows ``(count, m, …)`` of each member as ``(count · m, …)``, of each in turn: undoes :func:`by_member`."""
    flat: Tensor = rows.transpose(0, 1).flatten(0, 1)
    return flat
