// The verdict, what is known, and every problem with its place.

import { address, plural, type App } from "../app";
import { bdi, button, h, prose, put } from "../element";
import { severityIcon, toneIcon } from "../icons";
import { copyButton, save } from "../leave";
import type { Exported, Plan, Problem, Severity, State } from "../model";
import { momentElement } from "../moment";
import { sorry } from "./words";

const ORDER: Severity[] = ["fatal", "error", "warning", "note"];
const WORDS: Record<Severity, string> = { fatal: "Fatal", error: "Error", warning: "Warning", note: "Note" };

/** Problems that are drawn at once; the others follow when they are asked for. */
const PAGE = 50;

export function overview(app: App, state: State): HTMLElement {
  return h(
    "div",
    { class: "overview" },
    verdict(state),
    plan(app),
    problems(state),
    facts(app, state),
    along(app, state),
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

/** What a daemon that starts now would do with it. */
function plan(app: App): HTMLElement {
  const place = h("section", { class: "plan", "aria-label": "What a start would do" });
  const draw = (count: number) =>
    app.engine?.ask<Plan>({ ask: "plan", state: app.at, from_ms: Date.now(), count }).then(
      (answer) => put(place, ...planned(answer, count, () => void draw(count + PAGE))),
      (error: unknown) => put(place, sorry(error)),
    );
  void draw(PAGE);
  return place;
}

function planned({ headline, detail, ways, tally, steps, more }: Plan, count: number, further: () => void): (HTMLElement | null)[] {
  const table = (name: string, heads: string[], rows: (HTMLElement | string)[][]) => {
    const body = h("tbody");
    for (const row of rows) body.append(h("tr", null, ...row.map((cell) => h("td", null, cell))));
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
      h("table", null, h("thead", null, h("tr", null, ...heads.map((head) => h("th", { scope: "col" }, head)))), body),
    );
  };
  const named = (kind: string, label: string) => h("span", null, h("span", { class: "none" }, `${kind} `), bdi(label));
  return [
    h("h2", null, headline),
    detail === "" ? null : h("p", null, prose(detail)),
    ways.length === 0 ? null : table("Ways on", ["From", "As of", "Gives", "Loses"], ways.map((way) => [bdi(way.from), momentElement(way.at_ms), way.gives, way.loses])),
    steps.length === 0
      ? null
      : h(
          "details",
          { open: count > PAGE },
          h("summary", null, `${tally}.`),
          table(
            "What becomes of each",
            ["Fate", "What", "Why"],
            steps.map((step) => [
              h("span", { class: step.action }, step.words),
              named(step.kind, step.label),
              h("span", null, prose(step.why), step.not_before_ms === null ? null : ", not before ", step.not_before_ms === null ? null : momentElement(step.not_before_ms)),
            ]),
          ),
          more > 0 && button(`Show more of ${more.toLocaleString("en")}`, further),
        ),
  ];
}

function facts(app: App, state: State): HTMLElement {
  const list = h("dl", { class: "facts" });
  const add = (name: string, value: HTMLElement | string, className?: string) =>
    list.append(h("div", { class: className }, h("dt", null, name), h("dd", null, value)));
  for (const file of state.files) {
    add(file.kind, h("span", { title: file.exact }, bdi(file.name), ` · ${file.size}`), "file");
  }
  for (const fact of state.facts) {
    if (fact.value === undefined) add(fact.name, momentElement(fact.at_ms));
    else add(fact.name, bdi(fact.value));
  }
  for (const file of state.files) {
    const place = h("span", { class: "digest mono" }, h("span", { class: "none" }, "…"));
    add(state.files.length > 1 ? `SHA-256 of ${file.name}` : "SHA-256", place, "wide");
    void app.engine?.ask<string>({ ask: "digest", file: file.at }).then(
      (digest) => put(place, h("span", { class: "hex" }, digest), copyButton(digest, "the SHA-256")),
      () => put(place, h("span", { class: "none" }, "not known")),
    );
  }
  return h("section", { "aria-label": "Facts" }, list);
}

/** What can be taken along, each as a file. */
function along(app: App, state: State): HTMLElement {
  const list = h("dl");
  const said = h("div", { role: "status" });
  const failed = (error: unknown) => put(said, sorry(error));
  const add = (text: string, act: () => void, what: string) => list.append(h("dt", null, button(text, act, { class: "small" })), h("dd", null, prose(what)));
  const ask = (ask: "report" | "redacted", name: string) => () => void app.engine?.text({ ask, state: app.at }).then((text) => save(name, text, "application/json"), failed);
  add("Report as JSON", ask("report", "report.json"), "What `shipote state verify --output json` prints, to the byte.");
  if (state.problems.length > 0) add("Problems as Markdown", () => save("problems.md", markdown(state), "text/markdown"), "For a bug report: places and messages, without excerpts of the file.");
  if (state.readable) add("Redacted copy", ask("redacted", "redacted.json"), "The state to give away: environment values, arguments, scripts, paths and host names are tokens in it; labels and ids stay.");
  if (state.verdict === "valid" || state.verdict === "upgradable") {
    const version = h("select", { "aria-label": "Version", class: "small" });
    for (const number of ["4", "3", "2", "1"]) version.append(h("option", { value: number }, `version ${number}`));
    const told = h("span", { role: "status" });
    const act = () =>
      void app.engine?.ask<Exported>({ ask: "exported", state: app.at, count: Number(version.value) }).then(({ text, unsaid, more }) => {
        save("state.json", text, "application/json");
        put(told, ` Version ${version.value} can't say: ${[...new Set(unsaid)].join("; ")}${more > 0 ? `; and ${more} more` : ""}.`);
      }, failed);
    list.append(h("dt", null, button("Older form", act, { class: "small" })), h("dd", null, "For an older Shipote, environment values included: ", version, told));
  }
  return h("section", { class: "along", "aria-labelledby": "along" }, h("h2", { id: "along" }, "To take along"), list, said);
}

/** The problems as Markdown. Everything of the file stands in fences that nothing in it can end. */
function markdown(state: State): string {
  const fenced = (text: string) => {
    const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
    const fence = "`".repeat(longest + 1);
    return `${fence}text\n${text}\n${fence}\n`;
  };
  const one = ({ severity, code, file, place, message, hint }: Problem, at: number) =>
    `### ${at + 1}. ${WORDS[severity]}\n\n` + fenced([`${file}:${place.line}:${place.column} ${place.pointer}`, `${code}: ${message}`, ...(hint === "" ? [] : [hint])].join("\n"));
  const files = state.files.map((file) => `${file.name}, ${file.exact}`).join("\n");
  const more = state.more > 0 ? `\n${plural(state.more, "further problem")}\n` : "";
  return ["## Problems of a Shipote state\n", fenced(`${state.sentence.headline}\n${files}`), ...state.problems.map(one)].join("\n") + more;
}

function problems(state: State): HTMLElement {
  const all = state.problems.length + state.more;
  const section = h("section", { class: "problems", "aria-labelledby": "problems" });
  section.append(h("h2", { id: "problems" }, all === 0 ? "No problems" : plural(all, "problem")));
  if (all === 0) return section;
  const present = ORDER.filter((severity) => state.tally[severity] > 0);
  const shown = new Set<Severity>(present);
  const list = h("ol", { class: "problem-list" });
  let count = PAGE;
  const draw = () => {
    const chosen = state.problems.filter((problem) => shown.has(problem.severity));
    put(list, ...chosen.slice(0, count).map((problem, at) => item(state, problem, at)));
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

function item(state: State, problem: Problem, at: number): HTMLElement {
  const { place, excerpt } = problem;
  const where = `${problem.file}:${place.line}:${place.column}`;
  return h(
    "li",
    { class: `problem ${problem.severity}` },
    h("div", { class: "weight" }, severityIcon(problem.severity), h("span", null, WORDS[problem.severity])),
    h(
      "div",
      { class: "body" },
      h("p", { class: "message", id: `problem-${at}` }, prose(problem.message)),
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
        problem.at === null ? h("span", null, where) : h("a", { href: address({ view: "raw", file: String(problem.at), at: `@${place.offset}` }), "aria-describedby": `problem-${at}` }, where),
        place.pointer === "" ? null : h("span", null, bdi(place.pointer)),
        h("span", null, problem.code),
        ...problem.related.map((related) => h("span", null, `see also line ${related.line}, `, bdi(related.pointer))),
      ),
    ),
  );
}
