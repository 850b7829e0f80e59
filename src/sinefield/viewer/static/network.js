// Networks in double precision, one point at a time: the numbers under the pointer, and what a browser without WebGL 2
// draws with. A jet is the value at a point, the slopes along each axis and the Laplacian; lanes hold them in turn.

import { CLOSED_FORMS } from "./closed.js";
import { evaluateExpansion } from "./expansion.js";

const SELU = [1.0507009873554805, 1.6732632423543772];

// Each activation puts σ(a), σ'(a) and σ''(a) into an array; of a sine σ(a) alone where order is 0, in half the time.
const ACTIVATIONS = {
  identity: (a, to) => put(to, a, 1, 0),
  sine: (a, to, order) => {
    const s = Math.sin(a);
    put(to, s, order > 0 ? Math.cos(a) : 0, -s);
  },
  relu: (a, to) => put(to, Math.max(a, 0), a > 0 ? 1 : 0, 0),
  tanh: (a, to) => {
    const t = Math.tanh(a), slope = 1 - t * t;
    put(to, t, slope, -2 * t * slope);
  },
  sigmoid: (a, to) => {
    const s = 1 / (1 + Math.exp(-a)), slope = s * (1 - s);
    put(to, s, slope, slope * (1 - 2 * s));
  },
  softplus: (a, to) => {
    const s = 1 / (1 + Math.exp(-a));
    put(to, Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))), s, s * (1 - s));
  },
  elu: (a, to) => (a > 0 ? put(to, a, 1, 0) : put(to, Math.expm1(a), Math.exp(a), Math.exp(a))),
  selu: (a, to) => {
    const e = SELU[0] * SELU[1] * Math.exp(Math.min(a, 0));
    if (a > 0) put(to, SELU[0] * a, SELU[0], 0);
    else put(to, e - SELU[0] * SELU[1], e, e);
  },
  exponential: (a, to) => put(to, Math.exp(a), Math.exp(a), Math.exp(a)),
};

function put(to, value, slope, curvature) {
  to[0] = value;
  to[1] = slope;
  to[2] = curvature;
}

// Features of a layer and of the one after it, kept from point to point: arrays for each point are most of the time.
const kept = { width: 0, lanes: 0, features: [], curve: new Float64Array(3) };

function keep(width, lanes) {
  if (width > kept.width || lanes > kept.lanes) {
    kept.width = Math.max(width, kept.width);
    kept.lanes = Math.max(lanes, kept.lanes);
    kept.features = [0, 1].map(() => Array.from({ length: kept.lanes }, () => new Float64Array(kept.width)));
  }
  return kept;
}

// A jet of c outputs: the value, the slopes {∂_i Φ} and the Laplacian; a value alone where order is 0.
export function evaluateNetwork(layers, weights, point, order) {
  const d = layers[0].inputs, lanes = order > 0 ? d + 2 : 1;
  const { features: [first, second], curve } = keep(layers.reduce((most, each) => Math.max(most, each.outputs), d), lanes);
  let features = first, made = second;
  for (let lane = 0; lane < lanes; lane++) {
    for (let k = 0; k < d; k++) features[lane][k] = lane === 0 ? point[k] : lane === k + 1 ? 1 : 0;
  }
  for (const layer of layers) {
    const { inputs, outputs, weight, bias } = layer, activate = ACTIVATIONS[layer.activation];
    for (let j = 0; j < outputs; j++) {
      const row = weight + j * inputs;
      for (let lane = 0; lane < lanes; lane++) {
        const from = features[lane];
        let sum = lane === 0 ? weights[bias + j] : 0;
        for (let k = 0; k < inputs; k++) sum += weights[row + k] * from[k];
        made[lane][j] = sum;
      }
      activate(made[0][j], curve, order);
      made[0][j] = curve[0];
      if (order > 0) {
        let squares = 0;
        for (let i = 1; i <= d; i++) {
          squares += made[i][j] ** 2;
          made[i][j] *= curve[1];
        }
        made[d + 1][j] = curve[2] * squares + curve[1] * made[d + 1][j];
      }
    }
    [features, made] = [made, features];
  }
  const found = features.slice(0, lanes).map((each) => each.slice(0, layers.at(-1).outputs));
  return jetOf(found[0], found.slice(1, d + 1), found[d + 1]);
}

function jetOf(value, slopes, laplacian) {
  return { value, slopes, laplacian };
}

// A field by its description, at a point.
export function evaluateField(node, weights, point, order) {
  if (node.type === "chain") return evaluateNetwork(node.layers, weights, point, order);
  if (node.type === "tiled") {
    let total = null;
    for (const tile of tilesAt(node, point)) {
      const inner = evaluateNetwork(layersOfTile(node, tile.index), weights, tile.place, order);
      total = addJets(total, multiplyJets(tile.weight, inner));
    }
    return total ?? emptyJet(node.layers.at(-1).outputs, point.length);
  }
  if (node.type in CLOSED_FORMS) return CLOSED_FORMS[node.type](node, point);
  if (node.type === "expansion") return evaluateExpansion(node, weights, point);
  if (node.type === "slabs") {
    const later = node.edges.slice(1, -1).filter((edge) => point[node.axis] > edge).length;
    return evaluateField(node.parts[later], weights, point, order);
  }
  if (node.type === "stretched") return evaluateStretched(node, weights, point, order);
  const parts = node.parts.map((each) => evaluateField(each, weights, point, order));
  return parts.slice(1).reduce(node.type === "sum" ? addJets : multiplyJets, parts[0]);
}

