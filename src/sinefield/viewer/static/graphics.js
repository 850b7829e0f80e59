// Networks on the graphics processor, layer by layer, by shaders that know any width.
//
// A batch is a small grid of points. Features are textures of floats: blocks side by side, one for each four neurons,
// each block a picture of the grid. A pass draws one layer: a fragment multiplies the blocks of the layer before by a
// 4 x 4 matrix each. Lanes are textures that go through the same matrices: for values they are four grids of points at
// once, for jets the value, the slopes along axes and the Laplacian at one grid, by the recurrence
//
//   a = W h + b      ∂_i a = W ∂_i h      Δa = W Δh
//   h = σ(a)         ∂_i h = σ'(a) ∂_i a  Δh = σ''(a) Σ_i (∂_i a)² + σ'(a) Δa
//
// The first layer is affine along the grid, so its arguments are found in double precision at the corner of each grid:
// at any zoom they keep their digits.

import { blocksOf, blocksOfWeights, CURVES, firstArguments, isSoftware, pause, range, unpack } from "./layers.js";

// A function of the shader: σ(a), σ'(a) and σ''(a).
export function activationText(name, activation) {
  return `void ${name}(vec4 a, out vec4 s, out vec4 s1, out vec4 s2) { ${CURVES[activation].replaceAll("let ", "vec4 ")} }`;
}

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
`;

const WHOLE = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;

export class Graphics {
  // Throws an Error, whose message is shown, where there is no WebGL 2 or a network is too wide.
  constructor(nodes, weights) {
    const canvas = document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, stencil: false, premultipliedAlpha: false });
    if (!gl) throw new Error("This browser offers no WebGL 2.");
    if (!gl.getExtension("EXT_color_buffer_float")) throw new Error("This graphics processor cannot draw floats.");
    this.gl = gl;
    this.weights = weights;
    this.programs = new Map();
    this.textures = new Map();
    this.lost = false;
    canvas.addEventListener("webglcontextlost", () => { this.lost = true; });
    const lanes = Math.min(8, gl.getParameter(gl.MAX_DRAW_BUFFERS), gl.getParameter(gl.MAX_COLOR_ATTACHMENTS));
    this.axesTogether = lanes - 2;
    const layers = nodes.flatMap((each) => each.layers);
    const widest = Math.max(...layers.map((each) => Math.max(each.inputs, each.outputs)));
    const largest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    if (widest + 4 > largest) throw new Error(`A layer of ${widest} features is too wide for this graphics processor.`);
    // A batch of so many products takes some milliseconds.
    const products = layers.reduce((sum, each) => sum + each.inputs * each.outputs, 0) / nodes.length;
    this.software = isSoftware(rendererOf(gl));
    const most = this.software ? 2 ** 27 : 2 ** 30;
    this.shift = Math.min(7, Math.max(3, Math.floor(Math.log2(most / 4 / products) / 2)));
    this.products = products;
    const blocks = Math.max(...layers.map((each) => blocksOf(each.outputs)));
    this.columns = Math.ceil(Math.sqrt(blocks));
    this.rows = Math.ceil(blocks / this.columns);
    while (this.shift > 2 && this.columns << this.shift > Math.min(largest, 4096)) this.shift -= 1;
    this.sides = [null, null];
    gl.bindVertexArray(gl.createVertexArray());
  }

  renew(weights) {
    this.weights = weights;
    this.textures.forEach((each) => this.gl.deleteTexture(each));
    this.textures.clear();
  }

  // How many points along each side a batch has.
  side(order) {
    return 1 << (order === 0 ? this.shift + 1 : this.shift);
  }

  // The side of a block for a grid, which may be smaller, as parts in tiles are.
  sideOf({ width, height }, order) {
    return Math.min(1 << this.shift, Math.ceil(Math.max(width, height) / (order === 0 ? 2 : 1)));
  }

  // The jets of a network on a grid {origin, right, down, width, height} of at most side(order) points each way:
  // {value, slopes, laplacian}, each of them (height, width, outputs) as floats.
  async evaluate(layers, grid, order) {
    if (this.lost) throw new Error("The graphics processor was taken away; load the page again.");
    if (order === 0) return { value: await this.batch(layers, grid, 0, []) };
    const d = layers[0].inputs, together = order > 1 ? this.axesTogether : this.axesTogether + 1;
    const groups = [];
    for (let axis = 0; axis < d; axis += together) groups.push(range(d).slice(axis, axis + together));
    const found = await Promise.all(groups.map((axes) => this.batch(layers, grid, order, axes)));
    const laplacian = order > 1 ? found[0].at(-1) : null;
    for (const other of order > 1 ? found.slice(1) : []) {
      for (let k = 0; k < laplacian.length; k++) laplacian[k] += other.at(-1)[k];
    }
    return {
      value: found[0][0],
      slopes: found.flatMap((each, g) => each.slice(1, 1 + groups[g].length)),
      laplacian,
    };
  }

  async batch(layers, grid, order, axes) {
    const gl = this.gl, lanes = order === 0 ? 4 : axes.length + (order > 1 ? 2 : 1);
    gl.disable(gl.BLEND);
    const side = this.sideOf(grid, order);
    const corners = order === 0 ? [[0, 0], [side, 0], [0, side], [side, side]] : [[0, 0]];
    const first = this.makeTexture(firstArguments(layers[0], this.weights, grid, corners, axes));
    layers.forEach((layer, number) => {
      const begins = number === 0;
      const program = this.program(begins ? "first" : "next", order, lanes, layer.activation);
      gl.useProgram(program.program);
      const blocks = blocksOf(layer.outputs);
      const rows = Math.ceil(blocks / this.columns);
      const columns = Math.min(blocks, this.columns);
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.target(number % 2, lanes).framebuffer);
      gl.viewport(0, 0, columns * side, rows * side);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, begins ? first : this.weightTexture(layer));
      gl.uniform1i(program.place("weights"), 0);
      gl.uniform4i(program.place("layout_"), side, this.columns, blocks, blocksOf(layer.inputs));
      if (!begins) {
        const from = this.target((number + 1) % 2, lanes).textures;
        for (let lane = 0; lane < lanes; lane++) {
          gl.activeTexture(gl.TEXTURE1 + lane);
          gl.bindTexture(gl.TEXTURE_2D, from[lane]);
          gl.uniform1i(program.place(`h${lane}`), 1 + lane);
        }
      }
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    });
    const outputs = layers.at(-1).outputs;
    const read = await this.read(this.target((layers.length + 1) % 2, lanes), lanes, blocksOf(outputs), side);
    gl.deleteTexture(first);
    if (order === 0) return this.unpackValues(read, grid, outputs, side);
    return range(lanes).map((lane) => unpack(read, lane, side, grid, outputs, this.columns));
  }

  weightTexture(layer) {
    const kept = this.textures.get(layer.weight);
    if (kept) return kept;
    if (this.textures.size > 256) { // tiles that were not looked at for long
      const [oldest, texture] = this.textures.entries().next().value;
      this.gl.deleteTexture(texture);
      this.textures.delete(oldest);
    }
    const made = this.makeTexture(blocksOfWeights(layer, this.weights));
    this.textures.set(layer.weight, made);
    return made;
  }

  makeTexture({ width, height, data }) {
    const gl = this.gl, texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, width, height, 0, gl.RGBA, gl.FLOAT, data);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    return texture;
  }

  // One of the two sets of feature textures that layers are drawn into in turn.
  target(number, lanes) {
    const gl = this.gl, name = `${number} ${lanes}`;
    this.targets ??= new Map();
    if (!this.targets.has(name)) {
      const textures = range(lanes).map(() =>
        this.makeTexture({ width: this.columns << this.shift, height: this.rows << this.shift, data: null }));
      const framebuffer = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      const attachments = textures.map((texture, lane) => {
        gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + lane, gl.TEXTURE_2D, texture, 0);
        return gl.COLOR_ATTACHMENT0 + lane;
      });
      gl.drawBuffers(attachments);
      this.targets.set(name, { textures, framebuffer });
    }
    return this.targets.get(name);
  }

  program(kind, order, lanes, activation) {
    const name = [kind, order, lanes, activation].join(" ");
    if (!this.programs.has(name)) this.programs.set(name, this.link(shaderOf(kind, order, lanes, activation)));
    return this.programs.get(name);
  }

  // A program that draws all of a target by a fragment shader; place(name) is where its uniform is.
  link(text) {
    const gl = this.gl, program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, WHOLE], [gl.FRAGMENT_SHADER, text]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`A shader was not accepted: ${gl.getProgramInfoLog(program)}`);
    }
    const places = new Map();
    const place = (name) => {
      if (!places.has(name)) places.set(name, gl.getUniformLocation(program, name));
      return places.get(name);
    };
    return { program, place };
  }

  // Waits until all that was asked for is drawn; nothing waits for it but the caller.
  async idle() {
    const gl = this.gl, fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    do await pause(); while (!this.lost && gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED);
    gl.deleteSync(fence);
  }

  // The blocks of the outputs of each lane, once they are drawn; nothing waits for it but the caller.
  async read(target, lanes, blocks, side) {
    const gl = this.gl;
    const width = Math.min(blocks, this.columns) * side, height = Math.ceil(blocks / this.columns) * side;
    const bytes = width * height * 16, buffer = gl.createBuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, bytes * lanes, gl.STREAM_READ);
    for (let lane = 0; lane < lanes; lane++) {
      gl.readBuffer(gl.COLOR_ATTACHMENT0 + lane);
      gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, lane * bytes);
    }
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    await this.idle();
    const found = new Float32Array((bytes / 4) * lanes);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, found);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.deleteBuffer(buffer);
    return { numbers: found, width, height };
  }

  // Values of the four grids side by side as one.
  unpackValues(read, grid, outputs, side) {
    const found = new Float32Array(grid.width * grid.height * outputs);
    range(4).forEach((lane) => {
      const x = lane & 1 ? side : 0, y = lane & 2 ? side : 0;
      const part = { width: Math.min(side, grid.width - x), height: Math.min(side, grid.height - y) };
      if (part.width <= 0 || part.height <= 0) return;
      const some = unpack(read, lane, side, part, outputs, this.columns);
      for (let row = 0; row < part.height; row++) {
        const length = part.width * outputs;
        found.set(some.subarray(row * length, (row + 1) * length), ((y + row) * grid.width + x) * outputs);
      }
    });
    return found;
  }
}

// The name of what draws.
function rendererOf(gl) {
  const name = gl.getParameter(gl.RENDERER);
  const more = name === "WebKit WebGL" && gl.getExtension("WEBGL_debug_renderer_info");
  return more ? gl.getParameter(more.UNMASKED_RENDERER_WEBGL) : name;
}

function shaderOf(kind, order, lanes, activation) {
  const all = range(lanes), axes = order === 0 ? 0 : lanes - (order > 1 ? 2 : 1);
  const corners = order === 0 ? 4 : 1;
  const begin = kind === "first" ? `
  vec4 along = float(q.x) * texelFetch(weights, ivec2(g, ${corners}), 0)
    + float(q.y) * texelFetch(weights, ivec2(g, ${corners + 1}), 0);
  ${all.map((lane) => {
    if (order === 0) return `a${lane} = texelFetch(weights, ivec2(g, ${lane}), 0) + along;`;
    if (lane === 0) return "a0 = texelFetch(weights, ivec2(g, 0), 0) + along;";
    return lane <= axes ? `a${lane} = texelFetch(weights, ivec2(g, ${lane + 2}), 0);` : `a${lane} = vec4(0.0);`;
  }).join("\n  ")}` : `
  vec4 bias = texelFetch(weights, ivec2(4 * layout_.w, g), 0);
  ${all.map((lane) => `a${lane} = ${order === 0 || lane === 0 ? "bias" : "vec4(0.0)"};`).join("\n  ")}
  for (int k = 0; k < layout_.w; k++) {
    ivec2 at = ivec2(k % layout_.y, k / layout_.y) * layout_.x + q;
    mat4 m = mat4(texelFetch(weights, ivec2(4 * k, g), 0), texelFetch(weights, ivec2(4 * k + 1, g), 0),
      texelFetch(weights, ivec2(4 * k + 2, g), 0), texelFetch(weights, ivec2(4 * k + 3, g), 0));
    ${all.map((lane) => `a${lane} += m * texelFetch(h${lane}, at, 0);`).join("\n    ")}
  }`;
  const slopes = range(axes).map((i) => `a${i + 1}`);
  const end = order === 0
    ? all.map((lane) => `activate(a${lane}, s, s1, s2); o${lane} = s;`)
    : ["activate(a0, s, s1, s2); o0 = s;", ...slopes.map((a, i) => `o${i + 1} = s1 * ${a};`),
      ...(order > 1 ? [`o${lanes - 1} = s2 * (${slopes.map((a) => `${a} * ${a}`).join(" + ")}) + s1 * a${lanes - 1};`]
        : [])];
  return `${HEAD}
uniform sampler2D weights;
uniform ivec4 layout_; // a block's side, blocks in a row, blocks, blocks of the layer before
${kind === "first" ? "" : all.map((lane) => `uniform sampler2D h${lane};`).join("\n")}
${all.map((lane) => `layout(location = ${lane}) out vec4 o${lane};`).join("\n")}
${activationText("activate", activation)}
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy), b = p / layout_.x, q = p - b * layout_.x;
  int g = b.y * layout_.y + b.x;
  ${all.map((lane) => `o${lane} = vec4(0.0);`).join(" ")}
  if (g >= layout_.z) return;
  vec4 ${all.map((lane) => `a${lane}`).join(", ")}, s, s1, s2;
  ${begin}
  ${end.join("\n  ")}
}
`;
}
