// The page as a file of its own: the description and the weights are in it.

import { follow } from "./live.js";
import { floatsOf, Viewer } from "./viewer.js";

const root = document.getElementById("viewer");
try {
  const page = JSON.parse(document.getElementById("field").textContent);
  const viewer = new Viewer(root, page, floatsOf(document.getElementById("weights").textContent, page.exact));
  if (page.live !== null) follow(viewer, page.live);
} catch (error) {
  root.append(Object.assign(document.createElement("p"), { className: "message", textContent: error.message }));
  throw error;
}
