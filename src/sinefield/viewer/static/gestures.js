// Dragging, wheels, pinches and keys, told as pans and zooms in screen pixels of the canvas.

const KEYS = {
  ArrowLeft: (to) => to.pan(64, 0),
  ArrowRight: (to) => to.pan(-64, 0),
  ArrowUp: (to) => to.pan(0, 64),
  ArrowDown: (to) => to.pan(0, -64),
  "+": (to) => to.magnify(1.5),
  "=": (to) => to.magnify(1.5),
  "-": (to) => to.magnify(1 / 1.5),
  0: (to) => to.fit(),
  Home: (to) => to.fit(),
};

export const KEYS_TOLD = [
  ["arrows", "move"],
  ["+ and −", "zoom"],
  ["0", "show all of it"],
];

// `to` has pan(dx, dy), magnify(factor, x, y), fit() and point(x, y), the last also with null when the pointer leaves.
export function listen(canvas, to) {
  const pointers = new Map();
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * (canvas.width / box.width),
      (event.clientY - box.top) * (canvas.height / box.height)];
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, size: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event), before = pointers.get(event.pointerId);
    to.point(now[0], now[1]);
    if (!before) return;
    if (pointers.size === 1) {
      pointers.set(event.pointerId, now);
      to.pan(now[0] - before[0], now[1] - before[1]);
    } else if (pointers.size === 2) {
      const old = spread();
      pointers.set(event.pointerId, now);
      const next = spread();
      to.pan(next.x - old.x, next.y - old.y);
      if (old.size > 0) to.magnify(next.size / old.size, next.x, next.y);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", () => to.point(null, null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = place(event), lines = event.deltaMode === 0 ? 1 : 16;
    to.magnify(2 ** (-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), x, y);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(to);
  });
}
