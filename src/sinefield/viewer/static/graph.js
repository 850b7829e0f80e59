// A field of one coordinate as a graph; of a recording its waveform, its spectrogram below, and its sound.

import { pause } from "./layers.js";
import { DIVIDER } from "./plane.js";
import { colour, numbersOf, paletteOf, quantityOf, shown } from "./quantities.js";

const WINDOW = 1024; // samples of a spectrum
const FLOOR = -90; // decibels below the loudest that are still seen

export class Graph {
  constructor(evaluation, view, palettes, canvas, changed) {
    Object.assign(this, { evaluation, view, palettes, canvas, changed });
    this.quantity = view.read.quantities[0].name;
    this.output = 0;
    this.values = [];
    this.generation = 0;
    this.done = true;
    this.range = null;
    const { sound } = view, plane = view.planes?.[0];
    this.axis = sound
      ? { name: "t", unit: "s", low: 0, high: sound.seconds, origin: sound.origin, slope: sound.direction }
      : { name: plane.axes[0].name, unit: plane.axes[0].unit, low: plane.axes[0].start,
        high: plane.axes[0].start + plane.width, origin: plane.origin[0], slope: plane.right[0] };
    this.plane = { sliders: [] };
    this.samples = null; // of a recording at its own rate, as they become known
    this.known = 0;
    this.original = null;
    this.divider = null; // where the original ends, as part of the width; null: it is not shown
    this.fit(false);
  }

  get length() {
    return this.axis.high - this.axis.low;
  }

  // How many units of the axis a screen pixel spans.
  get pixel() {
    return this.length / this.zoom / this.canvas.width;
  }

  coordinateAt(x) {
    return this.centre + (x - this.canvas.width / 2) * this.pixel;
  }

  // How many columns of pixels show the original.
  get cut() {
    return this.original === null || this.divider === null ? 0 : Math.round(this.divider * this.canvas.width);
  }

  // A sample of the original or of the field; undefined: it is not known.
  sample(n, channel, original) {
    return (original ? this.original : this).samples[n * this.view.read.channels + channel];
  }

  pointOf(at) {
    return this.axis.origin + (at - this.axis.low) * this.axis.slope;
  }

  fit(draw = true) {
    this.zoom = 1;
    this.centre = (this.axis.low + this.axis.high) / 2;
    if (draw) this.draw();
  }

  pan(dx) {
    this.centre = this.within(this.centre - dx * this.pixel);
    this.draw();
  }

  magnify(factor, x = this.canvas.width / 2) {
    const held = this.coordinateAt(x);
    this.zoom = Math.min(1e9, Math.max(1, this.zoom * factor));
    this.centre = this.within(held - (x - this.canvas.width / 2) * this.pixel);
    this.draw();
  }

  within(at) {
    const half = this.length / this.zoom / 2;
    return Math.min(this.axis.high - half, Math.max(this.axis.low + half, at));
  }

  // Of every output at once, or of one pair of them that is complex.
  quantityNamed(name) {
    return quantityOf(this.view.read, name, this.view.read.complex ? this.output : null);
  }

  // The numbers of a quantity at points from `start` on, `step` apart, both in units of the axis.
  async evaluate(quantity, start, step, count, generation) {
    const side = this.evaluation.side(quantity.order), rows = side, found = new Float32Array(count * quantity.channels);
    for (let from = 0; from < count; from += side * rows) {
      const some = Math.min(side * rows, count - from), width = Math.min(side, some);
      const grid = {
        origin: [this.pointOf(start + from * step)],
        right: [this.axis.slope * step],
        down: [this.axis.slope * step * width],
        width,
        height: Math.ceil(some / width),
      };
      const jet = await this.evaluation.evaluate(grid, quantity.order);
      if (generation !== null && generation !== this.generation) return null;
      const numbers = numbersOf(quantity, jet, grid.width * grid.height);
      found.set(numbers.subarray(0, some * quantity.channels), from * quantity.channels);
    }
    return found;
  }

  forget() {
    this.samples = null;
    this.known = 0;
  }

  async draw() {
    const generation = ++this.generation, { width } = this.canvas;
    if (width === 0) return;
    this.done = false;
    this.changed();
    const quantity = this.quantityNamed(this.quantity);
    const numbers = await this.evaluate(quantity, this.coordinateAt(0.5), this.pixel, width, generation);
    if (numbers === null) return;
    this.numbers = numbers;
    this.quantityShown = quantity;
    this.paint();
    if (this.view.sound && !this.samples) await this.fill();
    if (generation !== this.generation) return;
    this.paint();
    this.done = true;
    this.changed();
  }

