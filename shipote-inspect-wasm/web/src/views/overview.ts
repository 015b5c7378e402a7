// The verdict, what is known, and every problem with its place.

import { address, plural, type App } from "../app";
import { bdi, button, h, prose, put } from "../element";
import { severityIcon, toneIcon } from "../icons";
import { copyButton, save } from "../leave";
import type { Problem, Severity, State } from "../model";
import { momentElement } from "../moment";

const ORDER: Severity[] = ["fatal", "error", "warning", "note"];
const WORDS: Record<Severity, string> = { fatal: "Fatal", error: "Error", warning: "Warning", note: "Note" };

/** Problems that are drawn at once; the others follow when they are asked for. */
const PAGE = 100;

export function overview(app: App, state: State): HTMLElement {
  return h(
    "div",
    { class: "overview" },
    verdict(state),
    facts(app, state),
    problems(app, state),
  );
}

function verdict(state: State): HTMLElement {
  const { tone, headline, detail } = state.sentence;
  return h(
    "section",
    { class: `verdict tone-${tone}`, "aria-label": "Verdict" },
    h("div", { class: "seal" }, toneIcon(tone)),
    h("div", null, h("h1", { tabindex: -1, id: "headline" }, headline), h("p", { class: "detail" }, prose(detail))),
  );
}

function facts(app: App, state: State): HTMLElement {
  const list = h("dl", { class: "facts" });
  const add = (name: string, value: HTMLElement | string, wide = false) =>
    list.append(h("div", { class: wide ? "wide" : undefined }, h("dt", null, name), h("dd", null, value)));
  for (const file of state.files) {
    add(file.kind, h("span", { title: file.exact }, bdi(file.name), ` · ${file.size}`));
  }
  for (const fact of state.facts) {
    if (fact.value === undefined) add(fact.name, momentElement(fact.at_ms));
    else add(fact.name, bdi(fact.value));
  }
  for (const file of state.files) {
    const place = h("span", { class: "digest mono" }, h("span", { class: "none" }, "…"));
    add(state.files.length > 1 ? `SHA-256 of ${file.name}` : "SHA-256", place, true);
    void app.engine?.ask<string>({ ask: "digest", file: file.at }).then(
      (digest) => put(place, h("span", { class: "hex" }, digest), copyButton(digest, "the SHA-256")),
      () => put(place, h("span", { class: "none" }, "not known")),
    );
  }
  return h("section", { "aria-label": "Facts" }, list);
}

function problems(app: App, state: State): HTMLElement {
  const all = state.problems.length + state.more;
  const section = h("section", { class: "problems", "aria-labelledby": "problems" });
  const report = button(
    "Report as JSON",
    () => {
      void app.engine?.text({ ask: "report", state: app.at }).then((text) => save("report.json", text, "application/json"));
    },
    { class: "quiet small", title: "What `shipote state verify --output json` prints, to the byte" },
  );
  const redacted =
    state.readable &&
    button(
      "Redacted copy",
      () => void app.engine?.text({ ask: "redacted", state: app.at }).then((text) => save("redacted.json", text, "application/json")),
      { class: "quiet small", title: "The state to give away: environment values, arguments, scripts, paths and host names are replaced by tokens; labels and ids stay" },
    );
  section.append(h("header", null, h("h2", { id: "problems" }, all === 0 ? "No problems" : plural(all, "problem")), h("span", { class: "push" }, redacted, report)));
  if (all === 0) return section;
  const present = ORDER.filter((severity) => state.tally[severity] > 0);
  const shown = new Set<Severity>(present);
  const list = h("ol", { class: "problem-list" });
  let count = PAGE;
  const draw = () => {
    const chosen = state.problems.filter((problem) => shown.has(problem.severity));
    put(list, ...chosen.slice(0, count).map((problem) => item(state, problem)));
    const rest = chosen.length - count;
    if (rest > 0) {
      list.append(
        h("li", { class: "further" }, button(`Show ${plural(Math.min(rest, PAGE), "more problem")} of ${rest}`, () => {
          count += PAGE;
          draw();
        })),
      );
    } else if (state.more > 0) {
      list.append(h("li", { class: "further" }, `${plural(state.more, "further problem")} are counted and not listed.`));
    }
  };
  if (present.length > 1) {
    const chips = h("div", { class: "chips", role: "group", "aria-label": "Which problems are shown" });
    for (const severity of present) {
      const chip = h(
        "button",
        { type: "button", class: `chip ${severity}`, "aria-pressed": "true" },
        severityIcon(severity),
        plural(state.tally[severity], severity === "fatal" ? "fatal problem" : severity),
      );
      chip.addEventListener("click", () => {
        if (shown.has(severity)) shown.delete(severity);
        else shown.add(severity);
        chip.setAttribute("aria-pressed", String(shown.has(severity)));
        count = PAGE;
        draw();
      });
      chips.append(chip);
    }
    section.append(chips);
  }
  section.append(list);
  draw();
  return section;
}

function item(state: State, problem: Problem): HTMLElement {
  const { place, excerpt } = problem;
  const where = `${problem.file}:${place.line}:${place.column}`;
  return h(
    "li",
    { class: `problem ${problem.severity}` },
    h("div", { class: "weight" }, severityIcon(problem.severity), h("span", null, WORDS[problem.severity])),
    h(
      "div",
      { class: "body" },
      h("p", { class: "message" }, prose(problem.message)),
      excerpt === null || state.files.length === 0
        ? null
        : h(
            "code",
            { class: "excerpt", dir: "ltr" },
            h("span", { class: "line-number" }, h("span", { class: "aside" }, "line "), String(place.line)),
            h(
              "span",
              { class: "source" },
              excerpt.before,
              excerpt.marked === "" ? h("mark", { class: "point" }, h("span", { class: "aside" }, "(here)")) : h("mark", null, excerpt.marked),
              excerpt.after,
            ),
          ),
      problem.hint === "" ? null : h("p", { class: "hint" }, prose(problem.hint)),
      h(
        "p",
        { class: "place mono" },
        problem.at === null ? h("span", null, where) : h("a", { href: address({ view: "raw", file: String(problem.at), at: `@${place.offset}` }) }, where),
        place.pointer === "" ? null : h("span", null, bdi(place.pointer)),
        h("span", null, problem.code),
        ...problem.related.map((related) => h("span", null, `see also line ${related.line}, `, bdi(related.pointer))),
      ),
    ),
  );
}
