"""Figures and frames of pictures: a field beside the truth, networks side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from torch import Tensor, nn

from sinefield import metrics
from sinefield.domains import Grid
from sinefield.fields.field import evaluating
from sinefield.history import Record
from sinefield.io.image import Floats, Picture, PixelMap
from sinefield.jet import jet
from sinefield.plots.style import STYLE, draw_convergence, short
from sinefield.problem import Problem
from sinefield.problems.image import five_point_laplacian, sobel, targets_of
from sinefield.solution import Solution

_ROWS = ("value", "‖gradient‖", "Laplacian")


@dataclass(frozen=True, eq=False)
class Panels:
    """What is drawn of a picture: values in [0, 1] ``(h, w, c)``, gradient norm and Laplacian ``(h, w)``.

    Derivatives are in the units of the field; of several channels the norm over all, and the mean Laplacian.
    """

    value: Floats
    gradient: Floats
    laplacian: Floats


@dataclass(frozen=True, eq=False)
class Subject:
    """The picture of a problem as figures show it: the truth, and where fields are evaluated to be set beside it.

    Args:
        name: of the picture.
        truth: what is drawn of the picture.
        points: where each sample drawn lies, ``(h · w, 2)``.
        on: what of the picture is constrained.
    """

    name: str
    truth: Panels
    points: Tensor
    on: tuple[str, ...]

    @classmethod
    def of(cls, problem: Problem, longest: int = 512) -> Subject:
        """Return the subject of a problem, thinned to at most ``longest`` samples a side.

        Raises:
            ValueError: the problem is not one of a picture.
        """
        picture = problem.reference
        if not isinstance(picture, Picture):
            raise ValueError(f"there is no figure of the problem {problem.name!r}; it is not one of a picture")
        pixels = PixelMap.of(picture)
        step = math.ceil(max(pixels.height, pixels.width) / longest)
        numbers = torch.arange(pixels.height * pixels.width).reshape(pixels.height, pixels.width)
        if picture.large:
            index = numbers[1:-1:step, 1:-1:step]
            truth = _panels(*_targets_at(picture, pixels, step))
        else:
            index = numbers[::step, ::step]
            targets = targets_of(picture, ("value", "gradient", "laplacian"))
            truth = _panels(*(targets[each][index] for each in ("value", "gradient", "laplacian")))
        points = Grid((pixels.height, pixels.width)).at(index.flatten()).points
        return cls(short(picture.name), truth, points, tuple(each.name for each in problem.constraints))

    def panels(self, field: nn.Module) -> Panels:
        """Return what is drawn of a field; what its supervision leaves undetermined is taken from the truth."""
        parts = []
        with evaluating(field) as like:
            for chunk in self.points.split(8192):
                u = jet(field, chunk.to(like), ("value", "jacobian", "laplacian"))
                parts.append(tuple(each.float().cpu() for each in (u.value, u.jacobian, u.laplacian)))
        value, jacobian, laplacian = (torch.cat(each) for each in zip(*parts, strict=True))
        truth = torch.from_numpy(self.truth.value).flatten(0, 1) * 2 - 1
        if "value" not in self.on:
            error = value - truth
            gradients = "gradient" in self.on
            kept = metrics.without_constant(error) if gradients else metrics.without_harmonic(error, self.points)
            value = (truth + kept).to(truth.dtype)
        shape = self.truth.value.shape[:2]
        return _panels(*(each.unflatten(0, shape) for each in (value, jacobian, laplacian)))


def _targets_at(picture: Picture, pixels: PixelMap, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the targets at every ``step``-th pixel inside a picture, looking only at these and their neighbours."""
    rows, columns = (
        (np.arange(1, size - 1, step)[:, None] + [-1, 0, 1]).ravel() for size in (pixels.height, pixels.width)
    )
    near = pixels.to_field(picture.values[np.ix_(rows, columns)]).unflatten(0, (len(rows), len(columns)))
    value, gradient, laplacian = near, sobel(near, pixels.spacing), five_point_laplacian(near, pixels.spacing)
    return value[1::3, 1::3], gradient[1::3, 1::3], laplacian[1::3, 1::3]


def _panels(value: Tensor, jacobian: Tensor, laplacian: Tensor) -> Panels:
    """Return panels of field values ``(h, w, c)``, Jacobians ``(h, w, c, 2)`` and Laplacians ``(h, w, c)``."""
    norm = jacobian.flatten(2).square().sum(-1).sqrt()
    return Panels(((value + 1) / 2).numpy(), norm.numpy(), laplacian.mean(-1).numpy())


def _shown(panels: Panels, row: int) -> Floats:
    """Return what is drawn in row 0, 1 or 2: a grey picture as ``(h, w)``."""
    if row == 0:
        value: Floats = np.clip(panels.value, 0, 1)
        return value[:, :, 0] if value.shape[2] == 1 else value
    return panels.gradient if row == 1 else panels.laplacian


