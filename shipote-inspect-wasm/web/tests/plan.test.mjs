// What the page says a daemon would do is what the program says.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { accessible, fixtures, launch, only, pick, PROGRAM, visit } from "./browser.mjs";
import { badNight, line } from "./made.mjs";

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

/** @param {string[]} words */
function program(...words) {
  const { status, stdout, error } = spawnSync(PROGRAM, [...words, "--output", "json"], { encoding: "utf8", maxBuffer: 1e9 });
  if (error !== undefined) throw error;
  return status === 0 ? JSON.parse(stdout) : null;
}

/** What became of each entity, on the page: its fate, its kind and why. @param {import("playwright-core").Page} page */
async function fates(page) {
  const rows = page.locator(".plan details tbody tr");
  if ((await rows.count()) === 0) return [];
  return rows.evaluateAll((rows) => rows.map((row) => [row.querySelector("[class]")?.className, row.children[1]?.querySelector(".none")?.textContent?.trim(), row.children[2]?.textContent]));
}

/** A sentence without what differs by a moment. @param {unknown} text */
const plain = (text) => String(text).replace(/\d+ s ago/, "N s ago").replace(/, not before .*/, "").replaceAll("`", "");

/** @param {{ action: string, collection: string, why: string }} step */
const kind = ({ collection }) => collection.replace("_", " ").replace(/s$/, "");

/** @param {unknown[][]} list */
const sorted = (list) => list.map((row) => row.map(plain).join(" | ")).sort();

test("each entity of every state of the project's tests has the fate that state plan tells", async () => {
  const { page, calm } = await visit(browser);
  let planned = 0;
  for (const file of fixtures()) {
    await only(page, file);
    const headline = await page.locator(".plan h2").textContent();
    const steps = program("state", "plan", file);
    if (steps === null) {
      assert.match(headline ?? "", /^A daemon would refuse to start/, basename(file));
      continue;
    }
    assert.equal(headline, "A daemon would start from it.", basename(file));
    const told = steps.map((/** @type {any} */ step) => [step.action, kind(step), step.why]);
    assert.deepEqual(sorted(await fates(page)), sorted(told), basename(file));
    planned += told.length;
  }
  assert.ok(planned > 20);
  calm();
});

test("of a state that can't be read, the ways on are those of state recover", async () => {
  const files = badNight(true);
  for (const file of files) writeFileSync(join(scratch, file.name), file.buffer);
  const recovery = program("--state-dir", scratch, "state", "recover");
  const { page, calm } = await visit(browser);
  await pick(page, files);
  assert.match((await page.locator(".plan h2").textContent()) ?? "", /^A daemon would refuse to start/);
  const ways = await page.locator(".plan tbody tr td:first-child").allInnerTexts();
  assert.deepEqual(ways, recovery.choices.map((/** @type {any} */ choice) => choice.file));
  assert.equal(ways.length, 3);
  await accessible(page, "ways on");
  calm();
});

test("where what stands beside it has every change, that is gone on with", async () => {
  const id = "01J9Z3NDEKTSV4RRFFQ69G5FAV";
  const lineage = "01J9Z3NDEKTSV4RRFFQ69G5FA0";
  const at_ms = 1760000000000;
  const earlier = JSON.stringify({ version: 5, lineage, serial: 1, journal_seq: 2, timestamp_ms: at_ms, workspaces: [{ id, spec: { label: "first" } }] });
  const base_digest = createHash("sha256").update(earlier).digest("hex");
  const journal =
    line(JSON.stringify({ journal: 1, lineage, base_serial: 1, base_seq: 2, base_digest, at_ms })) +
    line(JSON.stringify({ seq: 3, at_ms: at_ms + 1000, durable_seq: 2, v: 5, ops: [{ op: "workspace.put", id, body: { id, spec: { label: "renamed" } } }] }));
  const files = Object.entries({ "state.json": '{"version":5,', "state.json.1": earlier, "state.journal": journal }).map(([name, text]) => ({ name, mimeType: "", buffer: Buffer.from(text) }));
  const directory = mkdtempSync(join(scratch, "beside-"));
  for (const file of files) writeFileSync(join(directory, file.name), file.buffer);
  const [first] = program("--state-dir", directory, "state", "recover").choices;
  assert.deepEqual([first.file, first.records, first.complete], ["state.json.1", 1, true]);
  const { page, calm } = await visit(browser);
  await pick(page, files);
  assert.equal(await page.locator(".plan h2").textContent(), "A daemon would go on with state.json.1 and 1 record of the journal.");
  assert.equal(await page.locator(".plan summary").textContent(), "1 restored.");
  assert.match((await page.locator(".plan details").textContent()) ?? "", /workspace renamed/);
  calm();
});
