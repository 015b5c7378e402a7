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

/** Reads a file straight into the memory of the module. Returns whether it was not there yet. */
async function read(file: File): Promise<boolean> {
  const total = file.size;
  let read = 0;
  let told = 0;
  tell({ kind: "reading", name: file.name, read, total });
  const room = session.begin(file.name, total);
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    // A file that grows while it is read is taken as it was.
    const piece = value.subarray(0, total - read);
    // Memory may have grown since the last piece, which detaches what was looked at before.
    new Uint8Array(memory.buffer, room + read, piece.length).set(piece);
    read += piece.length;
    if (read - told >= 4_000_000) {
      told = read;
      tell({ kind: "reading", name: file.name, read, total });
    }
  }
  return session.end(read);
}

async function open(files: File[]): Promise<{ text: string; twice: string[] }> {
  const twice: string[] = [];
  for (const file of files) {
    during = `reading ${file.name}`;
    if (!(await read(file))) twice.push(file.name);
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
      const message = error instanceof Error ? error.message : String(error);
      tell({ kind: "failed", id: "id" in order ? order.id : 0, message, during });
    }),
  );
});
