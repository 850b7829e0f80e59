// Elements of the page. Text is only ever set as text.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A choice of one of several, with a label before it.
export function choice(label, options, chosen, change) {
  const select = element("select", { onchange: () => change(select.value) },
    ...options.map(([value, text]) => element("option", { value, selected: value === chosen }, text)));
  const made = element("label", { class: "control" }, `${label} `, select);
  made.select = select;
  return made;
}

// A slider with a label before it and its value behind.
export function slider(label, { low, high, step, value, unit }, change) {
  const input = element("input", { type: "range", min: low, max: high, step: step || "any" });
  input.value = value;
  const told = element("output", {}, "");
  const tell = () => {
    told.textContent = `${Number(Number(input.value).toPrecision(5))} ${unit}`.trim();
    input.setAttribute("aria-valuetext", told.textContent);
  };
  input.addEventListener("input", () => {
    tell();
    change(Number(input.value));
  });
  tell();
  const made = element("label", { class: "control slider" }, `${label} `, input, told);
  made.move = (to) => {
    input.value = to;
    tell();
  };
  return made;
}

export function button(text, label, press) {
  return element("button", { type: "button", "aria-label": label, title: label, onclick: press }, text);
}

// Offers a file to save.
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
