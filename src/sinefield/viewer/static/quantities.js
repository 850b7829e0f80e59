// What is shown of jets: numbers in the units of the signal, and their colours.

// How a quantity is computed: the order of derivatives that it needs, how many numbers it has, and
// write(jet, n, c, to, at), which puts those of point n of jets with c outputs into the array `to` from `at` on. Of
// outputs that are no colours one is chosen; null: all of them.
export function quantityOf(read, name, output) {
  const { shift, scale, lengths } = read;
  const complex = (of) => ({
    order: 0,
    channels: 1,
    write(jet, n, c, to, at) { to[at] = of(jet.value[n * c + 2 * output], jet.value[n * c + 2 * output + 1]); },
  });
  const single = output !== null && ![1, 3, 4].includes(read.channels);
  const channels = single ? 1 : read.channels, first = single ? (read.complex ? 2 * output : output) : 0;
  const each = (order, of) => ({
    order,
    channels,
    write(jet, n, c, to, at) { for (let k = 0; k < channels; k++) to[at + k] = of(jet, n * c + first + k); },
  });
  const norm = (jet, k) => Math.sqrt(jet.slopes.reduce((sum, slope) => sum + slope[k] ** 2, 0));
  switch (name) {
    case "gradient": return each(1, (jet, k) => norm(jet, k) * scale * lengths[1]);
    case "laplacian": return each(2, (jet, k) => jet.laplacian[k] * scale * lengths[2]);
    case "real": return complex((re) => re);
    case "imaginary": return complex((re, im) => im);
    case "modulus": return complex(Math.hypot);
    case "phase": return complex((re, im) => Math.atan2(im, re));
    case "normal": return {
      order: 1,
      channels: 3,
      // Of the surface whose height is the mean of the channels, an eighth of their range as high as a pixel is wide.
      write(jet, n, c, to, at) {
        const steep = jet.slopes.map((slope) => {
          let sum = 0;
          for (let k = 0; k < c; k++) sum += slope[n * c + k];
          return (8 * lengths[1] * sum) / c / 2;
        });
        const length = Math.hypot(1, ...steep);
        to[at] = -steep.at(-1) / length;
        to[at + 1] = steep.at(-2) / length;
        to[at + 2] = 1 / length;
      },
    };
    default: return each(0, (jet, k) => shift + scale * jet.value[k]);
  }
}

// The numbers of a jet on a grid.
export function numbersOf(quantity, jet, points) {
  const c = jet.value.length / points, found = new Float32Array(points * quantity.channels);
  for (let n = 0; n < points; n++) quantity.write(jet, n, c, found, n * quantity.channels);
  return found;
}

// The ends of the colours, {low, high, palette}: those of the signal for its values, else what most numbers reach.
export function rangeOf(read, name, numbers) {
  if (name === "phase") return { low: -Math.PI, high: Math.PI, palette: "cyclic" };
  if (name === "normal") return { low: -1, high: 1, palette: "grey" };
  if (name === "value" && read.low !== null && !read.distance) return { low: read.low, high: read.high, palette: "grey" };
  const step = Math.max(1, Math.floor(numbers.length / 65536)), some = [];
  let negative = 0;
  for (let k = 0; k < numbers.length; k += step) {
    if (Number.isFinite(numbers[k])) some.push(Math.abs(numbers[k]));
    if (numbers[k] < 0) negative = Math.max(negative, -numbers[k]);
  }
  some.sort((a, b) => a - b);
  const largest = some[Math.floor(0.995 * (some.length - 1))] || 1;
  const signed = negative > 1e-3 * largest && !["gradient", "modulus"].includes(name);
  return { low: signed ? -largest : 0, high: largest, palette: signed ? "diverging" : "sequential" };
}

// A palette as 256 colours; those of the page's description are a few colours, evenly spaced, as hexadecimal digits.
export function paletteOf(palettes, name) {
  const found = new Uint8ClampedArray(256 * 3);
  const text = name === "grey" ? "000000ffffff" : palettes[name], count = text.length / 6;
  for (let k = 0; k < 256; k++) {
    const place = (k / 255) * (count - 1), below = Math.min(Math.floor(place), count - 2);
    for (let c = 0; c < 3; c++) {
      const [a, b] = [0, 1].map((i) => parseInt(text.substr((below + i) * 6 + c * 2, 2), 16));
      found[k * 3 + c] = Math.round(a + (b - a) * (place - below));
    }
  }
  return found;
}

// Puts the colours of numbers {channels} into the pixels of a picture; what is not known stays clear.
export function colour(numbers, channels, range, palette, pixels) {
  const points = numbers.length / channels, scale = 255 / (range.high - range.low);
  for (let n = 0, from = 0, to = 0; n < points; n++, from += channels, to += 4) {
    if (!Number.isFinite(numbers[from])) {
      pixels[to + 3] = 0;
    } else if (channels === 1) {
      const at = 3 * Math.min(255, Math.max(0, Math.round((numbers[from] - range.low) * scale)));
      pixels[to] = palette[at];
      pixels[to + 1] = palette[at + 1];
      pixels[to + 2] = palette[at + 2];
      pixels[to + 3] = 255;
    } else {
      for (let k = 0; k < 3; k++) pixels[to + k] = (numbers[from + k] - range.low) * scale; // clamped, rounded
      pixels[to + 3] = channels === 4 ? (numbers[from + 3] - range.low) * scale : 255;
    }
  }
}

// A number in as few digits as tell it apart on the screen.
export function shown(x, digits = 4) {
  if (!Number.isFinite(x)) return "none";
  const size = Math.abs(x);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? x.toExponential(digits - 1) : String(Number(x.toPrecision(digits)));
}
