// A plane of a field: endless pan and zoom, drawn from coarse to fine, a few batches at a time.

import { pause } from "./layers.js";
import { colour, numbersOf, paletteOf, quantityOf, rangeOf } from "./quantities.js";

const STEPS = [32, 8, 1]; // screen pixels between points, from the first picture to the last
const WORK = 25; // milliseconds of work that may wait at once
export const DIVIDER = "#e8a33d"; // between the original and the field

export class Plane {
  constructor(evaluation, view, palettes, canvas, changed) {
    Object.assign(this, { evaluation, view, palettes, canvas, changed });
    this.number = 0;
    this.values = view.sliders.map((each) => each.value);
    this.quantity = view.read.quantities[0].name;
    this.output = 0;
    this.zoom = 1;
    this.centre = [this.plane.width / 2, this.plane.height / 2];
    this.generation = 0;
    this.waiting = 1; // batches that may wait
    this.done = true;
    this.numbers = null;
    this.range = null;
    this.original = null;
    this.divider = null; // where the original ends, as part of the width; null: it is not shown
  }

  get plane() {
    return this.view.planes[this.number];
  }

  // Screen pixels to a unit of the plane.
  get scale() {
    const { width, height } = this.canvas;
    return this.zoom * Math.min(width / this.plane.width, height / this.plane.height);
  }

  // The place in the plane under a pixel, and the other way round.
  placeAt(x, y) {
    const { width, height } = this.canvas;
    return [this.centre[0] + (x - width / 2) / this.scale, this.centre[1] + (y - height / 2) / this.scale];
  }

  pixelAt(s, t) {
    const { width, height } = this.canvas;
    return [width / 2 + (s - this.centre[0]) * this.scale, height / 2 + (t - this.centre[1]) * this.scale];
  }

  // The point of the field at a place.
  pointAt(s, t) {
    const { origin, right, down, sliders } = this.plane;
    return origin.map((o, k) => sliders.reduce(
      (sum, each) => sum + this.values[each] * this.view.sliders[each].direction[k],
      o + s * right[k] + t * down[k],
    ));
  }

  contains(s, t) {
    return s >= 0 && t >= 0 && s <= this.plane.width && t <= this.plane.height;
  }

  fit(draw = true) {
    this.zoom = 1;
    this.centre = [this.plane.width / 2, this.plane.height / 2];
    if (draw) this.draw();
  }

  choose(number) {
    this.number = number;
    this.fit(false);
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.keepInSight();
    this.draw();
  }

  // By a factor, about a pixel that stays where it is.
  magnify(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const [s, t] = this.placeAt(x, y);
    this.zoom = Math.min(1e9, Math.max(0.25, this.zoom * factor));
    this.centre = [s - (x - this.canvas.width / 2) / this.scale, t - (y - this.canvas.height / 2) / this.scale];
    this.keepInSight();
    this.draw();
  }

  keepInSight() {
    this.centre[0] = Math.min(this.plane.width, Math.max(0, this.centre[0]));
    this.centre[1] = Math.min(this.plane.height, Math.max(0, this.centre[1]));
  }

  // Nothing is kept that other weights would change.
  forget() {}

  // Begins a new picture; what was drawn before is moved to where it belongs until it is drawn over, once it is as fine
  // `again`.
  async draw(again = false) {
    const { canvas } = this, { width, height } = canvas, generation = ++this.generation;
    if (width === 0 || height === 0) return;
    const quantity = quantityOf(this.view.read, this.quantity, this.output);
    const old = this.drawn;
    this.done = false;
    this.drawn = { centre: [...this.centre], scale: this.scale, width, height };
    this.numbers = new Float32Array(width * height * quantity.channels).fill(NaN);
    this.quantityShown = quantity;
    this.outside = this.plane.outline ? this.findOutside() : null;
    if (old) this.moveOld(old);
    this.drawOriginal();
    this.changed();
    for (const step of again && this.range ? STEPS.slice(-1) : STEPS) {
      await this.drawLevel(quantity, step, generation);
      if (generation !== this.generation) return;
      this.range = rangeOf(this.view.read, this.quantity, this.numbers);
      this.paintAll();
    }
    this.done = true;
    this.changed();
  }

