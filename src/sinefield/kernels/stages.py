"""What happens at a sine layer, feature by feature: the part of a sweep that is not a matrix product.

Every stage writes in place. As ordinary functions of tensors they run one operation after the other; compiled, each
becomes a single loop over memory. Intermediate results go to ``scratch``, which a compiler does without: None then.

Symbols are those of :mod:`.tangent` and :mod:`.adjoint`. Rows are ``(·, n, h)``, single ones ``(n, h)``; what is the
same for all points has a 1 in place of n.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, mul, sin


def plainly(stage: Callable[..., None], *arguments: Tensor | None) -> None:
    """Run a stage as it stands."""
    stage(*arguments)


def _part(scratch: Tensor | None, index: int | slice) -> Tensor | None:
    return None if scratch is None else scratch[index]


def value_alone(phase: Tensor, sine: Tensor) -> None:
    """Write s, for a value that is not differentiated."""
    sin(phase, out=sine)


def value(phase: Tensor, sine: Tensor) -> None:
    """Turn p into c, and write s."""
    sin(phase, out=sine)
    phase.cos_()


def jacobian(phase: Tensor, bias: Tensor | None, slopes: Tensor, sine: Tensor, first: Tensor) -> None:
    """Turn p into c once the bias is added, and write s and H."""
    if bias is not None:
        phase.add_(bias)
    value(phase, sine)
    mul(slopes, phase, out=first)


def jacobian_back(
    adjoint: Tensor, first: Tensor, cosine: Tensor, sine: Tensor, slopes: Tensor, scratch: Tensor | None
) -> None:
    """Turn h̄ and H̄ into p̄ and P̄."""
    turn = mul(slopes[0], first[0], out=_part(scratch, -1))
    for slope, each in zip(slopes[1:], first[1:], strict=True):
        turn.addcmul_(slope, each)
    adjoint.mul_(cosine).addcmul_(sine, turn, value=-1)
    first.mul_(cosine)


def laplacian(
    phase: Tensor,
    bias: Tensor | None,
    slopes: Tensor,
    curvature: Tensor | None,
    sine: Tensor,
    first: Tensor,
    second: Tensor,
    scratch: Tensor | None,
) -> None:
    """Turn p into c once the bias is added, and write s, H and S; no ``curvature`` is a Q of zero."""
    jacobian(phase, bias, slopes, sine, first)
    part = _part(scratch, -1)
    squares = mul(slopes[0], slopes[0], out=None if part is None else part[: len(slopes[0])])
    for slope in slopes[1:]:
        squares.addcmul_(slope, slope)
    if curvature is None:
        mul(sine, squares, out=second).neg_()
    else:
        mul(curvature, phase, out=second).addcmul_(sine, squares, value=-1)


def laplacian_back(
    adjoint: Tensor,
    first: Tensor,
    second: Tensor,
    cosine: Tensor,
    sine: Tensor,
    slopes: Tensor,
    curvature: Tensor | None,
    scratch: Tensor | None,
) -> None:
    """Turn h̄, H̄ and S̄ into p̄, P̄ and Q̄."""
    bends = mul(slopes, second, out=_part(scratch, slice(0, -1)))
    for slope, bend in zip(slopes, bends, strict=True):
        adjoint.addcmul_(slope, bend, value=-1)
    turn = mul(slopes[0], first[0], out=_part(scratch, -1))
    for slope, each in zip(slopes[1:], first[1:], strict=True):
        turn.addcmul_(slope, each)
    if curvature is not None:
        turn.addcmul_(curvature, second)
    adjoint.mul_(cosine).addcmul_(sine, turn, value=-1)
    first.mul_(cosine).addcmul_(sine, bends, value=-2)
    second.mul_(cosine)


def hessian(
    above: Tensor,
    below: Tensor,
    cosine: Tensor,
    sine: Tensor,
    slopes: Tensor,
    curvature: Tensor,
    scratch: Tensor | None,
) -> None:
    """Write q, and take Σ (g s P_i P_j) from the second derivatives ``curvature`` ``(c, pairs, n)``."""
    mul(above, cosine, out=below)
    inputs = len(slopes)
    for g, second in zip(above, curvature, strict=True):
        weight = mul(g, sine, out=_part(scratch, 0))
        pair = 0
        for i in range(inputs):
            bent = mul(weight, slopes[i], out=_part(scratch, 1))
            for j in range(i, inputs):
                second[pair].sub_(mul(bent, slopes[j], out=_part(scratch, 2)).sum(-1))
                pair += 1


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
    hessian_gradient: Tensor,
    bends: Tensor,
    scratch: Tensor | None,
) -> None:
    """Turn q̄ into ḡ, and write c̄, Σ_k g E and Σ_k g F_i; ``hessian_gradient`` is H̄_ij + H̄_ji ``(c, d, d, n, 1)``."""
    rise(rising, above, cosine, turn)
    bends.zero_()
    for g, row, gradient in zip(above, rising, hessian_gradient, strict=True):
        energy = None
        for i, slope in enumerate(slopes):
            force = mul(slopes[0], gradient[i, 0], out=_part(scratch, 0))
            for j in range(1, len(slopes)):
                force.addcmul_(slopes[j], gradient[i, j])
            bends[1 + i].addcmul_(g, force)
            if energy is None:
                energy = mul(slope, force, out=_part(scratch, 1))
            else:
                energy.addcmul_(slope, force)
        assert energy is not None, "a field has at least one input"
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
