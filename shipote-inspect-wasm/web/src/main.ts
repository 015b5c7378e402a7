// The beginning of the page.

import { App } from "./app";
import { Engine } from "./engine";
import { h } from "./element";
import { draw } from "./frame";
import { listenToKeys } from "./keyboard";
import { listen } from "./open";

const app = new App();
const place = document.getElementById("page")!;
const heard = h("div", { class: "aside", role: "status", "aria-live": "polite" });
const drop = h("div", { class: "drop", "aria-hidden": "true" }, h("p", null, "Drop to look inside"));
document.body.append(heard, drop);

app.changed = () => draw(app, place);
app.announced = (text) => {
  heard.textContent = text;
};
addEventListener("hashchange", () => {
  draw(app, place);
  document.getElementById("main")?.focus({ preventScroll: true });
});
listen(app);
listenToKeys(app);

/** Says that this browser can't run the page, and what can be done instead. */
function unable(error: unknown): void {
  if (app.phase.at !== "start") return;
  const message = error instanceof Error ? error.message : String(error);
  app.engine = null;
  app.show({
    at: "failed",
    headline: "This browser does not run the page.",
    detail: `It needs WebAssembly in a worker, and says: ${message}. The command line gives the same answers: shipote state verify FILE`,
  });
}

// Started before anything is opened, so that a browser that can't run it says so at once.
try {
  app.engine = new Engine();
  app.engine.ready.then(() => {
    if (app.phase.at === "start") app.show({ at: "empty" });
  }, unable);
} catch (error) {
  unable(error);
}
