// The file as it is, some lines at a time.

import { plural, type App } from "../app";
import { button, h, put } from "../element";
import type { Lines, Problem, State } from "../model";
import { sorry } from "./words";

const SHOWN = 60;
const HEIGHT = 20;
/** Browsers give up on elements that are much higher than this. */
const HIGHEST = 8_000_000;

export function raw(app: App, state: State): HTMLElement {
  const asked = Number(app.get("file") ?? NaN);
  const file = state.files.find((each) => each.at === asked) ?? state.files[0];
  const section = h("section", { class: "raw", "aria-labelledby": "raw" });
  if (file === undefined) return section;
  const own = state.problems.filter((problem) => problem.at === file.at);
  const marks = new Map<number, Problem>();
  for (const problem of own) if (!marks.has(problem.place.line)) marks.set(problem.place.line, problem);
  const told = h("p", { class: "told" });
  const said = h("p", { class: "said", role: "status" });
  const text = h("ol", { class: "lines" });
  const room = h("div", { class: "room" }, text);
  const view = h("div", { class: "window", tabindex: 0, role: "region", "aria-label": `Text of ${file.name}` }, room);
  const go = h("input", { type: "search", id: "go", placeholder: "12, @1234, /workspaces/0", "aria-label": "Go to a line, a byte or a JSON pointer", autocomplete: "off", spellcheck: "false" });
  let total = 0;
  let first = 0;
  let marked = -1;
  let current = -1;
  let turn = 0;
  const lineOf = () => {
    const high = Math.min(HIGHEST, total * HEIGHT);
    const reach = Math.max(1, high - view.clientHeight);
    const last = Math.max(0, total - Math.floor(view.clientHeight / HEIGHT));
    return total * HEIGHT <= HIGHEST ? Math.floor(view.scrollTop / HEIGHT) : Math.round((view.scrollTop / reach) * last);
  };
  const failed = (error: unknown) => {
    said.textContent = sorry(error).textContent;
  };
  const draw = async (from: number) => {
    const mine = ++turn;
    first = Math.max(0, from - 10);
    const answer = await app.engine?.ask<Lines>({ ask: "lines", file: file.at, from: first, count: SHOWN }).catch(failed);
    if (!answer || mine !== turn) return;
    total = answer.total;
    room.style.height = `${Math.min(HIGHEST, total * HEIGHT)}px`;
    text.style.top = `${total * HEIGHT <= HIGHEST ? first * HEIGHT : Math.max(0, view.scrollTop - (from - first) * HEIGHT)}px`;
    text.setAttribute("start", String(first + 1));
    put(text, ...answer.lines.map((line, at) => row(first + at, line.text, line.cut)));
    told.textContent = `${plural(total, "line")}, ${file.size}${own.length > 0 ? `, ${plural(own.length, "problem")}` : ""}`;
  };
  const row = (line: number, content: string, cut: number) => {
    const problem = marks.get(line + 1);
    const code = h("code", { dir: "ltr" }, content);
    const item = h(
      "li",
      { class: `${line === marked ? "here " : ""}${problem === undefined ? "" : problem.severity}` },
      h("span", { class: "line-number" }, String(line + 1)),
      problem === undefined ? null : h("span", { class: "gutter", title: problem.message }, h("span", { class: "aside" }, `${problem.severity}: ${problem.message} `)),
      code,
      cut > 0 &&
        button(
          `… ${cut.toLocaleString("en")} bytes more`,
          () => {
            void app.engine?.ask<Lines>({ ask: "lines", file: file.at, from: line, count: 1, whole: true }).then((answer) => {
              const whole = answer.lines[0];
              if (whole !== undefined) put(code, whole.text, whole.cut > 0 ? h("span", { class: "none" }, ` … ${whole.cut.toLocaleString("en")} bytes more, not shown`) : null);
              item.classList.add("whole");
            }, failed);
          },
          { class: "quiet small" },
        ),
    );
    return item;
  };
  const show = (line: number) => {
    marked = line;
    const high = Math.min(HIGHEST, total * HEIGHT);
    const above = Math.max(0, line - 6);
    view.scrollTop = total * HEIGHT <= HIGHEST ? above * HEIGHT : (above / Math.max(1, total)) * high;
    void draw(above);
  };
  const locate = async (wanted: string) => {
    try {
      const { line } = await app.engine!.ask<{ line: number }>({ ask: "locate", file: file.at, filter: wanted });
      go.setCustomValidity("");
      said.textContent = "";
      show(line);
    } catch (error) {
      failed(error);
      go.setCustomValidity(said.textContent ?? "");
    }
  };
  const step = (way: number) => {
    if (own.length === 0) return;
    current = (current + way + own.length) % own.length;
    const problem = own[current]!;
    show(problem.place.line - 1);
    said.textContent = `${current + 1} of ${own.length}: ${problem.message}`;
  };
  view.addEventListener("scroll", () => {
    const line = lineOf();
    if (line < first + 5 || line + view.clientHeight / HEIGHT > first + SHOWN - 5) void draw(line);
  });
  go.addEventListener("keydown", (event) => {
    if (event.key === "Enter") void locate(go.value);
  });
  const files = h("select", { "aria-label": "File" });
  for (const each of state.files) files.append(h("option", { value: String(each.at), selected: each.at === file.at }, each.name));
  files.addEventListener("change", () => app.go({ file: files.value, at: null }));
  const tools = h(
    "div",
    { class: "push tools", hidden: true },
    own.length > 0 ? button("Previous problem", () => step(current < 0 ? 0 : -1), { class: "small", id: "previous" }) : null,
    own.length > 0 ? button("Next problem", () => step(1), { class: "small", id: "next" }) : null,
    go,
  );
  section.append(
    h(
      "header",
      null,
      h("h1", { id: "raw", class: "title" }, "Text"),
      state.files.length > 1 ? files : null,
      told,
      tools,
    ),
  );
  const open = () => {
    tools.hidden = false;
    section.append(said, view);
    const at = app.get("at");
    void draw(0).then(() => (at === null ? undefined : locate(at)));
  };
  if (state.secrets && !app.secrets) {
    const notice = h(
      "p",
      { class: "note warn" },
      "This is the file to the byte, with the values of environment variables, which may be secrets.",
      button("Show the text", () => {
        notice.remove();
        open();
      }, { class: "small" }),
    );
    section.append(notice);
  } else {
    open();
  }
  return section;
}
