// The page says of a file what the program says of it, to the byte.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fixtures, launch, only, PROGRAM, saved, visit } from "./browser.mjs";
import { line } from "./made.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
const scratch = mkdtempSync(join(tmpdir(), "shipote-page-"));
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  rmSync(scratch, { recursive: true });
});

/** @param {string[]} files */
function native(files) {
  const { stdout, status, stderr, error } = spawnSync(PROGRAM, ["state", "verify", "--output", "json", ...files], { maxBuffer: 1e9 });
  if (error !== undefined) throw error;
  assert.ok(status === 0 || status === 65, `${files}: ${stderr}`);
  return stdout.toString("utf8");
}

/** @param {import("playwright-core").Page} page @param {string} file */
async function same(page, file) {
  await only(page, file);
  const { name, text } = await saved(page, "Report as JSON");
  assert.equal(name, "report.json");
  assert.equal(text, native([file]), basename(file));
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  assert.equal(await page.locator(".hex").first().textContent(), digest, basename(file));
}

test("every state of the project's tests", async () => {
  const { page, calm } = await visit(browser);
  for (const file of fixtures()) await same(page, file);
  calm();
});

/** @param {object[]} lines */
const journal = (lines) => lines.map((each) => line(JSON.stringify(each))).join("");

test("a state with its journal and its samples, whole and damaged", async () => {
  const { page, calm } = await visit(browser);
  const state = readFileSync(fixtures().find((name) => name.endsWith("v5-full.json")) ?? "");
  const { lineage, serial } = JSON.parse(state.toString());
  const id = "01J9Z3NDEKTSV4RRFFQ69G5FAV";
  const at_ms = 1760000000000;
  // Not by JSON.stringify: the number is above 2^53.
  const seq = (/** @type {number} */ more) => String(9007199254740993n + BigInt(more));
  const long = (/** @type {string} */ text) => text.replaceAll(/"#(\d+)"/g, (_, more) => seq(Number(more)));
  const lines = [
    { journal: 1, lineage, base_serial: serial, base_seq: "#0", base_digest: createHash("sha256").update(state).digest("hex"), at_ms },
    { seq: "#1", at_ms: at_ms + 1000, durable_seq: "#0", v: 5, ops: [{ op: "workspace.put", id, body: { id, spec: { label: "renamed" } } }] },
    { seq: "#2", at_ms: at_ms + 2000, durable_seq: "#1", v: 5, ops: [{ op: "saved.del", name: "daily" }] },
  ].map((line) => long(JSON.stringify(line)));
  const whole = lines.map(line).join("");
  const sample = (/** @type {number} */ second) => ({ workspace: id, at_ms: at_ms + second * 1000, commands_alive: 1, commands_total: 2, rss_bytes: 4096 * second, cpu_cores: 2, uptime_ms: second * 1000 });
  const samples = journal([{ stats: 1, at_ms }, sample(1), sample(2), sample(3)]);
  const cases = { whole, torn: whole.slice(0, -9), damaged: whole.replace("renamed", "reNamed") };
  for (const [name, text] of Object.entries(cases)) {
    const files = { "state.json": state, "state.journal": text, "stats.journal": samples };
    const paths = Object.entries(files).map(([file, content]) => {
      const path = join(scratch, `${name}-${file}`);
      writeFileSync(path, content);
      return path;
    });
    for (const some of [paths, paths.slice(0, 2), [paths[1] ?? ""], [paths[2] ?? ""]]) {
      await only(page, some);
      const { text } = await saved(page, "Report as JSON");
      assert.equal(text, native(some), `${name}, ${some.length} files`);
    }
  }
  await only(page, [join(scratch, "whole-state.json"), join(scratch, "whole-state.journal"), join(scratch, "whole-stats.journal")]);
  await page.getByRole("link", { name: "History" }).click();
  await page.locator(".lane.changes summary").click();
  assert.match(await page.locator(".lane.changes ol").innerText(), /workspace renamed: written/);
  calm();
});

/** Numbers that are the same at every run. @param {number} seed */
function numbers(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

test("states that were cut off, and states with flipped bits", async () => {
  const { page, calm } = await visit(browser);
  const next = numbers(20_25);
  for (const file of fixtures().filter((name) => name.endsWith("-full.json"))) {
    const whole = readFileSync(file);
    for (let turn = 0; turn < 10; turn++) {
      const damaged = turn < 4 ? whole.subarray(0, next(whole.length)) : Buffer.from(whole);
      for (let flip = 4; flip < turn; flip += 2) {
        const at = next(damaged.length);
        damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << next(8)), at);
      }
      const path = join(scratch, `damaged-${turn}-${basename(file)}`);
      writeFileSync(path, damaged);
      await same(page, path);
    }
  }
  calm();
});
