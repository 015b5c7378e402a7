// Small drawings. Each stands beside a word that says the same.

import { s } from "./element";
import type { Severity, Tone } from "./model";

const PATHS = {
  good: "M3.5 8.5l3 3 6-7",
  warn: "M8 2.5l6 11H2zM8 6.5v3.5M8 11.8v.2",
  bad: "M4 4l8 8M12 4l-8 8",
  newer: "M8 13V3.5M4 7.5l4-4 4 4",
  note: "M8 7.5v4M8 4.4v.2",
  open: "M2 12.5v-9h4l1.5 2H14v7z",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
  copy: "M6 5.5h7v8H6zM3 10.5v-8h7",
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon, className = ""): SVGSVGElement {
  return s(
    "svg",
    { class: `icon ${className}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    s("path", { d: PATHS[name] }),
  );
}

const BY_SEVERITY: Record<Severity, Icon> = { fatal: "bad", error: "bad", warning: "warn", note: "note" };

export function severityIcon(severity: Severity): SVGSVGElement {
  return icon(BY_SEVERITY[severity]);
}

export function toneIcon(tone: Tone): SVGSVGElement {
  return icon(tone);
}
