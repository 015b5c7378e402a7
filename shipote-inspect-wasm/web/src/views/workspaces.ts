// The table of workspaces, with small curves of what each has cost.

import { address, plural, type App } from "../app";
import { bdi, button, h, put, s } from "../element";
import type { Column, Measured, State, WorkspaceRow, WorkspaceTable } from "../model";
import { save } from "../leave";
import { momentElement } from "../moment";
import { detail } from "./detail";
import { sorry } from "./words";

const PAGE = 200;

const HEADS: { column: Column; name: string; number: boolean }[] = [
  { column: "label", name: "Workspace", number: false },
  { column: "memory", name: "Memory", number: false },
  { column: "processor", name: "Processor", number: false },
  { column: "running", name: "Commands", number: false },
  { column: "ttl", name: "Life", number: false },
  { column: "created", name: "Made", number: false },
];

interface Wanted {
  sort: Column;
  descending: boolean;
  filter: string;
  count: number;
}

export function workspaces(app: App, state: State): HTMLElement {
  const one = app.get("ws");
  if (one !== null) return detail(app, one);
  const wanted: Wanted = { sort: "file", descending: false, filter: "", count: PAGE };
  const section = h("section", { class: "workspaces", "aria-labelledby": "workspaces" });
  if (!state.readable) {
    section.append(
      h("h1", { id: "workspaces", class: "title" }, "Workspaces"),
      h("p", { class: "nothing" }, "Nothing of this file could be read as a state, so there are no workspaces to show."),
    );
    return section;
  }
  const told = h("p", { class: "told", role: "status" });
  const filter = h("input", {
    type: "search",
    id: "filter",
    placeholder: "Filter",
    "aria-label": "Filter workspaces by label, id or permission",
    autocomplete: "off",
    spellcheck: "false",
  });
  const body = h("tbody");
  const foot = h("div", { class: "further" });
  const heads = new Map<Column, HTMLElement>();
  const row = h("tr");
  for (const { column, name } of HEADS) {
    const head = h(
      "th",
      { scope: "col", "aria-sort": "none" },
      button(name, () => {
        wanted.descending = wanted.sort === column ? !wanted.descending : column !== "label" && column !== "ttl";
        wanted.sort = column;
        void draw();
      }),
    );
    heads.set(column, head);
    row.append(head);
  }
  row.append(h("th", { scope: "col", class: "words" }, "May touch"));
  const table = h("table", null, h("caption", { class: "aside" }, "Workspaces"), h("thead", null, row), body);
  const failed = (error: unknown) => put(foot, sorry(error));
  let asked = 0;
  const draw = async () => {
    const turn = ++asked;
    const answer = await app.engine?.ask<WorkspaceTable>({ ask: "workspaces", state: app.at, from: 0, ...wanted }).catch(failed);
    if (!answer || turn !== asked) return;
    put(body, ...answer.rows.map(line));
    for (const [column, head] of heads) {
      head.setAttribute("aria-sort", column !== wanted.sort ? "none" : wanted.descending ? "descending" : "ascending");
    }
    told.textContent = [
      wanted.filter === "" ? plural(answer.total, "workspace") : `${answer.matching} of ${plural(answer.total, "workspace")}`,
      ...(answer.held > 0 ? [`${answer.held} more held back, with errors`] : []),
    ].join(", ");
    const rest = answer.matching - answer.rows.length;
    put(
      foot,
      rest > 0 &&
        button(`Show ${Math.min(rest, PAGE)} of ${rest} more`, () => {
          wanted.count += PAGE;
          void draw();
        }),
      answer.matching === 0 &&
        h("p", { class: "nothing" }, answer.total === 0 ? "No workspace is declared in this state. That is no error." : "None matches."),
    );
  };
  filter.addEventListener("input", () => {
    wanted.filter = filter.value;
    wanted.count = PAGE;
    void draw();
  });
  section.append(
    h(
      "header",
      null,
      h("h1", { id: "workspaces", class: "title" }, "Workspaces"),
      told,
      h("span", { class: "push" }, button("Table as CSV", () => void app.engine?.text({ ask: "csv", state: app.at }).then((text) => save("workspaces.csv", text, "text/csv"), failed), { class: "quiet small" }), filter),
    ),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of workspaces" }, table),
    foot,
  );
  void draw();
  return section;
}

function line(row: WorkspaceRow): HTMLElement {
  return h(
    "tr",
    null,
    h(
      "th",
      { scope: "row" },
      h("a", { class: "label", href: address({ ws: row.id }) }, bdi(row.label)),
      h("span", { class: "mono id" }, row.id),
    ),
    h("td", null, curve(row.memory, "memory")),
    h("td", null, curve(row.processor, "processor")),
    h("td", null, curve(row.running, "commands that ran")),
    h("td", null, h("span", { class: "value" }, row.ttl), row.left === null ? null : h("span", { class: "under" }, row.left)),
    h("td", null, momentElement(row.created_ms, true)),
    h("td", { class: "words" }, row.permissions),
  );
}

/** What was measured: the last value, a small curve, and the limit. */
export function curve(measured: Measured, what: string): HTMLElement {
  if (measured.now === null && measured.curve.line === "") {
    return h(
      "div",
      { class: "measured" },
      h("span", { class: "none" }, "no samples"),
      measured.limit === null ? null : h("span", { class: "under" }, `limit ${measured.limit}`),
    );
  }
  const words = [
    `${what} ${measured.now ?? "not known"}`,
    ...(measured.peak === null ? [] : [`at most ${measured.peak}`]),
    ...(measured.limit === null ? [] : [`limit ${measured.limit}`]),
  ].join(", ");
  const { line, area, limit } = measured.curve;
  return h(
    "div",
    { class: "measured" },
    h("span", { class: "value" }, measured.now ?? "–"),
    s(
      "svg",
      { class: "spark", viewBox: "0 0 120 28", role: "img", "aria-label": words, preserveAspectRatio: "none" },
      s("path", { class: "area", d: area }),
      limit === null ? null : s("line", { class: "limit", x1: 0, x2: 120, y1: limit, y2: limit }),
      s("path", { class: "line", d: line }),
    ),
    h(
      "span",
      { class: "under" },
      [
        ...(measured.peak !== null && measured.peak !== measured.now ? [`peak ${measured.peak}`] : []),
        ...(measured.limit === null ? [] : [`limit ${measured.limit}`]),
      ].join(" · "),
    ),
  );
}
