// Layers as a graphics processor reads them, by WebGL 2 and by WebGPU: activations as text, and numbers in blocks, each of
// four neurons.

// σ(a), σ'(a) and σ''(a) as s, s1 and s2, in what GLSL and WGSL have in common, but that the former says vec4 for let.
// The sine is good to a unit in the last place or two, whatever the hardware's own is: the argument less quarter turns, of
// which π/2 is subtracted in three parts, then the polynomials of the Cephes library.
export const CURVES = {
  identity: "s = a; s1 = vec4(1.0); s2 = vec4(0.0);",
  sine: `let n = floor(a * 0.6366197723675814 + 0.5);
    let r = ((a - n * 1.5703125) - n * 4.837512969970703e-4) - n * 7.549789954891882e-8;
    let z = r * r;
    let sine = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    let even = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let odd = n - 2.0 * floor(0.5 * n);
    let pairs = floor(0.5 * n);
    let way = 1.0 - 2.0 * (pairs - 2.0 * floor(0.5 * pairs));
    s = mix(sine, even, odd) * way; s1 = mix(even, sine, odd) * way * (1.0 - 2.0 * odd); s2 = -s;`,
  relu: "s = max(a, vec4(0.0)); s1 = step(vec4(1e-37), a); s2 = vec4(0.0);",
  tanh: "let e = exp(-2.0 * abs(a)); s = sign(a) * (1.0 - e) / (1.0 + e); s1 = 1.0 - s * s; s2 = -2.0 * s * s1;",
  sigmoid: "s = 1.0 / (1.0 + exp(-a)); s1 = s * (1.0 - s); s2 = s1 * (1.0 - 2.0 * s);",
  softplus: `s1 = 1.0 / (1.0 + exp(-a)); s2 = s1 * (1.0 - s1);
    s = max(a, vec4(0.0)) + log(1.0 + exp(-abs(a)));`,
  elu: `let up = step(vec4(1e-37), a); s2 = exp(min(a, vec4(0.0))) * (1.0 - up); s1 = s2 + up;
    s = max(a, s1 - 1.0);`,
  selu: `let up = step(vec4(1e-37), a); let e = 1.7580993408473766 * exp(min(a, vec4(0.0)));
    s2 = e * (1.0 - up); s1 = s2 + 1.0507009873554805 * up;
    s = mix(e - 1.7580993408473766, 1.0507009873554805 * a, up);`,
  exponential: "s = exp(a); s1 = s; s2 = s;",
};

export const range = (count) => Array.from({ length: count }, (_, k) => k);
export const blocksOf = (features) => Math.ceil(features / 4);

// Whether one that tells such names is the processor after all.
export const isSoftware = (name) => /swiftshader|llvmpipe|software|basic render/i.test(name);

// The arguments of the first layer at corners {x, y} of a grid, their steps to the right and down, and their slopes along
// axes: a row each, and in it a block for each four neurons. They are found in double precision, less whole turns of the
// sine; from the corners they advance in single precision.
export function firstArguments(layer, weights, grid, corners, axes) {
  const { inputs: d, outputs } = layer, blocks = blocksOf(outputs);
  const rows = corners.length + 2 + axes.length, data = new Float32Array(rows * blocks * 4);
  const periodic = layer.activation === "sine";
  for (let j = 0; j < outputs; j++) {
    const w = layer.weight + j * d;
    let corner = weights[layer.bias + j], right = 0, down = 0;
    for (let k = 0; k < d; k++) {
      corner += weights[w + k] * grid.origin[k];
      right += weights[w + k] * grid.right[k];
      down += weights[w + k] * grid.down[k];
    }
    // Steps are counted in whole numbers, so that they lose their whole turns too.
    const reduce = (a) => (periodic ? a - 2 * Math.PI * Math.round(a / (2 * Math.PI)) : a);
    [...corners.map(([x, y]) => reduce(corner + x * right + y * down)), reduce(right), reduce(down),
      ...axes.map((axis) => weights[w + axis])].forEach((a, row) => {
      data[row * blocks * 4 + j] = a;
    });
  }
  return { width: blocks, height: rows, data };
}

// Block 4k + c of row g holds the weights from input 4k + c to the outputs 4g … 4g + 3; the last of a row the biases.
export function blocksOfWeights(layer, weights) {
  const { inputs, outputs } = layer, width = 4 * blocksOf(inputs) + 1, height = blocksOf(outputs);
  const data = new Float32Array(width * height * 4);
  for (let j = 0; j < outputs; j++) {
    const at = (j >> 2) * width * 4 + (j & 3);
    for (let k = 0; k < inputs; k++) data[at + 4 * k] = weights[layer.weight + j * inputs + k];
    data[at + 4 * (width - 1)] = weights[layer.bias + j];
  }
  return { width, height, data };
}

// The numbers (height, width, outputs) of a grid from those of a lane: blocks {numbers, width, height}, `columns` of them
// in a row, `side` points high.
export function unpack(read, lane, side, grid, outputs, columns) {
  const found = new Float32Array(grid.width * grid.height * outputs), start = lane * read.width * read.height * 4;
  for (let output = 0; output < outputs; output++) {
    const block = output >> 2, left = (block % columns) * side, top = Math.floor(block / columns) * side;
    for (let y = 0; y < grid.height; y++) {
      let from = start + ((top + y) * read.width + left) * 4 + (output & 3);
      let to = y * grid.width * outputs + output;
      for (let x = 0; x < grid.width; x++, from += 4, to += outputs) found[to] = read.numbers[from];
    }
  }
  return found;
}

// Gives the page a turn.
export function pause() {
  return new Promise((resolve) => { setTimeout(resolve, 0); });
}