  // 1 for each pixel beside the region that the field is known in.
  findOutside() {
    const { width, height } = this.canvas, context = new OffscreenCanvas(width, height).getContext("2d");
    context.beginPath();
    for (const ring of this.plane.outline) {
      ring.forEach(([s, t], k) => context[k ? "lineTo" : "moveTo"](...this.pixelAt(s, t)));
      context.closePath();
    }
    context.fill("evenodd");
    const { data } = context.getImageData(0, 0, width, height);
    return Uint8Array.from({ length: width * height }, (_, n) => (data[4 * n + 3] < 128 ? 1 : 0));
  }

  moveOld(old) {
    const copy = new OffscreenCanvas(old.width, old.height);
    copy.getContext("2d").drawImage(this.canvas, 0, 0, old.width, old.height, 0, 0, old.width, old.height);
    const context = this.canvas.getContext("2d"), factor = this.scale / old.scale;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const [x, y] = this.pixelAt(old.centre[0] - old.width / 2 / old.scale, old.centre[1] - old.height / 2 / old.scale);
    context.drawImage(copy, x, y, old.width * factor, old.height * factor);
  }

  // One point for each step x step pixels, batch by batch from the middle outwards.
  async drawLevel(quantity, step, generation) {
    const { width, height } = this.canvas, side = this.evaluation.side(quantity.order) * step;
    const [left, top] = this.pixelAt(0, 0).map((x) => Math.max(0, Math.floor(x)));
    const [right, bottom] = this.pixelAt(this.plane.width, this.plane.height);
    const tiles = [];
    const end = [Math.min(width, Math.ceil(right)), Math.min(height, Math.ceil(bottom))];
    for (let y = top; y < end[1]; y += side) {
      for (let x = left; x < end[0]; x += side) {
        tiles.push({ x, y, width: Math.min(side, end[0] - x), height: Math.min(side, end[1] - y) });
      }
    }
    const far = ({ x, y }) => Math.hypot(x + side / 2 - width / 2, y + side / 2 - height / 2);
    tiles.sort((a, b) => far(a) - far(b));
    const waiting = new Set();
    for (const tile of tiles) {
      while (waiting.size >= this.waiting) await Promise.race(waiting);
      if (generation !== this.generation) return;
      const since = performance.now(), together = waiting.size + 1;
      const work = this.drawTile(quantity, step, tile, generation).then(() => {
        waiting.delete(work);
        const each = (performance.now() - since) / together;
        this.waiting = Math.min(32, Math.max(1, Math.round(WORK / Math.max(each, 0.5))));
      });
      waiting.add(work);
    }
    await Promise.all(waiting);
  }

  async drawTile(quantity, step, tile, generation) {
    const columns = Math.ceil(tile.width / step), rows = Math.ceil(tile.height / step);
    const [s, t] = this.placeAt(tile.x + step / 2, tile.y + step / 2), unit = step / this.scale;
    const { right, down } = this.plane;
    const grid = {
      origin: this.pointAt(s, t),
      right: right.map((x) => x * unit),
      down: down.map((x) => x * unit),
      width: columns,
      height: rows,
    };
    const jet = await this.evaluation.evaluate(grid, quantity.order);
    if (generation !== this.generation) return;
    const found = numbersOf(quantity, jet, columns * rows), { channels } = quantity;
    for (let y = 0; y < tile.height; y++) {
      const row = Math.floor(y / step) * columns, to = (tile.y + y) * this.canvas.width + tile.x;
      for (let x = 0; x < tile.width; x++) {
        const from = (row + Math.floor(x / step)) * channels;
        const known = !this.outside || !this.outside[to + x];
        for (let k = 0; k < channels; k++) this.numbers[(to + x) * channels + k] = known ? found[from + k] : NaN;
      }
    }
    if (this.range) this.paint(tile);
  }

  // Colours of a part of the picture.
  paint(tile) {
    const { width } = this.canvas, { channels } = this.quantityShown;
    const part = new Float32Array(tile.width * tile.height * channels);
    for (let y = 0; y < tile.height; y++) {
      const from = ((tile.y + y) * width + tile.x) * channels;
      part.set(this.numbers.subarray(from, from + tile.width * channels), y * tile.width * channels);
    }
    const picture = new ImageData(tile.width, tile.height);
    colour(part, channels, this.range, paletteOf(this.palettes, this.range.palette), picture.data);
    this.canvas.getContext("2d").putImageData(picture, tile.x, tile.y);
    this.drawOriginal();
  }

