// Elements of the page. What comes from a file gets in as text and in no other way: there is no function here that
// takes markup, and attributes are those of a list.

export type Child = Node | string | null | undefined | false;

type Handler = (event: Event) => void;

export interface Attributes {
  class?: string | undefined;
  on?: Record<string, Handler>;
  [name: string]: string | number | boolean | undefined | Record<string, Handler>;
}

const ALLOWED = new Set([
  "id", "type", "title", "role", "tabindex", "for", "name", "value", "placeholder", "disabled", "hidden", "open",
  "colspan", "scope", "datetime", "dir", "checked", "multiple", "accept", "autocomplete", "spellcheck", "selected",
  "min", "max", "href", "download", "lang", "viewBox", "d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "rx", "cx", "cy", "r",
  "transform", "preserveAspectRatio", "focusable", "points", "text-anchor", "marker-end", "orient", "refX", "refY",
  "markerWidth", "markerHeight", "inputmode", "maxlength", "start",
]);

function dress(element: Element, attributes: Attributes | null): void {
  if (attributes === null) return;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value as Record<string, Handler>)) {
        element.addEventListener(event, handler);
      }
    } else if (name === "class") {
      element.setAttribute("class", String(value));
    } else if (ALLOWED.has(name) || name.startsWith("aria-") || name.startsWith("data-")) {
      const text = value === true ? "" : String(value);
      if (name === "href" && !text.startsWith("#") && !text.startsWith("blob:")) throw new Error("a link leads out of the page");
      element.setAttribute(name, text);
    } else {
      throw new Error(`the attribute ${name} is not allowed`);
    }
  }
}

function fill(element: Element, children: Child[]): void {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Makes an element of HTML. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes | null = null,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  dress(element, attributes);
  fill(element, children);
  return element;
}

/** Makes an element of a drawing. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes | null = null,
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  dress(element, attributes);
  fill(element, children);
  return element;
}

/** A name out of a file: set apart, so that its direction does not turn what stands around it. */
export function bdi(text: string, className?: string): HTMLElement {
  return h("bdi", { class: className, dir: "auto" }, text);
}

/** A button that does something. */
export function button(text: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", ...attributes, on: { click: act } }, text);
}

/** Replaces what is in an element. */
export function put(element: Element, ...children: Child[]): void {
  element.replaceChildren();
  fill(element, children);
}

/** Prose in which what stands between backticks is code. */
export function prose(text: string, className?: string): HTMLElement {
  const place = h("bdi", { class: className, dir: "auto" });
  const parts = text.split("`");
  // Without its partner a backtick is a backtick.
  const paired = parts.length % 2 === 1;
  parts.forEach((part, at) => place.append(paired && at % 2 === 1 ? h("code", null, part) : at > 0 && !paired ? `\`${part}` : part));
  return place;
}
