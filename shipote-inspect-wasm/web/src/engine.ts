// The page's side of the worker: orders go out, answers come back. To cancel is to end it: a judgement that runs can't
// be interrupted in any other way, and after a failure nothing in it is to be trusted.

import type { News, Order, Question, State } from "./model";

export interface Progress {
  name: string;
  read: number;
  total: number;
  judging: boolean;
}

export class Failed extends Error {
  constructor(
    message: string,
    readonly during: string,
    name = "",
  ) {
    super(message);
    // Of what the worker caught: an exception itself is not sent.
    this.name = name;
  }
}

export class Cancelled extends Error {}

interface Waiting {
  resolve(answer: { text: string; twice: number[] }): void;
  reject(error: Error): void;
}

/** The worker's script and module stand in the page as text. */
function held(id: string): string {
  return document.getElementById(id)?.textContent ?? "";
}

export function decoded(base64: string): ArrayBuffer {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes.buffer;
}

interface Policies {
  createPolicy(name: string, rules: { createScriptURL(text: string): string }): { createScriptURL(text: string): string };
}

// Made once, before any file is read. The policy of the page allows one of this name, so nobody can make another.
const script = new Blob([held("worker")], { type: "text/javascript" });
const address = URL.createObjectURL(script);
const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
const policy = policies?.createPolicy("shipote-worker", { createScriptURL: () => address });
const trusted = policy === undefined ? address : policy.createScriptURL("");

export class Engine {
  readonly ready: Promise<void>;
  progress: (progress: Progress) => void = () => {};
  broke: (error: Error) => void = () => {};
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private readonly started: { resolve(): void; reject(error: Error): void };

  constructor() {
    this.worker = new Worker(trusted);
    let started: { resolve(): void; reject(error: Error): void } = { resolve() {}, reject() {} };
    this.ready = new Promise((resolve, reject) => (started = { resolve, reject }));
    this.started = started;
    this.worker.addEventListener("message", (event: MessageEvent<News>) => this.hear(event.data));
    this.worker.addEventListener("error", (event) => this.fail(new Failed(event.message || "the worker stopped", "start")));
    const wasm = decoded(held("wasm"));
    const size = Number(document.getElementById("wasm")?.dataset["size"]);
    this.send({ kind: "start", wasm, size }, [wasm]);
  }

  /** Adds files to what is open, and returns what is open then. */
  async open(files: File[], lean: boolean): Promise<{ states: State[]; twice: number[] }> {
    const { text, twice } = await this.call((id) => ({ kind: "open", id, files, lean }));
    const { states } = JSON.parse(text) as { states: State[] };
    for (const state of states) {
      // Reports leave directories out, and carried files have theirs where that tells them apart.
      state.title = state.files.find(({ name }) => name.endsWith(`/${state.title}`))?.name ?? state.title;
    }
    return { states, twice };
  }

  /** Asks for the text of an answer; a text that says what went wrong is none. */
  async text(question: Question): Promise<string> {
    const { text } = await this.call((id) => ({ kind: "ask", id, question }));
    if (text.startsWith('{"error":')) throw new Failed((JSON.parse(text) as { error: string }).error, question.ask);
    return text;
  }

  /** Asks for a view model. */
  async ask<T>(question: Question): Promise<T> {
    return JSON.parse(await this.text(question)) as T;
  }

  /** Ends the worker, and with it everything that it holds. */
  stop(): void {
    this.fail(new Cancelled("cancelled"));
  }

  private call(order: (id: number) => Order): Promise<{ text: string; twice: number[] }> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send(order(id));
    });
  }

  private send(order: Order, transfer: Transferable[] = []): void {
    this.worker.postMessage(order, transfer);
  }

  private hear(news: News): void {
    switch (news.kind) {
      case "ready":
        return this.started.resolve();
      case "reading":
        return this.progress({ ...news, judging: false });
      case "judging":
        return this.progress({ name: "", read: 0, total: 0, judging: true });
      case "answer":
        this.waiting.get(news.id)?.resolve({ text: news.text, twice: news.twice ?? [] });
        this.waiting.delete(news.id);
        return;
      case "failed":
        return this.fail(new Failed(news.message, news.during, news.name));
    }
  }

  private fail(error: Error): void {
    this.worker.terminate();
    this.started.reject(error);
    // Nobody may be waiting for the start; that is no error of its own.
    this.ready.catch(() => {});
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
    this.broke(error);
  }
}
