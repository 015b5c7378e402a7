// Files that the page carries: `shipote inspect FILE` writes them into it, each as an element that no browser executes.

import { decoded } from "./engine";

/** Letters of base64 that are decoded at once: a whole number of groups, and few enough that the page stays awake. */
const PIECE = 1 << 20;

/** The bytes that a text of base64 stands for, as they are asked for. */
function bytes(base64: string): ReadableStream<BufferSource> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= base64.length) return controller.close();
      controller.enqueue(decoded(base64.slice(at, at + PIECE)));
      at += PIECE;
    },
  });
}

/** Inflates what the page carries, and takes it out of the document: it would stand in memory twice. */
export async function carried(): Promise<File[]> {
  const files: File[] = [];
  for (const element of document.querySelectorAll<HTMLElement>("script.carried")) {
    const { name = "", size } = element.dataset;
    const inflated = bytes(element.textContent ?? "").pipeThrough(new DecompressionStream("deflate-raw"));
    const blob = await new Response(inflated).blob();
    if (blob.size !== Number(size)) throw new Error(`${name}: ${blob.size} bytes instead of ${size}`);
    files.push(new File([blob], name));
    element.remove();
  }
  return files;
}
