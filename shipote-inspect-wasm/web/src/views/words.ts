// Parts that several views share: names with sentences, fields that differ, and a cover over secrets.

import { secretsLabel, type App } from "../app";
import { bdi, button, h } from "../element";
import type { Field, Word } from "../model";

/** A list of names and sentences. */
export function words(list: Word[]): HTMLElement | null {
  if (list.length === 0) return null;
  const rows = h("dl", { class: "words-list" });
  for (const { name, text } of list) rows.append(h("dt", null, bdi(name)), h("dd", null, bdi(text)));
  return rows;
}

/** Fields that differ, with what was there and what is there. */
export function fields(list: Field[]): HTMLElement {
  const rows = h("ul", { class: "fields" });
  for (const field of list) {
    rows.append(
      h(
        "li",
        null,
        h("code", { class: "pointer" }, bdi(field.pointer)),
        h(
          "span",
          { class: "change" },
          field.old === null ? h("span", { class: "none" }, "not there") : h("del", null, h("span", { class: "aside" }, "was "), h("code", null, bdi(field.old))),
          h("span", { class: "arrow", "aria-hidden": "true" }, "→"),
          field.new === null ? h("span", { class: "none" }, "gone") : h("ins", null, h("span", { class: "aside" }, "is "), h("code", null, bdi(field.new))),
        ),
      ),
    );
  }
  return rows;
}

/** The button that shows and covers values of environment variables. */
export function cover(app: App, draw: () => void): HTMLButtonElement {
  const toggle = button(
    secretsLabel(app),
    () => {
      app.secrets = !app.secrets;
      toggle.textContent = secretsLabel(app);
      toggle.setAttribute("aria-pressed", String(app.secrets));
      draw();
    },
    { class: "quiet small", "aria-pressed": String(app.secrets) },
  );
  return toggle;
}

/** What is said when an answer does not come. */
export function sorry(error: unknown): HTMLElement {
  return h("p", { class: "nothing" }, error instanceof Error ? error.message : String(error));
}
