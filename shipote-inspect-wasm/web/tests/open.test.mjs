// How files get in, and that nothing else happens.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { accessible, FIXTURES, launch, only, PAGE, phase, pick, visit } from "./browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const full = readFileSync(join(FIXTURES, "v5-full.json"));

/** @param {import("playwright-core").Page} page */
const headline = (page) => page.locator("#headline").textContent();

test("a file is dropped anywhere on the window", async () => {
  const { page, calm } = await visit(browser);
  await page.locator("body").drop({ files: { name: "state.json", mimeType: "application/json", buffer: full } });
  await phase(page, "shown");
  assert.equal(await headline(page), "A valid state.");
  assert.equal(await page.title(), "state.json: valid · Shipote inspector");
  calm();
});

test("a file is dropped on a page that shows another: it is added", async () => {
  const { page, calm } = await visit(browser);
  await pick(page, join(FIXTURES, "v1-full.json"));
  await page.locator("table, #headline").first().drop({ files: { name: "state.json", mimeType: "", buffer: full } });
  await page.waitForFunction(() => document.querySelectorAll(".states li").length === 2);
  assert.equal(await page.locator(".state[aria-current]").innerText(), "state.json\n, valid");
  calm();
});

test("the window shows that it takes a file, and stops showing it", async () => {
  const { page, calm } = await visit(browser);
  const drag = (/** @type {string} */ type, /** @type {string} */ selector, /** @type {boolean} */ files) =>
    page.evaluate(
      ([type, selector, files]) => {
        const dataTransfer = new DataTransfer();
        if (files) dataTransfer.items.add(new File(["{}"], "state.json"));
        else dataTransfer.setData("text/plain", "words");
        const event = new DragEvent(/** @type {string} */ (type), { dataTransfer, bubbles: true, cancelable: true, relatedTarget: document.body });
        document.querySelector(/** @type {string} */ (selector))?.dispatchEvent(event);
        return [document.documentElement.classList.contains("dropping"), event.defaultPrevented];
      },
      [type, selector, files],
    );
  assert.deepEqual(await drag("dragenter", "body", true), [true, true]);
  assert.deepEqual(await drag("dragenter", "main", true), [true, true]);
  assert.deepEqual(await drag("dragleave", "body", true), [true, false], "still over the window");
  assert.deepEqual(await drag("dragleave", "main", true), [false, false]);
  assert.deepEqual(await drag("dragenter", "body", false), [false, false], "words are no file");
  assert.deepEqual(await drag("drop", "body", false), [false, false]);
  calm();
});

test("a text is pasted", async () => {
  const { page, calm } = await visit(browser);
  await page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, readFileSync(join(FIXTURES, "v2-full.json"), "utf8"));
  await phase(page, "shown");
  assert.equal(await headline(page), "A valid state of version 2.");
  assert.match(await page.locator(".facts").innerText(), /pasted\.json/);
  calm();
});

test("several files at once, and the same bytes only once", async () => {
  const { page, calm } = await visit(browser);
  await pick(page, ["v1-full.json", "v4-full.json", "newer.json"].map((name) => join(FIXTURES, name)));
  assert.equal(await page.locator(".states li").count(), 3);
  await pick(page, { name: "copy.json", mimeType: "", buffer: readFileSync(join(FIXTURES, "v4-full.json")) });
  await page.waitForFunction(() => document.querySelector(".note")?.textContent?.includes("copy.json"));
  assert.equal(await page.locator(".states li").count(), 3);
  await page.locator(".state").nth(2).click();
  assert.match((await headline(page)) ?? "", /^Written by a newer Shipote/);
  calm();
});

