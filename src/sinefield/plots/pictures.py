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
from sinefield.history import Record
from sinefield.io.image import Floats, Picture
from sinefield.io.pictures.stored import Details
from sinefield.jet import jets_of
from sinefield.plots.large import large_picture_figure
from sinefield.plots.style import STYLE, draw_convergence, in_srgb, short
from sinefield.problem import Problem
from sinefield.problems.image import targets_of
from sinefield.problems.supervision import SUPERVISED
from sinefield.quantities import QUANTITIES, Quantity
from sinefield.signals.image import ImageSignal
from sinefield.solution import Solution

ROWS = tuple(QUANTITIES[each] for each in SUPERVISED)
"""The quantities that are drawn, a row each: those that are known of the picture too."""

Panels = Mapping[str, Floats]
"""What is drawn of a picture, by the name of the quantity: values in [0, 1] ``(h, w, c)``, of others ``(h, w)``.

Derivatives are in the units of the field; of several channels the root of the sum of squares where the quantity cannot
be negative, and the mean where it can.
"""


@dataclass(frozen=True, eq=False)
class Subject:
    """The picture of a problem as figures show it: the truth, and where fields are evaluated to be set beside it.

    Args:
        name: of the picture.
        truth: what is drawn of the picture.
        points: where each sample drawn lies, ``(h · w, 2)``.
        on: what of the picture is constrained.
        details: what its file tells, of its colours too.
    """

    name: str
    truth: Panels
    points: Tensor
    on: tuple[str, ...]
    details: Details

    @classmethod
    def of(cls, problem: Problem, longest: int = 512) -> Subject:
        """Return the subject of a problem, thinned to at most ``longest`` samples a side.

        Raises:
            ValueError: the problem is not one of a picture.
        """
        picture = problem.reference
        if not isinstance(picture, Picture):
            raise ValueError(f"there is no figure of the problem {problem.name!r}; it is not one of a picture")
        shape = picture.values.shape[:2]
        step = math.ceil(max(shape) / longest)
        numbers = torch.arange(math.prod(shape)).reshape(shape)
        if picture.large:
            index = numbers[1:-1:step, 1:-1:step]
            targets = _targets_at(picture, step)
        else:
            index = numbers[::step, ::step]
            targets = {name: target[index] for name, target in targets_of(picture, tuple(SUPERVISED)).items()}
        truth = {each.name: _panel(each, each.compute(targets[each.name])) for each in ROWS}
        points = Grid(shape).at(index.flatten()).points
        on = tuple(each.name for each in problem.constraints)
        return cls(short(picture.name), truth, points, on, picture.details)

    def panels(self, field: nn.Module) -> Panels:
        """Return what is drawn of a field; what its supervision leaves undetermined is taken from the truth."""
        needs = sorted({need for each in ROWS for need in each.needs})
        parts = [[each.of(u).float().cpu() for each in ROWS] for u in jets_of(field, self.points, needs)]
        found = {each.name: torch.cat(some) for each, some in zip(ROWS, zip(*parts, strict=True), strict=True)}
        truth = torch.from_numpy(self.truth["value"]).flatten(0, 1) * 2 - 1
        if "value" not in self.on:
            error = found["value"] - truth
            gradients = "gradient" in self.on
            kept = metrics.without_constant(error) if gradients else metrics.without_harmonic(error, self.points)
            found["value"] = (truth + kept).to(truth.dtype)
        shape = self.truth["value"].shape[:2]
        return {each.name: _panel(each, found[each.name].unflatten(0, shape)) for each in ROWS}


def _targets_at(picture: Picture, step: int) -> dict[str, Tensor]:
    """Return the targets at every ``step``-th pixel inside a picture, looking only at these and their neighbours."""
    rows, columns = ((np.arange(1, size - 1, step)[:, None] + [-1, 0, 1]).ravel() for size in picture.values.shape[:2])
    signal = ImageSignal.of(picture)
    near = signal.lattice.to_field(picture.values[np.ix_(rows, columns)]).unflatten(0, (len(rows), len(columns)))
    return {name: each.target(near, signal.spacing)[1::3, 1::3] for name, each in SUPERVISED.items()}


