// Networks on the graphics processor by WebGPU: a dispatch for each layer, by the recurrence of graphics.js.
//
// Features are blocks of four neurons at every point of a batch, lane after lane: the value, the slopes, the Laplacian.
// An invocation finds two blocks at four points, or at one point in all lanes of a jet, so that it multiplies each block
// that it reads by two matrices; those are the same for a whole workgroup, whose points are neighbours.

import { blocksOf, blocksOfWeights, CURVES, firstArguments, isSoftware, pause, range, unpack } from "./layers.js";

const TOGETHER = 64; // invocations of a workgroup
const POINTS = 4; // of an invocation, where it finds values alone
const KEPT = 256; // layers whose weights stay where they are read

export class Compute {
  // Null where there is no adapter, or one that is the processor after all, unless that is `wanted`.
  static async offered(weights, wanted) {
    const adapter = await navigator.gpu?.requestAdapter(), info = adapter?.info;
    if (!info) return null;
    const { vendor, architecture, device, description } = info;
    const slow = info.isFallbackAdapter || isSoftware([vendor, architecture, device, description].join(" "));
    return slow && !wanted ? null : new Compute(await adapter.requestDevice(), weights);
  }

  constructor(device, weights) {
    this.device = device;
    this.weights = weights;
    this.buffers = new Map();
    this.programs = new Map();
    this.layers = new Map();
    this.lost = false;
    this.waiting = 0; // batches that are to be read
    this.nudging = false;
    device.lost.then(() => { this.lost = true; });
    // What is wrong is told by what was asked for.
    device.addEventListener("uncapturederror", (event) => event.preventDefault());
  }

  renew(weights) {
    this.weights = weights;
    this.forget(0);
  }

  forget(kept) {
    for (const [key, buffer] of this.layers) {
      if (this.layers.size <= kept) return;
      buffer.destroy();
      this.layers.delete(key);
    }
  }

  // The jets of a network on a grid, as Graphics has them, of any size. Whatever goes wrong is thrown.
  async evaluate(layers, grid, order) {
    const lanes = order > 0 ? grid.origin.length + order : 1, line = 16 * lanes * widestOf(layers) * grid.width;
    const rows = Math.min(grid.height, Math.floor(this.device.limits.maxStorageBufferBindingSize / line));
    if (rows < 1) throw new Error("a row of points has too many features");
    const found = await Promise.all(range(Math.ceil(grid.height / rows)).map((k) => this.batch(layers, {
      ...grid,
      origin: grid.origin.map((o, axis) => o + k * rows * grid.down[axis]),
      height: Math.min(rows, grid.height - k * rows),
    }, order, lanes)));
    const joined = range(lanes).map((lane) => {
      if (found.length === 1) return found[0][lane];
      const all = new Float32Array(grid.width * grid.height * layers.at(-1).outputs);
      found.forEach((each, k) => all.set(each[lane], k * found[0][lane].length));
      return all;
    });
    return order === 0 ? { value: joined[0] } : {
      value: joined[0],
      slopes: joined.slice(1, grid.origin.length + 1),
      laplacian: order > 1 ? joined.at(-1) : null,
    };
  }

  async batch(layers, grid, order, lanes) {
    const programs = await Promise.all(layers.map((layer, k) => this.program(layer, k === 0, order, lanes)));
    if (this.lost) throw new Error("the device is lost");
    const { device } = this, points = grid.width * grid.height, outputs = layers.at(-1).outputs;
    device.pushErrorScope("validation");
    device.pushErrorScope("out-of-memory");
    const most = 16 * lanes * points * widestOf(layers), usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
    const features = [0, 1].map((k) => this.buffer(k, most, usage));
    const first = firstArguments(layers[0], this.weights, grid, [[0, 0]], range(order > 0 ? grid.origin.length : 0)).data;
    const begin = this.write("first", first, GPUBufferUsage.STORAGE);
    const size = this.write("size", Uint32Array.of(grid.width, points), GPUBufferUsage.UNIFORM);
    const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
    layers.forEach((layer, k) => {
      const read = k === 0 ? [begin] : [this.weightsOf(layer), features[(k + 1) % 2]];
      const blocks = blocksOf(layer.outputs);
      pass.setPipeline(programs[k]);
      pass.setBindGroup(0, device.createBindGroup({
        layout: programs[k].getBindGroupLayout(0),
        entries: [size, features[k % 2], ...read].map((buffer, binding) => ({ binding, resource: { buffer } })),
      }));
      pass.dispatchWorkgroups(Math.ceil(points / TOGETHER / (order > 0 ? 1 : POINTS)), blocks / heightOf(blocks));
    });
    pass.end();
    const bytes = 16 * lanes * points * blocksOf(outputs);
    const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(features[(layers.length + 1) % 2], 0, staging, 0, bytes);
    device.queue.submit([encoder.finish()]);
    this.forget(KEPT);
    const asked = [device.popErrorScope(), device.popErrorScope(), this.mapped(staging)];
    try {
      for (const error of await Promise.all(asked)) if (error) throw new Error(error.message);
      const read = { numbers: new Float32Array(staging.getMappedRange()), width: grid.width,
        height: blocksOf(outputs) * grid.height };
      return range(lanes).map((lane) => unpack(read, lane, grid.height, grid, outputs, 1));
    } finally {
      staging.destroy();
    }
  }

