// How files get in: dropped anywhere on the window, picked, or pasted. Nothing else gets in.

import type { App } from "./app";
import { plural } from "./app";
import { Cancelled, Engine, Failed } from "./engine";
import { h } from "./element";
import type { State } from "./model";

/** Sizes from which on a browser is asked much of it, and too much. The document says them, so that tests can. */
function limit(name: "large" | "largest"): number {
  return Number(document.documentElement.dataset[name]);
}

let last = Promise.resolve();

/** Opens files beside those that are open, once every opening that began earlier is done. */
export function open(app: App, given: File[], sure = false): Promise<void> {
  const turn = () => add(app, given, sure);
  return (last = last.then(turn, turn));
}

async function add(app: App, given: File[], sure: boolean): Promise<void> {
  if (given.length === 0) return;
  // Earlier generations follow what they are generations of, in whatever order a folder lists them.
  const files = [...given].sort((a, b) => generation(a.name) - generation(b.name));
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size > limit("largest")) {
    const name = files.length === 1 ? files[0]!.name : plural(files.length, "file");
    return app.show({
      at: "failed",
      headline: "Too large for a browser.",
      detail: `${name}: ${size.toLocaleString("en")} bytes, and this page takes ${limit("largest").toLocaleString("en")} at most. The command line has no such limit: \`shipote state verify FILE\``,
    });
  }
  if (size > limit("large") && !sure) return app.show({ at: "asking", files, size });
  const before = app.files;
  const at = app.at;
  const engine = app.engine ?? new Engine();
  app.engine = engine;
  engine.progress = (progress) => app.show({ at: "loading", progress });
  // What breaks while a question is answered has taken everything with it, too.
  engine.broke = (error) => {
    if (app.phase.at === "shown" && app.engine === engine) fail(app, error, app.files);
  };
  app.show({ at: "loading", progress: null });
  try {
    await engine.ready;
    const opened = await engine.open(files, app.lean);
    const kept = files.filter((_, at) => !opened.twice.includes(at));
    app.files = [...before, ...kept];
    app.states = opened.states;
    app.note =
      opened.twice.length > 0
        ? { tone: "plain", text: `${opened.twice.map((at) => files[at]?.name).join(", ")}: the same bytes are open already. Not added again.` }
        : null;
    app.phase = { at: "shown" };
    app.go({ state: next(opened.states, kept, before.length > 0 ? at : -1) }, true);
    app.announced(app.state === null ? "" : `${app.state.title}: ${app.state.sentence.headline} ${app.state.sentence.detail}`);
  } catch (error) {
    app.engine = null;
    if (error instanceof Cancelled) {
      if (before.length > 0) return reopen(app, before);
      app.lean = false;
      app.note = { tone: "plain", text: "Cancelled. Nothing was kept." };
      return app.show({ at: "empty" });
    }
    fail(app, error, [...before, ...files]);
  }
}

/** Closes everything after a failure. What has no room with its history may have it without. */
function fail(app: App, error: unknown, files: File[]): void {
  const failure = told(error, files.reduce((sum, file) => sum + file.size, 0));
  const lean = failure.headline === OUT_OF_MEMORY && !app.lean ? files : undefined;
  app.engine = null;
  app.files = [];
  app.states = [];
  app.lean = false;
  app.show({ at: "failed", ...failure, lean });
}

/** Opens files once more, without their history. */
export function openLean(app: App, files: File[]): void {
  app.lean = true;
  void open(app, files, true);
}

/** The number of an earlier generation, such as `state.json.1`; 0 for what is none. */
function generation(name: string): number {
  return Number(/\.(\d)$/.exec(name)?.[1] ?? 0);
}

/**
 * Returns the address of the state that is shown after files were opened: the one that was, where they belong to it, else
 * the last of theirs that is no earlier generation.
 */
