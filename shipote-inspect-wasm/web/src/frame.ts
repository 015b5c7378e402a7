// What stands around a view: the head with the files, the views, and the page when nothing is open.

import { address, NAMES, plural, type App, type Phase } from "./app";
import { bdi, button, h, prose, put } from "./element";
import { icon, toneIcon } from "./icons";
import { help } from "./keyboard";
import { inUtc, setUtc } from "./moment";
import { close, open, openLean, pick, sample } from "./open";
import { diff } from "./views/diff";
import { history } from "./views/history";
import { overview } from "./views/overview";
import { pipelines } from "./views/pipelines";
import { raw } from "./views/raw";
import { upgrade } from "./views/upgrade";
import { workspaces } from "./views/workspaces";

export function draw(app: App, place: Element): void {
  const { phase } = app;
  document.documentElement.dataset["phase"] = phase.at;
  if (phase.at === "loading" && place.querySelector(".loading") !== null) return advance(place, phase);
  const focused = document.activeElement?.id ?? "";
  put(place, ...(phase.at === "shown" ? shown(app) : alone(app, phase)));
  // What was focused is there again, as another element.
  if (focused !== "") document.getElementById(focused)?.focus({ preventScroll: true });
  document.title = title(app);
  // On a narrow window, the view that is shown may be one of those beyond its edge.
  place.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

function title(app: App): string {
  if (app.phase.at !== "shown" || app.state === null) return "Shipote inspector";
  return `${app.state.title}: ${app.state.verdict} · Shipote inspector`;
}

function brand(): HTMLElement {
  return h("p", { class: "brand" }, h("span", { class: "name" }, "Shipote"), " inspector");
}

/** A choice of a few, of which one is taken. */
function choice(name: string, choices: [string, string][], taken: string, take: (value: string) => void): HTMLElement {
  const field = h("select", { "aria-label": name, id: name.toLowerCase(), class: "quiet small" });
  for (const [value, text] of choices) field.append(h("option", { value, selected: value === taken }, text));
  field.addEventListener("change", () => take(field.value));
  return field;
}

function theme(): HTMLElement {
  const root = document.documentElement;
  return choice(
    "Colours",
    [
      ["", "System"],
      ["light", "Light"],
      ["dark", "Dark"],
    ],
    root.dataset["theme"] ?? "",
    (value) => {
      if (value === "") delete root.dataset["theme"];
      else root.dataset["theme"] = value;
    },
  );
}

function clock(app: App): HTMLElement {
  return choice(
    "Times",
    [
      ["local", "Local time"],
      ["utc", "UTC"],
    ],
    inUtc() ? "utc" : "local",
    (value) => {
      setUtc(value === "utc");
      app.changed();
    },
  );
}

function head(app: App): HTMLElement {
  const files = h("ul", { class: "states", "aria-label": "States that are open" });
  app.states.forEach((state, at) => {
    const link = h(
      "a",
      { href: address({ state: at === 0 ? null : String(at) }), class: `state tone-${state.sentence.tone}`, "aria-current": at === app.at ? "true" : undefined },
      toneIcon(state.sentence.tone),
      bdi(state.title),
      h("span", { class: "aside" }, `, ${state.verdict}`),
    );
    files.append(h("li", null, link));
  });
  return h(
    "header",
    { class: "top" },
    brand(),
    files,
    h(
      "div",
      { class: "acts" },
      button("Add files…", () => pick(app), { class: "quiet small" }),
      button("Close", () => close(app), { class: "quiet small" }),
      clock(app),
      theme(),
      button("Keys", help, { class: "quiet small keys-button", "aria-haspopup": "dialog" }),
    ),
  );
}

function views(app: App): HTMLElement {
  const list = h("ul");
  const counts = app.state?.counts;
  const told: Partial<Record<string, number>> = {
    workspaces: counts?.workspaces ?? 0,
    pipelines: (counts?.saved_pipelines ?? 0) + (counts?.live_pipelines ?? 0),
  };
  for (const view of app.views()) {
    const count = told[view];
    const link = h(
      "a",
      { href: address({ view: view === "overview" ? null : view, ws: null }), "aria-current": view === app.view ? "page" : undefined },
      NAMES[view],
      count === undefined ? null : h("span", { class: "count" }, count.toLocaleString("en")),
    );
    list.append(h("li", null, link));
  }
  return h("nav", { "aria-label": "Views" }, list);
}

function note(app: App): HTMLElement | null {
  if (app.note === null) return null;
  return h(
    "p",
    { class: `note ${app.note.tone}`, role: "status" },
    app.note.text,
    button("Dismiss", () => {
      app.note = null;
      app.changed();
    }, { class: "quiet small" }),
  );
}

function shown(app: App): HTMLElement[] {
  const state = app.state;
  if (state === null) return alone(app, { at: "empty" });
  const view = { overview, workspaces, pipelines, history, upgrade, diff, raw }[app.view](app, state);
  const partial =
    app.view === "workspaces" && state.readable && state.counts.held > 0
      ? h("p", { class: "note warn" }, `${plural(state.counts.held, "entity").replace("entitys", "entities")} in this file ${state.counts.held === 1 ? "has" : "have"} errors and can't be shown here; the overview names them.`)
      : null;
  return [
    head(app),
    views(app),
    h(
      "main",
      { id: "main", tabindex: -1 },
      note(app),
      app.lean && h("p", { class: "note warn" }, "Opened without history, for want of memory: samples are blank here, in the report and in copies, and no journal is replayed on a file that holds any."),
      partial,
      view,
    ),
    promise(),
  ];
}

function promise(): HTMLElement {
  const policy = document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.getAttribute("content") ?? "";
  const build = document.querySelector('meta[name="shipote-build"]')?.getAttribute("content") ?? "";
  return h(
    "footer",
    { class: "promise" },
    h("p", null, "Nothing leaves this page. It has no permission to use the network."),
    h(
      "details",
      null,
      h("summary", null, "How to check that"),
      h(
        "p",
        null,
        "This is one file without links to others. It carries the rule below, which your browser enforces: no connection, no picture, no script but its own. Turn the network off, and it works the same.",
      ),
      h("code", { class: "policy" }, policy),
      h("p", null, `Build ${build}. It judges files by the code of the program itself; shipote state verify says the same to the byte.`),
    ),
  );
}

function alone(app: App, phase: Exclude<Phase, { at: "shown" }>): HTMLElement[] {
  const frame = (...children: (HTMLElement | null)[]) => [
    h("header", { class: "top" }, brand(), h("div", { class: "acts" }, theme())),
    h("main", { id: "main", class: "alone", tabindex: -1 }, ...children),
    promise(),
  ];
  switch (phase.at) {
    case "start":
    case "empty":
      return frame(note(app), ...empty(app));
    case "asking":
      return frame(
        h("h1", null, "A large file."),
        h(
          "p",
          { class: "detail" },
          `${phase.size.toLocaleString("en")} bytes. This page will need about ${Math.ceil((phase.size * 1.6) / 1e6).toLocaleString("en")} MB of memory for it, and some seconds.`,
        ),
        h(
          "div",
          { class: "choices" },
          button("Open it", () => void open(app, phase.files, true), { class: "main" }),
          button("Rather not", () => app.show(app.states.length > 0 ? { at: "shown" } : { at: "empty" })),
        ),
      );
    case "loading": {
      const bar = h("progress", { "aria-labelledby": "doing" });
      const main = h(
        "div",
        { class: "loading" },
        h("h1", { id: "doing" }, "Reading…"),
        bar,
        h("p", { class: "detail amount" }, ""),
        h("div", { class: "choices" }, button("Cancel", () => app.engine?.stop())),
      );
      return frame(main);
    }
    case "failed":
      return frame(
        h("div", { class: "seal tone-bad" }, icon("bad")),
        h("h1", null, phase.headline),
        h("p", { class: "detail" }, prose(phase.detail)),
        phase.stuck === true
          ? null
          : h(
              "div",
              { class: "choices" },
              phase.lean === undefined ? null : button("Try without history", () => openLean(app, phase.lean ?? []), { class: "main" }),
              button("Open another file…", () => pick(app), { class: phase.lean === undefined ? "main" : undefined }),
              button("Back", () => app.show(app.states.length > 0 ? { at: "shown" } : { at: "empty" })),
            ),
      );
  }
}

/** Moves the bar, without drawing the page anew. */
function advance(place: Element, phase: Extract<Phase, { at: "loading" }>): void {
  const bar = place.querySelector("progress");
  const doing = place.querySelector("#doing");
  const amount = place.querySelector(".amount");
  const { progress } = phase;
  if (bar === null || doing === null || amount === null || progress === null) return;
  if (progress.judging) {
    bar.removeAttribute("value");
    doing.textContent = "Judging…";
    amount.textContent = "Every field of every entity";
    return;
  }
  bar.setAttribute("max", String(Math.max(1, progress.total)));
  bar.setAttribute("value", String(progress.read));
  doing.textContent = "Reading…";
  const mb = (bytes: number) => (bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 });
  amount.textContent = `${mb(progress.read)} of ${mb(progress.total)} MB`;
}

function empty(app: App): HTMLElement[] {
  return [
    h("h1", { class: "invitation" }, "Drop a ", h("code", null, "state.json"), " here to look inside."),
    h(
      "p",
      { class: "detail" },
      "See whether it is valid, what is wrong with it and where, and what its workspaces have cost. Drop its journals with it, or several states to compare them.",
    ),
    h(
      "div",
      { class: "choices" },
      button("Open files…", () => pick(app), { class: "main" }),
      button("A good sample", () => sample(app, "good")),
      button("A broken one", () => sample(app, "broken")),
    ),
    h(
      "dl",
      { class: "where" },
      h("dt", null, "Where it is"),
      h("dd", null, h("code", null, "~/.local/state/shipote/state.json"), ", or below ", h("code", null, "$STATE_DIRECTORY"), " where a service manager says so"),
      h("dt", null, "Other ways in"),
      h("dd", null, "Paste its text anywhere on this page, or let ", h("code", null, "shipote inspect"), " write it into one"),
    ),
  ];
}
