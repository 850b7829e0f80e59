"""What happens at a sine layer, feature by feature: the part of a sweep that is not a matrix product.

Every function writes in place. As ordinary functions of tensors they run one operation after the other; compiled, each
becomes a single loop over memory. Intermediate results go to ``scratch``, which a compiler does without: None then.

Symbols are those of :mod:`.tangent` and :mod:`.adjoint`. Rows are ``(·, …, n, h)``, single ones ``(…, n, h)``; what is
the same for all points has a 1 in place of n. A form is a sum over pairs (i, j), i ≤ j, of the axes that are carried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, mul, sin

Form = Sequence[tuple[int, int]]


def run_plainly(function: Callable[..., None], *arguments: Any) -> None:
    """Run an elementwise function as it stands."""
    function(*arguments)


def _part(scratch: Tensor | None, index: int | slice) -> Tensor | None:
    return None if scratch is None else scratch[index]


def _partners(forms: Sequence[Form], axis: int) -> list[tuple[int, int, float]]:
    """Return of each pair with an axis its form, the other axis, and ½ where that is another one: Σ_j M_ij for an i."""
    found = []
    for number, form in enumerate(forms):
        for i, j in form:
            # Compared one by one: to PyTorch's compiler (2.13) `axis in (i, j)` is false where i and j are arguments.
            if axis == i and axis == j:
                found.append((number, axis, 1.0))
            elif axis == i or axis == j:  # noqa: SIM109
                found.append((number, i + j - axis, 0.5))
    return found


def value_alone(phase: Tensor, sine: Tensor) -> None:
    """Write s, for a value that is not differentiated."""
    sin(phase, out=sine)


def value(phase: Tensor, sine: Tensor) -> None:
    """Turn p into c, and write s."""
    sin(phase, out=sine)
    phase.cos_()


def first_order(phase: Tensor, bias: Tensor | None, slopes: Tensor, sine: Tensor, first: Tensor) -> None:
    """Turn p into c once the bias is added, and write s and H."""
    if bias is not None:
        phase.add_(bias)
    value(phase, sine)
    mul(slopes, phase, out=first)


def first_order_back(
    adjoint: Tensor, first: Tensor, cosine: Tensor, sine: Tensor, slopes: Tensor, scratch: Tensor | None
) -> None:
    """Turn h̄ and H̄ into p̄ and P̄."""
    turn = mul(slopes[0], first[0], out=_part(scratch, -1))
    for slope, each in zip(slopes[1:], first[1:], strict=True):
        turn.addcmul_(slope, each)
    adjoint.mul_(cosine).addcmul_(sine, turn, value=-1)
    first.mul_(cosine)


def second_order(
    phase: Tensor,
    bias: Tensor | None,
    slopes: Tensor,
    curvatures: Tensor | None,
    sine: Tensor,
    first: Tensor,
    second: Tensor,
    forms: Sequence[Form],
    scratch: Tensor | None,
) -> None:
    """Turn p into c once the bias is added, and write s, H and S; no ``curvatures`` are Q of zero."""
    first_order(phase, bias, slopes, sine, first)
    for index, form in enumerate(forms):
        part = _part(scratch, -1)
        (i, j), *others = form
        products = mul(slopes[i], slopes[j], out=None if part is None else part[..., : slopes.shape[-2], :])
        for i, j in others:
            products.addcmul_(slopes[i], slopes[j])
        if curvatures is None:
            mul(sine, products, out=second[index]).neg_()
        else:
            mul(curvatures[index], phase, out=second[index]).addcmul_(sine, products, value=-1)


def second_order_back(
    adjoint: Tensor,
    first: Tensor,
    second: Tensor,
    cosine: Tensor,
    sine: Tensor,
    slopes: Tensor,
    curvatures: Tensor | None,
    forms: Sequence[Form],
    scratch: Tensor | None,
) -> None:
    """Turn h̄, H̄ and S̄ into p̄, P̄ and Q̄."""
    turn = mul(slopes[0], first[0], out=_part(scratch, -1))
    for slope, each in zip(slopes[1:], first[1:], strict=True):
        turn.addcmul_(slope, each)
    if curvatures is not None:
        for curvature, each in zip(curvatures, second, strict=True):
            turn.addcmul_(curvature, each)
    first.mul_(cosine)
    for axis, slope in enumerate(slopes):
        bend: Tensor | None = None
        for form, other, weight in _partners(forms, axis):
            if bend is None:
                bend = mul(slopes[other], second[form], out=_part(scratch, 0)).mul_(weight)
            else:
                bend.addcmul_(slopes[other], second[form], value=weight)
        if bend is not None:
            adjoint.addcmul_(slope, bend, value=-1)
            first[axis].addcmul_(sine, bend, value=-2)
    adjoint.mul_(cosine).addcmul_(sine, turn, value=-1)
    second.mul_(cosine)


def contract(
    above: Tensor,
    below: Tensor,
    cosine: Tensor,
    sine: Tensor,
    slopes: Tensor,
    second: Tensor,
    forms: Sequence[Form],
    scratch: Tensor | None,
) -> None:
    """Write q, and take Σ (g s P_i P_j) from the forms of second derivatives ``second`` ``(c, forms, …, n)``."""
    mul(above, cosine, out=below)
    for g, found in zip(above, second, strict=True):
        weight = mul(g, sine, out=_part(scratch, 0))
        # Axis by axis, so that g s P_i is computed once; a compiler does not follow a product that is kept from pair to
        # pair of the forms.
        for axis, slope in enumerate(slopes):
            ends = [(number, j) for number, form in enumerate(forms) for i, j in form if i == axis]
            if ends:
                bent = mul(weight, slope, out=_part(scratch, 1))
            for number, j in ends:
                found[number].sub_(mul(bent, slopes[j], out=_part(scratch, 2)).sum(-1))


def rise(rising: Tensor, above: Tensor, cosine: Tensor, turn: Tensor) -> None:
    """Turn q̄ into ḡ, and write c̄."""
    mul(rising[0], above[0], out=turn)
    for each, g in zip(rising[1:], above[1:], strict=True):
        turn.addcmul_(each, g)
    rising.mul_(cosine)


def rise_bent(
    rising: Tensor,
    above: Tensor,
    cosine: Tensor,
    turn: Tensor,
    sine: Tensor,
    slopes: Tensor,
    gradients: Tensor,
    forms: Sequence[Form],
    bends: Tensor,
    scratch: Tensor | None,
) -> None:
    """Turn q̄ into ḡ, and write c̄, Σ_k g E and Σ_k g F_i; ``gradients`` are by the forms ``(c, forms, …, n, 1)``."""
    rise(rising, above, cosine, turn)
    bends.zero_()
    for g, row, gradient in zip(above, rising, gradients, strict=True):
        energy: Tensor | None = None
        for axis, slope in enumerate(slopes):
            force: Tensor | None = None
            for form, other, weight in _partners(forms, axis):
                if force is None:
                    force = mul(slopes[other], gradient[form], out=_part(scratch, 0)).mul_(2 * weight)
                else:
                    force.addcmul_(slopes[other], gradient[form], value=2 * weight)
            if force is None:
                continue
            bends[1 + axis].addcmul_(g, force)
            if energy is None:
                energy = mul(slope, force, out=_part(scratch, 1))
            else:
                energy.addcmul_(slope, force)
        if energy is not None:
            bends[0].addcmul_(g, energy, value=0.5)
            row.addcmul_(sine, energy, value=-0.5)


def fall(falling: Tensor, cosine: Tensor, sine: Tensor, turn: Tensor) -> None:
    """Turn h̄ into p̄."""
    falling.mul_(cosine).addcmul_(sine, turn, value=-1)


def fall_bent(
    falling: Tensor, first: Tensor, cosine: Tensor, sine: Tensor, turn: Tensor, slopes: Tensor | None, bends: Tensor
) -> None:
    """Turn h̄ and T̄ into p̄ and P̄; no ``slopes`` are those of the last layer, where T̄ is zero."""
    falling.sub_(bends[0])
    if slopes is None:
        mul(bends[1:], sine, out=first).neg_()
    else:
        for slope, each in zip(slopes, first, strict=True):
            turn.addcmul_(slope, each)
        first.mul_(cosine).addcmul_(sine, bends[1:], value=-1)
    fall(falling, cosine, sine, turn)
