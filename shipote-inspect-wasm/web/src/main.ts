// The beginning of the page.

import { App } from "./app";
import { carried } from "./carried";
import { Engine } from "./engine";
import { h } from "./element";
import { draw } from "./frame";
import { listenToKeys } from "./keyboard";
import { listen, open } from "./open";

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
  if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
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
    stuck: true,
    headline: "This browser does not run the page.",
    detail: `It needs WebAssembly in a worker, and says: ${message}. The command line gives the same answers: \`shipote state verify FILE\``,
  });
}

/** Opens the files that `shipote inspect` wrote into the page; without them, it waits for some. */
async function begin(): Promise<void> {
  // Somebody may have dropped a file meanwhile: that is then what is looked at.
  const waits = () => app.phase.at === "start";
  try {
    const files = await carried();
    if (!waits()) return;
    if (files.length > 0) await open(app, files);
    else app.show({ at: "empty" });
  } catch (error) {
    if (!waits()) return;
    app.show({
      at: "failed",
      headline: "The files in this page can't be read.",
      detail: `It was cut off or changed after it was written, or the browser is older than they need: ${error instanceof Error ? error.message : String(error)}. Open the files themselves here, or write the page once more: shipote inspect FILE`,
    });
  }
}

// Started before anything is opened, so that a browser that can't run it says so at once.
try {
  app.engine = new Engine();
  app.engine.ready.then(() => void begin(), unable);
} catch (error) {
  unable(error);
}