test("two openings at once, and two files of one name: none is lost when the worker begins anew", async () => {
  // Keeps what is sent to the worker, and can hold a verdict back for as long as it takes to cancel.
  const first = () => {
    const post = Worker.prototype.postMessage;
    const heard = /** @type {any} */ (globalThis);
    heard.opened = [];
    Worker.prototype.postMessage = function (/** @type {any} */ order, /** @type {any} */ transfer) {
      if (order.kind === "open") heard.opened.push(order.files.map((/** @type {File} */ file) => `${file.name} ${file.size}`));
      if (!heard.held || order.kind !== "open") post.call(this, order, transfer);
    };
  };
  const { page, calm } = await visit(browser, { first });
  const texts = ["v1-full.json", "v4-full.json", "v5-full.json"].map((name) => readFileSync(join(FIXTURES, name), "utf8"));
  const drop = (/** @type {[string, string][][]} */ openings) =>
    page.evaluate((openings) => {
      for (const files of openings) {
        const dataTransfer = new DataTransfer();
        for (const [name, text] of files) dataTransfer.items.add(new File([text], name));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      }
    }, openings);
  const [one = "", four = "", five = ""] = texts;
  await drop([[["state.json", one]], [["state.json", four], ["state.json", one]]]);
  await page.waitForFunction(() => document.querySelector(".note")?.textContent?.startsWith("state.json: the same bytes"));
  assert.equal(await page.locator(".states li").count(), 2);
  await page.evaluate(() => (/** @type {any} */ (globalThis).held = true));
  await drop([[["more.json", five]]]);
  await phase(page, "loading");
  await page.evaluate(() => (/** @type {any} */ (globalThis).held = false));
  await page.getByRole("button", { name: "Cancel" }).click();
  await phase(page, "shown");
  assert.equal(await page.locator(".states li").count(), 2);
  const sizes = await page.evaluate(() => /** @type {any} */ (globalThis).opened.at(-1));
  assert.deepEqual(sizes, [one, four].map((text) => `state.json ${Buffer.byteLength(text)}`));
  calm();
});

test("a file that went or changed after it was picked is told of as that", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "shipote-gone-"));
  const file = join(scratch, "state.json");
  const cases = /** @type {[() => void, RegExp][]} */ ([
    [() => rmSync(file), /^A file is gone\.$/],
    [() => writeFileSync(file, "{}"), /^A file can't be read\.$/],
  ]);
  for (const [happens, said] of cases) {
    const { page, context } = await visit(browser);
    // It asks before it opens anything, which is the time in which something happens to the file.
    await page.evaluate(() => (document.documentElement.dataset["large"] = "1"));
    writeFileSync(file, full);
    await pick(page, file);
    happens();
    await page.getByRole("button", { name: "Open it" }).click();
    await phase(page, "failed");
    assert.match(await page.locator("h1").innerText(), said);
    assert.match(await page.locator(".detail").innerText(), /Open it once more\.$/);
    await context.close();
  }
  rmSync(scratch, { recursive: true });
});

test("the samples that the page carries", async () => {
  const { page, calm } = await visit(browser);
  await page.getByRole("button", { name: "A good sample" }).click();
  await phase(page, "shown");
  assert.equal(await headline(page), "A valid state.");
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "A broken one" }).click();
  await phase(page, "shown");
  assert.equal(await headline(page), "5 errors and 2 warnings in this state.");
  assert.equal(await page.locator(".problem").count(), 7);
  await page.getByRole("button", { name: "5 errors" }).click();
  assert.equal(await page.locator(".problem").count(), 2);
  calm();
});

test("what is no state is named", async () => {
  const { page, calm } = await visit(browser);
  const cases = /** @type {[string, Buffer, RegExp][]} */ ([
    ["a.gz", Buffer.from([0x1f, 0x8b, 8, 0]), /gzip archive/],
    ["a.html", Buffer.from("<!doctype html><p>404"), /web page/],
    ["card.toml", Buffer.from('[workspace]\nlabel = "a"\n'), /TOML/],
    ["empty.json", Buffer.from(""), /earlier generation/],
    ["list.json", Buffer.from("[]"), /JSON list/],
  ]);
  for (const [name, buffer, said] of cases) {
    await only(page, { name, mimeType: "", buffer });
    assert.match(await page.locator(".verdict").innerText(), said, name);
  }
  calm();
});

test("axe finds nothing, in light, in dark and in forced colours", async () => {
  for (const options of [{ colorScheme: "light" }, { colorScheme: "dark" }, { forcedColors: "active" }]) {
    const { page, context, calm } = await visit(browser, /** @type {any} */ (options));
    await accessible(page, "empty");
    for (const name of ["v5-full.json", "damaged-ids.json", "damaged-truncated.json", "newer.json"]) {
      await only(page, join(FIXTURES, name));
      await accessible(page, name);
    }
    await only(page, join(FIXTURES, "v5-full.json"));
    await page.getByRole("link", { name: "Workspaces" }).click();
    await page.locator("tbody tr").first().waitFor();
    await accessible(page, "workspaces");
    calm();
    await context.close();
  }
});

test("the page forbids itself the network and foreign code", async () => {
  const html = readFileSync(PAGE, "utf8");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[^']+' 'wasm-unsafe-eval'; worker-src blob:; style-src 'sha256-[^']+'; img-src data:;/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval(?<!wasm-unsafe-eval)|connect-src|https?:/);
  assert.doesNotMatch(html, /\ssrc=|<link[^>]+href="(?!data:)/);
});
