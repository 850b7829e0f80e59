// Combinations of complex functions in closed form, that solutions of equations have near corners, around holes and far
// away. A complex number is [re, im]; the jet of a function is [F, ∂_1 F, …, ∂_d F, ΔF].

import { erfc } from "./closed.js";

const EULER = 0.5772156649015329;
const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
const plus = (a, b, ...more) => (more.length ? plus([a[0] + b[0], a[1] + b[1]], ...more) : [a[0] + b[0], a[1] + b[1]]);
const scaled = (z, x) => [z[0] * x, z[1] * x];
const over = (a, b) => scaled(times(a, [b[0], -b[1]]), 1 / (b[0] ** 2 + b[1] ** 2));
const polar = (size, angle) => [size * Math.cos(angle), size * Math.sin(angle)];
const squareRoot = (z) => polar(Math.sqrt(Math.hypot(...z)), Math.atan2(z[1], z[0]) / 2);

// Φ = A Re(e^(−iβ) F) for real fields, and Σ (A_0 + i A_1) e^(−iβ) F as real and imaginary part for complex ones.
export function evaluateExpansion(node, weights, point) {
  const { outputs } = node, d = point.length;
  const total = Array.from({ length: d + 2 }, () => new Float64Array(outputs));
  const family = FAMILIES[node.family](point);
  for (const { numbers, turn, factors } of rowsOf(node, weights)) {
    const jet = family(numbers);
    for (let lane = 0; lane < d + 2; lane++) {
      const found = times(turn, jet[lane]);
      if (node.complex) {
        const z = times(factors, found);
        total[lane][0] += z[0];
        total[lane][1] += z[1];
      } else {
        for (let k = 0; k < outputs; k++) total[lane][k] += factors[k] * found[0];
      }
    }
  }
  return { value: total[0], slopes: total.slice(1, d + 1), laplacian: total[d + 1] };
}

const rows = new WeakMap();

// The numbers of each function, e^(−iβ) and its factors, once for all points.
function rowsOf({ terms, width, count, weight, outputs }, weights) {
  const kept = rows.get(weights) ?? rows.set(weights, new Map()).get(weights);
  if (!kept.has(terms)) {
    kept.set(terms, Array.from({ length: count }, (_, m) => {
      const numbers = [...weights.subarray(terms + m * width, terms + (m + 1) * width)];
      const factors = Array.from({ length: outputs }, (__, k) => weights[weight + k * count + m]);
      return { numbers, turn: polar(1, -numbers.at(-1)), factors };
    }));
  }
  return kept.get(terms);
}

// Of each family: a point gives a function of a function's numbers that gives its jet.
const FAMILIES = {
  // e^(iw·(x − c)), of w real, w imaginary, c and β
  waves: (point) => (numbers) => {
    const d = point.length, from = (at) => point.map((x, k) => numbers[at + k]);
    const [real, imaginary, centre] = [from(0), from(d), from(2 * d)];
    const along = (w) => point.reduce((sum, x, k) => sum + w[k] * (x - centre[k]), 0);
    const value = polar(Math.exp(-along(imaginary)), along(real));
    const slopes = point.map((x, k) => [-imaginary[k], real[k]]);
    return [value, ...slopes.map((w) => times(w, value)), times(plus(...slopes.map((w) => times(w, w))), value)];
  },

  // e^(iκ·(x − c)) cos(ω (t − c_t) − γ), of (κ, ω), c, the axis of t, γ and β
  standing: (point) => (numbers) => {
    const d = point.length, axis = numbers[2 * d], w = numbers;
    const place = point.reduce((sum, x, k) => sum + (k === axis ? 0 : w[k] * (x - numbers[d + k])), 0);
    const phase = w[axis] * (point[axis] - numbers[d + axis]) - numbers[2 * d + 1];
    const inPlace = polar(1, place), value = scaled(inPlace, Math.cos(phase));
    const slopes = point.map((x, k) => k === axis
      ? scaled(inPlace, -w[k] * Math.sin(phase)) : times([0, w[k]], value));
    return [value, ...slopes, scaled(value, -point.reduce((sum, x, k) => sum + w[k] ** 2, 0))];
  },

  // ζ^a ζ̄^b (log ζ)^l of ζ = e^(−iφ) (z − c)/s, by its derivatives L₋ = 2∂_z and L₊ = 2∂_z̄
  powers: ([x, y]) => ([cx, cy, turn, scale, a, b, withLog]) => {
    const radius = Math.max(Math.hypot(x - cx, y - cy), 1e-60), log = Math.log(radius / scale);
    const angle = Math.atan2((y - cy) * Math.cos(turn) - (x - cx) * Math.sin(turn),
      (x - cx) * Math.cos(turn) + (y - cy) * Math.sin(turn));
    const climbed = (down, up) => {
      const size = Math.exp((a + b - down - up) * log) * (2 / scale) ** (down + up);
      const whole = polar(size, (a - b - down + up) * angle + turn * (up - down));
      const [falling, slope] = down ? [a, 1] : [1, 0];
      const inner = withLog > 0 ? [falling * log + slope * withLog, falling * angle] : [falling, 0];
      return scaled(times(whole, inner), up ? b : 1);
    };
    return fromLadder(climbed(0, 0), climbed(1, 0), climbed(0, 1), climbed(1, 1));
  },

  outgoing,
};

