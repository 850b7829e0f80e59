// The surface Φ = 0 of a shape by sphere tracing, all of it in one shader: rays advance by Φ / L, where L bounds the
// slope, and the normal at a hit is the gradient of the network itself.
//
// A texture of Φ on a coarse grid spares most evaluations: within a cell Φ differs from its middle by at most L times
// half the diagonal, so that rays cross empty cells without asking the network.

import { pause, activationText, TURN } from "./graphics.js";
import { evaluateField } from "./network.js";
import { shown } from "./quantities.js";

const CELLS = 32; // along each side of the box
const VIEW = Math.tan((35 * Math.PI) / 360); // half the height of the picture at the distance 1
const START = { azimuth: 30, elevation: 20, distance: 4 };
const EVALUATIONS = 16; // of the network for a ray, about
const LEAST = 2 ** 31; // products of a strip of the picture at first; later as many as take some milliseconds
const MOST = 2 ** 40;

export class Surface {
  constructor(evaluation, view, palettes, canvas, changed) {
    Object.assign(this, { evaluation, view, canvas, changed });
    this.surface = view.surface;
    this.plane = { sliders: [] };
    this.values = [];
    this.quantity = "shaded";
    this.generation = 0;
    this.done = true;
    this.range = null;
    this.graphics = evaluation.graphics;
    this.budget = LEAST;
    Object.assign(this, START);
  }

  // Directions to the right, up, and from the middle to the camera.
  get frame() {
    const { up } = this.surface, axis = (k) => [0, 1, 2].map((i) => (i === k % 3 ? 1 : 0));
    const [first, second, third] = [axis(up + 1), axis(up + 2), axis(up)];
    const turn = (this.azimuth * Math.PI) / 180, lift = (this.elevation * Math.PI) / 180;
    const mix = (a, x, b, y) => a.map((each, i) => each * x + b[i] * y);
    const across = mix(first, Math.cos(turn), second, Math.sin(turn));
    const right = mix(second, Math.cos(turn), first, -Math.sin(turn));
    const back = mix(across, Math.cos(lift), third, Math.sin(lift));
    const upwards = [back[1] * right[2] - back[2] * right[1], back[2] * right[0] - back[0] * right[2],
      back[0] * right[1] - back[1] * right[0]];
    return [right, upwards, back];
  }

  fit() {
    Object.assign(this, START);
    this.draw();
  }

  pan(dx, dy) {
    const degrees = 180 / Math.min(this.canvas.width, this.canvas.height);
    this.azimuth = (this.azimuth - dx * degrees) % 360;
    this.elevation = Math.min(90, Math.max(-90, this.elevation + dy * degrees));
    this.draw();
  }

  magnify(factor) {
    this.distance = Math.min(20, Math.max(0.02, this.distance / factor));
    this.draw();
  }

  forget() {
    this.cells = null;
  }

