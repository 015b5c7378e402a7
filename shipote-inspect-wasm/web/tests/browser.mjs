// A browser with the page in it, and an ear for everything that a page must not do.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
export const SAMPLES = join(here, "../samples");
export const SCHEMA = join(root, "docs/schema/state.v5.schema.json");
export const FIXTURES = join(root, "tests/fixtures/state");
export const PAGE = process.env["SHIPOTE_PAGE"] ?? join(root, "target/inspector/shipote-inspect.html");
export const PROGRAM = process.env["SHIPOTE_BIN"] ?? join(root, "target/release/shipote");

/** Every state of the project's own tests. */
export function fixtures() {
  return readdirSync(FIXTURES).filter((name) => name.endsWith(".json")).sort().map((name) => join(FIXTURES, name));
}

export function launch() {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens the page. `calm()` asserts that it asked for nothing, broke no rule of its own, and logged no error.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").BrowserContextOptions & { address?: string, arrives?: string, first?: () => void }} [options]
 *   `first` runs in the page before anything of its own.
 */
export async function visit(browser, options = {}) {
  const { address = pathToFileURL(PAGE).href, arrives = "empty", first, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: "UTC", locale: "en-GB", ...rest });
  await context.setOffline(true);
  const page = await context.newPage();
  /** @type {string[]} */
  const wrong = [];
  page.on("request", (request) => {
    const url = request.url();
    if (url !== address && !url.startsWith("blob:") && !url.startsWith("data:")) wrong.push(`a request for ${url}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") wrong.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  await page.exposeFunction("violated", (/** @type {string} */ what) => {
    wrong.push(`against the policy: ${what}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      /** @type {any} */ (globalThis).violated(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  if (first !== undefined) await page.addInitScript(first);
  await page.goto(address);
  await phase(page, arrives);
  return {
    page,
    context,
    calm() {
      assert.deepEqual(wrong, []);
    },
  };
}

/** Waits until the page is in one of these phases. @param {import("playwright-core").Page} page @param {string[]} names */
export async function phase(page, ...names) {
  await page.waitForFunction((names) => names.includes(document.documentElement.dataset["phase"] ?? ""), names, { timeout: 60_000 });
}

/**
 * What is picked by `act`: the chooser that it opens.
 * @param {import("playwright-core").Page} page @param {() => Promise<void>} act
 */
export async function choosing(page, act) {
  const opened = page.waitForEvent("filechooser");
  // The browser has to know that it is waited for before there is one, and nothing tells when it does but its next answer.
  await page.evaluate(() => 0);
  await act();
  return opened;
}

/** Picks files as a reader would. @param {import("playwright-core").Page} page @param {any} files */
export async function pick(page, files) {
  const name = (await page.getByRole("button", { name: "Add files…" }).count()) > 0 ? "Add files…" : "Open files…";
  const chooser = await choosing(page, () => page.getByRole("button", { name }).click());
  await chooser.setFiles(files);
  await phase(page, "shown", "failed", "asking");
}

/** Opens nothing but these files. @param {import("playwright-core").Page} page @param {any} files */
export async function only(page, files) {
  const close = page.getByRole("button", { name: "Close" });
  if ((await close.count()) > 0) await close.click();
  await phase(page, "empty");
  await pick(page, files);
}

/** Presses a button that saves something, and returns what was saved. @param {import("playwright-core").Page} page @param {string} name */
export async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

const axe = readFileSync(join(here, "../node_modules/axe-core/axe.min.js"), "utf8");

/** Asserts that axe finds nothing. @param {import("playwright-core").Page} page @param {string} where */
export async function accessible(page, where) {
  // Not by a script element: the page would refuse it.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (globalThis).axe.run(document, { resultTypes: ["violations"] });
    return violations.map((/** @type {any} */ rule) => `${rule.id}: ${rule.nodes.map((/** @type {any} */ node) => node.html.slice(0, 120)).join(" | ")}`);
  });
  assert.deepEqual(found, [], where);
}
