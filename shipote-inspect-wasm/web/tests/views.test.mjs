// What each view shows, and that it can be reached without a mouse.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { accessible, FIXTURES, launch, only, phase, pick, PROGRAM, SAMPLES, saved, SCHEMA, visit } from "./browser.mjs";
import { badNight } from "./made.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** @param {import("playwright-core").Page} page @param {string} name */
const go = async (page, name) => {
  await page.getByRole("navigation").getByRole("link", { name }).click();
  await page.waitForFunction((name) => document.querySelector("nav a[aria-current]")?.textContent?.startsWith(name), name);
};

/** The schema of the newest version, as the project publishes it. */
function schema() {
  const text = readFileSync(SCHEMA, "utf8");
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  return ajv.compile(JSON.parse(text));
}

test("a state is upgraded as the program upgrades it", async () => {
  const { page, calm } = await visit(browser);
  const valid = schema();
  for (const version of [1, 2, 3, 4]) {
    const file = join(FIXTURES, `v${version}-full.json`);
    await only(page, file);
    await go(page, "Upgrade");
    await page.locator(".fields li, .entity .nothing").first().waitFor();
    assert.equal(await page.locator(".steps > li").count(), 5 - version);
    const { name, text } = await saved(page, "Download upgraded state");
    assert.equal(name, "state.json");
    const native = spawnSync(PROGRAM, ["state", "upgrade", file], { encoding: "utf8" });
    assert.equal(text, native.stdout, `version ${version}: ${native.stderr}`);
    assert.ok(valid(JSON.parse(text)), JSON.stringify(valid.errors));
  }
  calm();
});

test("an older form is what state export writes, and what it can't say is told", async () => {
  const { page, calm } = await visit(browser);
  const file = join(FIXTURES, "v5-full.json");
  await only(page, file);
  for (const version of ["4", "1"]) {
    await page.getByLabel("Version").selectOption(version);
    const { text } = await saved(page, "Older form");
    const native = spawnSync(PROGRAM, ["state", "export", "--schema", version, file], { encoding: "utf8" });
    assert.equal(text, native.stdout, native.stderr);
    await page.getByText(`Version ${version} can't say: lineage, serial, journal_seq and producer;`).waitFor();
  }
  await only(page, join(SAMPLES, "broken.json"));
  assert.equal(await page.getByRole("button", { name: "Older form" }).count(), 0);
  calm();
});

test("an answer that says what went wrong is shown where it was asked for, and never saved", async () => {
  // Asks for what is not open.
  const first = () => {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (/** @type {any} */ order, /** @type {any} */ transfer) {
      const wrong = /** @type {any} */ (globalThis).wrong && order.kind === "ask";
      post.call(this, wrong ? { ...order, question: { ...order.question, state: 9, file: 9 } } : order, transfer);
    };
  };
  const { page, calm } = await visit(browser, { first });
  let downloads = 0;
  page.on("download", () => (downloads += 1));
  await only(page, join(FIXTURES, "v4-full.json"));
  const press = async (/** @type {string} */ name, /** @type {string} */ where) => {
    await page.evaluate(() => (/** @type {any} */ (globalThis).wrong = true));
    await page.getByRole("button", { name }).click();
    await page.waitForFunction((where) => document.querySelector(where)?.textContent, where);
    await page.evaluate(() => (/** @type {any} */ (globalThis).wrong = false));
  };
  await press("Redacted copy", ".along > [role=status]");
  await page.getByRole("link", { name: "Upgrade" }).click();
  await page.locator(".steps").waitFor();
  await press("Download upgraded state", ".upgrade .nothing");
  await page.getByRole("link", { name: "Workspaces" }).click();
  await page.locator("tbody tr").first().waitFor();
  await press("Table as CSV", ".workspaces .nothing");
  await page.getByRole("link", { name: "Text" }).click();
  await press("Show the text", ".raw .said");
  assert.equal(downloads, 0);
  calm();
});

test("a redacted copy is valid, and a table comes without formulas", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(FIXTURES, "v5-full.json"));
  const { text } = await saved(page, "Redacted copy");
  assert.doesNotMatch(text, /\/srv|C\.UTF-8|\/bin\/echo/);
  assert.ok(schema()(JSON.parse(text)));
  await go(page, "Workspaces");
  const table = await saved(page, "Table as CSV");
  assert.match(table.text, /^label,id,/);
  assert.equal(table.text.trimEnd().split("\r\n").length, 3);
  calm();
});

