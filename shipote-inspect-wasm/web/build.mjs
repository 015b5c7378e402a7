// Puts the page together: one file that holds everything it needs, and may fetch nothing.
//
// node build.mjs DIRECTORY OUT.html: DIRECTORY holds inspector.js and inspector_bg.wasm.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const [directory, out] = process.argv.slice(2);
if (directory === undefined || out === undefined) {
  console.error("usage: node build.mjs DIRECTORY OUT.html");
  process.exit(2);
}

const glue = join(directory, "inspector.js");

/** @param {string} name */
const source = (name) => readFileSync(join(here, name), "utf8");

/** @param {string} name */
async function bundle(name) {
  const built = await build({
    entryPoints: [join(here, "src", name)],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    alias: { "shipote-inspect": glue },
  });
  const [file] = built.outputFiles;
  if (file === undefined) throw new Error(`${name}: nothing was built`);
  return file.text.trim();
}

/** A script ends at the first end tag, whatever it stands in. @param {string} text */
const inline = (text) => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");

/** @param {string} text */
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const style = (await transform(source("style.css"), { loader: "css", minify: true, target: "chrome123" })).code.trim();
const main = inline(await bundle("main.ts"));
const worker = inline(await bundle("worker.ts"));
const wasm = readFileSync(join(directory, "inspector_bg.wasm"));
const packed = execFileSync("xz", ["--format=lzma", "--lzma1=preset=9e,lc=4,pb=0", "--stdout"], { input: wasm, maxBuffer: 1e9 });

const policy = [
  "default-src 'none'",
  `script-src ${hash(main)} 'wasm-unsafe-eval'`,
  "worker-src blob:",
  `style-src ${hash(style)}`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "trusted-types shipote-worker",
  "require-trusted-types-for 'script'",
].join("; ");

/** @type {Record<string, string>} */
const parts = {
  CSP: policy,
  STYLE: style,
  MAIN: main,
  WORKER: worker,
  SIZE: String(wasm.length),
  WASM: packed.toString("base64"),
  GOOD: inline(source("samples/good.json")),
  BROKEN: inline(source("samples/broken.json")),
  BUILD: createHash("sha256").update(main).update(worker).update(wasm).update(style).digest("hex").slice(0, 12),
};
const page = source("index.html").replaceAll(/\{\{([A-Z]+)\}\}/g, (_, name) => {
  const part = parts[name];
  if (part === undefined) throw new Error(`index.html names ${name}, which is not there`);
  return part;
});
writeFileSync(out, page);

// What the gate of xtask reads.
console.log(
  JSON.stringify({
    page: Buffer.byteLength(page),
    page_gzip: gzipSync(page, { level: 9 }).length,
    wasm: wasm.length,
    wasm_packed: packed.length,
    main: main.length,
    style: style.length,
    sha256: createHash("sha256").update(page).digest("hex"),
  }),
);
