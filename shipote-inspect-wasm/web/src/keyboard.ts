// Keys that do something. Single keys are only heard where nobody types, and can be switched off.

import { type App } from "./app";
import { button, h } from "./element";
import { pick } from "./open";

const KEYS: [string, string][] = [
  ["o", "Open files"],
  ["1 … 7", "Go to a view"],
  ["/", "Filter, or go to a line of the text"],
  ["j  k", "Next and previous row or problem"],
  ["n  p", "Next and previous problem, in the text"],
  ["?", "This help"],
  ["Esc", "Close, go back"],
];

let on = true;

/** Opens the help. */
export function help(): void {
  const list = h("dl", { class: "keys" });
  for (const [key, what] of KEYS) list.append(h("dt", null, h("kbd", null, key)), h("dd", null, what));
  const switched = h("input", { type: "checkbox", id: "single-keys", checked: on });
  switched.addEventListener("change", () => (on = switched.checked));
  const dialog = h("dialog", { "aria-labelledby": "help" }, h("h2", { id: "help" }, "Keys"), list, h("p", null, switched, " ", h("label", { for: "single-keys" }, "Single keys do something")));
  dialog.append(button("Close", () => dialog.close(), { class: "small" }));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Moves the focus among rows. */
function move(way: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("tbody a.label, .problem .place a")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[at < 0 ? (way > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + way))];
  next?.focus();
  next?.closest(".problem")?.scrollIntoView({ block: "nearest" });
}

export function listenToKeys(app: App): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey && !event.altKey && event.key === "o") {
      event.preventDefault();
      return pick(app);
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const typing = target instanceof HTMLElement && (target.matches("input:not([type=checkbox]), textarea, select") || target.isContentEditable);
    if (event.key === "Escape") {
      if (document.querySelector("dialog[open]") !== null) return;
      if (typing) return target.blur();
      if (app.phase.at === "loading") return app.engine?.stop();
      if (app.get("ws") !== null) return app.go({ ws: null });
      return;
    }
    if (typing || !on || document.querySelector("dialog[open]") !== null) return;
    const views = app.phase.at === "shown" ? app.views() : [];
    const view = views[Number(event.key) - 1];
    const act: Record<string, () => void> = {
      o: () => pick(app),
      "?": help,
      "/": () => document.querySelector<HTMLElement>("#filter, #go")?.focus(),
      j: () => move(1),
      k: () => move(-1),
      n: () => document.getElementById("next")?.click(),
      p: () => document.getElementById("previous")?.click(),
    };
    const chosen = view !== undefined ? () => app.go({ view: view === "overview" ? null : view, ws: null }) : act[event.key];
    if (chosen === undefined) return;
    event.preventDefault();
    chosen();
  });
}
