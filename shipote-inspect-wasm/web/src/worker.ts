// The worker: it holds the files and the module that judges them, so that the page itself never waits.

import { initSync, Session } from "shipote-inspect";
import { unpack } from "./lzma";
import type { News, Order } from "./model";

let memory: WebAssembly.Memory;
let session: Session;
let during = "start";

function tell(news: News): void {
  postMessage(news);
}

function start(packed: ArrayBuffer, size: number): void {
  const module = new WebAssembly.Module(unpack(new Uint8Array(packed), size));
  memory = initSync({ module }).memory;
  session = new Session();
  // For who measures how much of it there is.
  Object.assign(globalThis, { memory });
  tell({ kind: "ready" });
}

/** Bytes that are read at once: a file comes the quicker, the fewer its pieces are, until a piece is too large to be near. */
const PIECE = 1 << 20;

/** Returns what reads the next piece of a file, and none at its end. */
function pieces(file: File): () => Promise<Uint8Array | undefined> {
  try {
    const reader = file.stream().getReader({ mode: "byob" });
    let room = new ArrayBuffer(PIECE);
    return async () => {
      const { done, value } = await reader.read(new Uint8Array(room));
      if (done) return undefined;
      room = value.buffer;
      return value;
    };
  } catch {
    // Not every browser reads into a room that is given to it.
    const reader = file.stream().getReader();
    return async () => (await reader.read()).value;
  }
}

/** Reads a file straight into the memory of the module. Returns whether it was not there yet. */
async function read(file: File): Promise<boolean> {
  const total = file.size;
  let read = 0;
  let told = 0;
  tell({ kind: "reading", name: file.name, read, total });
  session.begin(file.name, total);
  const next = pieces(file);
  for (let piece = await next(); piece !== undefined; piece = await next()) {
    // A file that grows while it is read is taken as it was.
    session.take(piece.subarray(0, total - read));
    read = Math.min(total, read + piece.length);
    if (read - told >= 4_000_000) {
      told = read;
      tell({ kind: "reading", name: file.name, read, total });
    }
  }
  return session.end();
}

/** Fails with the reason, where there is one: of what happens to a file, a stream of Chromium says "network error". */
async function why(file: File, error: unknown): Promise<never> {
  await file.slice(0, 1).arrayBuffer();
  throw error;
}

/** Returns the verdict, and the positions of files whose bytes were there already. */
async function open(files: File[]): Promise<{ text: string; twice: number[] }> {
  const twice: number[] = [];
  for (const [at, file] of files.entries()) {
    during = `reading ${file.name}`;
    if (!(await read(file).catch((error: unknown) => why(file, error)))) twice.push(at);
  }
  during = "judging";
  tell({ kind: "judging" });
  return { text: session.judge(), twice };
}

async function obey(order: Order): Promise<void> {
  switch (order.kind) {
    case "start":
      return start(order.wasm, order.size);
    case "open":
      if (order.lean) session.skip_history();
      return tell({ kind: "answer", id: order.id, ...(await open(order.files)) });
    case "ask":
      during = `answering ${order.question.ask}`;
      return tell({ kind: "answer", id: order.id, text: session.ask(JSON.stringify(order.question)) });
  }
}

let last = Promise.resolve();

addEventListener("message", (event: MessageEvent<Order>) => {
  const order = event.data;
  // One after the other: a question that comes while a file is read waits for its verdict.
  last = last.then(() =>
    obey(order).catch((error: unknown) => {
      const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
      tell({ kind: "failed", id: "id" in order ? order.id : 0, name, message, during });
    }),
  );
});
