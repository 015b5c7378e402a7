// What workspaces have cost over time: a lane for each, on one axis with the changes.

import { address, plural, type App } from "../app";
import { bdi, button, h, put, s } from "../element";
import type { Lane, Metric, Past, State } from "../model";
import { inUtc, moment, weekday } from "../moment";
import { sorry } from "./words";

const DAY = 86_400_000;
const STEPS = [1_000, 10_000, 60_000, 600_000, DAY / 24, DAY / 8, DAY / 4, DAY, 2 * DAY, 7 * DAY];

/** Stretches before the last sample; 0 for everything. */
const SPANS: [string, number][] = [["Last day", DAY], ["Last week", 7 * DAY], ["All", 0]];

/** Where a moment stands on the axis: the drawing keeps 2 units of 1000 free at each side. */
const share = (at: number, from: number, to: number) => ((at - from) / (to - from)) * 0.996 + 0.002;

const METRICS: [Metric, string][] = [
  ["memory", "Memory"],
  ["processor", "Processor"],
  ["running", "Commands"],
];

export function history(app: App, _state: State): HTMLElement {
  const place = h("div");
  const axis = h("div", { class: "axis" });
  const told = h("p", { class: "told", role: "status" });
  const one = app.get("ws") ?? "";
  let metric: Metric = "memory";
  let range = { from_ms: 0, to_ms: 0 };
  let past: Past | null = null;
  let count = 50;
  const zoom = (from: number, to: number) => {
    if (past === null || to - from < 2) return;
    range = { from_ms: Math.max(past.first_ms, Math.round(from)), to_ms: Math.min(past.last_ms, Math.round(to)) };
    void draw();
  };
  const scale = (factor: number, shift = 0) => {
    if (past === null) return;
    const length = (past.to_ms - past.from_ms) * factor;
    const middle = (past.from_ms + past.to_ms) / 2 + shift * (past.to_ms - past.from_ms);
    zoom(middle - length / 2, middle + length / 2);
  };
  const draw = () =>
    app.engine?.ask<Past>({ ask: "history", metric, count, filter: one, ...range }).then(
      (answer) => {
        past = answer;
        told.textContent = `${plural(answer.total, "workspace")}, ${answer.span}: ${moment(answer.from_ms)} to ${moment(answer.to_ms)}`;
        put(
          place,
          answer.total === 0 ? h("p", { class: "nothing" }, "No sample in this state has a time: versions below 5 did not keep it. The table of workspaces draws them in their order.") : null,
          answer.changes.length === 0 ? null : changes(answer),
          ...answer.lanes.map((lane) => lane_(app, lane, answer, zoom)),
          answer.total > answer.lanes.length &&
            button(`Show ${Math.min(50, answer.total - answer.lanes.length)} more`, () => {
              count += 50;
              void draw();
            }),
          answer.untimed > 0 && answer.total > 0 ? h("p", { class: "none" }, `${plural(answer.untimed, "workspace")} more with samples that have no time.`) : null,
        );
        put(axis, ...ticks(answer.from_ms, answer.to_ms));
      },
      (error: unknown) => put(place, sorry(error)),
    );
  const chosen = h("div", { class: "chips", role: "group", "aria-label": "What is drawn" });
  for (const [value, name] of METRICS) {
    const chip = button(
      name,
      () => {
        metric = value;
        for (const each of chosen.children) each.setAttribute("aria-pressed", String(each === chip));
        void draw();
      },
      { class: "chip", "aria-pressed": String(value === metric) },
    );
    chosen.append(chip);
  }
  const tools = h(
    "div",
    { class: "chips", role: "group", "aria-label": "Stretch of time" },
    button("Earlier", () => scale(1, -0.5), { class: "chip" }),
    button("Later", () => scale(1, 0.5), { class: "chip" }),
    button("Closer", () => scale(0.5), { class: "chip" }),
    button("Farther", () => scale(2), { class: "chip" }),
    ...SPANS.map(([name, length]) =>
      button(name, () => {
        range = { from_ms: length === 0 ? 0 : Math.max(1, (past?.last_ms ?? 0) - length), to_ms: 0 };
        void draw();
      }, { class: "chip" }),
    ),
  );
  void draw();
  return h(
    "section",
    { class: "history", "aria-labelledby": "history" },
    one === "" ? null : h("p", null, h("a", { href: address({ ws: null }), class: "back-link" }, "← All workspaces")),
    h("header", null, h("h1", { id: "history", class: "title" }, "History"), told, h("div", { class: "push tools" }, chosen, tools)),
    h("div", { class: "past" }, place, axis),
    h("p", { class: "none legend" }, "A shaded stretch is a pause without samples; an upright line is a restart. Drag over a lane to look closer; with the keyboard, arrow keys walk its samples."),
  );
}

/** Marks of an axis, at whole hours and days of the reader's clock. */
function ticks(from: number, to: number): HTMLElement[] {
  const step = STEPS.find((step) => (to - from) / step <= 8) ?? Math.ceil((to - from) / 8 / DAY) * DAY;
  const shift = inUtc() ? 0 : new Date(from).getTimezoneOffset() * 60_000;
  const marks: HTMLElement[] = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const [date, time] = moment(at).split(" ") as [string, string];
    const text = time.startsWith("00:00:00") ? `${weekday(at)} ${date.slice(5)}` : time.slice(0, step < 60_000 ? 8 : 5);
    const place = share(at, from, to);
    const mark = h("span", { class: place > 0.95 ? "end" : place < 0.05 ? "begin" : undefined }, text);
    mark.style.left = `${place * 100}%`;
    marks.push(mark);
  }
  return marks;
}