  // From coarse to fine, a strip at a time, so that the page stays awake.
  async draw(again = false) {
    const generation = ++this.generation, { width, height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.done = false;
    this.changed();
    this.cells ??= this.makeCells();
    await this.cells;
    for (const step of again ? [1] : [4, 1]) {
      const columns = Math.ceil(width / step), rows = Math.ceil(height / step);
      for (let top = 0; top < rows;) {
        if (generation !== this.generation) return;
        const fitting = Math.floor(this.budget / this.graphics.products / EVALUATIONS / columns);
        const count = Math.min(Math.max(1, fitting), rows - top), since = performance.now();
        this.drawStrip(columns, rows, top, count, step);
        await this.graphics.idle();
        const taken = performance.now() - since;
        if (taken < 10 && count <= fitting) this.budget = Math.min(MOST, 2 * this.budget);
        if (taken > 40) this.budget = Math.max(LEAST / 16, this.budget / 2);
        top += count;
      }
    }
    if (generation !== this.generation) return;
    this.done = true;
    this.changed();
  }

  drawStrip(columns, rows, top, count, step) {
    const { gl } = this.graphics, { canvas } = gl, layers = this.evaluation.node.layers;
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
    }
    const program = this.program();
    gl.useProgram(program.program);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, columns, rows);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, rows - top - count, columns, count);
    layers.forEach((layer, k) => {
      const texture = this.graphics.weightTexture(layer);
      gl.activeTexture(gl.TEXTURE0 + k);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(program.place(`w${k}`), k);
    });
    gl.activeTexture(gl.TEXTURE0 + layers.length);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.uniform1i(program.place("cells"), layers.length);
    gl.uniform2f(program.place("size"), columns, rows);
    gl.uniformMatrix3fv(program.place("frame"), false, this.frame.flat());
    gl.uniform1f(program.place("distance_"), this.distance);
    gl.uniform3fv(program.place("sides"), this.surface.sides);
    gl.uniform1f(program.place("steep"), this.surface.lipschitz);
    gl.uniform1i(program.place("normals"), this.quantity === "normal" ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
    const context = this.canvas.getContext("2d"), y = top * step, high = count * step;
    context.clearRect(0, y, this.canvas.width, high);
    context.imageSmoothingEnabled = true;
    context.drawImage(canvas, 0, top, columns, count, 0, y, columns * step, high);
  }

  program() {
    this.made ??= this.graphics.link(this.shader());
    return this.made;
  }

  // Φ at the middles of the cells of the box.
  async makeCells() {
    const { gl } = this.graphics, { sides } = this.surface, data = new Float32Array(CELLS ** 3);
    const unit = sides.map((side) => (2 * side) / CELLS), side = Math.min(CELLS, this.evaluation.side(0));
    const work = [];
    for (let z = 0; z < CELLS; z++) {
      for (let y = 0; y < CELLS; y += side) {
        for (let x = 0; x < CELLS; x += side) {
          const grid = {
            origin: [x, y, z].map((n, i) => -sides[i] + (n + 0.5) * unit[i]),
            right: [unit[0], 0, 0],
            down: [0, unit[1], 0],
            width: side,
            height: side,
          };
          work.push(this.evaluation.evaluate(grid, 0).then(({ value }) => {
            for (let row = 0; row < side; row++) {
              data.set(value.subarray(row * side, (row + 1) * side), (z * CELLS + y + row) * CELLS + x);
            }
          }));
          if (work.length % 8 === 0) await work.at(-1);
        }
      }
    }
    await Promise.all(work);
    gl.deleteTexture(this.texture ?? null);
    this.texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.R32F, CELLS, CELLS, CELLS, 0, gl.RED, gl.FLOAT, data);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_3D, name, gl.NEAREST);
  }

  shader() {
    const layers = this.evaluation.node.layers, blocks = (count) => Math.ceil(count / 4);
    const most = Math.max(...layers.map((each) => blocks(each.outputs)));
    // Features go from one array to the other and back; slopes along the three axes beside them.
    const pass = (slopes) => layers.map((layer, number) => {
      const [from, to] = number % 2 ? ["b", "a"] : ["a", "b"], lanes = slopes ? ["", "x", "y", "z"] : [""];
      const act = `activate${number}`;
      return `for (int g = 0; g < ${blocks(layer.outputs)}; g++) {
    vec4 u = texelFetch(w${number}, ivec2(${4 * blocks(layer.inputs)}, g), 0)${slopes ? ", ux = vec4(0.0), uy = ux, uz = ux" : ""};
    for (int k = 0; k < ${blocks(layer.inputs)}; k++) {
      mat4 m = mat4(texelFetch(w${number}, ivec2(4 * k, g), 0), texelFetch(w${number}, ivec2(4 * k + 1, g), 0),
        texelFetch(w${number}, ivec2(4 * k + 2, g), 0), texelFetch(w${number}, ivec2(4 * k + 3, g), 0));
      ${lanes.map((lane) => `u${lane} += m * ${from}${lane}[k];`).join(" ")}
    }
    ${act}(u, s, s1, s2);
    ${to}[g] = s;
    ${slopes ? ["x", "y", "z"].map((lane) => `${to}${lane}[g] = s1 * u${lane};`).join(" ") : ""}
  }`;
    }).join("\n  ");
    const last = layers.length % 2 ? "b" : "a";
    return `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler3D;
${layers.map((_, k) => `uniform sampler2D w${k};`).join("\n")}
uniform sampler3D cells;
uniform vec2 size;
uniform mat3 frame; // columns: right, up, towards the camera
uniform float distance_, steep;
uniform vec3 sides;
uniform bool normals;
out vec4 seen;
${TURN}
${layers.map((layer, k) => activationText(`activate${k}`, layer.activation)).join("\n")}
vec4 a[${most}], b[${most}];
float phi(vec3 p) {
  vec4 s, s1, s2;
  a[0] = vec4(p, 0.0);
  ${pass(false)}
  return ${last}[0].x;
}
vec3 slope(vec3 p) {
  vec4 s, s1, s2;
  vec4 ax[${most}], ay[${most}], az[${most}], bx[${most}], by[${most}], bz[${most}];
  a[0] = vec4(p, 0.0);
  ax[0] = vec4(1.0, 0.0, 0.0, 0.0); ay[0] = vec4(0.0, 1.0, 0.0, 0.0); az[0] = vec4(0.0, 0.0, 1.0, 0.0);
  ${pass(true)}
  return vec3(${last}x[0].x, ${last}y[0].x, ${last}z[0].x);
}
float lit(vec3 normal, vec3 towards, float strong) {
  return strong * max(0.0, (dot(normal, normalize(towards)) + 0.25) / 1.25);
}
void main() {
  vec2 at = (2.0 * gl_FragCoord.xy - size) / size.y * ${VIEW};
  vec3 ray = normalize(frame * vec3(at, -1.0)), eye = distance_ * frame[2];
  vec3 one = (-sides - eye) / ray, other = (sides - eye) / ray;
  vec3 least = min(one, other), most = max(one, other);
  float near = max(0.0, max(least.x, max(least.y, least.z))), far = min(most.x, min(most.y, most.z));
  seen = vec4(0.0);
  if (!(near < far)) return;
  float pixel = 2.0 * ${VIEW} / size.y, t = near, before = near, value = 1.0;
  float diagonal = length(sides) / ${CELLS}.0;
  bool met = false;
  for (int n = 0; n < 256; n++) {
    vec3 p = eye + t * ray;
    vec3 cell = (p / sides * 0.5 + 0.5) * ${CELLS}.0;
    float clear = texelFetch(cells, ivec3(clamp(cell, 0.0, ${CELLS - 1}.0)), 0).x / steep - diagonal;
    if (clear > 0.5 * diagonal) { // less than that to the surface from anywhere in the cell
      before = t;
      t += clear;
    } else {
      value = phi(p);
      if (value < 0.0) { met = true; break; }
      if (value < 0.02 * pixel * t) { met = true; before = t; break; }
      before = t;
      t += max(value / steep, 0.2 * pixel * t);
    }
    if (t >= far) return;
  }
  if (!met) return;
  if (before < t) {
    for (int n = 0; n < 8; n++) {
      float middle = 0.5 * (before + t);
      if (phi(eye + middle * ray) < 0.0) t = middle; else before = middle;
    }
    t = 0.5 * (before + t);
  }
  vec3 p = eye + t * ray, normal = slope(p);
  if (t <= near) { // where a side of the box cuts the surface open
    vec3 side = abs(p / sides);
    normal = sign(p) * vec3(greaterThanEqual(side, vec3(max(side.x, max(side.y, side.z)))));
  }
  normal = normalize(normal);
  if (normals) { seen = vec4(0.5 + 0.5 * normal, 1.0); return; }
  vec3 facing = normal * frame;
  float strength = 0.10 + lit(facing, vec3(-0.5, 0.7, 0.6), 0.70) + lit(facing, vec3(0.8, 0.1, 0.5), 0.14);
  seen = vec4(vec3(pow(min(1.0, 0.85 * strength), 1.0 / 2.2)), 1.0);
}
`;
  }

  // The place of the surface under a pixel and the distance from the camera, in double precision.
  probe(x, y) {
    const { width, height } = this.canvas, { sides, lipschitz, scale, centre, unit } = this.surface;
    const across = ((2 * x - width) / height) * VIEW, upwards = ((height - 2 * y) / height) * VIEW;
    const [right, up, back] = this.frame;
    const direction = right.map((each, i) => across * each + upwards * up[i] - back[i]);
    const length = Math.hypot(...direction), ray = direction.map((each) => each / length);
    const eye = back.map((each) => each * this.distance);
    let near = 0, far = Infinity;
    ray.forEach((each, i) => {
      const ends = [(-sides[i] - eye[i]) / each, (sides[i] - eye[i]) / each];
      near = Math.max(near, Math.min(...ends));
      far = Math.min(far, Math.max(...ends));
    });
    const { node, weights } = this.evaluation;
    for (let t = near, n = 0; t < far && n < 256; n++) {
      const point = eye.map((each, i) => each + t * ray[i]), [value] = evaluateField(node, weights, point, 0).value;
      if (value < 1e-4) {
        const slopes = evaluateField(node, weights, point, 1).slopes.map((each) => each[0]);
        const steep = Math.hypot(...slopes);
        return {
          place: ["x", "y", "z"].map((name, i) => ({ name, unit, at: point[i] * scale + centre[i] })),
          quantities: [{ title: "normal", numbers: slopes.map((each) => each / steep), unit: "" }],
        };
      }
      t += Math.max(value / lipschitz, 1e-5);
    }
    return null;
  }

  table() {
    const { width, height } = this.canvas, lines = ["column,row,x,y,z,normal_x,normal_y,normal_z"];
    const step = Math.max(1, Math.round(Math.max(width, height) / 128));
    for (let y = 0; y < height; y += step) {
      for (let x = 0; x < width; x += step) {
        const found = this.probe(x + 0.5, y + 0.5);
        if (found) lines.push([x, y, ...found.place.map((each) => shown(each.at, 8)), ...found.quantities[0].numbers].join(","));
      }
    }
    return `${lines.join("\n")}\n`;
  }

  get state() {
    return { quantity: this.quantity, azimuth: this.azimuth, elevation: this.elevation, distance: this.distance };
  }

  set state(given) {
    for (const [name, low, high] of [["azimuth", -360, 360], ["elevation", -90, 90], ["distance", 0.02, 20]]) {
      const value = Number(given[name] ?? NaN);
      if (Number.isFinite(value)) this[name] = Math.min(high, Math.max(low, value));
    }
    if (["shaded", "normal"].includes(given.quantity)) this.quantity = given.quantity;
  }

  async finished() {
    while (!this.done) await pause();
  }
}