  // Evaluates the recording at its own rate, once.
  async fill() {
    const { count, rate } = this.view.sound, quantity = this.quantityNamed("value");
    const samples = new Float32Array(count * quantity.channels), side = this.evaluation.side(0), together = side * side;
    this.samples = samples;
    for (let from = 0; from < count; from += together) {
      const some = Math.min(together, count - from);
      const found = await this.evaluate(quantity, (from + 0.5) / rate, 1 / rate, some, null);
      samples.set(found, from * quantity.channels);
      this.known = from + some;
      this.paint();
    }
  }

  get complete() {
    return this.view.sound && this.known === this.view.sound.count;
  }

  paintAll() {
    this.paint();
  }

  paint() {
    const context = this.canvas.getContext("2d"), { width, height } = this.canvas;
    const high = this.view.sound ? Math.round(height / 2) : height;
    context.clearRect(0, 0, width, height);
    const { channels } = this.quantityShown, style = getComputedStyle(this.canvas);
    let low = Infinity, top = -Infinity;
    for (const each of this.numbers) {
      low = Math.min(low, each);
      top = Math.max(top, each);
    }
    if (this.view.sound && this.quantity === "value") {
      const largest = this.samples ? this.samples.reduce((most, each) => Math.max(most, Math.abs(each)), 1e-6) : 1;
      [low, top] = [-largest, largest];
    }
    if (!(top > low)) [low, top] = [low - 1, low + 1];
    const margin = 0.05 * (top - low);
    this.bounds = { low: low - margin, high: top + margin };
    const yOf = (value) => high - ((value - this.bounds.low) / (this.bounds.high - this.bounds.low)) * high;
    context.strokeStyle = style.getPropertyValue("--line");
    context.beginPath();
    context.moveTo(0, yOf(0));
    context.lineTo(width, yOf(0));
    context.stroke();
    context.strokeStyle = style.getPropertyValue("--strong");
    context.lineWidth = Math.max(1, window.devicePixelRatio || 1);
    const { cut } = this, crowded = this.samples && this.quantity === "value" && this.pixel * this.view.sound.rate > 2;
    for (let channel = 0; channel < channels; channel++) {
      context.beginPath();
      for (let x = 0; x < width; x++) {
        const original = x < cut && this.quantity === "value";
        const [least, most] = crowded || original ? this.extremes(x, channel, original)
          : [this.numbers[x * channels + channel], null];
        if (least === undefined) continue;
        if (x === 0 || x === cut) context.moveTo(x + 0.5, yOf(least));
        else context.lineTo(x + 0.5, yOf(least));
        if (most !== null) context.lineTo(x + 0.5, yOf(most));
      }
      context.stroke();
    }
    context.fillStyle = style.getPropertyValue("--ink");
    context.font = `${12 * (window.devicePixelRatio || 1)}px system-ui, sans-serif`;
    context.textBaseline = "top";
    context.fillText(shown(this.bounds.high, 3), 4, 4);
    context.textBaseline = "bottom";
    context.fillText(shown(this.bounds.low, 3), 4, high - 4);
    if (this.complete) this.paintSpectrogram(high);
    if (cut > 0) {
      context.fillStyle = DIVIDER;
      context.fillRect(cut - 1, 0, 2, height);
    }
    if (this.playing) {
      const x = (this.playedTo() - this.coordinateAt(0)) / this.pixel;
      context.fillRect(x, 0, 2, height);
    }
  }

  // The least and the greatest sample of a column that are known: of the original, between samples the nearest.
  extremes(x, channel, original) {
    const { rate, count } = this.view.sound, { channels } = this.quantityShown;
    const first = Math.max(0, Math.floor(this.coordinateAt(x) * rate));
    const last = Math.min(original ? count : this.known, Math.ceil(this.coordinateAt(x + 1) * rate));
    let least = Infinity, most = -Infinity;
    for (let n = first; n < last; n++) {
      const value = this.sample(n, channel, original);
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (most >= least) return [least, most];
    return [original ? undefined : this.numbers[x * channels + channel], null];
  }

  // Power by frequency, upwards from 0 to half of the rate, in decibels below the loudest.
  paintSpectrogram(top) {
    const { width, height } = this.canvas, { rate, count } = this.view.sound, rows = height - top;
    const { cut } = this, step = Math.max(1, Math.floor(width / 400));
    const columns = Math.ceil(width / step), powers = new Float32Array(columns * WINDOW / 2);
    let loudest = 1e-12;
    for (let column = 0; column < columns; column++) {
      const middle = Math.round(this.coordinateAt((column + 0.5) * step) * rate), some = new Float64Array(WINDOW);
      for (let n = 0; n < WINDOW; n++) {
        const at = middle - WINDOW / 2 + n;
        if (at < 0 || at >= count) continue;
        some[n] = (this.sample(at, 0, (column + 0.5) * step < cut) ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW));
      }
      const [re, im] = transform(some);
      for (let k = 0; k < WINDOW / 2; k++) {
        const power = re[k] ** 2 + im[k] ** 2;
        powers[column * (WINDOW / 2) + k] = power;
        loudest = Math.max(loudest, power);
      }
    }
    const levels = new Float32Array(columns * rows);
    for (let y = 0; y < rows; y++) {
      const k = Math.min(WINDOW / 2 - 1, Math.floor(((rows - 1 - y) / rows) * (WINDOW / 2)));
      for (let x = 0; x < columns; x++) {
        levels[y * columns + x] = 10 * Math.log10(powers[x * (WINDOW / 2) + k] / loudest + 1e-20);
      }
    }
    const picture = new ImageData(columns, rows);
    colour(levels, 1, { low: FLOOR, high: 0 }, paletteOf(this.palettes, "sequential"), picture.data);
    const copy = new OffscreenCanvas(columns, rows);
    copy.getContext("2d").putImageData(picture, 0, 0);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(copy, 0, top, width, rows);
    context.fillStyle = "#fff";
    context.textBaseline = "top";
    context.fillText(`${shown(rate / 2000, 3)} kHz`, 4, top + 4);
  }