  // Waits until a buffer can be read.
  async mapped(buffer) {
    this.waiting += 1;
    this.nudge();
    try {
      await buffer.mapAsync(GPUMapMode.READ);
    } finally {
      this.waiting -= 1;
    }
  }

  // Firefox looks ten times a second whether a buffer can be read, or else when something is submitted.
  async nudge() {
    if (this.nudging) return;
    this.nudging = true;
    for (await pause(); this.waiting > 0; await pause()) this.device.queue.submit([]);
    this.nudging = false;
  }

  // A buffer by its name, of some bytes at least.
  buffer(name, size, usage) {
    const old = this.buffers.get(name);
    if (old?.size >= size) return old;
    old?.destroy();
    const made = this.device.createBuffer({ size, usage });
    this.buffers.set(name, made);
    return made;
  }

  write(name, numbers, usage) {
    const buffer = this.buffer(name, numbers.byteLength, usage | GPUBufferUsage.COPY_DST);
    this.device.queue.writeBuffer(buffer, 0, numbers);
    return buffer;
  }

  weightsOf(layer) {
    if (!this.layers.has(layer.weight)) {
      const { data } = blocksOfWeights(layer, this.weights), usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
      const made = this.device.createBuffer({ size: data.byteLength, usage });
      this.device.queue.writeBuffer(made, 0, data);
      this.layers.set(layer.weight, made);
    }
    return this.layers.get(layer.weight);
  }

  program(layer, begins, order, lanes) {
    const code = kernelOf(layer, begins, order, lanes);
    if (!this.programs.has(code)) {
      const module = this.device.createShaderModule({ code });
      this.programs.set(code, this.device.createComputePipelineAsync({ layout: "auto", compute: { module } }));
    }
    return this.programs.get(code);
  }
}

const widestOf = (layers) => Math.max(...layers.map((each) => blocksOf(each.outputs)));

// How many blocks an invocation finds.
const heightOf = (blocks) => (blocks % 2 ? 1 : 2);

function kernelOf({ activation, inputs, outputs }, begins, order, lanes) {
  const blocks = blocksOf(outputs), before = blocksOf(inputs), rows = range(heightOf(blocks)), axes = lanes - order;
  const all = range(order > 0 ? lanes : POINTS), each = (make, list = all) => list.map(make).join("\n");
  // Sum a of row r in a lane, or at a point; where the lane's blocks begin, of a layer of so many.
  const sum = (r, k) => `a${r}_${k}`, place = (k, count) => (order > 0 ? `${k * count}u * size.y + p0` : `p${k}`);
  const hasValue = (k) => order === 0 || k === 0;
  const start = (r, k) => {
    if (!begins) return hasValue(k) ? `weights[(g + ${r}u) * ${4 * before + 1}u + ${4 * before}u]` : "vec4f()";
    const row = (n) => `weights[${n * blocks}u + g + ${r}u]`;
    if (hasValue(k)) return `${row(0)} + f32(p${k} % size.x) * ${row(1)} + f32(p${k} / size.x) * ${row(2)}`;
    return k <= axes ? row(k + 2) : "vec4f()";
  };
  const end = (r) => {
    const to = (k) => `made[${place(k, blocks)} + (g + ${r}u) * size.y]`;
    if (order === 0) return each((k) => `if (p + ${k * TOGETHER}u < size.y) { ${to(k)} = activate(${sum(r, k)})[0]; }`);
    const slopes = range(axes).map((i) => sum(r, i + 1));
    return `let s${r} = activate(${sum(r, 0)});
${to(0)} = s${r}[0];
${slopes.map((a, i) => `${to(i + 1)} = s${r}[1] * ${a};`).join("\n")}
${order > 1 ? `${to(lanes - 1)} = s${r}[2] * (${slopes.map((a) => `${a} * ${a}`).join(" + ")}) + s${r}[1] * ${sum(r, lanes - 1)};` : ""}`;
  };
  return `
@group(0) @binding(0) var<uniform> size: vec2u;
@group(0) @binding(1) var<storage, read_write> made: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
${begins ? "" : "@group(0) @binding(3) var<storage, read> features: array<vec4f>;"}
fn activate(a: vec4f) -> mat3x4f {
  var s: vec4f; var s1: vec4f; var s2: vec4f;
  ${CURVES[activation]}
  return mat3x4f(s, s1, s2);
}
@compute @workgroup_size(${TOGETHER})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
let p = group.x * ${order > 0 ? TOGETHER : TOGETHER * POINTS}u + t;
if (p >= size.y) { return; }
let g = group.y * ${rows.length}u;
${each((k) => `let p${k} = min(p + ${k * TOGETHER}u, size.y - 1u);`, order > 0 ? [0] : all)}
${rows.map((r) => each((k) => `var ${sum(r, k)} = ${start(r, k)};`)).join("\n")}
${begins ? "" : `for (var k = 0u; k < ${before}u; k++) {
${each((k) => `let h${k} = features[${place(k, before)} + k * size.y];`)}
${rows.map((r) => `let w${r} = (g + ${r}u) * ${4 * before + 1}u + 4u * k;
let m${r} = mat4x4f(${range(4).map((c) => `weights[w${r} + ${c}u]`).join(", ")});
${each((k) => `${sum(r, k)} += m${r} * h${k};`)}`).join("\n")}
}`}
${rows.map(end).join("\n")}
}`;
}
