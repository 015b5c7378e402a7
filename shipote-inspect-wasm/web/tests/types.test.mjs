// The types of the page's scripts say what the module answers: every answer to every question, for every state of the
// project's tests, is held against them by the compiler, which refuses a member too many and one too few.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fixtures, launch, only, SAMPLES, visit } from "./browser.mjs";
import { badNight } from "./made.mjs";

const web = join(dirname(fileURLToPath(import.meta.url)), "..");
const scratch = join(web, "node_modules", ".answers");
/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
  mkdirSync(scratch, { recursive: true });
});
after(async () => {
  await browser.close();
  rmSync(scratch, { recursive: true });
});

/** Keeps what the module says, and hands it questions. */
function listen() {
  const seen = /** @type {any} */ (globalThis);
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (/** @type {any[]} */ ...words) {
    if (seen.worker !== this) {
      seen.worker = this;
      this.addEventListener("message", ({ data }) => {
        if (data.kind !== "answer") return;
        seen.judged ??= data.text;
        seen.answered?.(data);
      });
    }
    if (words[0]?.kind === "open") seen.judged = undefined;
    return Reflect.apply(postMessage, this, words);
  };
  seen.ask = (/** @type {object} */ question) =>
    new Promise((resolve) => {
      const id = (seen.last = (seen.last ?? 1e6) + 1);
      const before = seen.answered;
      seen.answered = (/** @type {any} */ answer) => (answer.id === id ? resolve(answer.text) : before?.(answer));
      seen.worker.postMessage({ kind: "ask", id, question });
    });
}

test("what the module answers is what the types say", async () => {
  const { page, calm } = await visit(browser, { first: listen });
  /** @type {Map<string, Set<string>>} */
  const answers = new Map();
  const note = (/** @type {string} */ type, /** @type {string} */ json) => {
    if (!json.startsWith('{"error":')) answers.set(type, (answers.get(type) ?? new Set()).add(json));
  };
  const ask = (/** @type {object} */ question) => page.evaluate((question) => /** @type {Promise<string>} */ (/** @type {any} */ (globalThis).ask(question)), question);
  const questions = /** @type {[string, object][]} */ ([
    ["WorkspaceTable", { ask: "workspaces" }],
    ["{ total: number; pipelines: Pipeline[] }", { ask: "pipelines" }],
    ["Plan", { ask: "plan", from_ms: Date.now() }],
    ["Upgrade", { ask: "upgrade" }],
    ["Past", { ask: "history" }],
    ["Lines", { ask: "lines", count: 5 }],
    ["{ line: number; offset: number }", { ask: "locate", filter: "@0" }],
    ["Difference", { ask: "diff", state: 1, other: 0 }],
    ["Exported", { ask: "exported", count: 3 }],
    ["BeforeAndAfter", { ask: "before_and_after", filter: "/workspaces/0" }],
  ]);
  for (const files of [...fixtures().map((file) => [file]), [join(SAMPLES, "good.json"), join(SAMPLES, "broken.json")], badNight(), badNight(true)]) {
    await only(page, files);
    const judged = await page.evaluate(() => /** @type {string} */ (/** @type {any} */ (globalThis).judged));
    note("{ states: State[] }", judged);
    for (const [type, question] of questions) note(type, await ask(question));
    const { rows } = JSON.parse(await ask({ ask: "workspaces" }));
    for (const { id } of rows.slice(0, 3)) {
      note("WorkspaceDetail", await ask({ ask: "workspace", filter: id }));
      note("{ at_ms: number; text: string }", await ask({ ask: "sample", filter: id, from_ms: 1 }));
    }
  }
  calm();
  assert.equal(answers.size, 13, [...answers.keys()].join());
  const lines = ['import type * as model from "../../src/model";'];
  for (const [type, texts] of answers) {
    const named = type.replace(/\b[A-Z]\w+/g, "model.$&");
    [...texts].forEach((text) => lines.push(`export const _${lines.length}: ${named} = ${text};`));
  }
  writeFileSync(join(scratch, "answers.ts"), lines.join("\n"));
  writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify({ extends: "../../tsconfig.json", include: ["answers.ts"] }));
  const { status, stdout } = spawnSync(join(web, "node_modules/.bin/tsc"), ["--noEmit", "--project", scratch], { encoding: "utf8" });
  assert.equal(status, 0, stdout.slice(0, 4000));
});
