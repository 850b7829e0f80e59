// The page as a file of its own: the description and the weights are in it.

import { floatsOf, Viewer } from "./viewer.js";

const root = document.getElementById("viewer");
try {
  const page = JSON.parse(document.getElementById("field").textContent);
  new Viewer(root, page, floatsOf(document.getElementById("weights").textContent, page.exact));
} catch (error) {
  root.append(Object.assign(document.createElement("p"), { className: "message", textContent: error.message }));
  throw error;
}
