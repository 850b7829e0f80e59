// A page of a fit that goes on: asks its server once a second how far it is, and for the weights as they are.

import { element } from "./elements.js";
import { floatsOf } from "./viewer.js";

const ASKED_EVERY = 1000; // milliseconds
const FAILURES = 3; // requests without an answer, after which the fit is over
const NOTHING_NEWER = 2 ** 40; // a number that no field has: nothing newer is asked for

const waited = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

export async function follow(viewer, number) {
  const told = element("p", { class: "fit" }, "The search goes on.");
  viewer.root.querySelector("main").prepend(told);
  let have = number;
  for (let failed = 0, over = false; failed < FAILURES;) {
    await waited(over ? 0 : ASKED_EVERY);
    try {
      // What is drawn is drawn to its end, so that it is seen however slow that is; the last field is always asked for.
      const ready = viewer.page.field && (over || viewer.shown.done);
      const answer = await fetch(`now.json?have=${ready ? have : NOTHING_NEWER}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const found = await answer.json();
      failed = 0;
      told.textContent = found.told;
      if (found.number) {
        have = found.number;
        renew(viewer, found);
      }
      if (found.done && (over || found.number || !viewer.page.field)) return;
      over = found.done;
    } catch {
      failed += 1;
    }
  }
  told.textContent = `The search is over, or was stopped: ${told.textContent}`;
}

// A field that is made of other parts, or must be evaluated otherwise, is another page of the same view.
function renew(viewer, found) {
  if (found.exact !== viewer.page.exact || JSON.stringify(found.field) !== JSON.stringify(viewer.page.field)) {
    history.replaceState(null, "", viewer.link);
    location.reload();
    return;
  }
  if (found.lipschitz) viewer.view.surface.lipschitz = found.lipschitz;
  viewer.renew(floatsOf(found.weights, found.exact));
}
