// A field on grids of points, its networks on the graphics processor; what joins them is computed here.

import { Compute } from "./compute.js";
import { Graphics } from "./graphics.js";
import { pause, range } from "./layers.js";
import { evaluateField, evaluateNetwork, layersOfTile, tilesAlong } from "./network.js";

const PATIENCE = 12; // milliseconds of work before the page gets a turn
const FEW = 2 ** 18; // products that are sooner computed here than asked for and read back
const SLOW = 50; // milliseconds that nobody minds once
const SAMPLES = 8; // points that WebGPU is compared with double precision at

export class Evaluation {
  // On the graphics processor where it can, else in double precision here; `reason` tells why. `renderer`: "webgl" or
  // "webgpu", even if that is the processor after all; else WebGL 2 until WebGPU is there and has been compared.
  constructor(node, weights, exact, renderer) {
    this.node = node;
    this.weights = weights;
    this.graphics = null;
    this.compute = null;
    this.compared = new Map(); // networks by what is asked of them; true: WebGPU finds what it should
    this.means = "the processor, in double precision"; // what found the last numbers
    this.reason = "";
    this.since = 0; // when the page had its last turn
    if (exact) {
      this.reason = "This field needs double precision.";
      return;
    }
    try {
      this.graphics = new Graphics(networksOf(node), weights);
    } catch (error) {
      this.reason = error.message;
      return;
    }
    const wanted = renderer === "webgpu";
    if (wanted || (renderer !== "webgl" && !this.graphics.software)) this.offer(wanted);
  }

  // Asks for WebGPU; nothing waits for it.
  async offer(wanted) {
    this.wanted = wanted; // even where it is the processor, or slow
    try {
      this.compute = await Compute.offered(this.weights, wanted);
      this.compute?.renew(this.weights);
    } catch {
      this.compute = null;
    }
  }

  // The same field with other weights.
  renew(weights) {
    this.weights = weights;
    this.graphics?.renew(weights);
    this.compute?.renew(weights);
  }

  // How many points a side grids may have.
  side(order) {
    return this.graphics ? this.graphics.side(order) : 16;
  }

  // {value, slopes, laplacian} on a grid {origin, right, down, width, height}, each (height, width, outputs).
  async evaluate(grid, order) {
    return this.graphics ? this.evaluateNode(this.node, grid, order) : this.evaluateHere(this.node, grid, order);
  }

  // The jet at one point, in double precision.
  at(point, order) {
    return evaluateField(this.node, this.weights, point, order);
  }

  async evaluateNode(node, grid, order) {
    if (node.type === "chain") return this.evaluateLayers(node.layers, grid, order);
    if (node.type === "tiled") return this.evaluateTiles(node, grid, order);
    if (!node.parts) return this.evaluateHere(node, grid, order);
    const parts = await Promise.all(node.parts.map((each) => this.evaluateNode(each, grid, order)));
    const points = grid.width * grid.height;
    return parts.slice(1).reduce((a, b) => (node.type === "sum" ? add(a, b) : multiply(a, b, points)), parts[0]);
  }

  // A network by WebGPU once it is known to find what it should, else by WebGL 2.
  async evaluateLayers(layers, grid, order) {
    const { compute } = this;
    const many = Math.ceil(Math.log2(grid.width * grid.height) / 4); // what is right for few points is compared for more
    const kind = [order, many, ...layers.map((each) => `${each.activation} ${each.inputs} ${each.outputs}`)].join(", ");
    if (compute && this.compared.get(kind)) {
      try {
        const found = await compute.evaluate(layers, grid, order);
        this.means = "WebGPU";
        return found;
      } catch {
        this.withdraw();
      }
    }
    const { weights } = this, [found, taken] = await timed(() => this.graphics.evaluate(layers, grid, order));
    this.means = "WebGL 2";
    if (compute && !this.compared.has(kind)) this.compare(kind, layers, grid, order, found, taken, weights);
    return found;
  }

