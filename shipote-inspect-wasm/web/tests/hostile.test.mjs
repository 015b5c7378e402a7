// Files that mean harm: everything in them stays text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, only, saved, visit } from "./browser.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const BAD = [
  '<img src=x onerror="globalThis.pwned=1">',
  "</script><script>globalThis.pwned=2</script>",
  "javascript:globalThis.pwned=3",
  "<svg onload=globalThis.pwned=4>",
  "\u202egnp.exe\u2066\u200b",
  "__proto__",
  "constructor",
  '" onmouseover="globalThis.pwned=5',
  "{{WASM}}",
  "=HYPERLINK(\"x\")",
];

/** A state with a text in every place that takes one. @param {string} text @param {number} at */
function state(text, at) {
  const id = (/** @type {number} */ kind) => `01J9Z3NDEKTSV4RRFFQ69G${kind}${String(at).padStart(3, "0")}`;
  const command = { label: text, payload: { native: { exec: text, argv: [text], envp: [`${text}=${text}`] } }, soma: { env: { [text]: text }, cwd: text }, flows: { stdout: text }, after: [text], stop_signal: text };
  const second = { ...command, label: `${text}2`, payload: { shell: { script: text } } };
  const pipeline = { label: text, workspace: id(1), nodes: [command, second], edges: [{ from: text, to: `${text}2`, tap: "on" }] };
  return {
    workspaces: [{ id: id(1), spec: { label: text, soma: { hostname: text, cwd: text, env: { [text]: text } }, permissions: { files: { read: [text], write: [], execute: [] }, syscalls: text, capabilities: [text] }, flow_dirs: [{ name: text, path: text }], [text]: text } }],
    saved_pipelines: [{ name: text, spec: pipeline }],
    live_pipelines: [{ id: id(2), workspace: id(1), tap: false, spec: pipeline, desired: "running", counters: {} }],
    commands: [{ id: id(3), workspace: id(1), spec: command }],
  };
}

/** @param {string} producer */
function document_(producer) {
  const all = BAD.map((text, at) => state(text, at));
  const list = (/** @type {"workspaces" | "saved_pipelines" | "live_pipelines" | "commands"} */ key) => all.flatMap((part) => /** @type {object[]} */ (part[key]));
  return JSON.stringify({ version: 5, timestamp_ms: 1, producer, workspaces: list("workspaces"), saved_pipelines: list("saved_pipelines"), live_pipelines: list("live_pipelines"), commands: list("commands") });
}

