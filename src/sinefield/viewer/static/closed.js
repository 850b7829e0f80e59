// Functions in closed form, that solutions of equations are made of beside networks: jets of one output at a point.

export const CLOSED_FORMS = {
  constant: (node, point) => ({
    value: node.values,
    slopes: point.map(() => node.values.map(() => 0)),
    laplacian: node.values.map(() => 0),
  }),

  // s √(|x − c|² + ε²)
  distance: (node, point) => {
    const from = point.map((x, i) => x - node.centre[i]), squares = from.reduce((sum, x) => sum + x * x, 0);
    const q = Math.sqrt(squares + node.rounding ** 2) || 1e-150;
    return single(node.factor * q, from.map((x) => (node.factor * x) / q),
      node.factor * (point.length / q - squares / q ** 3));
  },

  window: (node, point) => WINDOWS[node.kind](node.numbers, point),
};

const single = (value, slopes, laplacian) => ({ value: [value], slopes: slopes.map((x) => [x]), laplacian: [laplacian] });
const flat = (point, holds) => single(holds ? 1 : 0, point.map(() => 0), 0);
const squaresFrom = (point, centre) => point.reduce((sum, x, i) => sum + (x - centre[i]) ** 2, 0);
const inBlock = (numbers, point) =>
  point.every((x, i) => Math.abs(x - numbers[i]) < numbers[point.length + i]);
const inBall = (numbers, point) => squaresFrom(point, numbers) < numbers[point.length] ** 2;

// Of what depends on one axis alone.
const along = (axis, point, [value, first, second]) =>
  single(value, point.map((_, i) => (i === axis ? first : 0)), second);

// Of w(|x − c|²), from w, w' and w''.
function radial(point, centre, squares, [value, first, second]) {
  return single(value, point.map((x, i) => 2 * first * (x - centre[i])),
    4 * squares * second + 2 * point.length * first);
}

const WINDOWS = {
  gaussian: (numbers, point) => {
    const rate = -1 / (2 * numbers.at(-1) ** 2), squares = squaresFrom(point, numbers), w = Math.exp(rate * squares);
    return radial(point, numbers, squares, [w, rate * w, rate * rate * w]);
  },
  inside: (numbers, point) => {
    const [radius, width] = numbers.slice(-2), squares = Math.max(squaresFrom(point, numbers), 1e-60);
    const scale = radius / (2 * width), u = scale * Math.log(squares / radius ** 2);
    const first = (-Math.exp(-u * u) / Math.sqrt(Math.PI)) * (scale / squares);
    return radial(point, numbers, squares, [erfc(u) / 2, first, (first * (-2 * u * scale - 1)) / squares]);
  },
  ball: (numbers, point) => flat(point, inBall(numbers, point)),
  "outside ball": (numbers, point) => flat(point, !inBall(numbers, point)),
  block: (numbers, point) => flat(point, inBlock(numbers, point)),
  "outside block": (numbers, point) => flat(point, !inBlock(numbers, point)),
  layer: ([axis, start, width], point) => {
    const depth = Math.max((Math.abs(point[axis]) - start) / width, 0);
    return along(axis, point, [depth ** 3, (3 * depth ** 2 * Math.sign(point[axis])) / width, (6 * depth) / width ** 2]);
  },
  strip: ([axis, begin, end, width], point) => {
    const [a, b] = [begin, end].map((edge) => rising((point[axis] - edge) / width + 0.5, width));
    return along(axis, point,
      [a[0] * (1 - b[0]), a[1] * (1 - b[0]) - a[0] * b[1], a[2] * (1 - b[0]) - 2 * a[1] * b[1] - a[0] * b[2]]);
  },
};

// S(t) = t⁵ (126 − 420 t + 540 t² − 315 t³ + 70 t⁴) and its derivatives by a coordinate that is `width` long for t.
function rising(place, width) {
  const t = Math.min(1, Math.max(0, place)), inner = t * (1 - t);
  return [
    t ** 5 * (126 - t * (420 - t * (540 - t * (315 - 70 * t)))),
    (630 * inner ** 4) / width,
    (2520 * inner ** 3 * (1 - 2 * t)) / width ** 2,
  ];
}

// The complementary error function: its series where it converges fast, else its continued fraction.
export function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let term = x, sum = x;
    for (let n = 1; n < 80; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
