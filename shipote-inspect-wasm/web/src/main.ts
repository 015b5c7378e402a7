// The beginning of the page.

import { App } from "./app";
import { Engine, Failed } from "./engine";
import { h } from "./element";
import { draw } from "./frame";
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

// Started before anything is opened, so that a browser that can't run it says so at once.
const engine = new Engine();
app.engine = engine;
engine.ready.then(
  () => {
    if (app.phase.at === "start") app.show({ at: "empty" });
  },
  (error: unknown) => {
    if (app.phase.at !== "start") return;
    const message = error instanceof Failed ? error.message : String(error);
    app.engine = null;
    app.show({
      at: "failed",
      headline: "This browser does not run the page.",
      detail: `It needs WebAssembly in a worker, and says: ${message}. The command line gives the same answers: shipote state verify FILE`,
    });
  },
);
