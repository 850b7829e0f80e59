"""Solutions of equations, which are rendered like signals and read from no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sinefield.kinds import options
from sinefield.kinds.kind import View


@final
@dataclass(frozen=True)
class EquationRender(options.Options):
    """How the solution of an equation is rendered."""

    size: tuple[int, int] | None = options.size()
    quantity: str | None = options.option(
        "--quantity",
        str,
        "value, gradient, laplacian; of complex fields real, imaginary, modulus, phase too. (default: value, or real)",
    )
    cuts: tuple[str, ...] | None = options.option(
        "--slice",
        str,
        "Where to cut an axis that is not drawn, as t=0.5; repeat for more. (default: the middle; t: the end)",
        metavar="AXIS=VALUE",
        many=True,
        parse=tuple,
    )
    value_range: tuple[float, float] | None = options.value_range()


VIEW = View(
    name="equation",
    title="Solutions of equations",
    about="A field that solves an equation, of: sinefield solve.",
    signal="sinefield.signals.equation:EquationSignal",
    figure="sinefield.plots.equations:equation_figure",
    render=EquationRender,
    examples=(
        "sinefield solve helmholtz --wavenumber 20 --source 0,0 --figure helmholtz.png",
        "sinefield render helmholtz.safetensors modulus.png --size 1024x1024 --quantity modulus",
    ),
)
