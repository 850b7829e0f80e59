"""Tests of fields as GLSL in a browser: what a graphics processor draws is what PyTorch evaluates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from exported import IMAGE, SIGNALS, derivatives_of, network, points_of, subject_of
from sinefield import problems, solve
from sinefield.export import glsl
from sinefield.fields.tiled import TiledSiren
from sinefield.jet import jets_of

pytestmark = pytest.mark.browser

COUNT = 64  # points, one a pixel
DRAWN = """([shader, points, d]) => {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl.getExtension("EXT_color_buffer_float")) return "no floats";
  const compile = (kind, text) => {
    const made = gl.createShader(kind); gl.shaderSource(made, text); gl.compileShader(made);
    if (!gl.getShaderParameter(made, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(made));
    return made;
  };
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl.VERTEX_SHADER,
    "#version 300 es\\nvoid main(){gl_Position=vec4(vec2(gl_VertexID&1,gl_VertexID>>1)*4.-1.,0,1);}"));
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, shader));
  gl.linkProgram(program); gl.useProgram(program);
  const n = points.length / 4;
  const texture = (data) => {
    const made = gl.createTexture(); gl.bindTexture(gl.TEXTURE_2D, made);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, n, 1, 0, gl.RGBA, gl.FLOAT, data);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return made;
  };
  const target = texture(null), source = texture(new Float32Array(points));
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
  gl.viewport(0, 0, n, 1);
  gl.drawArrays(gl.TRIANGLES, 0, 3);
  const found = new Float32Array(4 * n);
  gl.readPixels(0, 0, n, 1, gl.RGBA, gl.FLOAT, found);
  return Array.from(found);
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    found = browser.new_page()
    yield found
    found.close()


def drawn(page: Any, text: str, expression: str, points: torch.Tensor) -> Any:
    """Return what an expression of the point p gives in a fragment shader, ``(n, 4)``."""
    d = points.shape[1]
    kind = "float" if d == 1 else f"vec{d}"
    shader = (
        "#version 300 es\nprecision highp float;uniform highp sampler2D t;out vec4 c;\n"
        + text
        + f"void main(){{{kind} p=texelFetch(t,ivec2(gl_FragCoord.xy),0).{'xyzw'[:d]};{expression}}}"
    )
    rows = np.zeros((len(points), 4), np.float32)
    rows[:, :d] = points.numpy()
    found = page.evaluate(DRAWN, [shader, rows.ravel().tolist(), d])
    assert found != "no floats"
    return np.array(found).reshape(-1, 4)


@pytest.mark.parametrize(("inputs", "outputs", "width"), [(1, 1, 16), (2, 3, 32), (3, 1, 24)])
def test_values_and_gradients_are_those_of_pytorch(page: Any, inputs: int, outputs: int, width: int) -> None:
    field, points = network("siren", inputs, outputs, width, 2), points_of(COUNT, inputs)
    text, _ = glsl.source_of(subject_of(field), error=1e-5)
    with torch.no_grad():
        expected = field(points).numpy()
    value = drawn(page, text, f"c=vec4(field(p){',0' * (4 - outputs)});", points)[:, :outputs]
    assert np.abs(value - expected).max() < 1e-5
    names = [f"d{'xyzw'[k]}" for k in range(inputs)]
    kind = "float" if outputs == 1 else f"vec{outputs}"
    exact = derivatives_of(field, points)[1]
    for k, name in enumerate(names):
        expression = f"{kind} {','.join(names)};field(p,{','.join(names)});c=vec4({name}{',0' * (4 - outputs)});"
        slope = drawn(page, text, expression, points)[:, :outputs]
        assert np.linalg.norm(slope - exact[:, :, k]) < 1e-5 * np.linalg.norm(exact[:, :, k])


def waves(shape: tuple[int, ...], channels: int = 1) -> Any:
    """Return samples of waves, and an edge in a picture, ``(*shape, channels)``."""
    places = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    value = sum(np.sin(5 * (k + 1) * place + k) for k, place in enumerate(places))
    value = value + (len(shape) == 2) * (places[0] > 0.3 * places[-1])
    return np.stack([value * (k + 1) / channels for k in range(channels)], -1)


