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
  kind: string;
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

export interface Word {
  name: string;
  text: string;
}

export interface WorkspaceDetail {
  row: WorkspaceRow;
  pointer: string;
  words: Word[];
  commands: { id: string; label: string; typed: string; running: boolean; words: Word[] }[];
  pipelines: { kind: string; label: string; at: number }[];
  secrets: boolean;
}

export interface Pipeline {
  kind: "saved" | "live";
  label: string;
  id: string;
  workspace: string;
  running: boolean;
  held: boolean;
  drawn: boolean;
  width: number;
  height: number;
  node_height: number;
  words: Word[];
  nodes: { x: number; y: number; width: number; label: string; whole: string; typed: string; words: Word[]; missing: boolean }[];
  edges: { from: string; to: string; path: string; x: number; y: number; back: boolean; marks: string; media: string }[];
}

export interface Field {
  pointer: string;
  old: string | null;
  new: string | null;
}

export interface Upgrade {
  from: number;
  to: number;
  whole: boolean;
  steps: { to: number; brought: string; notes: { pointer: string; message: string }[]; more: number }[];
  entities: { kind: string; label: string; pointer: string }[];
}

export interface BeforeAndAfter {
  fields: Field[];
  before: string;
  after: string;
}

export interface Named {
  kind: string;
  id: string;
  label: string;
}

export interface Difference {
  added: Named[];
  removed: Named[];
  changed: (Named & { fields: Field[] })[];
  recreated: Named[];
  /** What is not gone or new, but held back by the other side. */
  held: Named[];
  head: Field[];
  added_count: number;
  removed_count: number;
  held_count: number;
  changed_count: number;
  unchanged: number;
  kin: boolean;
}

export type Metric = "memory" | "processor" | "running";

export interface Lane {
  id: string;
  label: string;
  line: string;
  area: string;
  limit_y: number | null;
  limit: string | null;
  top: string;
  points: number;
  restarts: number[];
  pauses: { x: number; end: number; text: string }[];
}

export interface Past {
  first_ms: number;
  last_ms: number;
  from_ms: number;
  to_ms: number;
  span: string;
  total: number;
  untimed: number;
  lanes: Lane[];
  changes: { x: number; at_ms: number; text: string }[];
}

export interface Lines {
  total: number;
  lines: { offset: number; text: string; cut: number }[];
}

export interface Plan {
  headline: string;
  detail: string;
  ways: { from: string; at_ms: number | null; gives: string; loses: string }[];
  tally: string;
  steps: { action: string; words: string; kind: string; label: string; id: string; why: string; not_before_ms: number | null }[];
  more: number;
}

export interface Exported {
  text: string;
  unsaid: string[];
  more: number;
}

/** A question to the module; what its kind does not need is left out. */
export interface Question {
  ask:
    | "report"
    | "digest"
    | "workspaces"
    | "workspace"
    | "pipelines"
    | "plan"
    | "lines"
    | "locate"
    | "history"
    | "sample"
    | "diff"
    | "upgrade"
    | "before_and_after"
    | "upgraded"
    | "redacted"
    | "exported"
    | "csv";
  state?: number;
  other?: number;
  file?: number;
  sort?: Column;
  descending?: boolean;
  filter?: string;
  from?: number;
  count?: number;
  from_ms?: number;
  to_ms?: number;
  metric?: Metric;
  show?: boolean;
  whole?: boolean;
}

/** What the page sends to the worker. */
export type Order =
  | { kind: "start"; wasm: ArrayBuffer; size: number }
  | { kind: "open"; id: number; files: File[]; lean: boolean }
  | { kind: "ask"; id: number; question: Question };

/** What the worker sends to the page. */
export type News =
  | { kind: "ready" }
  | { kind: "reading"; name: string; read: number; total: number }
  | { kind: "judging" }
  | { kind: "answer"; id: number; text: string; twice?: number[] }
  | { kind: "failed"; id: number; name: string; message: string; during: string };