test("workspaces are sorted, filtered, and opened with the keyboard alone", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(SAMPLES, "good.json"));
  await page.keyboard.press("2");
  await page.locator("tbody tr").first().waitFor();
  const labels = () => page.locator("tbody a.label").allInnerTexts();
  assert.deepEqual(await labels(), ["access-log", "build-cage", "sensors"]);
  await page.getByRole("button", { name: "Memory" }).press("Enter");
  await page.locator('th[aria-sort="descending"]').waitFor();
  assert.deepEqual(await labels(), ["build-cage", "access-log", "sensors"]);
  await page.locator("body").press("/");
  // At once: each letter would draw the rows anew, and the focus goes with a row.
  await page.keyboard.insertText("LOOPback");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  assert.deepEqual(await labels(), ["sensors"]);
  await page.keyboard.press("Escape");
  await page.locator("main").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "sensors" }).waitFor();
  assert.match(await page.locator(".words-list").first().innerText(), /a loopback of its own/);
  await page.keyboard.press("Escape");
  await page.locator("table").waitFor();
  calm();
});

test("environment values are covered until they are asked for", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(SAMPLES, "good.json"));
  await go(page, "Workspaces");
  await page.getByRole("link", { name: "access-log" }).click();
  await page.getByText("LOG_TOKEN=••••••").waitFor();
  assert.ok(!(await page.content()).includes("not-a-real-token</bdi>"));
  await page.getByRole("button", { name: "Show environment values" }).click();
  await page.getByText("LOG_TOKEN=not-a-real-token").waitFor();
  await page.getByRole("button", { name: "Cover environment values" }).click();
  await page.getByText("LOG_TOKEN=••••••").waitFor();
  await go(page, "Text");
  await page.getByText("which may be secrets").waitFor();
  assert.equal(await page.locator(".lines").count(), 0);
  await page.getByRole("button", { name: "Show the text" }).click();
  await page.locator(".lines li").first().waitFor();
  calm();
});

test("pipelines are drawn, and told as lists", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(SAMPLES, "broken.json"));
  await go(page, "Pipelines");
  await page.locator(".pipeline").first().waitFor();
  assert.equal(await page.locator(".pipeline.held").count(), 2);
  assert.equal(await page.locator(".dag .edge.back").count(), 1);
  assert.equal(await page.locator(".dag .missing").count(), 1);
  await page.locator("summary").first().click();
  assert.match(await page.locator(".edge-list").first().innerText(), /top → sort · leads back: a circle/);
  calm();
});

test("the past is walked with arrow keys, and looked at more closely", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(SAMPLES, "good.json"));
  await go(page, "History");
  const lane = page.getByRole("slider").first();
  await lane.waitFor();
  await lane.press("Home");
  await page.waitForFunction(() => document.querySelector(".value-at")?.textContent?.includes("of memory"));
  assert.match((await lane.getAttribute("aria-valuetext")) ?? "", /MiB of memory · peak .* of 2 commands/);
  assert.equal(await page.locator(".restart").count(), 1);
  const before = await page.locator(".axis").innerText();
  await page.getByRole("button", { name: "Closer" }).click();
  await page.waitForFunction((before) => document.querySelector(".axis")?.textContent !== before.replaceAll("\n", ""), before);
  calm();
});

test("two states are compared field by field", async () => {
  const { page, calm } = await visit(browser);
  const text = readFileSync(join(SAMPLES, "good.json"), "utf8");
  const later = text.replace('"memory_max":536870912', '"memory_max":1073741824').replace("not-a-real-token", "another");
  await pick(page, [
    { name: "before.json", mimeType: "", buffer: Buffer.from(text) },
    { name: "after.json", mimeType: "", buffer: Buffer.from(later) },
  ]);
  await go(page, "Compare");
  await page.getByText("1 changed, 6 unchanged").waitFor();
  const fields = await page.locator(".fields").innerText();
  assert.match(fields, /\/spec\/soma\/memory_max\s+was 536870912\s*→\s*is 1073741824|memory_max[\s\S]*536870912[\s\S]*1073741824/);
  assert.doesNotMatch(fields, /not-a-real-token/);
  calm();
});

