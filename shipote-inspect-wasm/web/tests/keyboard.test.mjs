// The page by the keyboard alone: no pointer touches anything here.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { choosing, launch, phase, visit } from "./browser.mjs";
import { badNight } from "./made.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** What has the focus: its name, or its text. @param {import("playwright-core").Page} page */
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute("aria-label") ?? element?.textContent?.trim() ?? "";
  });

/** Goes on by the key of tabs until something has the focus. @param {import("playwright-core").Page} page @param {RegExp} name */
async function reach(page, name) {
  for (let turn = 0; turn < 60; turn++) {
    if (name.test(await focused(page))) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${name} is never reached`);
}

/** @param {import("playwright-core").Page} page @param {string} key */
async function picked(page, key) {
  const chooser = await choosing(page, () => page.keyboard.press(key));
  await chooser.setFiles(badNight());
  await phase(page, "shown");
}

test("from opening to the line of a problem, to a workspace, its history, and back", async () => {
  const { page, calm } = await visit(browser);
  await page.keyboard.press("Tab");
  await reach(page, /^Open files…$/);
  await picked(page, "Enter");
  // What a daemon would do, opened and closed.
  await reach(page, /^3 held back, 1 started again/);
  await page.keyboard.press("Enter");
  await page.locator(".plan tbody tr").first().waitFor();
  // Only errors; then the last of them, in the text.
  await reach(page, /^1 warning$/);
  await page.keyboard.press("Space");
  await page.waitForFunction(() => document.querySelectorAll(".problem").length === 3);
  for (let turn = 0; turn < 3; turn++) await page.keyboard.press("j");
  assert.equal(await focused(page), "state.json:266:11");
  assert.equal(await page.locator(":focus").evaluate((link) => document.getElementById(link.getAttribute("aria-describedby") ?? "")?.textContent), "the edges lead back to where they began: dump -> pack -> store -> dump");
  await page.keyboard.press("Enter");
  await reach(page, /^Show the text$/);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".lines .here .line-number")?.textContent === "266");
  await page.keyboard.press("/");
  await page.keyboard.type("46");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".lines .here .line-number")?.textContent === "46");
  await page.keyboard.press("Escape");
  // A workspace and its history.
  await page.keyboard.press("2");
  await page.locator("tbody tr").first().waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "shop-web" }).waitFor();
  await reach(page, /^Its whole history$/);
  await page.keyboard.press("Enter");
  await page.getByRole("slider").waitFor();
  await reach(page, /^shop-web: /);
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-valuetext")?.startsWith("2026-09-30"));
  await page.keyboard.press("Escape");
  await page.getByRole("slider").nth(5).waitFor();
  calm();
});

test("a choice keeps the focus when the page is drawn anew", async () => {
  const { page, calm } = await visit(browser);
  await picked(page, "o");
  for (const name of ["Times", "Colours"]) {
    await reach(page, new RegExp(`^${name}$`));
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(page), name);
  }
  // Escape leaves what takes keys for itself.
  await page.keyboard.press("Escape");
  await page.keyboard.press("6");
  await page.getByText("3 held back, 6 unchanged").waitFor();
  await reach(page, /^State to compare with$/);
  await page.keyboard.press("ArrowDown");
  await page.getByText("2 held back, 6 unchanged").waitFor();
  assert.equal(await focused(page), "State to compare with");
  calm();
});