// ∂_x = (L₋ + L₊)/2, ∂_y = (L₊ − L₋)/2i
function fromLadder(value, down, up, laplacian) {
  return [value, scaled(plus(down, up), 0.5), times([0, -0.5], plus(up, scaled(down, -1))), laplacian];
}

// Hankel functions about a centre, of coordinates that a layer stretches: X = x + i sign(x) A depth³/3L², times a
// factor 1 − ½ erfc((s/δ) log(r/s)) that takes their pole away; of n, k, A, a, L, c, s, δ and β.
function outgoing(point) {
  let known = "", waves = null;
  return ([n, k, strength, start, width, cx, cy, radius, slope]) => {
    const offset = [point[0] - cx, point[1] - cy], squares = offset[0] ** 2 + offset[1] ** 2;
    const least = slope ? radius * Math.exp((-12 * slope) / radius) : radius / 2;
    if (squares <= least ** 2) return Array.from({ length: 4 }, () => [0, 0]);
    const key = `${k} ${strength} ${start} ${width} ${cx} ${cy}`;
    if (known !== key) [known, waves] = [key, wavesAbout(point, offset, k, strength, start, width)];
    const { e, bent, of } = waves, size = sizeOf(Math.abs(n), k * radius);
    // By X and Y: (∂_X + i∂_Y) U_n = −k U_(n+1), (∂_X − i∂_Y) U_n = k U_(n−1).
    const value = scaled(of(n), 1 / size), twice = [of(n - 2), of(n + 2)].map((each) => scaled(each, (k * k) / size));
    const [, byX, byY] = fromLadder(value, scaled(of(n - 1), k / size), scaled(of(n + 1), -k / size), null);
    const both = plus(twice[0], twice[1]), slopes = [times(e[0], byX), times(e[1], byY)];
    const seconds = [[byX, 0.25], [byY, -0.25]].map(([first, sign], i) => plus(
      times(times(e[i], e[i]), plus(scaled(both, sign), scaled(value, -0.5 * k * k))), times(bent[i], first)));
    const laplacian = plus(seconds[0], seconds[1]);
    if (!slope) return [value, ...slopes, laplacian];
    const scale = radius / (2 * slope), u = scale * Math.log(squares / radius ** 2);
    const w = erfc(-u) / 2, first = ((Math.exp(-u * u) / Math.sqrt(Math.PI)) * scale) / squares;
    const second = (-(2 * u * scale + 1) / squares) * first;
    const windowed = slopes.map((each, i) => plus(scaled(each, w), scaled(value, 2 * offset[i] * first)));
    return [scaled(value, w), ...windowed, plus(
      scaled(laplacian, w),
      ...slopes.map((each, i) => scaled(each, 4 * offset[i] * first)),
      scaled(value, 4 * squares * second + 4 * first),
    )];
  };
}