function next(states: State[], files: File[], before: number): string | null {
  const names = new Set(files.map((file) => file.name));
  const theirs = states.flatMap((state, at) => (state.files.some((file) => names.has(file.name)) ? [at] : []));
  const current = theirs.filter((at) => generation(states[at]?.title ?? "") === 0).at(-1);
  const at = theirs.length === 0 || theirs.includes(before) ? before : (current ?? theirs[0] ?? 0);
  return at > 0 ? String(at) : null;
}

/** Opens the same files once more, after the worker that held them was ended. */
async function reopen(app: App, files: File[]): Promise<void> {
  app.files = [];
  await add(app, files, true);
}

const OUT_OF_MEMORY = "Out of memory.";

function told(error: unknown, size: number): { headline: string; detail: string } {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  const during = error instanceof Failed ? error.during : "";
  if (name === "NotFoundError") {
    return { headline: "A file is gone.", detail: "It was moved or removed while it was read. Open it once more." };
  }
  if (name === "NotReadableError") {
    return { headline: "A file can't be read.", detail: "It was changed after it was picked, or may not be read. Open it once more." };
  }
  if (during === "start" && !/memory/i.test(message)) {
    return {
      headline: "This browser does not run the page.",
      detail: `It needs WebAssembly in a worker, and says: ${message}. The command line gives the same answers: \`shipote state verify FILE\``,
    };
  }
  const trap = /unreachable|memory|allocation|RangeError|Array buffer/i.test(message);
  return {
    headline: trap ? OUT_OF_MEMORY : "The page failed.",
    detail: `While ${during || "working"}, with files of ${size.toLocaleString("en")} bytes in all, the browser said: ${message}. Nothing was kept. The command line has no such limit: \`shipote state verify FILE\``,
  };
}

/** Closes everything. */
export function close(app: App): void {
  const engine = app.engine;
  app.engine = null;
  engine?.stop();
  app.files = [];
  app.states = [];
  app.lean = false;
  app.note = null;
  history.replaceState(null, "", location.pathname + location.search);
  app.show({ at: "empty" });
}

/** Opens a sample that the page carries. */
export function sample(app: App, which: "good" | "broken"): void {
  const text = document.getElementById(`sample-${which}`)?.textContent ?? "";
  void open(app, [new File([text], `sample-${which}.json`, { type: "application/json" })]);
}

/** The picker of the browser. */
export function pick(app: App): void {
  const field = h("input", { type: "file", multiple: true, hidden: true, id: "picker", "aria-label": "Files to open" });
  field.addEventListener("change", () => {
    void open(app, [...(field.files ?? [])]);
    field.remove();
  });
  field.addEventListener("cancel", () => field.remove());
  document.getElementById("picker")?.remove();
  document.body.append(field);
  field.click();
}

/** Listens to the whole window. */
export function listen(app: App): void {
  const carries = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
  // An element is entered before the one around it is left, so they are counted.
  let inside = 0;
  const mark = (on: boolean) => document.documentElement.classList.toggle("dropping", on);
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    inside += 1;
    mark(true);
  });
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    inside = Math.max(0, inside - 1);
    if (inside === 0 || event.relatedTarget === null) {
      inside = 0;
      mark(false);
    }
  });
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    inside = 0;
    mark(false);
    if (!carries(event) || event.dataTransfer === null) return;
    event.preventDefault();
    const folders = [...event.dataTransfer.items].filter((item) => item.webkitGetAsEntry?.()?.isDirectory === true);
    const names = new Set(folders.map((item) => item.getAsFile()?.name));
    const files = [...event.dataTransfer.files].filter((file) => !names.has(file.name));
    if (files.length === 0) {
      app.note = { tone: "warn", text: "A folder was dropped. Drop the files in it: state.json and state.journal." };
      return app.changed();
    }
    void open(app, files);
  });
  addEventListener("paste", (event) => {
    const target = event.target;
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return;
    const data = event.clipboardData;
    if (data === null) return;
    const text = data.getData("text/plain");
    const files = data.files.length > 0 ? [...data.files] : text === "" ? [] : [new File([text], "pasted.json")];
    if (files.length === 0) return;
    event.preventDefault();
    void open(app, files);
  });
}