  // Plays from the left end of what is seen, the original as far as it is seen, or stops.
  async play() {
    if (this.playing) {
      this.playing.source.stop();
      return;
    }
    while (!this.complete) await pause();
    const { rate, count } = this.view.sound, { channels } = this.view.read, ends = this.coordinateAt(this.cut) * rate;
    const context = new AudioContext(), buffer = context.createBuffer(channels, count, rate);
    for (let channel = 0; channel < channels; channel++) {
      const into = buffer.getChannelData(channel);
      for (let n = 0; n < count; n++) {
        into[n] = Math.min(1, Math.max(-1, this.sample(n, channel, this.cut > 0 && n < ends) ?? 0));
      }
    }
    const source = context.createBufferSource(), from = Math.max(0, this.coordinateAt(0));
    source.buffer = buffer;
    source.connect(context.destination);
    source.start(0, from);
    this.playing = { source, context, from, since: context.currentTime };
    source.addEventListener("ended", () => {
      this.playing = null;
      context.close();
      this.paint();
    });
    const frame = () => {
      if (!this.playing) return;
      this.paint();
      requestAnimationFrame(frame);
    };
    frame();
  }

  playedTo() {
    const { context, from, since } = this.playing;
    return from + context.currentTime - since;
  }

  probe(x) {
    const at = this.coordinateAt(x), jet = this.evaluation.at([this.pointOf(at)], 2);
    const quantities = this.view.read.quantities.map((each) => {
      const quantity = this.quantityNamed(each.name), numbers = [];
      quantity.write(jet, 0, jet.value.length, numbers, 0);
      return { ...each, numbers };
    });
    return { place: [{ ...this.axis, at }], quantities };
  }

  table() {
    const { channels } = this.quantityShown, lines = [];
    const names = channels === 1 ? [this.quantity] : Array.from({ length: channels }, (_, k) => `${this.quantity}_${k}`);
    lines.push([this.axis.name, ...names].join(","));
    for (let x = 0; x < this.canvas.width; x++) {
      lines.push([this.coordinateAt(x + 0.5), ...this.numbers.subarray(x * channels, (x + 1) * channels)].join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  get state() {
    return { quantity: this.quantity, x: this.centre, zoom: this.zoom };
  }

  set state(given) {
    const number = (name, fallback) => (Number.isFinite(Number(given[name] ?? NaN)) ? Number(given[name]) : fallback);
    if (this.view.read.quantities.some((each) => each.name === given.quantity)) this.quantity = given.quantity;
    this.zoom = Math.min(1e9, Math.max(1, number("zoom", 1)));
    this.centre = this.within(number("x", this.centre));
  }

  async finished() {
    while (!this.done) await pause();
  }
}

// The discrete Fourier transform of real numbers, whose count is a power of two: [real parts, imaginary parts].
export function transform(numbers) {
  const count = numbers.length, re = Float64Array.from(numbers), im = new Float64Array(count);
  for (let n = 1, m = 0; n < count; n++) {
    let bit = count >> 1;
    for (; m & bit; bit >>= 1) m ^= bit;
    m ^= bit;
    if (n < m) [re[n], re[m]] = [re[m], re[n]];
  }
  for (let size = 2; size <= count; size *= 2) {
    const turn = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; k++) {
      const c = Math.cos(turn * k), s = Math.sin(turn * k);
      for (let a = k, b = k + size / 2; a < count; a += size, b += size) {
        const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        re[a] += x;
        im[a] += y;
      }
    }
  }
  return [re, im];
}
