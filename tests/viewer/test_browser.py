"""Tests of the page in a browser: what it shows agrees with what is rendered here, and its controls work."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fields_of_kinds import field_of
from sinefield.geometry import Camera
from sinefield.jet import jet
from sinefield.signals.audio import AudioSignal
from sinefield.signals.image import ImageSignal
from sinefield.signals.shape import ShapeSignal
from sinefield.viewer.views import view_of

pytestmark = pytest.mark.browser


def psnr(found: NDArray[Any], truth: NDArray[Any], width: float) -> float:
    """Return 10 log₁₀(width² / mean square error) in dB of what is finite in both."""
    there = np.isfinite(found) & np.isfinite(truth)
    assert there.mean() > 0.2
    return float(10 * np.log10(width**2 / np.mean((found[there] - truth[there]) ** 2)))


@pytest.mark.parametrize("zoom", [1, 64])
@pytest.mark.parametrize("name", ["grey", "colour", "deep", "tanh", "tiled", "solved"])
def test_pictures_agree_with_what_is_rendered(opened: Any, name: str, zoom: int) -> None:
    page = opened(name)
    field, signal = field_of(name)
    assert isinstance(signal, ImageSignal)
    page.run(f"viewer.shown.magnify({zoom}, 140, 100)")
    for quantity in ("value", "gradient", "laplacian"):
        page.run(f"viewer.chooseQuantity('{quantity}')")
        numbers, found = page.numbers()
        region = (*found["from"], *found["to"])
        truth = signal.sample(field, (found["width"], found["height"]), region=region, quantity=quantity)
        width = 255.0 if quantity == "value" else float(truth.max() - truth.min())
        assert psnr(numbers, truth, width) > 70, quantity


@pytest.mark.parametrize("name", ["video", "volume", "outline", "plane", "complex", "heat", "sum", "closed"])
def test_planes_agree_with_the_field(opened: Any, name: str) -> None:
    """Every quantity of every plane is what the field's jet is at the points that the page says it shows."""
    page = opened(name)
    field, signal = field_of(name)
    view = view_of(signal, field)
    for number, plane in enumerate(view["planes"]):
        page.run(f"viewer.show({number}); viewer.shown.values = viewer.view.sliders.map((x) => 0.75 * x.value)")
        for quantity in view["read"]["quantities"]:
            page.run(f"viewer.chooseQuantity('{quantity['name']}')")
            numbers, found = page.numbers()
            s, t = (
                low + (np.arange(count) + 0.5) * (high - low) / count
                for low, high, count in zip(found["from"], found["to"], (found["width"], found["height"]), strict=True)
            )
            offset = np.array(plane["origin"])
            for each in plane["sliders"]:
                slider = view["sliders"][each]
                offset = offset + 0.75 * slider["value"] * np.array(slider["direction"])
            grid = np.stack(np.meshgrid(s, t), -1) @ np.array([plane["right"], plane["down"]]) + offset
            u = jet(field, torch.from_numpy(grid.reshape(-1, grid.shape[-1])).float())
            truth = expected(view["read"], quantity, u).reshape(numbers.shape)
            assert psnr(numbers, truth, float(np.ptp(truth)) or 1.0) > 60, (plane["name"], quantity["name"])


def expected(read: dict[str, Any], quantity: dict[str, Any], u: Any) -> NDArray[Any]:
    """Return the numbers that a page should show, of a jet."""
    match quantity["name"]:
        case "value":
            first = 1 if read["complex"] else None
            return np.asarray(read["shift"] + read["scale"] * u.value.detach().numpy()[:, :first])
        case "gradient":
            first = 1 if read["complex"] else None
            found = u.jacobian.norm(dim=-1).detach().numpy()[:, :first]
        case "laplacian":
            first = 1 if read["complex"] else None
            found = u.laplacian.detach().numpy()[:, :first]
        case name:
            real, imaginary = u.value.detach().numpy().T
            return np.asarray(
                {
                    "real": real,
                    "imaginary": imaginary,
                    "modulus": np.hypot(real, imaginary),
                    "phase": np.arctan2(imaginary, real),
                }[name]
            )
    return np.asarray(found * read["scale"] * read["lengths"][quantity["order"]])