// Φ(x) = Ψ(…, ξ(x_i), …) with ξ = shift + factor asinh((x_i − centre) / width). The second derivative along the axis is
// ξ'² Ψ'' + ξ'' Ψ', for which Ψ'' is found from slopes beside the point, as jets hold no more than the Laplacian.
function evaluateStretched(node, weights, point, order) {
  const y = point[node.axis] - node.centre, root = Math.hypot(y, node.width);
  const first = node.factor / root, second = (-node.factor * y) / root ** 3;
  const moved = point.map((x, i) => (i === node.axis ? node.shift + node.factor * Math.asinh(y / node.width) : x));
  const inner = evaluateField(node.parts[0], weights, moved, order);
  if (order === 0) return inner;
  const slope = inner.slopes[node.axis], step = 1e-4;
  const beside = [-step, step].map((h) =>
    evaluateField(node.parts[0], weights, moved.map((x, i) => (i === node.axis ? x + h : x)), order).slopes[node.axis]);
  return jetOf(
    inner.value,
    inner.slopes.map((each, i) => (i === node.axis ? each.map((x) => x * first) : each)),
    inner.laplacian.map((each, k) => {
      const along = (beside[1][k] - beside[0][k]) / (2 * step);
      return each + along * (first ** 2 - 1) + second * slope[k];
    }),
  );
}

export function layersOfTile(node, index) {
  return node.layers.map((each) => each.shared ? each : {
    ...each,
    weight: each.weight + index * each.inputs * each.outputs,
    bias: each.bias + index * each.outputs,
  });
}

// The tiles that have a weight at a point: their number, the place from their middle, and the jet of the weight.
function tilesAt(node, point) {
  let found = [{ index: 0, place: [], factors: [] }];
  node.counts.forEach((count, axis) => {
    found = found.flatMap((tile) => tilesAlong(node, axis, point[axis]).map(({ number, factor, offset }) => ({
      index: tile.index * count + number,
      place: [...tile.place, offset],
      factors: [...tile.factors, factor],
    })));
  });
  return found.map((tile) => ({ ...tile, weight: jetOfProduct(tile.factors) }));
}

// The one or two tiles along an axis that have a weight at x: their number, the weight with its first two derivatives,
// and how far x is from their middle.
export function tilesAlong(node, axis, x) {
  const count = node.counts[axis], extent = node.extent[axis], width = (2 * extent) / count;
  const place = (x + extent) / width;
  const seam = Math.min(Math.max(Math.round(place), 1), Math.max(count - 1, 1));
  const rising = count === 1 ? [0, 0, 0] : smoothStep((place - seam) / node.overlap + 0.5, node.overlap * width);
  const lower = { number: seam - 1, factor: [1 - rising[0], -rising[1], -rising[2]] };
  return [lower, { number: seam, factor: rising }]
    .filter((each) => each.factor[0] > 0)
    .map((each) => ({ ...each, offset: (place - each.number - 0.5) * width }));
}

// S(t) = t³ (6t² − 15t + 10) and its derivatives by a coordinate in which it rises over a length.
function smoothStep(place, length) {
  const t = Math.min(Math.max(place, 0), 1);
  const inside = place > 0 && place < 1 ? 1 : 0;
  return [
    t ** 3 * (t * (6 * t - 15) + 10),
    (inside * 30 * (t * (t - 1)) ** 2) / length,
    (inside * 60 * t * (t - 1) * (2 * t - 1)) / length ** 2,
  ];
}

function jetOfProduct(factors) {
  const without = (orders) => factors.reduce((product, each, axis) => product * each[orders[axis] ?? 0], 1);
  const along = (axis, order) => factors.map((_, i) => (i === axis ? order : 0));
  return jetOf(
    [without([])],
    factors.map((_, i) => [without(along(i, 1))]),
    [factors.reduce((sum, _, i) => sum + without(along(i, 2)), 0)],
  );
}

function emptyJet(outputs, d) {
  const zeros = () => new Float64Array(outputs);
  return jetOf(zeros(), Array.from({ length: d }, zeros), zeros());
}

function addJets(a, b) {
  if (a === null) return b;
  const sum = (x, y) => x && y && Array.from(x, (each, k) => each + y[k]);
  return jetOf(sum(a.value, b.value), a.slopes.map((each, i) => sum(each, b.slopes[i])), sum(a.laplacian, b.laplacian));
}

// Leibniz's rule; one of the factors may have a single output, which multiplies all of the other's.
function multiplyJets(a, b) {
  const outputs = Math.max(a.value.length, b.value.length);
  const of = (list, k) => (list.length === 1 ? list[0] : list[k]);
  const each = (make) => Array.from({ length: outputs }, (_, k) => make(k));
  const product = (x, y) => each((k) => of(x, k) * of(y, k));
  if (!a.laplacian || !b.laplacian) return jetOf(product(a.value, b.value), [], undefined);
  const crossed = each((k) => a.slopes.reduce((sum, slope, i) => sum + of(slope, k) * of(b.slopes[i], k), 0));
  const left = product(a.value, b.laplacian), right = product(a.laplacian, b.value);
  return jetOf(
    product(a.value, b.value),
    a.slopes.map((slope, i) => {
      const one = product(a.value, b.slopes[i]), other = product(slope, b.value);
      return one.map((x, k) => x + other[k]);
    }),
    crossed.map((x, k) => left[k] + 2 * x + right[k]),
  );
}