test("the text is found by line, byte, pointer and problem", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(FIXTURES, "damaged-ids.json"));
  await page.getByRole("link", { name: "damaged-ids.json:6:13" }).first().click();
  await page.locator(".lines .here").waitFor();
  const here = () => page.locator(".lines .here .line-number").innerText();
  assert.equal(await here(), "6");
  const find = async (/** @type {string} */ what, /** @type {string} */ line) => {
    await page.locator("#go").fill(what);
    await page.locator("#go").press("Enter");
    await page.waitForFunction((line) => document.querySelector(".lines .here .line-number")?.textContent === line, line);
  };
  await find("3", "3");
  await find("/workspaces/4/spec", "9");
  await find("@0", "1");
  await page.locator("#go").fill("/nowhere");
  await page.locator("#go").press("Enter");
  await page.getByText("nothing in this file has that pointer").waitFor();
  await page.locator(".window").focus();
  await page.keyboard.press("n");
  await page.getByText(/^1 of 6: /).waitFor();
  await page.keyboard.press("n");
  await page.getByText(/^2 of 6: /).waitFor();
  calm();
});

test("help opens, closes, and gives the focus back", async () => {
  const { page, calm } = await visit(browser);
  await only(page, join(SAMPLES, "good.json"));
  await page.getByRole("button", { name: "Keys" }).focus();
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await accessible(page, "help");
  await page.getByLabel("Single keys do something").uncheck();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Keys");
  await page.keyboard.press("2");
  assert.equal(await page.locator("nav a[aria-current]").innerText(), "Overview");
  calm();
});

test("a bad night is understood in half a minute", async () => {
  const { page, calm } = await visit(browser);
  // As a folder lists them; the state comes first all the same.
  await pick(page, badNight().reverse());
  assert.equal(await page.locator(".state[aria-current]").innerText(), "state.json\n, invalid");
  assert.equal(await page.locator("#headline").textContent(), "3 errors and 1 warning in this state.");
  // What is wrong, and where.
  assert.deepEqual(await page.locator(".problem .place a").allInnerTexts(), ["state.json:46:25", "state.json:93:9", "state.json:99:13", "state.json:266:11"]);
  assert.equal(await page.locator(".problem mark").last().innerText(), '{ "from": "store", "to": "dump" }');
  // What a daemon would do with it.
  assert.equal(await page.locator(".plan h2").innerText(), "A daemon would start from it.");
  assert.equal(await page.locator(".plan summary").innerText(), "3 held back, 1 started again and 5 restored.");
  // How it was last week.
  await go(page, "History");
  await page.getByRole("slider").nth(5).waitFor();
  assert.equal(await page.locator(".lane .label").nth(2).innerText(), "shop-worker");
  assert.match(await page.locator(".lane").nth(1).innerText(), /limit 512 MiB/, "of the newest state");
  assert.deepEqual(await page.locator(".axis span").allInnerTexts(), ["Fri 10-02", "Sun 10-04", "Tue 10-06", "Thu 10-08", "Sat 10-10", "Mon 10-12", "Wed 10-14"]);
  await page.locator(".changes summary").click();
  assert.deepEqual(await page.locator(".changes li").allInnerTexts(), [
    "2026-10-12 09:30:00 workspace mail-relay: there by then",
    "2026-10-12 09:30:00 workspace shop-web: changed /spec/soma/memory_max",
    "2026-10-13 09:30:00 workspace ci-runner: there by then",
  ].sort());
  await page.getByRole("button", { name: "Last week" }).click();
  await page.getByText("6 workspaces, 7 d: 2026-10-07 09:30:00").waitFor();
  // And what became of it since the day before.
  await go(page, "Compare");
  await page.getByText("3 held back, 6 unchanged").waitFor();
  calm();
});

test("axe finds nothing in any view, in light and in dark", async () => {
  for (const colorScheme of /** @type {("light" | "dark")[]} */ (["light", "dark"])) {
    const { page, context, calm } = await visit(browser, { colorScheme });
    await pick(page, [join(SAMPLES, "good.json"), join(SAMPLES, "broken.json"), join(FIXTURES, "v3-full.json")]);
    await phase(page, "shown");
    for (const state of [0, 1, 2]) {
      await page.locator(".state").nth(state).click();
      await page.waitForFunction((state) => document.querySelectorAll(".state")[state]?.hasAttribute("aria-current"), state);
      for (const name of await page.locator("nav a").allInnerTexts()) {
        await go(page, name.replace(/\s*[\d,]+$/, ""));
        await page.waitForTimeout(120);
        await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
        await accessible(page, `${name}, state ${state}, ${colorScheme}`);
      }
    }
    await page.evaluate(() => (location.hash = "#view=workspaces&ws=01M2G47T007BW7GCTMY5VVRH10"));
    await page.getByRole("heading", { name: "access-log" }).waitFor();
    await accessible(page, `a workspace, ${colorScheme}`);
    calm();
    await context.close();
  }
});