  // Whether WebGPU is about as near to double precision as WebGL 2 is, at some points of a grid, and to that at all but
  // those few where a kink lies between the two, and does not take much longer, as where a browser seldom looks for what
  // is to be read.
  async compare(kind, layers, grid, order, found, taken, weights) {
    const { outputs } = layers.at(-1), last = grid.width * grid.height - 1, exact = [];
    const places = range(SAMPLES).map((k) => Math.round((k * last) / (SAMPLES - 1)));
    this.compared.set(kind, false);
    try {
      const other = listsOf(await this.compute.evaluate(layers, grid, order));
      for (const n of places) {
        await pause();
        exact.push(listsOf(evaluateNetwork(layers, weights, pointOf(grid, n), order)));
      }
      if (weights !== this.weights) {
        this.compared.delete(kind);
        return;
      }
      listsOf(found).forEach((list, i) => {
        const some = (from) => places.flatMap((n) => [...from.subarray(n * outputs, (n + 1) * outputs)]);
        const truth = exact.flatMap((each) => [...each[i]]);
        const rounding = 8 * distance(some(list), truth) + 1e-5 * distance(truth, truth.map(() => 0));
        const apart = list.filter((x, n) => !(Math.abs(x - other[i][n]) <= 8 * rounding)).length;
        if (distance(some(other[i]), truth) <= rounding && apart <= list.length / 1000) return;
        throw new Error("It finds something else.");
      });
      const [, again] = await timed(() => this.compute.evaluate(layers, grid, order)); // with its shaders at hand
      if (again > 3 * taken + SLOW && !this.wanted) throw new Error("It is slow.");
      this.compared.set(kind, true);
    } catch {
      this.withdraw();
    }
  }

  withdraw() {
    this.compute?.device.destroy();
    this.compute = null;
  }

  async evaluateHere(node, grid, order) {
    const d = grid.origin.length, points = grid.width * grid.height, outputs = outputsOf(node);
    const arrays = () => new Float64Array(points * outputs);
    const found = {
      value: arrays(),
      slopes: order > 0 ? grid.origin.map(arrays) : [],
      laplacian: order > 0 ? arrays() : null,
    };
    for (let n = 0; n < points; n++) {
      const jet = evaluateField(node, this.weights, pointOf(grid, n), order);
      found.value.set(jet.value, n * outputs);
      for (let i = 0; order > 0 && i < d; i++) found.slopes[i].set(jet.slopes[i], n * outputs);
      if (order > 0) found.laplacian.set(jet.laplacian, n * outputs);
      if (performance.now() - this.since > PATIENCE) {
        await pause();
        this.since = performance.now();
      }
    }
    return found;
  }

  // Σ_k w_k Φ_k with Leibniz's rule: each tile on the part of the grid that it has a weight in.
  async evaluateTiles(node, grid, order) {
    const folded = grid.height > 1 && grid.right.some((x, axis) => x !== 0 && grid.down[axis] !== 0);
    if (folded) return this.evaluateRows(node, grid, order);
    const outputs = outputsOf(node), d = grid.origin.length, points = grid.width * grid.height;
    const zeros = () => new Float32Array(points * outputs);
    const total = {
      value: zeros(),
      slopes: order > 0 ? grid.origin.map(zeros) : [],
      laplacian: order > 1 ? zeros() : null,
    };
    let tiles = [{ index: 0, middle: [], columns: [0, grid.width], rows: [0, grid.height], factors: [] }];
    for (let axis = 0; axis < d; axis++) {
      const along = grid.right[axis] !== 0 ? "columns" : grid.down[axis] !== 0 ? "rows" : null;
      tiles = tiles.flatMap((tile) => spans(node, axis, grid, along).map((span) => ({
        ...tile,
        ...(along ? { [along]: [span.first, span.last + 1] } : {}),
        index: tile.index * node.counts[axis] + span.number,
        middle: [...tile.middle, span.middle],
        factors: [...tile.factors, { along, first: span.first, list: span.factors }],
      })));
    }
    const products = node.layers.reduce((sum, each) => sum + each.inputs * each.outputs, 0) * (order > 0 ? d + 2 : 1);
    const waiting = [];
    for (const { index, middle, columns, rows, factors } of tiles) {
      const part = {
        origin: grid.origin.map((o, k) => o + columns[0] * grid.right[k] + rows[0] * grid.down[k] - middle[k]),
        right: grid.right,
        down: grid.down,
        width: columns[1] - columns[0],
        height: rows[1] - rows[0],
      };
      const join = (jet) => {
        for (let y = 0; y < part.height; y++) {
          for (let x = 0; x < part.width; x++) {
            const own = factors.map(({ along, first, list }) =>
              list[along === "columns" ? columns[0] + x - first : along === "rows" ? rows[0] + y - first : 0]);
            const from = (y * part.width + x) * outputs;
            accumulate(total, ((rows[0] + y) * grid.width + columns[0] + x) * outputs, jet, from, own, outputs, order);
          }
        }
      };
      const layers = layersOfTile(node, index);
      if (part.width * part.height * products > FEW) waiting.push(this.evaluateLayers(layers, part, order).then(join));
      else join(await this.evaluateHere({ type: "chain", layers }, part, order));
    }
    await Promise.all(waiting);
    return total;
  }