@pytest.mark.parametrize(("shape", "channels"), [((300,), 1), ((40, 34), 1), ((20, 30), 3), ((12, 10, 9), 1)], ids=str)
def test_solved_fields_are_those_of_pytorch(page: Any, shape: tuple[int, ...], channels: int) -> None:
    samples, low = waves(shape, channels), (-3.0, 3.0)
    match len(shape):
        case 1:
            problem = problems.audio(samples[:, 0], rate=1000, full_scale=3.0)
        case 2:
            problem = problems.image(samples, value_range=low)
        case _:
            problem = problems.volume(samples[..., 0], value_range=low)
    field = solve(problem, recipe="solved").field
    assert isinstance(field, TiledSiren)
    longest, d = max(shape), len(shape)
    points = points_of(COUNT, d).double() * torch.tensor([size / longest for size in shape])
    text, found = glsl.source_of(subject_of(field), error=1e-4)
    (jet,) = jets_of(field, points, ["value", "jacobian"])
    value, slope = (each.detach().numpy() for each in (jet.value, jet.jacobian))
    assert found.value <= 1e-4
    names = [f"d{'xyzw'[k]}" for k in range(d)]
    kind = "float" if channels == 1 else f"vec{channels}"
    drawn_value = drawn(page, text, f"c=vec4(field(p){',0' * (4 - channels)});", points)[:, :channels]
    assert np.abs(drawn_value - value).max() < 2e-4 * np.abs(value).max()
    for k, name in enumerate(names):
        expression = f"{kind} {','.join(names)};field(p,{','.join(names)});c=vec4({name}{',0' * (4 - channels)});"
        found_slope = drawn(page, text, expression, points)[:, :channels]
        assert np.linalg.norm(found_slope - slope[:, :, k]) < 2e-4 * np.linalg.norm(slope[:, :, k])


@pytest.mark.parametrize(
    "curve", [nn.ReLU(), nn.LeakyReLU(0.2), nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.ELU(0.7), nn.SELU(), nn.SiLU()]
)
def test_every_curve(page: Any, curve: nn.Module) -> None:
    torch.manual_seed(0)
    module, points = nn.Sequential(nn.Linear(2, 9), curve, nn.Linear(9, 1), nn.Sigmoid()), points_of(COUNT, 2) * 4
    text, _ = glsl.source_of(subject_of(module), error=1e-6)
    value, slope, *_ = derivatives_of(module, points)
    found = drawn(page, text, "float x,y,v=field(p,x,y);c=vec4(v,x,y,0);", points)
    assert np.abs(found[:, :1] - value).max() < 1e-5
    assert np.abs(found[:, 1:3] - slope[:, 0]).max() < 1e-5


UNIFORMS = "const vec3 iResolution=vec3(8,6,1);const float iTime=0.;const vec4 iMouse=vec4(0);\n"


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_pasted_shader_of_each_kind_is_drawn(page: Any, kind: str) -> None:
    dimension, told = SIGNALS[kind]
    text, _ = glsl.source_of(subject_of(network("siren", dimension, 1, 8, 1), told), shadertoy=True)
    places = torch.cartesian_prod(torch.arange(8) + 0.5, torch.arange(6) + 0.5)
    found = drawn(page, UNIFORMS + text, "mainImage(c,p);", places)
    assert found[:, :3].std() > 0.001
    assert (found[:, 3] == 1).all()


def test_a_pasted_shader_draws_the_picture(page: Any) -> None:
    field = network("siren")
    text, _ = glsl.source_of(subject_of(field, IMAGE), shadertoy=True, error=1e-5)
    places = torch.stack(torch.meshgrid(torch.arange(6) + 0.5, torch.arange(8) + 0.5, indexing="ij"), -1).reshape(-1, 2)
    found = drawn(page, UNIFORMS + text, "mainImage(c,vec2(p.y,6.-p.x));", places)
    points = (2 * places - torch.tensor([6.0, 8.0])) / 8
    with torch.no_grad():
        assert np.abs(found[:, :3] - (field(points).numpy() / 2 + 0.5)).max() < 1e-5
