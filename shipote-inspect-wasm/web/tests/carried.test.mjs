// The page as `shipote inspect` writes it: it opens what it carries, and is as closed as the one without.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { FIXTURES, launch, PAGE, phase, PROGRAM, saved, visit } from "./browser.mjs";
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

/** @param {string[]} words @param {number[]} [codes] */
function shipote(words, codes = [0]) {
  const { stdout, status, stderr, error } = spawnSync(PROGRAM, words, { maxBuffer: 1e9 });
  if (error !== undefined) throw error;
  assert.ok(codes.includes(status ?? -1), `shipote ${words.join(" ")}: ${stderr}`);
  return stdout.toString("utf8");
}

/** What the program says of a state, valid or not. @param {string[]} words */
const native = (words) => shipote(["--output", "json", ...words], [0, 65]);

/** Has the program write a page, and returns its address. @param {string} name @param {string[]} words */
function written(name, words) {
  const path = join(scratch, name);
  shipote(["inspect", "-o", path, ...words]);
  return pathToFileURL(path).href;
}

/** A page opened from where the program wrote it. @param {string} address @param {string} [arrives] */
const look = (address, arrives = "shown") => visit(browser, { address, arrives });

/** @param {import("playwright-core").Page} page */
const states = (page) => page.locator(".states li").allInnerTexts();

/** @param {string} html */
const policy = (html) => /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];

test("without a file it is the page that was built, to the byte", () => {
  const path = join(scratch, "empty.html");
  shipote(["inspect", "--empty", "-o", path]);
  const sum = (/** @type {string} */ file) => createHash("sha256").update(readFileSync(file)).digest("hex");
  assert.equal(sum(path), sum(PAGE), "the program carries another page: SHIPOTE_PAGE names this one when it is built");
});

test("it opens what it carries, asks nobody for anything, and says what the program says", async () => {
  for (const name of ["v5-full.json", "damaged-ids.json", "damaged-truncated.json", "damaged-empty.json"]) {
    const file = join(FIXTURES, name);
    const address = written("one.html", [file]);
    assert.equal(policy(readFileSync(join(scratch, "one.html"), "utf8")), policy(readFileSync(PAGE, "utf8")));
    const { page, context, calm } = await look(address);
    assert.ok((await page.title()).startsWith(`${name}: `), name);
    const { text } = await saved(page, "Report as JSON");
    assert.equal(text, native(["state", "verify", file]), name);
    assert.equal(await page.locator(".hex").first().textContent(), createHash("sha256").update(readFileSync(file)).digest("hex"));
    assert.equal(await page.locator("script.carried").count(), 0, "it stands in memory twice");
    calm();
    await context.close();
  }
});

test("several are there to be compared, the last one shown, and more can be added", async () => {
  const { page, calm } = await look(written("two.html", ["v4-full.json", "v5-full.json"].map((name) => join(FIXTURES, name))));
  assert.deepEqual(await states(page), ["v4-full.json\n, upgradable", "v5-full.json\n, valid"]);
  assert.equal(await page.locator(".state[aria-current]").innerText(), "v5-full.json\n, valid");
  await page.locator("body").drop({ files: { name: "more.json", mimeType: "", buffer: readFileSync(join(FIXTURES, "v1-full.json")) } });
  await page.waitForFunction(() => document.querySelectorAll(".states li").length === 3);
  await page.getByRole("button", { name: "Close" }).click();
  await phase(page, "empty");
  await page.reload();
  await phase(page, "shown");
  assert.equal((await states(page)).length, 2);
  calm();
});

test("a whole state directory, with the state of now in front and those before it beside", async () => {
  const dir = join(scratch, "state");
  mkdirSync(dir, { mode: 0o700 });
  for (const [from, to] of [["v3-full.json", "state.json.2"], ["v4-full.json", "state.json.1"], ["v5-full.json", "state.json"]]) {
    copyFileSync(join(FIXTURES, from ?? ""), join(dir, to ?? ""));
  }
  // As a fold leaves it that was cut off: the page would keep only the first of the two.
  copyFileSync(join(FIXTURES, "v5-full.json"), join(dir, "state.json.3"));
  const { page, calm } = await look(written("own.html", ["--state-dir", dir]));
  assert.deepEqual(await states(page), ["state.json\n, valid", "state.json.1\n, upgradable", "state.json.2\n, upgradable"]);
  assert.equal(await page.locator(".state[aria-current]").innerText(), "state.json\n, valid");
  const { text } = await saved(page, "Report as JSON");
  assert.equal(text, native(["--state-dir", dir, "state", "verify"]));
  calm();
});

test("states of one name are told apart by their directories, and have their journals", async () => {
  const state = readFileSync(join(FIXTURES, "v5-full.json"), "utf8");
  const at_ms = 1760000000000;
  const paths = ["a", "b"].flatMap((dir, at) => {
    const text = state.replace(/"timestamp_ms": ?\d+/, `"timestamp_ms":${at_ms + at}`);
    const { lineage, serial } = JSON.parse(text);
    const base_seq = /"journal_seq": ?(\d+)/.exec(text)?.[1];
    const head = JSON.stringify({ journal: 1, lineage, base_serial: serial, base_seq: 0, base_digest: createHash("sha256").update(text).digest("hex"), at_ms });
    mkdirSync(join(scratch, dir));
    const files = { "state.json": text, "state.journal": line(head.replace('"base_seq":0', `"base_seq":${base_seq}`)) };
    return Object.entries(files).map(([name, content]) => {
      writeFileSync(join(scratch, dir, name), content);
      return join(scratch, dir, name);
    });
  });
  const { page, calm } = await look(written("dirs.html", paths));
  assert.deepEqual(await states(page), ["a/state.json\n, valid", "b/state.json\n, valid"]);
  for (const [at, dir] of ["a", "b"].entries()) {
    await page.locator(".state").nth(at).click();
    await page.waitForFunction((title) => document.title.startsWith(title), `${dir}/state.json: `);
    assert.match(await page.locator(".facts").innerText(), new RegExp(`${dir}/state\\.json[^]*${dir}/state\\.journal`));
  }
  calm();
});