  paintAll() {
    this.paint({ x: 0, y: 0, width: this.canvas.width, height: this.canvas.height });
    this.changed();
  }

  // What the field was fitted to, left of the divider: of a clip the frame at the time shown, of a volume that slice.
  drawOriginal() {
    if (this.original === null || this.divider === null) return;
    const { plane, canvas } = this, context = canvas.getContext("2d"), cut = Math.round(this.divider * canvas.width);
    const [left, top, right, bottom] = this.original.place ?? [0, 0, plane.width, plane.height];
    const [slider] = plane.sliders.map((each) => ({ ...this.view.sliders[each], value: this.values[each] }));
    const part = slider ? (slider.value - slider.low) / (slider.high - slider.low) : 0;
    const upturned = plane.down.some((each) => each < 0);
    context.save();
    context.beginPath();
    context.rect(0, 0, cut, canvas.height);
    context.clip();
    context.clearRect(0, 0, cut, canvas.height);
    context.imageSmoothingEnabled = false;
    context.translate(...this.pixelAt(left, upturned ? bottom : top));
    context.scale((right - left) * this.scale, (bottom - top) * this.scale * (upturned ? -1 : 1));
    context.drawImage(...this.original.cut(plane, part), 0, 0, 1, 1);
    context.restore();
    context.fillStyle = DIVIDER;
    context.fillRect(cut - 1, 0, 2, canvas.height);
  }

  // The numbers under a pixel, in double precision: null beside the plane.
  probe(x, y) {
    const [s, t] = this.placeAt(x, y);
    if (!this.contains(s, t)) return null;
    const point = this.pointAt(s, t), jet = this.evaluation.at(point, 2);
    const place = this.plane.axes.map((axis, k) => ({ ...axis, at: axis.start + axis.step * [s, t][k] }));
    const quantities = this.view.read.quantities.filter((each) => each.name !== "normal").map((each) => {
      const quantity = quantityOf(this.view.read, each.name, this.output), numbers = [];
      quantity.write(jet, 0, jet.value.length, numbers, 0);
      return { ...each, numbers };
    });
    return { place, quantities };
  }

  // A line for each pixel that is drawn: the place and the numbers.
  table() {
    const { channels } = this.quantityShown, { width, height } = this.canvas, lines = [];
    const names = channels === 1 ? [this.quantity] : Array.from({ length: channels }, (_, k) => `${this.quantity}_${k}`);
    lines.push([...this.plane.axes.map((axis) => axis.name), ...names].join(","));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = (y * width + x) * channels;
        if (!Number.isFinite(this.numbers[from])) continue;
        const place = this.placeAt(x + 0.5, y + 0.5);
        lines.push([
          ...this.plane.axes.map((axis, k) => axis.start + axis.step * place[k]),
          ...this.numbers.subarray(from, from + channels),
        ].join(","));
      }
    }
    return `${lines.join("\n")}\n`;
  }

  // What a link tells of the view.
  get state() {
    const [s, t] = this.centre;
    return { plane: this.number, quantity: this.quantity, output: this.output, x: s, y: t, zoom: this.zoom,
      sliders: this.values.join(" ") };
  }

  set state(given) {
    const number = (name, fallback) => (Number.isFinite(Number(given[name] ?? NaN)) ? Number(given[name]) : fallback);
    this.number = Math.min(this.view.planes.length - 1, Math.max(0, Math.round(number("plane", this.number))));
    if (this.view.read.quantities.some((each) => each.name === given.quantity)) this.quantity = given.quantity;
    this.output = Math.max(0, Math.min(number("output", 0), this.view.read.channels - 1));
    this.centre = [number("x", this.plane.width / 2), number("y", this.plane.height / 2)];
    this.zoom = Math.min(1e9, Math.max(0.25, number("zoom", 1)));
    String(given.sliders ?? "").split(" ").map(Number).forEach((value, k) => {
      const slider = this.view.sliders[k];
      if (slider && Number.isFinite(value)) this.values[k] = Math.min(slider.high, Math.max(slider.low, value));
    });
    this.keepInSight();
  }

  // Waits until all that is asked for is drawn.
  async finished() {
    while (!this.done) await pause();
  }
}
