// What it costs to open a file of 92 MB, in the page as it is shipped, in a real browser.
//
// node load.mjs ROUNDS: prints a line of JSON for each figure. What is compared takes turns, round by round.

import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { PAGE, choosing, launch, phase, visit } from "../tests/browser.mjs";
import { large } from "../tests/made.mjs";

const rounds = Number(process.argv[2]);
if (!(rounds > 0)) {
  console.error("usage: node load.mjs ROUNDS");
  process.exit(2);
}
const browser = await launch();

/** Notes when files are given to the worker and when it has judged them, and the longest time without a frame. */
function watch() {
  const seen = /** @type {any} */ (globalThis);
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (/** @type {any[]} */ ...words) {
    if (words[0]?.kind === "open") {
      seen.ordered = performance.now();
      this.addEventListener("message", ({ data }) => {
        if (data.kind === "answer") seen.answered ??= performance.now();
      });
    }
    return Reflect.apply(postMessage, this, words);
  };
  seen.gap = 0;
  let last = performance.now();
  const frame = (/** @type {number} */ now) => {
    if (seen.ordered !== undefined) seen.gap = Math.max(seen.gap, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** The worker of the page: how long it takes from the order to the verdict, and what that leaves behind. @param {string} path */
async function opened(path) {
  const { page, context, calm } = await visit(browser, { first: watch });
  const chooser = await choosing(page, () => page.getByRole("button", { name: "Open files…" }).click());
  await chooser.setFiles(path);
  await phase(page, "shown", "failed");
  const { ms, gap } = await page.evaluate(() => {
    const { ordered, answered, gap } = /** @type {any} */ (globalThis);
    return { ms: /** @type {number} */ (answered - ordered), gap: /** @type {number} */ (gap) };
  });
  const memory = await page.workers()[0]?.evaluate(() => /** @type {any} */ (globalThis).memory.buffer.byteLength);
  if (memory === undefined) throw new Error("the page has no worker");
  calm();
  await context.close();
  return { ms, gap, memory };
}

/** A worker that decodes the same file and leaves the rest to JSON.parse, which judges nothing. @param {string} path */
async function parsed(path) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.setContent("<input type=file>");
  await page.locator("input").setInputFiles(path);
  const ms = await page.evaluate(async () => {
    const script = `addEventListener("message", async ({ data }) => {
      if (data === null) return postMessage(0);
      globalThis.kept = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await data.arrayBuffer()));
      postMessage(kept.workspaces.length);
    })`;
    const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    const ask = (/** @type {any} */ what) =>
      new Promise((resolve) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.postMessage(what);
      });
    // Like that of the page, it is there before a file is.
    await ask(null);
    const from = performance.now();
    if ((await ask(document.querySelector("input")?.files?.[0])) !== 200) throw new Error("something else was read");
    return performance.now() - from;
  });
  await context.close();
  return ms;
}

/** @param {number[]} numbers @param {number} share */
const quantile = (numbers, share) => [...numbers].sort((a, b) => a - b)[Math.round((numbers.length - 1) * share)] ?? NaN;
/** @param {number[]} numbers */
const median = (numbers) => quantile(numbers, 0.5);
/** @param {number} bytes */
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
/** @param {number} ms */
const told = (ms) => `${ms.toFixed(0)} ms`;

/** @param {string} what @param {string} against @param {number} goal @param {number[]} here @param {number[]} there @param {[string, string]} texts */
function row(what, against, goal, here, there, texts, unit = "x") {
  const ratios = here.map((value, at) => value / (there[at] ?? NaN));
  console.log(
    JSON.stringify({
      what,
      against,
      goal,
      unit,
      ratio: median(ratios),
      low: quantile(ratios, 0),
      high: quantile(ratios, 1),
      quiet: quantile(here, 0.1) / quantile(there, 0.1),
      here: texts[0],
      there: texts[1],
      rounds: here.length,
    }),
  );
}

const scratch = mkdtempSync(join(tmpdir(), "shipote-page-"));
try {
  const whole = join(scratch, "large.json");
  const broken = join(scratch, "broken.json");
  large(whole);
  large(broken, ',"ttl":"soon"');
  const size = statSync(whole).size;
  // Once each without a look at the clock: what comes first pays for what is not in memory yet.
  await parsed(whole);
  await opened(whole);
  /** @type {{ valid: number[], broken: number[], gap: number[], memory: number[], plain: number[] }} */
  const seen = { valid: [], broken: [], gap: [], memory: [], plain: [] };
  for (let round = 0; round < rounds; round++) {
    const page = await opened(whole);
    seen.valid.push(page.ms);
    seen.gap.push(page.gap);
    seen.memory.push(page.memory);
    seen.plain.push(await parsed(whole));
    seen.broken.push((await opened(broken)).ms);
  }
  const file = `a valid state of ${mb(size)}`;
  const plain = "TextDecoder and JSON.parse in a worker";
  row(`open ${file}: read, judge, tell`, plain, 1.5, seen.valid, seen.plain, [told(median(seen.valid)), told(median(seen.plain))]);
  row("the same with an error in every entity", plain, 6, seen.broken, seen.plain, [told(median(seen.broken)), told(median(seen.plain))]);
  const sizes = seen.memory.map(() => size);
  row("memory of the module then", "the size of the file", 2.5, seen.memory, sizes, [mb(median(seen.memory)), mb(size)]);
  row("longest time without a frame meanwhile", "the clock", 50, seen.gap, seen.gap.map(() => 1), [told(median(seen.gap)), "–"], " ms");
  const page = readFileSync(PAGE);
  const packed = gzipSync(page, { level: 9 }).length / 1024;
  const most = Number(process.env["SHIPOTE_PAGE_MOST"] ?? NaN) / 1024;
  row("the page, as a server compresses it", "its gate", most, [packed], [1], [`${packed.toFixed(1)} KiB`, `${(page.length / 1024).toFixed(1)} KiB as it is`], " KiB");
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true });
}
