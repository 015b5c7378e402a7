// How the page looks: pictures of it beside the page, to be looked at, and what no picture may show.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { launch, PAGE, pick, SAMPLES, visit } from "./browser.mjs";
import { badNight } from "./made.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
const pictures = join(dirname(PAGE), "pictures");
before(async () => {
  browser = await launch();
  mkdirSync(pictures, { recursive: true });
});
after(() => browser.close());

/** @type {Record<string, string>} */
const READY = {
  overview: ".plan summary, .plan h2",
  workspaces: "tbody tr",
  pipelines: ".pipeline",
  history: ".lane",
  upgrade: ".steps",
  diff: ".difference .group",
  raw: ".raw .note, .lines li",
};

test("no view is wider than its window, in light and dark, wide and narrow", async () => {
  for (const [colorScheme, width] of /** @type {["light" | "dark", number][]} */ ([["light", 1280], ["dark", 1280], ["light", 390], ["dark", 390]])) {
    const { page, context, calm } = await visit(browser, { colorScheme, viewport: { width, height: 820 }, reducedMotion: "reduce" });
    /** @param {string} name */
    const look = async (name) => {
      await page.evaluate(() => document.getElementById("main")?.blur());
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`) });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `${name}, ${colorScheme}`);
    };
    await look("empty");
    await pick(page, badNight());
    for (const [view, ready] of Object.entries(READY)) {
      await page.evaluate((view) => (location.hash = `#view=${view}`), view);
      await page.locator(ready).first().waitFor();
      await look(view);
    }
    await page.getByRole("button", { name: "Close" }).click();
    await pick(page, join(SAMPLES, "broken.json"));
    await page.evaluate(() => (location.hash = "#view=pipelines"));
    await page.locator(".pipeline").first().waitFor();
    await look("broken-pipelines");
    calm();
    await context.close();
  }
});
