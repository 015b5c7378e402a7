// Ways out of the page, all by the reader's own hand: a file that is saved, a text that is copied.

import { button, h } from "./element";

/** Saves a text as a file. The name is the page's own and never that of a file that was opened. */
export function save(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** A button that copies a text, and says that it did. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  const copy = button(
    "Copy",
    () => {
      const done = () => {
        copy.textContent = "Copied";
        setTimeout(() => (copy.textContent = "Copy"), 1500);
      };
      navigator.clipboard?.writeText(text).then(done, () => byHand(text, done)) ?? byHand(text, done);
    },
    { class: "quiet small", "aria-label": `Copy ${what}` },
  );
  return copy;
}

/** Where a page may not write to the clipboard, such as from a file on some browsers. */
function byHand(text: string, done: () => void): void {
  const field = h("textarea", { "aria-hidden": "true", class: "aside", tabindex: -1 });
  field.value = text;
  document.body.append(field);
  field.select();
  if (document.execCommand("copy")) done();
  field.remove();
}
