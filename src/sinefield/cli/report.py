"""What the command line says of a fit: as one line for people, or as JSON."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sinefield.solution import Observer, Solution


@contextmanager
def warnings_told() -> Iterator[list[str]]:
    """Tell what is odd about a signal in a line on standard error, once.

    Yields:
        The lines, as they come.
    """
    from sinefield.io import SignalWarning

    told: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, SignalWarning):
                line = " ".join(str(message).split())
                if line not in told:
                    told.append(line)
                    print(f"sinefield: {line}", file=sys.stderr)
            else:
                usual(message, category, *rest, **named)

        warnings.showwarning = tell
        warnings.simplefilter("always", SignalWarning)
        yield told


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[list[Observer]]:
    """Show the progress of a fit: by a bar on a terminal, by lines elsewhere.

    Args:
        quiet: show nothing.

    Yields:
        What is to observe the fit.
    """
    from sinefield import callbacks

    if quiet:
        yield []
    elif sys.stderr.isatty():
        with callbacks.ProgressBar() as bar:
            yield [bar]
    else:
        yield [callbacks.ProgressLines()]


def result_of(solution: Solution) -> dict[str, Any]:
    """Return what a fit reached and how, as JSON."""
    from sinefield.fields import Network

    field = solution.field
    network = Network.of(field)
    return {
        "network": {"architecture": network.architecture, **network.settings},
        "parameters": sum(each.numel() for each in field.parameters() if each.requires_grad),
        "metrics": dict(solution.metrics),
        "seconds": solution.seconds,
        "points_per_second": solution.speed.points,
        "fraction_of_peak": solution.speed.fraction,
        "steps": solution.history[-1].step if solution.history else 0,
        "passes": solution.history[-1].passes if solution.history else 0.0,
        "stopped": solution.stopped,
        "shortfall": solution.shortfall,
        "resumable": solution.snapshot is not None,
        "recipe": solution.recipe.to_json(),
        "seed": solution.seed,
        "omega_found": solution.omega_found,
    }


def sentence(source: str, result: Mapping[str, Any]) -> str:
    """Return the same in a line, and one for each file written."""
    reached = ", ".join(_told(name, value) for name, value in result["metrics"].items())
    stopped = ", stopped by you" + (", and can go on with --resume" if result["resumable"] else "")
    why = {"interrupted": stopped, "diverged": ", which diverged", "goal": ", as asked"}
    solved = result["recipe"]["name"] == "solved"
    first = (
        f"{source}: {reached}, "
        + (
            f"solved in {result['seconds']:.1f} s"
            if solved
            else f"after {result['seconds']:.1f} s and {result['passes']:.1f} passes"
        )
        + f"{why.get(result['stopped'], '')}; {result['parameters']:,} parameters"
    )
    speed = f"  speed      {result['points_per_second']:,.0f} points/s"
    if math.isfinite(fraction := result["fraction_of_peak"]):
        speed += f", {100 * fraction:.0f} % of this machine's fastest float32 products"
    speeds = [] if solved else [speed]
    omega = result["recipe"]["first_omega"]
    shortfall = [f"  goal       {result['shortfall']}"] if result["shortfall"] else []
    frequency = [f"  ω₀         {omega:.3g}, from the spectrum of the signal"] if result["omega_found"] else []
    return "\n".join(
        [first, *shortfall, *speeds, *frequency, *(f"  {name:<10} {path}" for name, path in result["files"].items())]
    )


def mesh_sentence(found: Mapping[str, Any]) -> str:
    """Return what is to be known of a mesh in a line."""
    closed = (
        f"watertight, genus {found['genus']}, volume {found['volume']:.4g}"
        if found["watertight"]
        else "not watertight: it has an edge"
    )
    parts = "1 part" if found["components"] == 1 else f"{found['components']} parts"
    if found["specks_left_out"]:
        parts += f" ({found['specks_left_out']} specks left out; --specks keeps them)"
    return (
        f"{found['vertices']:,} vertices, {found['faces']:,} faces, {parts}, {closed}, area {found['area']:.4g}; "
        f"{100 * found['of_a_dense_grid']:.2g} % of a dense grid evaluated"
    )


def _told(metric: str, value: float) -> str:
    if metric == "left_out":
        return f"samples left out are off by {100 * value:.2g} % of the deviation"
    names = {"gradient_error": "relative gradient error"}
    if metric in ("psnr", "ssim", "snr", "mse"):
        names[metric] = metric.upper()
    form = {"psnr": ".2f", "snr": ".2f", "mse": ".2e"}.get(metric, ".3f")
    return f"{names.get(metric, metric.replace('_', ' '))} {value:{form}}{' dB' if metric in ('psnr', 'snr') else ''}"


def show(result: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result as JSON, or the text in its place."""
    from sinefield.checkpoint import finite

    print(json.dumps(finite(result), indent=2) if as_json else text)