def _draw(axes: Axes, truth: Panels, panels: Panels, row: int) -> AxesImage:
    """Return the image of a panel, drawn on the scale of the truth, within which nearly all of it lies."""
    axes.set_axis_off()
    if row == 0:
        return axes.imshow(_shown(panels, 0), cmap="gray", vmin=0, vmax=1)
    if row == 1:
        return axes.imshow(
            panels.gradient, cmap="magma", vmin=0, vmax=float(np.percentile(truth.gradient, 99.5)) or 1.0
        )
    limit = float(np.percentile(np.abs(truth.laplacian), 99)) or 1.0
    return axes.imshow(panels.laplacian, cmap="RdBu_r", vmin=-limit, vmax=limit)


def _panel_width(panels: Panels, height: float) -> float:
    rows, columns = panels.value.shape[:2]
    return height * float(min(max(columns / rows, 0.5), 2.0))


def _reached(found: Mapping[str, float], on: Sequence[str]) -> dict[str, str]:
    """Return the metric that tells how good each row is, by the name of the row."""
    titles = {}
    if "psnr" in found:
        open_ = "" if "value" in on else ", up to a constant" if "gradient" in on else ", up to a harmonic"
        titles["value"] = f"{found['psnr']:.1f} dB{open_}"
    if "gradient_error" in found:
        titles["‖gradient‖"] = f"relative error {found['gradient_error']:.3f}"
    if "laplacian_correlation" in found:
        titles["Laplacian"] = f"correlation {found['laplacian_correlation']:.3f}"
    return titles


class Sheet:
    """The 3 x 2 figure of a picture, truth beside field, and its convergence; it can be drawn anew as a fit goes on.

    Args:
        subject: what is drawn.
        dpi: pixels per inch.
    """

    def __init__(self, subject: Subject, dpi: int = 110) -> None:
        self._subject = subject
        panel, truth = 2.6, subject.truth
        width = _panel_width(truth, panel)
        with mpl.rc_context(STYLE):
            self.figure = Figure(figsize=(2 * width + 5.0, 3 * panel + 1.1), dpi=dpi, layout="constrained")
            grid = self.figure.add_gridspec(3, 3, width_ratios=[width, width, 4.4])
            self._images, self._titles = [], []
            for row, name in enumerate(_ROWS):
                left, right = (self.figure.add_subplot(grid[row, column]) for column in (0, 1))
                _draw(left, truth, truth, row)
                left.set_title(f"{name}: truth")
                self._images.append(_draw(right, truth, truth, row))
                self._titles.append(right.set_title("field"))
            self._loss = self.figure.add_subplot(grid[:, 2])
            self._decibels = self._loss.twinx()
            self._title = self.figure.suptitle(" ")

    def draw(self, field: nn.Module, found: Mapping[str, float], history: Sequence[Record], title: str) -> Figure:
        """Return the figure with a field, its metrics, the history so far and a title drawn in."""
        panels = self._subject.panels(field)
        reached = _reached(found, self._subject.on)
        with mpl.rc_context(STYLE):
            for row, name in enumerate(_ROWS):
                self._images[row].set_data(_shown(panels, row))
                self._titles[row].set_text(f"field: {reached[name]}" if name in reached else "field")
            self._title.set_text(title)
            draw_convergence(self._loss, self._decibels, history)
        return self.figure

    def frame(self) -> NDArray[np.uint8]:
        """Return the figure as RGB ``(h, w, 3)``, of even sizes as films want them."""
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        self.figure.set_layout_engine("none")  # frames of one film keep one layout, and it is slow to find
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
        height, width = (extent - extent % 2 for extent in pixels.shape[:2])
        return pixels[:height, :width].copy()


def picture_figure(solution: Solution) -> Figure:
    """Return the 3 x 2 figure of a picture: value, gradient norm, Laplacian; truth beside field; and convergence.

    Raises:
        ValueError: the solution is not one of a picture.
    """
    subject = Subject.of(solution.problem)
    title = f"{subject.name} fitted on {' + '.join(subject.on)}, recipe “{solution.recipe.name}”"
    return Sheet(subject).draw(solution.field, solution.metrics, solution.history, title)


def comparison_figure(solutions: Mapping[str, Solution]) -> Figure:
    """Return one figure of several networks fitted to one picture: a column each, beside the truth.

    Args:
        solutions: by the name of the network, of one problem.

    Raises:
        ValueError: a solution is not one of a picture.
    """
    subject = Subject.of(next(iter(solutions.values())).problem)
    truth, panel = subject.truth, 2.4
    columns: list[tuple[str, Panels, dict[str, str]]] = [("truth", truth, {})]
    for name, each in solutions.items():
        columns.append((name, subject.panels(each.field), _reached(each.metrics, subject.on)))
    with mpl.rc_context(STYLE):
        size = (_panel_width(truth, panel) * len(columns) + 0.4, 3 * panel + 1.3)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(3, len(columns), squeeze=False)
        for column, (name, panels, reached) in enumerate(columns):
            for row, quantity in enumerate(_ROWS):
                axes = grid[row, column]
                _draw(axes, truth, panels, row)
                lines = (name if row == 0 else quantity if column == 0 else "", reached.get(quantity, ""))
                axes.set_title("\n".join(filter(None, lines)))
        figure.suptitle(f"{subject.name} fitted on {' + '.join(subject.on)}")
    return figure