test("texts of every kind are shown as they are, in every view", async () => {
  const { page, calm } = await visit(browser);
  const elements = () =>
    page.evaluate(() => [document.querySelectorAll("img, script:not(body > script, head > #wasm), iframe, object, [onerror], [onload], [onmouseover]").length, /** @type {any} */ (globalThis).pwned]);
  const buffer = Buffer.from(document_("<b>producer</b>"));
  await only(page, { name: '<img src=x onerror="globalThis.pwned=9">.json', mimeType: "", buffer });
  for (const view of ["overview", "workspaces", "pipelines", "raw"]) {
    await page.evaluate((view) => (location.hash = `#view=${view}`), view);
    await page.waitForTimeout(200);
    if (view === "raw") await page.getByRole("button", { name: "Show the text" }).click();
    await page.waitForTimeout(100);
    const text = await page.locator("main").innerText();
    assert.ok(text.includes("<img src=x onerror="), view);
    assert.ok(!text.includes("\u202e"), `${view}: a text turns others around`);
    assert.deepEqual(await elements(), [0, undefined], view);
  }
  await page.evaluate(() => (location.hash = "#view=workspaces"));
  for (const link of await page.locator("tbody a.label").all()) {
    const href = await link.getAttribute("href");
    assert.match(href ?? "", /^#view=workspaces&ws=[0-9A-Z]{26}$/);
  }
  await page.locator("tbody a.label").first().click();
  await page.getByRole("button", { name: "Show environment values" }).click();
  await page.waitForTimeout(150);
  assert.deepEqual(await elements(), [0, undefined]);
  calm();
});

test("a report as Markdown holds nothing of a file outside of its fences", async () => {
  const { page, calm } = await visit(browser);
  const bad = [...BAD, "```\n# out", "````` [x](javascript:1)", "~~~", "@somebody #1", "![x](https://example.org/x)"];
  const workspaces = bad.map((text) => ({ id: text, spec: { label: text, [text]: 1, ttl: text } }));
  await only(page, { name: "``` # [x](y).json", mimeType: "", buffer: Buffer.from(JSON.stringify({ version: 5, timestamp_ms: 1, workspaces, [`\`\`\`${bad[0]}`]: 1 })) });
  const { name, text } = await saved(page, "Problems as Markdown");
  assert.equal(name, "problems.md");
  let fence = "";
  let fences = 0;
  for (const row of text.split("\n")) {
    const run = /^`{3,}/.exec(row)?.[0] ?? "";
    if (fence !== "") {
      // A fence ends at the first line that has nothing but as many backticks, or more.
      if (run.length >= fence.length && run === row) fence = "";
    } else if (run !== "") {
      assert.equal(row, `${run}text`);
      fence = run;
      fences += 1;
    } else {
      assert.match(row, /^$|^## Problems of a Shipote state$|^### \d+\. (Fatal|Error|Warning|Note)$/);
    }
  }
  assert.equal(fence, "");
  assert.ok(fences > bad.length);
  calm();
});

test("values of environments are in no excerpt and in no report for others", async () => {
  const { page, calm } = await visit(browser);
  const text = '{"version":5,"timestamp_ms":1,"workspaces":[{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"a","soma":{"env":{"TOKEN":"hush-1","N":7}},"ttl":"soon"}}]}';
  await only(page, { name: "state.json", mimeType: "", buffer: Buffer.from(text) });
  assert.match(await page.locator(".excerpt").first().innerText(), /"env":\{\*+\}/);
  assert.doesNotMatch(await page.content(), /hush-1/);
  assert.doesNotMatch((await saved(page, "Problems as Markdown")).text, /hush-1/);
  await page.getByRole("link", { name: "Text" }).click();
  // What is held back is not understood, and its text holds them all the same.
  await page.getByText("which may be secrets").waitFor();
  calm();
});

test("an address that was made up is no trouble", async () => {
  const { page, calm } = await visit(browser);
  await only(page, { name: "state.json", mimeType: "", buffer: Buffer.from(document_("x")) });
  for (const hash of ["#view=%3Cimg%3E", "#state=-1&view=workspaces", "#state=1e9", "#view=workspaces&ws=%3Cscript%3E", "#view=raw&file=99&at=%00", "#view=diff&with=7", "#%"]) {
    await page.evaluate((hash) => (location.hash = hash), hash);
    await page.waitForTimeout(60);
    assert.equal(await page.locator("main").count(), 1, hash);
  }
  calm();
});

test("depth, length and odd numbers are no trouble", async () => {
  const { page, calm } = await visit(browser);
  const cases = {
    deep: `{"version":5,"timestamp_ms":1,"workspaces":[],"x":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
    long: `{"version":5,"timestamp_ms":1,"workspaces":[{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"${"a".repeat(1_000_000)}"}}]}`,
    surrogate: '{"version":5,"timestamp_ms":1,"workspaces":[{"id":"01J9Z3NDEKTSV4RRFFQ69G5FAV","spec":{"label":"\\ud800"}}]}',
    numbers: '{"version":5,"timestamp_ms":18446744073709551615,"workspaces":[{"id":"7ZZZZZZZZZZZZZZZZZZZZZZZZZ","spec":{"label":"a"},"expires_at_ms":18446744073709551615,"stats_history":[{"commands_alive":4294967295,"commands_total":0,"rss_bytes":18446744073709551615,"cpu_percent":1e308,"cpu_cores":0,"uptime_ms":18446744073709551615,"at_ms":18446744073709551615}]}]}',
    many: `{"version":5,"timestamp_ms":1,"workspaces":[${Array(5_000).fill("{}").join(",")}]}`,
  };
  for (const [name, text] of Object.entries(cases)) {
    await only(page, { name: `${name}.json`, mimeType: "", buffer: Buffer.from(text) });
    assert.equal(await page.locator("#headline").count(), 1, name);
    for (const view of ["workspaces", "history", "raw"]) {
      await page.evaluate((view) => (location.hash = `#view=${view}`), view);
      await page.waitForTimeout(80);
      assert.equal(await page.locator("main").count(), 1, `${name}, ${view}`);
    }
    await page.evaluate(() => (location.hash = "#"));
  }
  calm();
});