test("a name that means harm is a name", async () => {
  const names = [
    '"><img src=x onerror="globalThis.pwned=1">.json',
    "' onload='globalThis.pwned=2",
    "<script>globalThis.pwned=3<!--<script>",
    "&lt;&quot;&#x41;.json",
    "a\nb\rc\td\u001be\u0085f.json",
    "\u202egnp.nosj",
    "-->{{MAIN}}<!--carried-->",
  ];
  const state = readFileSync(join(FIXTURES, "v5-full.json"), "utf8");
  const paths = names.map((name) => join(scratch, name));
  paths.forEach((path, at) => writeFileSync(path, state.replace(/"timestamp_ms": ?\d+/, `"timestamp_ms":${1760000000000 + at}`)));
  // No name of UTF-8: the program is called by a shell, which knows bytes.
  const raw = Buffer.concat([Buffer.from(`${scratch}/`), Buffer.from([0xff, 0xfe, 0x3c, 0x62, 0x3e, 0x80])]);
  writeFileSync(raw, '{"version":1}');
  const out = join(scratch, "names.html");
  const { status, stderr } = spawnSync("sh", ["-c", 'shipote=$1 dir=$2 out=$3; shift 3; exec "$shipote" inspect -o "$out" "$@" "$dir"/$(printf "\\377\\376")*', "sh", PROGRAM, scratch, out, ...paths]);
  assert.equal(status, 0, stderr.toString());
  assert.doesNotMatch(stderr.toString().trimEnd(), /[\u0000-\u001f\u0085\u202e]/, "a terminal would obey it");

  const { page, calm } = await look(pathToFileURL(out).href);
  const told = await page.evaluate(() => ({
    scripts: document.scripts.length,
    foreign: document.querySelectorAll("img, iframe, object, [onerror], [onload]").length,
    pwned: /** @type {any} */ (globalThis).pwned,
  }));
  const bare = readFileSync(PAGE, "utf8").match(/<script/g)?.length;
  assert.deepEqual(told, { scripts: bare, foreign: 0, pwned: undefined });
  const shown = await page.locator(".states bdi").allTextContents();
  assert.equal(shown.length, names.length + 1);
  assert.equal(shown[0], names[0]);
  assert.equal(shown[2], names[2]);
  assert.equal(shown[3], names[3]);
  assert.equal(shown.at(-1), "\ufffd\ufffd<b>\ufffd");
  for (const each of shown) assert.ok(!/[\u0000-\u001f\u007f-\u009f\u202e]/.test(each), JSON.stringify(each));
  calm();
});

test("a page that was cut off or changed says so, and still takes files", async () => {
  const path = join(scratch, "whole.html");
  const address = written("whole.html", [join(FIXTURES, "v5-full.json")]);
  const whole = readFileSync(path, "utf8");
  const text = /class="carried"[^>]*>([^<]+)</.exec(whole)?.[1] ?? "";
  assert.ok(text.length > 1000);
  const cases = { short: text.slice(0, text.length - 400), odd: `${text.slice(0, 101)}!${text.slice(102)}`, other: Buffer.from("no deflate").toString("base64") };
  for (const [name, damaged] of Object.entries(cases)) {
    writeFileSync(path, whole.replace(text, damaged));
    const { page, context } = await look(address, "failed");
    assert.equal(await page.locator("h1").innerText(), "The files in this page can't be read.", name);
    await page.locator("body").drop({ files: { name: "state.json", mimeType: "", buffer: readFileSync(join(FIXTURES, "v5-full.json")) } });
    await phase(page, "shown");
    assert.equal(await page.locator("#headline").textContent(), "A valid state.");
    await context.close();
  }
  writeFileSync(path, whole.replace(/class="carried" data-name="[^"]*" data-size="\d+"/, 'class="carried" data-name="a" data-size="7"'));
  const { page } = await look(address, "failed");
  assert.match(await page.locator(".detail").innerText(), /a: 11485 bytes instead of 7/);
});

test("a state of many megabytes is carried", async () => {
  const workspaces = [];
  for (let at = 0; at < 60_000; at++) workspaces.push(`{"id":"01J9Z3NDEKTSV4RRFFQ6${String(at).padStart(6, "0")}","spec":{"label":"w${at}","soma":{"cwd":"/${"long/".repeat(60)}"}}}`);
  const file = join(scratch, "many.json");
  writeFileSync(file, `{"version":5,"timestamp_ms":1,"workspaces":[${workspaces.join(",\n")}]}`);
  const { page, calm } = await look(written("many.html", [file]));
  const { text } = await saved(page, "Report as JSON");
  assert.equal(text, native(["state", "verify", file]));
  calm();
});
