// What the worker answers: the view models that are worked out in Rust.

export type Severity = "fatal" | "error" | "warning" | "note";
export type Tone = "good" | "warn" | "bad" | "newer";
export type Verdict = "valid" | "upgradable" | "invalid" | "newer";

export interface Place {
  pointer: string;
  line: number;
  column: number;
  offset: number;
}

export interface Problem {
  severity: Severity;
  code: string;
  message: string;
  hint: string;
  file: string;
  at: number | null;
  place: Place;
  len: number;
  related: Place[];
  excerpt: { before: string; marked: string; after: string } | null;
}

export interface FileFacts {
  at: number;
  name: string;
  size: string;
  exact: string;
  journal: boolean;
}

export interface Fact {
  name: string;
  value?: string;
  exact?: string;
  at_ms?: number | null;
}

export interface State {
  title: string;
  verdict: Verdict;
  version: string | null;
  sentence: { tone: Tone; headline: string; detail: string };
  files: FileFacts[];
  counts: { workspaces: number; saved_pipelines: number; live_pipelines: number; commands: number; held: number };
  tally: Record<Severity, number>;
  facts: Fact[];
  problems: Problem[];
  more: number;
  readable: boolean;
  notes: number;
  samples: number;
  secrets: boolean;
}

export interface Curve {
  line: string;
  area: string;
  limit: number | null;
}

export interface Measured {
  now: string | null;
  peak: string | null;
  limit: string | null;
  curve: Curve;
}

export interface WorkspaceRow {
  at: number;
  id: string;
  label: string;
  created_ms: number | null;
  ttl: string;
  left: string | null;
  permissions: string;
  commands: number;
  pipelines: number;
  samples: number;
  memory: Measured;
  processor: Measured;
  running: Measured;
}

export interface WorkspaceTable {
  total: number;
  matching: number;
  held: number;
  rows: WorkspaceRow[];
}

export type Column = "file" | "label" | "created" | "memory" | "processor" | "running" | "ttl";

export type Question =
  | { ask: "report"; state: number }
  | { ask: "digest"; file: number }
  | {
      ask: "workspaces";
      state: number;
      sort: Column;
      descending: boolean;
      filter: string;
      from: number;
      count: number;
    };

/** What the page sends to the worker. */
export type Order =
  | { kind: "start"; wasm: ArrayBuffer; size: number }
  | { kind: "open"; id: number; files: File[] }
  | { kind: "ask"; id: number; question: Question };

/** What the worker sends to the page. */
export type News =
  | { kind: "ready" }
  | { kind: "reading"; name: string; read: number; total: number }
  | { kind: "judging" }
  | { kind: "answer"; id: number; text: string; twice?: string[] }
  | { kind: "failed"; id: number; message: string; during: string };
