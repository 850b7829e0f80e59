"""How the solution of an equation is read back: as numbers or a picture, on a lattice of the box that it lies in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sinefield.domains import Ball, Difference, Polygon, Region, SpaceTime
from sinefield.io import image as pictures
from sinefield.io.files import replacing
from sinefield.quantities import COMPLEX, QUANTITIES, Quantity
from sinefield.signals.sampling import sample_grid
from sinefield.signals.signal import Axis, Signal, floats_of

Doubles = NDArray[np.float64]

_LONGEST = 512  # samples along the longer side, unless it is told otherwise
_MOST = 2**28  # samples that are written
_NUMBERS = (".npy", ".csv")
_ROUNDING = 1e-3  # of the largest value: what is smaller has no sign of its own in a picture


@final
@dataclass(frozen=True)
class EquationSignal(Signal):
    """How a field that solves an equation is read back.

    What is drawn is a plane of the last two axes, or of the only one a line: the last axis but one to the right, the
    last upwards; of time and one coordinate the time to the right. Other axes are cut somewhere.

    Args:
        names: of the axes, in the order of the field's coordinates.
        lower: least coordinate along each axis.
        upper: greatest coordinate along each axis.
        outputs: c, how many values there are at a point; complex ones count once.
        complex: whether they are complex: the field's outputs are real and imaginary parts in turn.
        region: of the last two axes, as well-known binary of a polygon: outside there is no solution. None: all.
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    outputs: int = 1
    complex: bool = False
    region: bytes | None = None
    kind: ClassVar[str] = "equation"

    @classmethod
    def of(cls, domain: Region | SpaceTime, outputs: int = 1, *, complex: bool = False) -> EquationSignal:  # noqa: A002 - the word for what it is
        """Return how a field on a domain is read back.

        Args:
            domain: whose axes may have names; others are x, y and z.
            outputs: c; complex ones count once.
            complex: whether they are complex.

        >>> EquationSignal.of(Ball([0.0, 1.0], 2.0)).upper
        (2.0, 3.0)
        """
        import shapely

        names, box = tuple(domain.axes or "xyz"[: domain.dimension]), domain.bounding_box
        outline = _outline_of(domain.space if isinstance(domain, SpaceTime) else domain)
        region = None if outline is None else shapely.to_wkb(outline)
        return cls(names, tuple(map(float, box.lower)), tuple(map(float, box.upper)), outputs, complex, region)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The coordinates, in the units of the equation."""
        return tuple(Axis(name, "unit of the equation", None) for name in self.names)

    @property
    def channels(self) -> int:
        """The outputs of the field."""
        return self.outputs * (2 if self.complex else 1)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be rendered: of complex fields real and imaginary part, modulus and phase too."""
        return (*(COMPLEX if self.complex else ()), *QUANTITIES)

    def quantity_named(self, name: str | None) -> Quantity:
        """Return the quantity of a name; None: the value, or its real part.

        Raises:
            ValueError: there is none of that name.
        """
        name = name or self.quantities[0]
        if name not in self.quantities:
            raise ValueError(f"unknown quantity {name!r}; choose one of {', '.join(self.quantities)}")
        return COMPLEX[name] if name in COMPLEX else QUANTITIES[name]

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as JSON; the region is bytes."""
        stored = {
            "kind": self.kind,
            "names": list(self.names),
            "lower": list(self.lower),
            "upper": list(self.upper),
            "outputs": self.outputs,
            "complex": self.complex,
        }
        return stored | ({} if self.region is None else {"region": self.region})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EquationSignal:
        """Return the signal that :meth:`to_json` stored.

        Raises:
            ValueError: something is missing, of the wrong kind or out of its range.
        """
        try:
            names = tuple(stored["names"])
            lower, upper = floats_of(stored["lower"]), floats_of(stored["upper"])
            outputs, pairs = stored["outputs"], stored["complex"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"the stored box of an equation is incomplete or malformed ({error!r})") from error
        plausible = (
            all(isinstance(each, str) and 0 < len(each) <= 32 for each in names)
            and 1 <= len(names) == len(set(names)) == len(lower) == len(upper)
            and all(-math.inf < low < high < math.inf for low, high in zip(lower, upper, strict=True))
        )
        region = stored.get("region")
        plausible = plausible and type(outputs) is int and 1 <= outputs <= 4096 and type(pairs) is bool
        if not plausible or not (region is None or (isinstance(region, bytes) and _polygon_of(region) is not None)):
            raise ValueError(f"the stored box of an equation is not plausible: {names} from {lower} to {upper}")
        return cls(names, lower, upper, outputs, pairs, region)

    def sample(
        self,
        field: nn.Module,
        size: tuple[int, ...] | None = None,
        *,
        quantity: str | None = None,
        cuts: Sequence[str] = (),
    ) -> Doubles:
        """Return a quantity of a field on a plane, at points that are evenly spaced and reach from end to end.

        Args:
            field: Φ, from ``(n, d)`` to ``(n, c)``.
            size: samples to the right and upwards; of a field of one coordinate one number; None: 512 along the longer
                side, the other in proportion where both are lengths.
            quantity: one of :attr:`quantities`, in the units of the equation; None: the value, or its real part.
            cuts: where axes that are not drawn are cut, as ``"t=0.5"``; others in the middle, time at its end.

        Returns:
            ``(to the right, upwards, k)``, or ``(n, k)`` of one coordinate; NaN outside of the region.

        Raises:
            ValueError: an unknown quantity or axis, a cut outside of the box, a size that is too large or of other than
                one or two numbers, or a field that is none of this equation.
        """
        wanted = self.quantity_named(quantity)
        axes = self._lines(size, cuts)
        found = sample_grid(field, axes, self.channels, wanted.of, wanted.needs, np.float64)
        if self.region is not None:
            import shapely

            polygon = _polygon_of(self.region)
            right, upwards = torch.meshgrid(*axes[-2:], indexing="ij")
            assert polygon is not None, "what is stored was checked"
            inside = shapely.intersects_xy(polygon.buffer(1e-9 * max(self.upper)), right.numpy(), upwards.numpy())
            found[..., ~inside, :] = math.nan
        return found.reshape([len(each) for each in axes if len(each) > 1 or len(axes) <= 2] + [found.shape[-1]])

    def coordinates(self, size: tuple[int, ...] | None, cuts: Sequence[str]) -> list[tuple[str, Doubles]]:
        """Return the axes that are drawn by name, with the coordinates of what :meth:`sample` gives.

        Raises:
            ValueError: as for :meth:`sample`.
        """
        lines = self._lines(size, cuts)
        return [(name, each.numpy()) for name, each in list(zip(self.names, lines, strict=True))[-2:]]

    def _lines(self, size: tuple[int, ...] | None, cuts: Sequence[str]) -> list[torch.Tensor]:
        """Return the coordinates along each axis, one of those that are cut.

        Raises:
            ValueError: as for :meth:`sample`.
        """
        places = self._places(cuts)
        drawn = min(2, len(self.names))
        wanted = self._size(drawn) if size is None else tuple(size)
        if len(wanted) != drawn or min(wanted) < 2 or math.prod(wanted) > _MOST:
            raise ValueError(
                f"the size of what to render is {'width and height' if drawn == 2 else 'one number'}, each at least 2 "
                f"and {_MOST:,} together at most; got {size}"
            )
        first = len(self.names) - drawn
        return [
            torch.tensor([places[name]], dtype=torch.float64)
            if place < first
            else torch.linspace(low, high, wanted[place - first], dtype=torch.float64)
            for place, (name, low, high) in enumerate(zip(self.names, self.lower, self.upper, strict=True))
        ]

    def _size(self, drawn: int) -> tuple[int, ...]:
        if drawn == 1 or "t" in self.names[-2:]:  # a time and a length have no proportion
            return (_LONGEST,) * drawn
        width, height = (high - low for low, high in zip(self.lower[-2:], self.upper[-2:], strict=True))
        longest = max(width, height)
        return max(2, round(_LONGEST * width / longest)), max(2, round(_LONGEST * height / longest))

    def _places(self, cuts: Sequence[str]) -> dict[str, float]:
        """Return where axes are cut that are not drawn.

        Raises:
            ValueError: one is none of these, or the place is outside of the box.
        """
        free = self.names[:-2]
        places = {
            name: high if name == "t" else (low + high) / 2
            for name, low, high in zip(self.names, self.lower, self.upper, strict=True)
        }
        for each in cuts:
            name, _, text = each.partition("=")
            try:
                place = float(text)
            except ValueError:
                place = math.nan
            if name not in free or not math.isfinite(place):
                there = ", ".join(f"{name}={places[name]:g}" for name in free) or "none, as both axes are drawn"
                raise ValueError(f"cannot cut at {each!r}; axes that can be cut: {there}")
            low, high = self.lower[self.names.index(name)], self.upper[self.names.index(name)]
            if not low <= place <= high:
                raise ValueError(f"{name}={place:g} is outside of the domain, where {name} is from {low:g} to {high:g}")
            places[name] = place
        return places

    def write(
        self,
        field: nn.Module,
        path: Path,
        size: tuple[int, ...] | None = None,
        *,
        quantity: str | None = None,
        cuts: Sequence[str] = (),
        value_range: tuple[float, float] | None = None,
    ) -> str:
        """Return in a few words what was written: a picture in colours, or numbers in double precision.

        NPY holds the array of :meth:`sample`, CSV a line a point, its coordinates and the quantity. A picture has its
        last axis upwards; what can be negative is from blue to red around 0, other quantities from dark to bright,
        phases around a circle; outside of the region it is white. The other arguments are those of :meth:`sample`.

        Raises:
            ValueError: as for :meth:`sample`; or an ending of no known format.
            OSError: the place cannot be written to.
        """
        if path.suffix.lower() != ".csv":
            pictures.check_suffix(path)
        wanted = self.quantity_named(quantity)
        values = self.sample(field, size, quantity=wanted.name, cuts=cuts)
        axes = self.coordinates(size, cuts)
        least, most = (float(each(values)) for each in (np.nanmin, np.nanmax))
        told = f"{' x '.join(str(len(each)) for _, each in axes)}, {wanted.title} from {least:.4g} to {most:.4g}"
        if path.suffix.lower() == ".npy":
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, values)
        elif path.suffix.lower() == ".csv":
            _write_table(path, axes, values, wanted.name)
        else:
            if len(axes) < 2:
                raise ValueError(f"a field of one coordinate is no picture; write {' or '.join(_NUMBERS)}")
            black, white = value_range or self.scale(wanted, least, most)
            shown = colours_of(wanted, values[..., 0], black, white)
            upright = np.ascontiguousarray(shown.swapaxes(0, 1)[::-1])
            pictures.write(path, upright, 0.0, 1.0, 8)
        return told

    @staticmethod
    def scale(quantity: Quantity, least: float, most: float) -> tuple[float, float]:
        """Return the ends of the colours for values from ``least`` to ``most``: around 0 where both signs are there."""
        if quantity.name == "phase":
            return -math.pi, math.pi
        largest = max(-least, most)
        low, high = (each if abs(each) > _ROUNDING * largest else 0.0 for each in (min(least, 0.0), max(most, 0.0)))
        if low < 0 < high:
            return -largest, largest
        return (low, high) if low < high else (0.0, 1.0)


def colours_of(quantity: Quantity, values: Doubles, low: float, high: float) -> NDArray[np.float32]:
    """Return the colours ``(…, 3)`` from 0 to 1 of values ``(…)``; those that are not known are white."""
    from matplotlib import colormaps

    name = "twilight" if quantity.name == "phase" else "RdBu_r" if low < 0 < high else "viridis"
    shown = colormaps[name](np.clip((values - low) / (high - low), 0, 1))[..., :3].astype(np.float32)
    shown[np.isnan(values)] = 1.0
    return shown


def _write_table(path: Path, axes: Sequence[tuple[str, Doubles]], values: Doubles, name: str) -> None:
    places = np.meshgrid(*(each for _, each in axes), indexing="ij")
    columns = [each.ravel() for each in places] + list(values.reshape(-1, values.shape[-1]).T)
    count = values.shape[-1]
    names = [each for each, _ in axes] + ([name] if count == 1 else [f"{name}_{number}" for number in range(count)])
    with replacing(path) as temporary:
        np.savetxt(temporary, np.stack(columns, 1), "%.17g", ",", header=",".join(names), comments="", encoding="utf-8")


def _polygon_of(region: bytes) -> Any | None:
    """Return the polygon in well-known binary; None: it is none."""
    import shapely

    try:
        found = shapely.from_wkb(region)
    except shapely.errors.ShapelyError:
        return None
    return found if found.geom_type in ("Polygon", "MultiPolygon") and found.is_valid else None


def _outline_of(region: Region) -> Any | None:
    """Return the outline of a region of the plane as shapely has it; None: a box, or no region of the plane."""
    import shapely

    if region.dimension != 2:
        return None
    match region:
        case Ball():
            return shapely.Point(region.centre).buffer(region.radius, quad_segs=64)
        case Polygon():
            return region.geometry
        case Difference():
            box = region.whole.bounding_box
            whole = _outline_of(region.whole) or shapely.box(*box.lower, *box.upper)
            for each in region.removed:
                inner = each.bounding_box
                whole = whole.difference(_outline_of(each) or shapely.box(*inner.lower, *inner.upper))
            return whole
    return None