  // A grid whose rows go on where the one before ends, along one axis, row by row.
  async evaluateRows(node, grid, order) {
    const found = [];
    for (let y = 0; y < grid.height; y++) {
      const origin = grid.origin.map((o, axis) => o + y * grid.down[axis]);
      found.push(await this.evaluateTiles(node, { ...grid, origin, height: 1 }, order));
    }
    const joined = (parts) => parts[0] && Float32Array.from(parts.flatMap((each) => Array.from(each)));
    return {
      value: joined(found.map((each) => each.value)),
      slopes: found[0].slopes.map((_, i) => joined(found.map((each) => each.slopes[i]))),
      laplacian: joined(found.map((each) => each.laplacian)),
    };
  }
}

function pointOf(grid, n) {
  const x = n % grid.width, y = Math.floor(n / grid.width);
  return grid.origin.map((o, k) => o + x * grid.right[k] + y * grid.down[k]);
}

const listsOf = ({ value, slopes, laplacian }) => [value, ...(slopes ?? []), laplacian].filter(Boolean);

// What is found, and in how many milliseconds.
async function timed(find) {
  const since = performance.now();
  return [await find(), performance.now() - since];
}

// The root of the mean square of differences.
const distance = (a, b) => Math.sqrt(a.reduce((sum, x, k) => sum + (x - b[k]) ** 2, 0) / a.length);

// The tiles along an axis that a grid touches, each with the columns or rows from first to last and its weights there.
function spans(node, axis, grid, along) {
  const found = new Map(), step = along === "columns" ? grid.right[axis] : along === "rows" ? grid.down[axis] : 0;
  const count = along === "columns" ? grid.width : along === "rows" ? grid.height : 1;
  for (let n = 0; n < count; n++) {
    const x = grid.origin[axis] + n * step;
    for (const { number, factor, offset } of tilesAlong(node, axis, x)) {
      if (!found.has(number)) found.set(number, { number, first: n, middle: x - offset, factors: [] });
      const span = found.get(number);
      span.last = n;
      span.factors.push(factor);
    }
  }
  return [...found.values()];
}

function accumulate(total, to, jet, from, factors, outputs, order) {
  const d = factors.length;
  let weight = 1;
  for (let i = 0; i < d; i++) weight *= factors[i][0];
  for (let c = 0; c < outputs; c++) total.value[to + c] += weight * jet.value[from + c];
  if (order === 0) return;
  for (let i = 0; i < d; i++) {
    let slope = factors[i][1], curvature = factors[i][2];
    for (let k = 0; k < d; k++) {
      if (k === i) continue;
      slope *= factors[k][0];
      curvature *= factors[k][0];
    }
    for (let c = 0; c < outputs; c++) {
      total.slopes[i][to + c] += weight * jet.slopes[i][from + c] + slope * jet.value[from + c];
      if (order > 1) {
        total.laplacian[to + c] += 2 * slope * jet.slopes[i][from + c] + curvature * jet.value[from + c];
      }
    }
  }
  if (order > 1) for (let c = 0; c < outputs; c++) total.laplacian[to + c] += weight * jet.laplacian[from + c];
}

function add(a, b) {
  const sum = (x, y) => x && y && x.map((each, k) => each + y[k]);
  return { value: sum(a.value, b.value), slopes: a.slopes?.map((x, i) => sum(x, b.slopes[i])),
    laplacian: sum(a.laplacian, b.laplacian) };
}

// Leibniz's rule, where one of the factors may have a single output.
function multiply(a, b, points) {
  const outputs = Math.max(a.value.length, b.value.length) / points;
  const at = (list, n, c) => (list.length === points ? list[n] : list[n * outputs + c]);
  const made = (of) => Float32Array.from({ length: points * outputs }, (_, k) => of(Math.floor(k / outputs), k % outputs));
  return {
    value: made((n, c) => at(a.value, n, c) * at(b.value, n, c)),
    slopes: a.slopes?.map((slope, i) => made((n, c) =>
      at(a.value, n, c) * at(b.slopes[i], n, c) + at(slope, n, c) * at(b.value, n, c))),
    laplacian: a.laplacian && b.laplacian && made((n, c) => a.slopes.reduce(
      (sum, slope, i) => sum + 2 * at(slope, n, c) * at(b.slopes[i], n, c),
      at(a.value, n, c) * at(b.laplacian, n, c) + at(a.laplacian, n, c) * at(b.value, n, c),
    )),
  };
}

function networksOf(node) {
  return node.parts ? node.parts.flatMap(networksOf) : node.layers ? [node] : [];
}

export function outputsOf(node) {
  if (node.parts) return Math.max(...node.parts.map(outputsOf));
  return node.layers ? node.layers.at(-1).outputs : (node.outputs ?? node.values?.length ?? 1);
}
