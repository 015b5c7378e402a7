// What is open and what is looked at: the one state of the page, and the address that says which part is shown.

import { Engine, type Progress } from "./engine";
import type { State } from "./model";

export const VIEWS = ["overview", "workspaces", "pipelines", "history", "upgrade", "diff", "raw"] as const;
export type View = (typeof VIEWS)[number];

export const NAMES: Record<View, string> = {
  overview: "Overview",
  workspaces: "Workspaces",
  pipelines: "Pipelines",
  history: "History",
  upgrade: "Upgrade",
  diff: "Compare",
  raw: "Text",
};

/** What the page does at the moment. */
export type Phase =
  | { at: "start" }
  | { at: "empty"; note?: Note }
  | { at: "asking"; files: File[]; size: number }
  | { at: "loading"; progress: Progress | null }
  | { at: "shown" }
  | { at: "failed"; headline: string; detail: string; lean?: File[] | undefined; stuck?: boolean };

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
  /** Whether files are looked at without their history, for want of memory. */
  lean = false;
  /** Whether values of environment variables are shown. */
  secrets = false;
  changed: () => void = () => {};
  announced: (text: string) => void = () => {};

  /** Values of the address. */
  get(name: string): string | null {
    return new URLSearchParams(location.hash.slice(1)).get(name);
  }

  /** Changes the address; a value of null takes a name away. The address never holds anything of a file but ids. */
  go(values: Record<string, string | null>, replace = false): void {
    const hash = address(values);
    if (replace) {
      history.replaceState(null, "", hash);
      this.changed();
    } else {
      location.hash = hash;
    }
  }

  get view(): View {
    const named = this.get("view");
    return this.views().find((view) => view === named) ?? "overview";
  }

  /** The views that have something to show. */
  views(): View[] {
    const state = this.state;
    if (state === null) return [];
    const { counts } = state;
    const past = this.states.some((each) => each.samples > 0);
    const has: Record<View, boolean> = {
      overview: true,
      workspaces: state.readable,
      pipelines: state.readable && counts.saved_pipelines + counts.live_pipelines > 0,
      history: past,
      upgrade: state.readable && state.version !== "5",
      diff: this.states.length > 1,
      raw: true,
    };
    return VIEWS.filter((view) => has[view]);
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

/** A button that shows and covers the values of environment variables, where there are any. */
export function secretsLabel(app: App): string {
  return app.secrets ? "Cover environment values" : "Show environment values";
}

/** Returns the address with other values; null takes one away. */
export function address(values: Record<string, string | null>): string {
  const next = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(values)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  return `#${next.toString()}`;
}
