"""Tests of what happens at a sine layer: against differentiation by PyTorch, and compiled as it stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from sinefield.kernels.siren import compiled, elementwise
from sinefield.kernels.siren.plan import Form

POINTS, WIDTH = 7, 5
needs_compiler = pytest.mark.skipif(not compiled.available(), reason="there is no C++ compiler on the path")

FORMS: dict[str, tuple[int, tuple[Form, ...]]] = {
    "pure": (2, (((0, 0),),)),
    "mixed": (2, (((0, 1),),)),
    "Laplacian": (2, (((0, 0), (1, 1)),)),
    "pure and mixed": (2, (((0, 0),), ((0, 1),))),
    "wave": (3, (((0, 0),), ((1, 1), (2, 2)))),
    "Hessian": (3, tuple(((i, j),) for i, j in itertools.combinations_with_replacement(range(3), 2))),
    "one axis": (1, (((0, 0),),)),
}
case = pytest.mark.parametrize("case", FORMS)
at_first = pytest.mark.parametrize("at_first", [False, True], ids=["later layer", "first layer"])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def layer(phase: Tensor, slopes: Tensor, curvatures: Tensor | None, forms: Sequence[Form]) -> list[Tensor]:
    """Return s, H and S as their definitions have them."""
    sine, cosine = phase.sin(), phase.cos()
    second = [-sine * sum(slopes[i] * slopes[j] for i, j in form) for form in forms]
    if curvatures is not None:
        second = [cosine * q + each for q, each in zip(curvatures, second, strict=True)]
    return [sine, slopes * cosine, torch.stack(second)]


def arguments(axes: int, forms: Sequence[Form], *, at_first: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    slopes = random(axes, 1 if at_first else POINTS, WIDTH, seed=1)
    return random(POINTS, WIDTH), slopes, None if at_first else random(len(forms), POINTS, WIDTH, seed=2)


@case
@at_first
def test_second_order_and_its_backward(case: str, *, at_first: bool) -> None:
    axes, forms = FORMS[case]
    phase, slopes, curvatures = arguments(axes, forms, at_first=at_first)
    known = [each.requires_grad_() for each in (phase, slopes.expand(axes, POINTS, WIDTH).clone())]
    known += [] if curvatures is None else [curvatures.requires_grad_()]
    expected = layer(known[0], known[1], known[2] if len(known) > 2 else None, forms)

    cosine, bias = phase.detach() - 0.25, torch.full((1, WIDTH), 0.25, dtype=torch.float64)
    sine, first, second = (torch.empty_like(each) for each in expected)
    plain_slopes, plain_curvatures = slopes.detach(), None if curvatures is None else curvatures.detach()
    scratch = torch.empty(2, POINTS, WIDTH, dtype=torch.float64)
    elementwise.second_order(cosine, bias, plain_slopes, plain_curvatures, sine, first, second, forms, scratch)
    for found, other in zip((sine, first, second), expected, strict=True):
        torch.testing.assert_close(found, other.detach())
    torch.testing.assert_close(cosine, phase.detach().cos())

    given = [random(*each.shape, seed=3 + k) for k, each in enumerate(expected)]
    truth = torch.autograd.grad(expected, known, given)
    adjoint, by_first, by_second = (each.clone() for each in given)
    elementwise.second_order_back(
        adjoint, by_first, by_second, cosine, sine, plain_slopes, plain_curvatures, forms, scratch
    )
    for found, other in zip((adjoint, by_first, by_second), truth, strict=False):
        torch.testing.assert_close(found, other)


@at_first
def test_first_order_and_its_backward(*, at_first: bool) -> None:
    phase, slopes, _ = arguments(3, (((0, 0),),), at_first=at_first)
    known = [phase.requires_grad_(), slopes.expand(3, POINTS, WIDTH).clone().requires_grad_()]
    expected = layer(known[0], known[1], None, (((0, 0),),))[:2]
    cosine, (sine, first) = phase.detach().clone(), (torch.empty_like(each) for each in expected)
    elementwise.first_order(cosine, None, slopes.detach(), sine, first)
    torch.testing.assert_close(sine, expected[0].detach())
    torch.testing.assert_close(first, expected[1].detach())
    given = [random(*each.shape, seed=3 + k) for k, each in enumerate(expected)]
    truth = torch.autograd.grad(expected, known, given)
    adjoint, by_first = (each.clone() for each in given)
    elementwise.first_order_back(adjoint, by_first, cosine, sine, slopes.detach(), None)
    torch.testing.assert_close(adjoint, truth[0])
    torch.testing.assert_close(by_first, truth[1])


@case
@at_first
def test_contraction(case: str, *, at_first: bool) -> None:
    axes, forms = FORMS[case]
    phase, slopes, _ = arguments(axes, forms, at_first=at_first)
    above, second = random(2, POINTS, WIDTH, seed=6), random(2, len(forms), POINTS, seed=7)
    expected = second.clone()
    for k, (number, form) in itertools.product(range(2), enumerate(forms)):
        for i, j in form:
            expected[k, number] -= (above[k] * phase.sin() * slopes[i] * slopes[j]).sum(-1)
    below, scratch = torch.empty_like(above), torch.empty(3, POINTS, WIDTH, dtype=torch.float64)
    elementwise.contract(above, below, phase.cos(), phase.sin(), slopes, second, forms, scratch)
    torch.testing.assert_close(below, above * phase.cos())
    torch.testing.assert_close(second, expected)


def calls(case: str, *, at_first: bool) -> dict[Callable[..., None], list[object]]:
    """Return arguments of every function that knows forms, without scratch, which compilers need none of."""
    axes, forms = FORMS[case]
    phase, slopes, curvatures = arguments(axes, forms, at_first=at_first)
    rows = {name: random(count, POINTS, WIDTH, seed=9) for name, count in (("first", axes), ("second", len(forms)))}
    sine = random(POINTS, WIDTH, seed=10)
    above = random(1, POINTS, WIDTH, seed=6)
    bias = random(1, WIDTH)
    return {
        elementwise.second_order: [phase, bias, slopes, curvatures, sine, *rows.values(), forms, None],
        elementwise.second_order_back: [sine.clone(), *rows.values(), phase, sine, slopes, curvatures, forms, None],
        elementwise.contract: [
            *(above, above.clone(), phase, sine, slopes, random(1, len(forms), POINTS), forms, None)
        ],
        elementwise.rise_bent: [
            *(above.clone(), above, phase, sine.clone(), sine, slopes, random(1, len(forms), POINTS, 1), forms),
            *(random(1 + axes, POINTS, WIDTH), None),
        ],
    }


@needs_compiler
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler uses what PyTorch deprecates
@pytest.mark.parametrize("case", ["mixed", "wave"])
def test_compiled_functions_are_the_plain_ones(case: str) -> None:
    """A compiler that takes a condition on the pairs of a form for another is found here."""
    for function, given in calls(case, at_first=False).items():
        plain, fast = ([each.clone() if isinstance(each, Tensor) else each for each in given] for _ in range(2))
        torch.compiler.reset()
        function(*plain)
        torch.compile(function, dynamic=True, fullgraph=True)(*fast)
        for one, other in zip(plain, fast, strict=True):
            if isinstance(one, Tensor):
                torch.testing.assert_close(one, other)
    torch.compiler.reset()
    compiled._compiled.cache_clear()


def test_partners_of_an_axis() -> None:
    """Σ_j M_ij of the symmetric matrix of a form: a pair of different axes counts half at each end."""
    forms = (((0, 0), (2, 2)), ((0, 1),))
    assert elementwise._partners(forms, 0) == [(0, 0, 1.0), (1, 1, 0.5)]
    assert elementwise._partners(forms, 1) == [(1, 0, 0.5)]
    assert elementwise._partners(forms, 2) == [(0, 2, 1.0)]
