// The page: what is shown, what it is shown with, and the controls around it.

import { Evaluation } from "./evaluation.js";
import { Graph } from "./graph.js";
import { Plane } from "./plane.js";
import { Surface } from "./surface.js";
import { paletteOf, shown } from "./quantities.js";
import { button, choice, element, save, slider } from "./elements.js";
import { KEYS_TOLD, listen } from "./gestures.js";
import { bytesOf, Original } from "./original.js";

// Numbers from base64 of little-endian floats.
export function floatsOf(text, double) {
  const { buffer } = bytesOf(text);
  return double ? new Float64Array(buffer) : new Float32Array(buffer);
}

export class Viewer {
  // Fills an element with the page of a field: its description, and its weights.
  constructor(root, page, weights) {
    this.root = root;
    this.page = page;
    this.view = page.view;
    root.viewer = this;
    root.replaceChildren();
    root.append(this.makeHeader());
    if (!page.field) {
      this.showPicture(`${page.reason} A picture made beforehand is shown instead.`);
      return;
    }
    this.renderer = new URLSearchParams(location.hash.slice(1)).get("renderer");
    this.evaluation = new Evaluation(page.field, weights, page.exact, this.renderer);
    this.makeStage();
    if (this.evaluation.reason) this.tellSlow();
    this.show(0);
    this.readLink();
    window.addEventListener("hashchange", () => this.readLink());
    root.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.resize()).observe(this.stage);
  }

  makeHeader() {
    this.means = element("dd", {});
    const facts = element("dl", {}, ...this.page.facts.flatMap(([name, text]) =>
      [element("dt", {}, name), element("dd", {}, text)]));
    if (this.page.field) facts.append(element("dt", {}, "evaluated by"), this.means);
    const about = element("details", { class: "about" }, element("summary", {}, "About this field"), facts);
    return element("header", {}, element("h1", {}, this.page.title), about);
  }

  showPicture(reason) {
    this.root.dataset.state = "done";
    const told = [element("p", { class: "message", role: "alert" }, reason)];
    if (this.page.picture) {
      told.push(element("img", { class: "picture", src: this.page.picture, alt: `A picture of ${this.page.title}` }));
    }
    this.root.append(element("main", {}, ...told));
  }

  // Without a graphics processor: a picture made beforehand until the field is drawn, and instead of a surface.
  tellSlow() {
    this.tell(`${this.evaluation.reason} The field is drawn slowly, without the graphics processor.`);
    if (!this.page.picture || this.page.exact) return;
    this.message.after(element("img", { class: "picture small", src: this.page.picture,
      alt: `A picture of ${this.page.title}, made beforehand` }));
  }

  makeStage() {
    this.controls = element("div", { class: "controls", role: "toolbar", "aria-label": "What is shown" });
    this.canvas = element("canvas", {
      tabindex: "0",
      role: "application",
      "aria-label": `${this.page.title}. Arrow keys move, plus and minus zoom, question mark lists all keys.`,
    });
    this.message = element("p", { class: "message", role: "status" });
    this.stage = element("div", { class: "stage" }, this.canvas);
    this.bar = element("canvas", { class: "bar", width: "256", height: "1", role: "img", "aria-label": "Colours" });
    this.low = element("span", {});
    this.high = element("span", {});
    this.legend = element("div", { class: "legend" }, this.low, this.bar, this.high);
    this.readout = element("p", { class: "readout" }, "Point at the picture to read its numbers.");
    this.sliders = element("div", { class: "sliders" });
    this.help = this.makeHelp();
    this.root.append(element("main", {}, this.controls, this.sliders, this.message, this.stage, this.legend,
      this.readout), this.help);
    listen(this.canvas, {
      pan: (x, y) => this.shown.pan(x, y),
      magnify: (factor, x, y) => this.shown.magnify(factor, x, y),
      fit: () => this.shown.fit(),
      point: (x, y) => this.point(x, y),
    });
  }

  makeHelp() {
    const keys = [...KEYS_TOLD, ["v", "the next quantity"], ["o", "the original beside it"], ["space", "play or stop"],
      ["s", "save a picture"], ["c", "save the numbers"], ["l", "copy a link to this view"], ["?", "this list"]];
    const list = element("dl", {}, ...keys.flatMap(([key, text]) =>
      [element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)]));
    const dialog = element("dialog", { "aria-label": "Keys" }, element("h2", {}, "Keys"), list,
      element("p", {}, "Drag to move; turn the wheel or pinch to zoom."),
      button("Close", "Close this list", () => dialog.close()));
    return dialog;
  }

  // What can be shown, one at a time: sound or a graph, or else a surface and planes.
  get parts() {
    if (this.view.sound || this.view.planes[0].graph) return [{ name: "graph", kind: Graph }];
    const planes = this.view.planes.map((each, number) => ({ name: each.name, kind: Plane, plane: number }));
    const traced = this.view.surface && this.evaluation.graphics && this.page.field.type === "chain";
    return traced ? [{ name: "surface", kind: Surface }, ...planes] : planes;
  }

  show(number) {
    const { kind, plane } = this.parts[number];
    this.part = number;
    this.made ??= new Map();
    if (!this.made.has(kind)) {
      this.made.set(kind, new kind(this.evaluation, this.view, this.page.palettes, this.canvas, () => this.changed()));
    }
    this.shown = this.made.get(kind);
    if (kind === Plane) this.shown.choose(plane);
    this.legend.hidden = kind !== Plane;
    this.fillControls();
    this.measure();
    this.shown.draw();
  }

  // Shows the same of a field with other weights, where it is looked at.
  renew(weights) {
    this.evaluation.renew(weights);
    this.made.forEach((each) => each.forget());
    this.shown.draw(true);
  }

  get quantities() {
    const surface = [{ name: "shaded", title: "shaded" }, { name: "normal", title: "normal" }];
    return this.shown instanceof Surface ? surface : this.view.read.quantities;
  }

  fillControls() {
    const made = [];
    if (this.parts.length > 1) {
      made.push(choice("Show", this.parts.map((each, k) => [String(k), each.name]), String(this.part),
        (value) => this.show(Number(value))));
    }
    const { quantities } = this;
    if (quantities.length > 1) {
      this.quantityChoice = choice("Quantity", quantities.map((each) => [each.name, each.title]), this.shown.quantity,
        (value) => this.chooseQuantity(value));
      made.push(this.quantityChoice);
    }
    const outputs = this.view.read.complex ? this.view.read.channels / 2 : this.view.read.channels;
    if (outputs > 1 && (this.view.read.complex || ![3, 4].includes(outputs))) {
      const options = Array.from({ length: outputs }, (_, k) => [String(k), String(k + 1)]);
      made.push(choice("Output", options, String(this.shown.output), (value) => {
        this.shown.output = Number(value);
        this.shown.draw();
      }));
    }
    made.push(
      button("Whole", "Show all of it", () => this.shown.fit()),
      button("−", "Zoom out", () => this.shown.magnify(1 / 1.5)),
      button("+", "Zoom in", () => this.shown.magnify(1.5)),
      button("PNG", "Save a picture", () => this.savePicture()),
      button("CSV", "Save the numbers", () => this.saveNumbers()),
      button("Link", "Copy a link to this view", () => this.copyLink()),
      button("?", "Show the keys", () => this.help.showModal()),
    );
    this.controls.replaceChildren(...made);
    this.sliders.replaceChildren(...this.slidersOfPart());
  }

  slidersOfPart() {
    const made = this.shown.plane.sliders.flatMap((number) => {
      const given = this.view.sliders[number];
      const moved = slider(given.name, { ...given, value: this.shown.values[number] }, (value) => {
        this.shown.values[number] = value;
        this.shown.draw();
      });
      this.moving = given.plays ? { number, slider: moved } : this.moving;
      return given.plays ? [moved, button("Play", "Play or stop", () => this.play())] : [moved];
    });
    if (this.view.sound) made.push(button("Play", "Play or stop", () => this.shown.play()));
    if (this.page.original) {
      this.dividing = slider("Original", { low: 0, high: 1, step: 0.01, value: this.shown.divider ?? 0, unit: "" },
        (value) => this.divide(value));
      made.push(this.dividing);
    }
    return made;
  }

  // Shows what the field was fitted to left of a part of the width.
  async divide(part) {
    this.original ??= new Original(this.page.original);
    await this.original.load();
    this.tell(this.original.told);
    this.shown.original = this.original;
    this.shown.divider = part > 0 ? part : null;
    this.dividing.move(part);
    this.shown.paintAll();
  }

  chooseQuantity(name) {
    if (this.quantityChoice) this.quantityChoice.select.value = name;
    this.shown.quantity = name;
    this.shown.range = null;
    this.shown.draw();
  }

  // Runs time on at the speed of a clock until it is pressed again.
  play() {
    if (this.view.sound) this.shown.play();
    if (!this.moving) return;
    if (this.playing) {
      this.playing = false;
      return;
    }
    this.playing = true;
    const { number, slider: moved } = this.moving, { low, high, unit } = this.view.sliders[number];
    const speed = unit === "s" ? 1 : (high - low) / 5;
    let before = performance.now();
    const frame = async () => {
      if (!this.playing) return;
      const now = performance.now();
      const next = this.shown.values[number] + ((now - before) / 1000) * speed;
      this.shown.values[number] = next > high ? low : next;
      before = now;
      moved.move(this.shown.values[number]);
      await this.shown.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  point(x, y) {
    const found = x === null ? null : this.shown.probe(x, y);
    if (!found) return;
    const places = found.place.map(({ name, at, unit }) => `${name} ${shown(at, 6)} ${unit}`.trim());
    const numbers = found.quantities.map((each) =>
      `${each.title} ${each.numbers.map((number) => shown(number)).join(", ")} ${each.unit}`.trim());
    this.readout.textContent = [...places, ...numbers].join(" · ");
  }

  changed() {
    if (this.shown?.range) {
      const { low, high, palette } = this.shown.range, colours = paletteOf(this.page.palettes, palette);
      const pixels = new ImageData(256, 1);
      for (let k = 0; k < 256; k++) pixels.data.set([...colours.subarray(k * 3, k * 3 + 3), 255], k * 4);
      this.bar.getContext("2d").putImageData(pixels, 0, 0);
      const quantity = this.view.read.quantities.find((each) => each.name === this.shown.quantity);
      this.low.textContent = `${shown(low)} ${quantity.unit}`.trim();
      this.high.textContent = `${shown(high)} ${quantity.unit}`.trim();
      this.bar.setAttribute("aria-label", `${quantity.title} from ${shown(low)} to ${shown(high)} ${quantity.unit}`);
    }
    this.means.textContent = this.shown instanceof Surface ? "WebGL 2" : this.evaluation.means;
    this.root.dataset.state = this.shown?.done ? "done" : "drawing";
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    const names = this.quantities.map((each) => each.name);
    const act = {
      "?": () => this.help.showModal(),
      v: () => {
        const next = names[(names.indexOf(this.shown.quantity) + 1) % names.length];
        this.chooseQuantity(next);
      },
      o: () => this.page.original && this.divide(this.shown.divider ? 0 : 0.5),
      " ": () => event.target === this.canvas && this.play(),
      s: () => this.savePicture(),
      c: () => this.saveNumbers(),
      l: () => this.copyLink(),
    }[event.key];
    if (!act) return;
    if (event.key !== " " || event.target === this.canvas) event.preventDefault();
    act();
  }

  async savePicture() {
    await this.shown.finished();
    this.canvas.toBlob((blob) => save(`${this.page.title}.png`, blob), "image/png");
  }

  async saveNumbers() {
    await this.shown.finished();
    save(`${this.page.title}.csv`, new Blob([this.shown.table()], { type: "text/csv" }));
  }

  get link() {
    const state = new URLSearchParams({ part: this.part, ...this.shown.state,
      ...(this.renderer && { renderer: this.renderer }) });
    return `${location.href.split("#")[0]}#${state}`;
  }

  async copyLink() {
    history.replaceState(null, "", this.link);
    try {
      await navigator.clipboard.writeText(this.link);
      this.tell("The link to this view is copied.");
    } catch {
      this.tell("The link to this view is in the address bar.");
    }
  }

  readLink() {
    const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    if (!("part" in given)) return;
    const part = Number(given.part);
    if (Number.isInteger(part) && part >= 0 && part < this.parts.length) this.show(part);
    this.shown.state = given;
    this.fillControls();
    this.shown.draw();
  }

  tell(text) {
    this.message.textContent = text;
  }

  // Gives the picture as many pixels as there is room for; whether it had another number of them.
  measure() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.stage.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.stage.clientHeight * ratio));
    if (width === this.canvas.width && height === this.canvas.height) return false;
    Object.assign(this.canvas, { width, height });
    // Of the stage there may be parts of a pixel more: a pixel of the picture is one of the screen.
    Object.assign(this.canvas.style, { width: `${width / ratio}px`, height: `${height / ratio}px` });
    this.shown.drawn = null;
    return true;
  }

  resize() {
    if (this.measure()) this.shown.draw();
  }
}
