// What a field was fitted to: pictures in one sheet, a cell for each frame or slice; or the samples of a sound.

// The bytes of base64.
export function bytesOf(text) {
  const read = atob(text.trim()), bytes = new Uint8Array(read.length);
  for (let k = 0; k < read.length; k++) bytes[k] = read.charCodeAt(k);
  return bytes;
}

export class Original {
  // {source, size, cell, columns, count} of a sheet, or {samples, full} of a sound; and `told`, what of it is there.
  constructor(given) {
    Object.assign(this, given);
    this.told = given.told && `Of the original there are ${given.told}.`;
    if (given.samples) this.samples = Float32Array.from(new Int16Array(bytesOf(given.samples).buffer),
      (each) => (each / 32767) * given.full);
  }

  async load() {
    if (!this.source || this.image) return;
    const image = new Image();
    image.src = this.source;
    await image.decode();
    this.image = image;
  }

  corner(number) {
    return [(number % this.columns) * this.cell[0], Math.floor(number / this.columns) * this.cell[1]];
  }

  // What lies in a plane, at a part of the way along the axis across it: [picture, left, top, width, height].
  cut(plane, part) {
    const across = plane.origin.findIndex((_, axis) => plane.right[axis] === 0 && plane.down[axis] === 0);
    const [width, height] = this.size;
    const at = (count) => Math.min(count - 1, Math.max(0, Math.floor(part * count)));
    if (across < 1) return [this.image, ...this.corner(at(this.count)), width, height];
    // A row or a column of every slice, each as a row of another picture.
    const length = across === 1 ? width : height, number = at(across === 1 ? height : width);
    const name = `${across} ${number}`;
    if (this.cutName !== name) {
      const canvas = new OffscreenCanvas(length, this.count), context = canvas.getContext("2d");
      if (across === 2) context.setTransform(0, 1, 1, 0, 0, 0);
      for (let slice = 0; slice < this.count; slice++) {
        const [x, y] = this.corner(slice);
        if (across === 1) context.drawImage(this.image, x, y + number, length, 1, 0, slice, length, 1);
        else context.drawImage(this.image, x + number, y, 1, length, slice, 0, 1, length);
      }
      Object.assign(this, { cutName: name, canvas });
    }
    return [this.canvas, 0, 0, length, this.count];
  }
}