// At a point about a centre: e = dX/dx and its slope along each axis, and H_n(kR) e^(inΘ), each of them found once.
function wavesAbout(point, offset, k, strength, start, width) {
  const depths = point.map((x) => Math.max(Math.abs(x) - start, 0));
  const [X, Y] = offset.map((x, i) => [x, (Math.sign(point[i]) * strength * depths[i] ** 3) / (3 * width ** 2)]);
  const distance = squareRoot(plus(times(X, X), times(Y, Y))), z = scaled(distance, k), hankel = firstTwo(z);
  const turn = over(plus(X, times([0, 1], Y)), distance), back = over([1, 0], turn);
  const turns = [[[1, 0]], [[1, 0]]], found = new Map();
  const of = (n) => {
    if (!found.has(n)) {
      const m = Math.abs(n), powers = turns[n < 0 ? 1 : 0];
      climb(hankel, m, z);
      while (powers.length <= m) powers.push(times(powers.at(-1), n < 0 ? back : turn));
      found.set(n, scaled(times(hankel[m], powers[m]), n < 0 && m % 2 ? -1 : 1));
    }
    return found.get(n);
  };
  return {
    e: depths.map((depth) => [1, (strength * depth ** 2) / width ** 2]),
    bent: depths.map((depth, i) => [0, (Math.sign(point[i]) * strength * 2 * depth) / width ** 2]),
    of,
  };
}

// Goes on to the order m upwards from H_0 and H_1, as they grow.
function climb(hankel, m, z) {
  for (let j = hankel.length - 1; j < m; j++) {
    hankel.push(plus(times(over([2 * j, 0], z), hankel[j]), scaled(hankel[j - 1], -1)));
  }
}

const sizes = new Map();

// |H_n(x)| of a real x, the same for all points.
function sizeOf(n, x) {
  const name = `${n} ${x}`;
  if (!sizes.has(name)) {
    const hankel = firstTwo([x, 0]);
    climb(hankel, n, [x, 0]);
    sizes.set(name, Math.hypot(...hankel[n]));
  }
  return sizes.get(name);
}

// H_0 and H_1 of the first kind for Re z > 0, Im z ≥ 0 to some 1e-10 of their size at |z| = 1: the power series of J
// and Y, and from |z| = 12 on the asymptotic one. Source: NIST Digital Library of Mathematical Functions, 10.2.2, 10.8.1
// and 10.17.5.
export function firstTwo(z) {
  return Math.hypot(...z) > 12 ? [far(z, 0), far(z, 1)] : near(z);
}

function far(z, n) {
  let term = [1, 0], sum = [1, 0];
  for (let j = 1; j < 25; j++) {
    const next = times(term, over([0, (4 * n * n - (2 * j - 1) ** 2) / (8 * j)], z));
    if (Math.hypot(...next) > Math.hypot(...term)) break;
    term = next;
    sum = plus(sum, term);
  }
  const phase = z[0] - (n / 2 + 0.25) * Math.PI;
  return times(times(squareRoot(over([2 / Math.PI, 0], z)), polar(Math.exp(-z[1]), phase)), sum);
}

function near(z) {
  const quarter = scaled(times(z, z), -0.25), half = scaled(z, 0.5);
  const log = [Math.log(Math.hypot(...half)), Math.atan2(half[1], half[0])];
  let term = [1, 0], harmonic = 0, j0 = [0, 0], j1 = [0, 0], y0 = [0, 0], y1 = [0, 0];
  for (let m = 0; m < 60; m++) {
    // (−z²/4)^m / m!², and that over m + 1 for the first order
    if (m > 0) term = scaled(times(term, quarter), 1 / m ** 2);
    if (m > 0) harmonic += 1 / m;
    const of1 = scaled(term, 1 / (m + 1));
    j0 = plus(j0, term);
    j1 = plus(j1, of1);
    y0 = plus(y0, scaled(term, -harmonic));
    y1 = plus(y1, scaled(of1, 2 * harmonic + 1 / (m + 1) - 2 * EULER));
    if (Math.hypot(...term) < 1e-18) break;
  }
  j1 = times(j1, half);
  const factor = 2 / Math.PI, withEuler = plus(log, [EULER, 0]);
  const Y0 = scaled(plus(times(withEuler, j0), y0), factor);
  const Y1 = plus(scaled(over([1, 0], half), -1 / Math.PI), scaled(times(log, j1), factor),
    scaled(times(half, y1), -1 / Math.PI));
  return [plus(j0, times([0, 1], Y0)), plus(j1, times([0, 1], Y1))];
}
