"""Tests of what can be asked for: single derivatives as values, their orders and their axes."""

from __future__ import annotations

import pytest

from sinefield.fields.derivatives import (
    HIGHEST,
    WHOLE,
    Derivative,
    LaplacianAlong,
    Partial,
    axes_read,
    highest_order,
    in_order,
    order_of,
)


def test_the_order_of_differentiation_does_not_matter() -> None:
    assert Partial.by([1, 0, 1]) == Partial.by([1, 1, 0]) == Partial((0, 1, 1))
    assert hash(Partial.by([1, 0])) == hash(Partial((0, 1)))
    assert Partial.by([]) == Partial(())


def test_what_is_not_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="up to order 4, got one of order 5"):
        Partial((0,) * (HIGHEST + 1))
    with pytest.raises(ValueError, match=r"indices in rising order, got \(1, 0\)"):
        Partial((1, 0))
    with pytest.raises(ValueError, match=r"indices in rising order, got \(-1, 0\)"):
        Partial((-1, 0))


def test_orders() -> None:
    assert [order_of(each) for each in WHOLE] == [0, 1, 2, 2]
    assert [order_of(Partial((0,) * k)) for k in range(HIGHEST + 1)] == [0, 1, 2, 3, 4]
    assert order_of(LaplacianAlong((0, 1))) == 2
    assert highest_order({"value", Partial((0, 1, 1)), "laplacian"}) == 3
    assert highest_order(set()) == 0


def test_axes() -> None:
    assert list(axes_read({"value", Partial((0, 2, 2))}, 4)) == [0, 2]
    assert list(axes_read({LaplacianAlong((1, 2)), Partial((0,))}, 4)) == [0, 1, 2]
    assert list(axes_read({"value"}, 4)) == []
    for whole in ("jacobian", "laplacian", "hessian"):
        assert list(axes_read({whole, Partial((0,))}, 3)) == [0, 1, 2]


def test_one_order_whatever_the_set() -> None:
    needs: set[Derivative] = {"laplacian", Partial((1,)), Partial((0,)), LaplacianAlong((0, 1)), "value"}
    assert in_order(needs) == in_order({*reversed(list(needs))})
    assert sorted(in_order(needs), key=repr) == in_order(needs)
