// What the upgrade to the newest version changes, step by step and entity by entity.

import type { App } from "../app";
import { bdi, button, h, put } from "../element";
import { save } from "../leave";
import type { BeforeAndAfter, State, Upgrade } from "../model";
import { cover, fields, sorry } from "./words";

export function upgrade(app: App, state: State): HTMLElement {
  const section = h("section", { class: "upgrade", "aria-labelledby": "upgrade" });
  const body = h("div");
  const failed = (error: unknown) => put(body, sorry(error));
  section.append(
    h(
      "header",
      null,
      h("h1", { id: "upgrade", class: "title" }, `From version ${state.version ?? "?"} to the newest`),
      state.verdict === "upgradable"
        ? h(
            "span",
            { class: "push" },
            button(
              "Download upgraded state",
              () => void app.engine?.text({ ask: "upgraded", state: app.at }).then((text) => save("state.json", text, "application/json"), failed),
              { class: "small" },
            ),
          )
        : null,
    ),
    h(
      "p",
      { class: "detail small-detail" },
      "A daemon does this by itself when it starts, and keeps the old file as a backup beside it. There is no need to do it by hand.",
    ),
    body,
  );
  app.engine?.ask<Upgrade>({ ask: "upgrade", state: app.at }).then(
    (answer) => put(body, steps(answer), entities(app, state, answer)),
    failed,
  );
  return section;
}

function steps(answer: Upgrade): HTMLElement {
  const list = h("ol", { class: "steps" });
  for (const step of answer.steps) {
    const notes = h("ul");
    for (const note of step.notes) notes.append(h("li", null, h("code", null, bdi(note.pointer)), " ", note.message));
    if (step.more > 0) notes.append(h("li", { class: "none" }, `and ${step.more} more`));
    list.append(
      h(
        "li",
        null,
        h("span", { class: "version", "aria-hidden": "true" }, String(step.to)),
        h("div", null, h("h2", null, `Version ${step.to}`), h("p", { class: "none" }, `brought ${step.brought}`), notes),
      ),
    );
  }
  return list;
}

function entities(app: App, state: State, answer: Upgrade): HTMLElement {
  const place = h("div", { class: "entity" });
  const choice = h("select", { "aria-label": "Entity", id: "entity" });
  for (const entity of answer.entities) choice.append(h("option", { value: entity.pointer }, `${entity.kind} ${entity.label}`));
  const draw = () => {
    if (choice.value === "") return;
    app.engine?.ask<BeforeAndAfter>({ ask: "before_and_after", state: app.at, filter: choice.value, show: app.secrets }).then(
      (entity) =>
        put(
          place,
          entity.fields.length === 0 ? h("p", { class: "nothing" }, "Nothing of it changes.") : fields(entity.fields),
          h(
            "div",
            { class: "two" },
            h("figure", null, h("figcaption", null, "Before"), h("pre", { tabindex: 0 }, entity.before)),
            h("figure", null, h("figcaption", null, "After"), h("pre", { tabindex: 0 }, entity.after)),
          ),
        ),
      (error: unknown) => put(place, sorry(error)),
    );
  };
  choice.addEventListener("change", draw);
  draw();
  if (answer.entities.length === 0) {
    return h("p", { class: "nothing" }, answer.whole ? "There is no entity in it." : "Not all of this file is understood: what is held back is not upgraded, and entities are not shown before and after.");
  }
  return h(
    "section",
    { class: "entities", "aria-labelledby": "entities" },
    h("header", null, h("h2", { id: "entities" }, "Before and after"), choice, state.secrets ? h("span", { class: "push" }, cover(app, draw)) : null),
    place,
  );
}
