// Two states beside each other.

import { plural, type App } from "../app";
import { bdi, h, put } from "../element";
import type { Difference, Field, Named, State } from "../model";
import { LAST, moment } from "../moment";
import { cover, fields, sorry } from "./words";

export function diff(app: App, state: State): HTMLElement {
  const asked = Number(app.get("with") ?? NaN);
  const others = app.states.map((_, at) => at).filter((at) => at !== app.at);
  const other = others.includes(asked) ? asked : (others[0] ?? 0);
  const place = h("div", { class: "difference" });
  const draw = () =>
    app.engine?.ask<Difference>({ ask: "diff", state: other, other: app.at, show: app.secrets }).then(
      (answer) => put(place, ...told(answer)),
      (error: unknown) => put(place, sorry(error)),
    );
  const choice = h("select", { "aria-label": "State to compare with", id: "other" });
  for (const at of others) choice.append(h("option", { value: String(at), selected: at === other }, app.states[at]?.title ?? ""));
  choice.addEventListener("change", () => app.go({ with: choice.value }));
  void draw();
  return h(
    "section",
    { "aria-labelledby": "diff" },
    h(
      "header",
      null,
      h("h1", { id: "diff", class: "title" }, "From ", choice, " to ", bdi(state.title)),
      app.states.some((each) => each.secrets) ? h("span", { class: "push" }, cover(app, () => void draw())) : null,
    ),
    place,
  );
}

function told(answer: Difference): (HTMLElement | null)[] {
  const same = answer.added_count + answer.removed_count + answer.changed_count + answer.held_count === 0;
  const summary = [
    ...(answer.added_count > 0 ? [`${answer.added_count} added`] : []),
    ...(answer.removed_count > 0 ? [`${answer.removed_count} removed`] : []),
    ...(answer.changed_count > 0 ? [`${answer.changed_count} changed`] : []),
    ...(answer.held_count > 0 ? [`${answer.held_count} held back`] : []),
    `${answer.unchanged} unchanged`,
  ].join(", ");
  return [
    h("p", { class: "detail small-detail", role: "status" }, same ? `They declare the same: ${summary}.` : `${summary}. Entities are matched by id; samples are not compared.`),
    answer.kin ? null : h("p", { class: "note warn" }, "The two are of different lineages: neither is a newer form of the other."),
    group("Held back by one of them, since it has errors there", "", answer.held, answer.held_count),
    group("Removed", "removed", answer.removed, answer.removed_count),
    group("Added", "added", answer.added, answer.added_count, new Set(answer.recreated.map((entity) => entity.id))),
    changes(answer),
    answer.head.length === 0 ? null : h("section", { class: "group" }, h("h2", null, "The document itself"), fields(answer.head.map(dated))),
  ];
}

/** A moment instead of its number. */
function dated(field: Field): Field {
  if (field.pointer !== "/timestamp_ms") return field;
  const told = (ms: string | null) => (ms === null || Number(ms) > LAST ? ms : moment(Number(ms)));
  return { ...field, old: told(field.old), new: told(field.new) };
}

function name(entity: Named): HTMLElement {
  return h("span", { class: "named" }, h("span", { class: "none" }, `${entity.kind} `), h("strong", null, bdi(entity.label)), " ", h("code", { class: "id" }, bdi(entity.id)));
}

function group(title: string, className: string, list: Named[], count: number, again = new Set<string>()): HTMLElement | null {
  if (count === 0) return null;
  const items = h("ul", { class: `names ${className}` });
  for (const entity of list) {
    items.append(h("li", null, name(entity), again.has(entity.id) ? h("span", { class: "tag" }, "declared anew: the same label under another id, with a history of its own") : null));
  }
  if (count > list.length) items.append(h("li", { class: "none" }, `and ${plural(count - list.length, "more entity").replace("entitys", "entities")}`));
  return h("section", { class: "group" }, h("h2", null, `${title} (${count})`), items);
}

function changes(answer: Difference): HTMLElement | null {
  if (answer.changed_count === 0) return null;
  const items = h("ul", { class: "changed" });
  for (const entity of answer.changed) items.append(h("li", null, name(entity), fields(entity.fields)));
  return h("section", { class: "group" }, h("h2", null, `Changed (${answer.changed_count})`), items);
}