function changes(past: Past): HTMLElement {
  const sorted = [...past.changes].sort((a, b) => a.at_ms - b.at_ms);
  const svg = s("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const change of past.changes) svg.append(s("line", { class: "change-mark", x1: change.x, x2: change.x, y1: 3, y2: 17 }));
  const list = h("ol");
  for (const change of sorted) list.append(h("li", null, h("span", { class: "none" }, `${moment(change.at_ms)} `), bdi(change.text)));
  return h(
    "div",
    { class: "lane changes" },
    h("div", { class: "lane-name" }, h("span", { class: "label" }, "Changes"), h("span", { class: "under" }, String(past.changes.length))),
    h("div", { class: "lane-body" }, svg, h("details", null, h("summary", null, "As a list"), list)),
  );
}

function lane_(app: App, lane: Lane, past: Past, zoom: (from: number, to: number) => void): HTMLElement {
  const words = `${lane.label}: ${plural(lane.points, "sample")}, at most ${lane.top}${lane.limit === null ? "" : `, limit ${lane.limit}`}, ${plural(lane.restarts.length, "restart")}, ${plural(lane.pauses.length, "pause")}`;
  const svg = s(
    "svg",
    { class: "course", viewBox: "0 0 1000 64", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...lane.pauses.map((pause) => s("rect", { class: "pause", x: pause.x, y: 0, width: Math.max(1, pause.end - pause.x), height: 64 })),
    s("path", { class: "area", d: lane.area }),
    lane.limit_y === null ? null : s("line", { class: "limit", x1: 0, x2: 1000, y1: lane.limit_y, y2: lane.limit_y }),
    s("path", { class: "line", d: lane.line }),
    ...lane.restarts.map((x) => s("line", { class: "restart", x1: x, x2: x, y1: 0, y2: 64 })),
  );
  const cursor = h("div", { class: "cursor", hidden: true });
  const brush = h("div", { class: "brush", hidden: true });
  const value = h("p", { class: "value-at" }, "");
  const body = h("div", { class: "lane-body", tabindex: 0, role: "slider", "aria-label": words, "aria-valuemin": "0", "aria-valuemax": "1000", "aria-valuenow": "1000", "aria-valuetext": `at most ${lane.top}` }, svg, cursor, brush);
  // The drawing keeps 2 units free at each side.
  const moment_at = (x: number) => past.from_ms + ((x * 1000 - 2) / 996) * (past.to_ms - past.from_ms);
  let asked = 0;
  const look = (place: number, steps = false) => {
    const turn = ++asked;
    const at = Math.max(1, Math.round(moment_at(Math.min(1, Math.max(0, place)))));
    void app.engine?.ask<{ at_ms: number; text: string }>({ ask: "sample", filter: lane.id, from_ms: at }).then((sample) => {
      if (turn !== asked) return;
      const x = Math.min(1, Math.max(0, share(sample.at_ms, past.from_ms, past.to_ms)));
      cursor.hidden = false;
      cursor.style.left = `${x * 100}%`;
      value.textContent = `${moment(sample.at_ms)} · ${sample.text}`;
      body.setAttribute("aria-valuenow", String(Math.round(x * 1000)));
      body.setAttribute("aria-valuetext", value.textContent);
      if (steps) here = x;
    }, () => {});
  };
  let here = 1;
  let from: number | null = null;
  const share_at = (event: PointerEvent) => {
    const box = body.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  body.addEventListener("pointerdown", (event) => {
    from = share_at(event);
    body.setPointerCapture(event.pointerId);
  });
  body.addEventListener("pointermove", (event) => {
    const x = share_at(event);
    look(x);
    if (from === null) return;
    brush.hidden = Math.abs(x - from) < 0.01;
    brush.style.left = `${Math.min(x, from) * 100}%`;
    brush.style.width = `${Math.abs(x - from) * 100}%`;
  });
  body.addEventListener("pointerup", (event) => {
    const x = share_at(event);
    if (from !== null && Math.abs(x - from) >= 0.01) zoom(moment_at(Math.min(x, from)), moment_at(Math.max(x, from)));
    from = null;
    brush.hidden = true;
  });
  body.addEventListener("pointerleave", () => {
    asked += 1;
    cursor.hidden = true;
    value.textContent = "";
  });
  body.addEventListener("keydown", (event) => {
    const steps: Record<string, number> = { ArrowLeft: -0.01, ArrowRight: 0.01, PageUp: -0.1, PageDown: 0.1, Home: -1, End: 1 };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    here = Math.min(1, Math.max(0, here + step));
    look(here);
  });
  return h(
    "div",
    { class: "lane" },
    h("div", { class: "lane-name" }, h("span", { class: "label" }, bdi(lane.label)), h("span", { class: "under" }, `at most ${lane.top}`), lane.limit === null ? null : h("span", { class: "under" }, `limit ${lane.limit}`)),
    h("div", { class: "lane-side" }, body, value),
  );
}
