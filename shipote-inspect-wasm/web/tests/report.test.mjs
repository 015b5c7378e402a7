// The page says of a file what the program says of it, to the byte.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fixtures, launch, only, PROGRAM, saved, visit } from "./browser.mjs";

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
