// The surface Φ = 0 of a shape by sphere tracing, all of it in one shader: rays advance by Φ / L, where L bounds the
// slope, and the normal at a hit is the gradient of the network itself.
//
// Bounds on a coarse grid spare most evaluations: within a cell Φ is Φ(m) + ∇Φ(m)·(p − m) but for an error that Taylor's
// rest bounds, so that along a ray it is above a line. Where the line is above 0 the network is not asked, and where it
// is not, its slope is the first guess of Newton's method. The rest is estimated: proven bounds by interval arithmetic
// are the whole range of a network of three hidden layers, and by affine arithmetic they are of use from 256³ cells on.

import { activationText } from "./graphics.js";
import { pause } from "./layers.js";
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
    for (const step of again ? [1] : [16, 4, 1]) {
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
    this.textures.forEach((texture, k) => {
      gl.activeTexture(gl.TEXTURE0 + layers.length + k);
      gl.bindTexture(gl.TEXTURE_3D, texture);
      gl.uniform1i(program.place(["cells", "rests"][k]), layers.length + k);
    });
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

  // Φ and ∇Φ at the middles of the cells of the box, and what Φ differs by from the line through them.
  async makeCells() {
    const { gl } = this.graphics, { sides } = this.surface, data = new Float32Array(4 * CELLS ** 3);
    const unit = sides.map((side) => (2 * side) / CELLS), side = Math.min(CELLS, this.evaluation.side(1));
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
          work.push(this.evaluation.evaluate(grid, 1).then(({ value, slopes }) => {
            for (let n = 0; n < side * side; n++) {
              const to = 4 * ((z * CELLS + y + Math.floor(n / side)) * CELLS + x + (n % side));
              data.set([value[n], ...slopes.map((each) => each[n])], to);
            }
          }));
          if (work.length % 8 === 0) await work.at(-1);
        }
      }
    }
    await Promise.all(work);
    for (const texture of this.textures ?? []) gl.deleteTexture(texture);
    this.bounds = { lines: data, rests: restsOf(data, unit) };
    this.textures = [[gl.RGBA32F, gl.RGBA, data], [gl.R32F, gl.RED, this.bounds.rests]].map(([kind, form, numbers]) => {
      const texture = gl.createTexture();
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_3D, texture);
      gl.texImage3D(gl.TEXTURE_3D, 0, kind, CELLS, CELLS, CELLS, 0, form, gl.FLOAT, numbers);
      for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_3D, name, gl.NEAREST);
      }
      return texture;
    });
  }

  shader() {
    const layers = this.evaluation.node.layers, blocks = (count) => Math.ceil(count / 4);
    const most = Math.max(...layers.map((each) => blocks(each.outputs)));
    // Features go from one array to the other and back; on the way back slopes of the value do.
    const matrix = (number) => `mat4(${[0, 1, 2, 3].map((c) => `texelFetch(w${number}, ivec2(4 * k + ${c}, g), 0)`).join(", ")})`;
    const forward = (keeping) => layers.map((layer, number) => {
      const [from, to] = number % 2 ? ["b", "a"] : ["a", "b"];
      return `for (int g = 0; g < ${blocks(layer.outputs)}; g++) {
    vec4 u = texelFetch(w${number}, ivec2(${4 * blocks(layer.inputs)}, g), 0);
    for (int k = 0; k < ${blocks(layer.inputs)}; k++) u += ${matrix(number)} * ${from}[k];
    activate${number}(u, s, s1, s2);
    ${to}[g] = s;
    ${keeping ? `c${number}[g] = s1;` : ""}
  }`;
    }).join("\n  ");
    const backward = layers.map((layer, number) => {
      const [from, to] = number % 2 ? ["a", "b"] : ["b", "a"];
      return `for (int k = 0; k < ${blocks(layer.inputs)}; k++) {
    s = vec4(0.0);
    for (int g = 0; g < ${blocks(layer.outputs)}; g++) s += ${from}[g] * ${matrix(number)};
    ${to}[k] = s${number ? ` * c${number - 1}[k]` : ""};
  }`;
    }).reverse().join("\n  ");
    const last = layers.length % 2 ? "b" : "a";
    return `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler3D;
${layers.map((_, k) => `uniform sampler2D w${k};`).join("\n")}
uniform sampler3D cells, rests;
uniform vec2 size;
uniform mat3 frame; // columns: right, up, towards the camera
uniform float distance_, steep;
uniform vec3 sides;
uniform bool normals;
out vec4 seen;
${layers.map((layer, k) => activationText(`activate${k}`, layer.activation)).join("\n")}
vec4 a[${most}], b[${most}];
float phi(vec3 p) {
  vec4 s, s1, s2;
  a[0] = vec4(p, 0.0);
  ${forward(false)}
  return ${last}[0].x;
}
vec3 slope(vec3 p) {
  vec4 s, s1, s2;
  vec4 ${layers.map((layer, k) => `c${k}[${blocks(layer.outputs)}]`).join(", ")};
  a[0] = vec4(p, 0.0);
  ${forward(true)}
  ${last}[0] = vec4(c${layers.length - 1}[0].x, 0.0, 0.0, 0.0);
  ${backward}
  return a[0].xyz;
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
  float pixel = 2.0 * ${VIEW} / size.y, t = near, value = 1.0;
  float before = near, above = -1.0; // the last place outside, and the value there; less than 0: not known
  vec3 half_ = sides / ${CELLS}.0;
  float diagonal = length(half_);
  bool met = false;
  for (int n = 0; n < 256; n++) {
    vec3 p = eye + t * ray;
    ivec3 cell = ivec3(clamp((p / sides * 0.5 + 0.5) * ${CELLS}.0, 0.0, ${CELLS - 1}.0));
    vec3 middle = (2.0 * vec3(cell) + 1.0) * half_ - sides;
    vec3 ends = (middle + sign(ray) * half_ - eye) / ray;
    float leaves = max(min(ends.x, min(ends.y, ends.z)), t) + 1e-4 * diagonal;
    vec4 known = texelFetch(cells, cell, 0);
    float rest = texelFetch(rests, cell, 0).x, falls = -dot(known.yzw, ray);
    float least = known.x + dot(known.yzw, p - middle) - rest;
    if (least > 0.0) {
      float meets = falls > 0.0 ? t + least / falls : leaves;
      before = t;
      above = -1.0;
      if (meets >= leaves) { // nothing in this cell, nor near to it
        t = max(leaves, t + known.x / steep - diagonal);
        if (t >= far) return;
        continue;
      }
      t = meets;
    }
    if (t >= far) return;
    value = phi(eye + t * ray);
    if (value < 0.0) { met = true; break; }
    if (value < 0.05 * pixel * t) { met = true; before = t; break; }
    // Towards the surface by Newton's method and a little further, so that it lies between two places; along it by as
    // much as it is surely away.
    if (above > value) falls = (above - value) / (t - before);
    before = t;
    above = value;
    float local = min(steep, length(known.yzw) + 2.0 * rest / diagonal);
    t += max(falls > 0.25 * local ? 1.1 * value / falls : value / local, 0.5 * pixel * t);
  }
  if (!met) return;
  if (before < t) {
    if (above < 0.0) above = phi(eye + before * ray);
    for (int n = 0; n < 4 && above > 0.0; n++) {
      float middle = mix(before, t, clamp(above / (above - value), 0.05, 0.95)), found = phi(eye + middle * ray);
      if (found < 0.0) { t = middle; value = found; } else { before = middle; above = found; }
      if (abs(found) < 0.05 * pixel * t) { before = t = middle; break; }
    }
    t = mix(before, t, clamp(above / (above - value), 0.0, 1.0));
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

// How far Φ is from the line through the middle of each cell, within it: what it is off at the middles of the cells
// around, by the square of the distance, and half as much again.
function restsOf(data, unit) {
  const found = new Float32Array(CELLS ** 3), reach = unit.reduce((sum, each) => sum + each ** 2, 0) / 4, around = [];
  for (const z of [-1, 0, 1]) for (const y of [-1, 0, 1]) for (const x of [-1, 0, 1]) around.push([x, y, z]);
  for (let n = 0; n < found.length; n++) {
    const place = [n % CELLS, Math.floor(n / CELLS) % CELLS, Math.floor(n / CELLS ** 2)];
    for (const step of around) {
      if (step.every((each) => each === 0)) continue;
      if (step.some((each, i) => place[i] + each < 0 || place[i] + each >= CELLS)) continue;
      const other = n + step[0] + CELLS * (step[1] + CELLS * step[2]);
      let line = data[4 * n], square = 0;
      for (let i = 0; i < 3; i++) {
        line += data[4 * n + 1 + i] * step[i] * unit[i];
        square += (step[i] * unit[i]) ** 2;
      }
      found[n] = Math.max(found[n], (1.5 * Math.abs(data[4 * other] - line) * reach) / square);
    }
  }
  return found;
}
