// What is open and what is looked at: the one state of the page, and the address that says which part is shown.

import { Engine, type Progress } from "./engine";
import type { State } from "./model";

export const VIEWS = ["overview", "workspaces"] as const;
export type View = (typeof VIEWS)[number];

export const NAMES: Record<View, string> = {
  overview: "Overview",
  workspaces: "Workspaces",
};

/** What the page does at the moment. */
export type Phase =
  | { at: "start" }
  | { at: "empty"; note?: Note }
  | { at: "asking"; files: File[]; size: number }
  | { at: "loading"; progress: Progress | null }
  | { at: "shown" }
  | { at: "failed"; headline: string; detail: string };

export interface Note {
  text: string;
  tone: "plain" | "warn";
}

export class App {
  phase: Phase = { at: "start" };
  engine: Engine | null = null;
  files: File[] = [];
  states: State[] = [];
  note: Note | null = null;
  changed: () => void = () => {};
  announced: (text: string) => void = () => {};

  /** Values of the address. */
  get(name: string): string | null {
    return new URLSearchParams(location.hash.slice(1)).get(name);
  }

  /** Changes the address; a value of null takes a name away. The address never holds anything of a file but ids. */
  go(values: Record<string, string | null>, replace = false): void {
    const next = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of Object.entries(values)) {
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    const hash = `#${next.toString()}`;
    if (replace) {
      history.replaceState(null, "", hash);
      this.changed();
    } else {
      location.hash = hash;
    }
  }

  get view(): View {
    const named = this.get("view");
    return VIEWS.find((view) => view === named) ?? "overview";
  }

  /** Position of the state that is shown. */
  get at(): number {
    const at = Number(this.get("state") ?? 0);
    return Number.isInteger(at) && at >= 0 && at < this.states.length ? at : 0;
  }

  get state(): State | null {
    return this.states[this.at] ?? null;
  }

  show(phase: Phase): void {
    this.phase = phase;
    this.changed();
  }
}

export function plural(count: number, thing: string): string {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}