def _panel(quantity: Quantity, values: Tensor) -> Floats:
    """Return what is drawn of a quantity ``(h, w, c)`` in the units of the field."""
    if quantity.order == 0:
        shown: Floats = ((values + 1) / 2).numpy()
        return shown
    drawn: Floats = (values.mean(-1) if quantity.signed else values.square().sum(-1).sqrt()).numpy()
    return drawn


def _shown(panels: Panels, quantity: Quantity, details: Details) -> Floats:
    """Return the panel of a quantity as it is drawn: a value as colours of sRGB."""
    panel = panels[quantity.name]
    return panel if quantity.order > 0 else in_srgb(panel, details)


def _draw(axes: Axes, truth: Panels, panels: Panels, quantity: Quantity, details: Details) -> AxesImage:
    """Return the image of a panel, drawn on the scale of the truth, within which nearly all of it lies."""
    axes.set_axis_off()
    shown = _shown(panels, quantity, details)
    if quantity.order == 0:
        return axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
    if not quantity.signed:
        return axes.imshow(shown, cmap="magma", vmin=0, vmax=float(np.percentile(truth[quantity.name], 99.5)) or 1.0)
    limit = float(np.percentile(np.abs(truth[quantity.name]), 99)) or 1.0
    return axes.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit)


def _panel_width(panels: Panels, height: float) -> float:
    rows, columns = panels["value"].shape[:2]
    return height * float(min(max(columns / rows, 0.5), 2.0))


def _reached(found: Mapping[str, float], on: Sequence[str]) -> dict[str, str]:
    """Return the metric that tells how good each row is, by the name of its quantity."""
    titles = {}
    if "psnr" in found:
        open_ = "" if "value" in on else ", up to a constant" if "gradient" in on else ", up to a harmonic"
        titles["value"] = f"{found['psnr']:.1f} dB{open_}"
    if "gradient_error" in found:
        titles["gradient"] = f"relative error {found['gradient_error']:.3f}"
    if "laplacian_correlation" in found:
        titles["laplacian"] = f"correlation {found['laplacian_correlation']:.3f}"
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
            for row, quantity in enumerate(ROWS):
                left, right = (self.figure.add_subplot(grid[row, column]) for column in (0, 1))
                _draw(left, truth, truth, quantity, subject.details)
                left.set_title(f"{quantity.title}: truth")
                self._images.append(_draw(right, truth, truth, quantity, subject.details))
                self._titles.append(right.set_title("field"))
            self._loss = self.figure.add_subplot(grid[:, 2])
            self._decibels = self._loss.twinx()
            self._title = self.figure.suptitle(" ")

    def draw(self, field: nn.Module, found: Mapping[str, float], history: Sequence[Record], title: str) -> Figure:
        """Return the figure with a field, its metrics, the history so far and a title drawn in."""
        panels = self._subject.panels(field)
        reached = _reached(found, self._subject.on)
        with mpl.rc_context(STYLE):
            for row, quantity in enumerate(ROWS):
                self._images[row].set_data(_shown(panels, quantity, self._subject.details))
                told = reached.get(quantity.name)
                self._titles[row].set_text("field" if told is None else f"field: {told}")
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

    Of a large picture it is :func:`~sinefield.plots.large.large_picture_figure`.

    Raises:
        ValueError: the solution is not one of a picture.
    """
    reference = solution.problem.reference
    if isinstance(reference, Picture) and reference.large:
        return large_picture_figure(solution)
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
        grid = figure.subplots(len(ROWS), len(columns), squeeze=False)
        for column, (name, panels, reached) in enumerate(columns):
            for row, quantity in enumerate(ROWS):
                axes = grid[row, column]
                _draw(axes, truth, panels, quantity, subject.details)
                lines = (name if row == 0 else quantity.title if column == 0 else "", reached.get(quantity.name, ""))
                axes.set_title("\n".join(filter(None, lines)))
        figure.suptitle(f"{subject.name} fitted on {' + '.join(subject.on)}")
    return figure