@pytest.mark.parametrize("name", ["expansions", "outgoing"])
def test_expansions_are_those_of_the_field(opened: Any, name: str) -> None:
    """Corner functions, waves of every kind, and cylinder functions on into a layer, near to a centre and far away."""
    page = opened(name, "#part=0&zoom=0.25")
    field, _ = field_of(name)
    points = torch.rand(400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = page.run(
        f"""return {points.tolist()}.map((point) => {{
          const {{ value, slopes, laplacian }} = viewer.evaluation.at(point, 2);
          return [value, ...slopes, laplacian].map((each) => [...each]);
        }});"""
    )
    u = jet(field, points)
    expected = torch.cat([u.value[:, None], u.jacobian.mT, u.laplacian[:, None]], 1).detach().numpy()
    np.testing.assert_allclose(np.array(found), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_a_field_is_shown_in_its_region_alone(opened: Any) -> None:
    """A ring of the radii 1 and 2 about (1, 2), also where it is zoomed into."""
    page = opened("disc")
    for zoom in (1, 3):
        page.run(f"viewer.shown.magnify({zoom}, 60, 70)")
        numbers, found = page.numbers()
        x, y = np.meshgrid(
            *(
                low + (np.arange(count) + 0.5) * (high - low) / count
                for low, high, count in zip(found["from"], found["to"], (found["width"], found["height"]), strict=True)
            )
        )
        radius = np.hypot(x - 2, y - 2)  # the plane begins at the corner (−1, 4), and goes down
        known = np.isfinite(numbers[..., 0])
        assert known[(radius > 1.04) & (radius < 1.96)].all()
        assert not known[(radius < 0.96) | (radius > 2.04)].any()


@pytest.mark.parametrize("zoom", [1, 64])
@pytest.mark.parametrize("name", ["audio", "recording", "line"])
def test_graphs_agree_with_the_field(opened: Any, name: str, zoom: int) -> None:
    page = opened(name)
    field, _ = field_of(name)
    page.run(f"viewer.shown.magnify({zoom}, 200)")
    for quantity in ("value", "gradient"):
        page.run(f"viewer.chooseQuantity('{quantity}')")
        found = page.page.evaluate(
            """async () => {
            const { shown } = document.querySelector("#viewer").viewer;
            await shown.finished();
            const points = Array.from(shown.numbers, (_, x) => shown.pointOf(shown.coordinateAt(x + 0.5)));
            return { points, numbers: [...shown.numbers] };
        }"""
        )
        u = jet(copy.deepcopy(field).double(), torch.tensor(found["points"], dtype=torch.float64)[:, None])
        truth = (u.value if quantity == "value" else u.jacobian.abs()[:, :, 0]).detach().numpy().ravel()
        truth = truth * (1 if quantity == "value" or name == "line" else 2.0)  # field units in a second
        assert psnr(np.array(found["numbers"]), truth, float(np.ptp(truth))) > 60


@pytest.mark.parametrize("name", ["audio", "recording"])
def test_a_recording_is_evaluated_whole(opened: Any, name: str) -> None:
    page = opened(name)
    field, signal = field_of(name)
    assert isinstance(signal, AudioSignal)
    samples = np.array(page.run("return [...viewer.shown.samples]"))
    assert psnr(samples, signal.sample(field)[:, 0], 1.0) > 70


@pytest.mark.parametrize("name", ["shape", "folds"])
def test_within_a_cell_a_field_keeps_to_its_line_but_for_the_rest(opened: Any, name: str) -> None:
    page = opened(name)
    off, rests, steep = page.run(
        """
        const { bounds, surface } = viewer.shown, cells = Math.cbrt(bounds.rests.length), off = [], rests = [];
        const random = (n) => (Math.sin(12.9898 * (n + 1)) * 43758.5453) % 1;
        for (let n = 0; n < 3000; n++) {
          const point = surface.sides.map((side, i) => Math.abs(random(3 * n + i)) * 2 * side - side);
          const place = point.map((x, i) => Math.floor((x / surface.sides[i] * 0.5 + 0.5) * cells));
          const cell = place[0] + cells * (place[1] + cells * place[2]);
          const line = place.reduce((sum, k, i) => sum + bounds.lines[4 * cell + 1 + i]
            * (point[i] - ((2 * k + 1) / cells - 1) * surface.sides[i]), bounds.lines[4 * cell]);
          off.push(Math.abs(viewer.evaluation.at(point, 0).value[0] - line));
          rests.push(bounds.rests[cell]);
        }
        return [off, rests, surface.lipschitz * Math.hypot(...surface.sides) / cells];"""
    )
    assert np.all(np.array(off) <= np.array(rests) + 1e-5)
    assert np.quantile(np.array(off), 0.99) > 0.1 * np.quantile(rests, 0.99)  # a bound that is not idle
    assert np.mean(rests) < 0.3 * steep  # what a bound of the slope alone would allow


@pytest.mark.parametrize(("name", "least"), [("shape", 40.0), ("folds", 36.0)])
def test_surfaces_agree_with_what_is_rendered(opened: Any, name: str, least: float) -> None:
    """Of folds a field is neither a distance nor smooth on the scale of the cells that empty space is skipped by."""
    page = opened(name)
    field, signal = field_of(name)
    assert isinstance(signal, ShapeSignal)
    page.run("viewer.shown.state = { azimuth: 75, elevation: -20, distance: 3 }; viewer.shown.draw()")
    page.finished()
    found = page.page.evaluate(
        """() => {
        const { canvas } = document.querySelector("#viewer").viewer;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return { width: canvas.width, height: canvas.height, pixels: [...data] };
    }"""
    )
    size = (found["width"], found["height"])
    pixels = np.array(found["pixels"], float).reshape(size[1], size[0], 4)
    alpha = pixels[..., 3:] / 255
    shown = pixels[..., :3] * alpha + 255 * (1 - alpha)  # on white, as rendered pictures are
    truth = signal.sample(field, size, camera=Camera(azimuth=75, elevation=-20, distance=3)).astype(float)
    assert 0.05 < (alpha > 0).mean() < 0.9
    inside = (truth.min(-1) < 250) & (alpha[..., 0] == 1)
    edges = np.abs(shown - truth).max(-1) > 40  # the outline: one ray for a pixel here, four there
    assert edges.mean() < 0.03
    assert psnr(shown[inside & ~edges], truth[inside & ~edges], 255.0) > least
