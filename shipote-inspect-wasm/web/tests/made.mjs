// Files that are made for tests and measurements, rather than kept: large ones, and a damaged state with its past.

import { closeSync, openSync, writeSync } from "node:fs";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * Writes a state of 92 MB: 200 workspaces with 2,600 samples each. `rest` is what stands in the rules of each beside its
 * label; nothing makes a valid state.
 *
 * @param {string} path
 */
export function large(path, rest = "", workspaces = 200) {
  const out = openSync(path, "w");
  writeSync(out, '{"version":5,"lineage":"01J9Z3NDEKTSV4RRFFQ69G5FA0","timestamp_ms":1760000000000,"workspaces":[');
  for (let at = 0; at < workspaces; at++) {
    const samples = [];
    for (let turn = 0; turn < 2600; turn++) {
      samples.push(
        `{"commands_alive":${turn % 5},"commands_total":5,"rss_bytes":${1e6 + turn * 977},"rss_peak_bytes":${2e6 + turn * 977},"cpu_usec":${turn * 5000},"cpu_percent":${(turn % 997) / 10},"cpu_cores":8,"uptime_ms":${turn * 1000},"at_ms":${1760000000000 + turn * 1000}}`,
      );
    }
    const id = `01J9Z3NDEKTSV4RRFFQ69G5${DIGITS[at >> 5]}${DIGITS[at & 31]}V`;
    writeSync(out, `${at > 0 ? "," : ""}\n{"id":"${id}","spec":{"label":"w${at}"${rest}},"stats_history":[${samples.join(",")}]}`);
  }
  writeSync(out, "]}\n");
  closeSync(out);
}

const CRC = Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc >>> 0;
});

/** A line of a journal: its checksum, and what it says as JSON. @param {string} json */
export function line(json) {
  let crc = ~0;
  for (const byte of Buffer.from(json)) crc = (crc >>> 8) ^ (CRC[(crc ^ byte) & 255] ?? 0);
  return `${(~crc >>> 0).toString(16).padStart(8, "0")} ${json}\n`;
}

/** The moment at which the damaged state was written. */
export const NOW = Date.UTC(2026, 9, 14, 9, 30);
const DAY = 86_400_000;
const LABELS = ["shop-web", "shop-worker", "metrics", "nightly-backup", "mail-relay", "ci-runner"];

/** @param {number} at */
const id = (at) => `01J9Z3NDEKTSV4RRFFQ69G5${DIGITS[at >> 5]}${DIGITS[at & 31]}V`;

/** @param {string} label @param {string} exec @param {string[]} argv */
const node = (label, exec, ...argv) => ({ label, payload: { Native: { exec, argv, envp: [] } } });

/** @param {string} label @param {number} of @param {object[]} nodes @param {string[][]} edges */
const chain = (label, of, nodes, edges) => ({ label, workspace: id(of), nodes, edges: edges.map(([from, to]) => ({ from, to })), restart_on_failure: true, restart_backoff_ms: 200, restart_max_backoff_ms: 30_000, restart_max: 5 });

/** A state of version 4 as it was `days` before, with less in it the older it is. @param {number} days */
function earlier(days) {
  const rules = [
    { label: "shop-web", soma: { memory_max: days > 2 ? "256MiB" : "512MiB", cpu_max: "150%", env: { SHOP_KEY: "not-a-real-key" } }, permissions: { net: { connect: [443, 5432], bind: [8080] }, files: { read: ["/usr", "/srv/shop"], write: ["/srv/shop/var"], execute: ["/usr/bin"] } } },
    { label: "shop-worker", soma: { memory_max: "1GiB", env: { SHOP_KEY: "not-a-real-key" } } },
    { label: "metrics", soma: { memory_max: "128MiB" }, permissions: { net: "Loopback" } },
    { label: "nightly-backup", soma: { io_max: "20MB" }, permissions: { capabilities: ["dac_read_search"] } },
    { label: "mail-relay", permissions: { net: { connect: [25], bind: [25] } } },
    { label: "ci-runner", soma: { pids_max: 512 }, ttl: "720h" },
  ];
  return {
    version: 4,
    timestamp_ms: NOW - days * DAY,
    workspaces: rules.slice(0, days > 4 ? 4 : days > 1 ? 5 : 6).map((spec, at) => ({ id: id(at), spec })),
    saved_pipelines: [{ name: "top-pages", spec: chain("top-pages", 0, [node("tail", "tail", "-F", "access.log"), node("cut", "cut", "-d ", "-f7"), node("count", "topn")], [["tail", "cut"], ["cut", "count"]]) }],
    live_pipelines: [
      { workspace: id(0), spec: chain("access-report", 0, [node("tail", "tail", "-F", "access.log"), node("report", "goaccess")], [["tail", "report"]]), tap: false },
      { workspace: id(3), spec: chain("dump", 3, [node("dump", "pg_dump", "shop"), node("pack", "zstd", "-3"), node("store", "tee", "shop.zst")], [["dump", "pack"], ["pack", "store"]]), tap: false },
    ],
  };
}

/**
 * What somebody finds after a bad night: a state of version 4 that was edited by hand and damaged, the three generations
 * before it, and two weeks of samples. `cut` leaves half of the state.
 */
export function badNight(cut = false) {
  const state = /** @type {any} */ (earlier(0));
  state.workspaces[1].spec.soma.memory_max = "plenty";
  state.workspaces[4].spec.permisions = { net: "None" };
  state.workspaces[5].id = id(2);
  state.live_pipelines[1].spec.edges.push({ from: "store", to: "dump" });
  const text = JSON.stringify(state, null, 2) + "\n";
  const file = (/** @type {string} */ name, /** @type {string} */ content) => ({ name, mimeType: "", buffer: Buffer.from(content) });
  return [
    file("state.json", cut ? text.slice(0, text.length >> 1) : text),
    ...[1, 2, 5].map((days, at) => file(`state.json.${at + 1}`, JSON.stringify(earlier(days), null, 2) + "\n")),
    file("stats.journal", twoWeeks()),
  ];
}

/** Two weeks of samples, as a daemon keeps them: quarters of an hour, then minutes, then seconds; with a night without it. */
function twoWeeks() {
  const lines = [line(JSON.stringify({ stats: 1, at_ms: NOW - 14 * DAY }))];
  /** @type {[number, number, number][]} */
  const tiers = [[14 * DAY, 2 * DAY, 900_000], [2 * DAY, 600_000, 60_000], [600_000, 0, 1_000]];
  const up = LABELS.map(() => 0);
  const used = LABELS.map(() => 0);
  for (const [from, to, step] of tiers) {
    for (let back = from; back > to; back -= step) {
      const at_ms = NOW - back + step;
      // From Friday evening to Saturday morning nothing ran; then everything began anew.
      if (back < 5.6 * DAY && back > 5.1 * DAY) {
        up.fill(0);
        used.fill(0);
        continue;
      }
      const hour = new Date(at_ms).getUTCHours() + new Date(at_ms).getUTCMinutes() / 60;
      const busy = Math.max(0, Math.sin(((hour - 6) / 24) * 2 * Math.PI));
      LABELS.forEach((_, which) => {
        const age = 14 - back / DAY;
        if ((which === 4 && age < 10) || (which === 5 && age < 13)) return;
        // One of them needs more each day, until it is started again.
        const leak = which === 1 ? ((age * 0.31) % 1.9) * 420 : 0;
        if (which === 1 && leak < 3) up[which] = 0;
        const wave = [180, 120, 60, hour < 3 ? 300 : 20, 45, 90][which] ?? 0;
        const rss = Math.round((40 + wave * (0.35 + 0.65 * busy) + leak + ((at_ms / step + which * 7) % 5)) * 1048576);
        const percent = Math.round((4 + wave * busy * 0.4 + ((at_ms / step) % 3)) * 10) / 10;
        up[which] = (up[which] ?? 0) + step;
        used[which] = (used[which] ?? 0) + (percent / 100) * step * 1000;
        const values = { commands_alive: 2, rss_bytes: rss, cpu_percent: percent };
        const stretch = step === 1_000 ? {} : { span_ms: step, samples: step / 1_000, low: { ...values, rss_bytes: Math.round(rss * 0.96) }, high: { ...values, rss_bytes: Math.round(rss * 1.05), cpu_percent: percent * 1.6 } };
        lines.push(line(JSON.stringify({ workspace: id(which), at_ms, commands_alive: 2, commands_total: 2, rss_bytes: rss, rss_peak_bytes: Math.round(rss * 1.1), cpu_usec: Math.round(used[which] ?? 0), cpu_percent: percent, cpu_cores: 4, uptime_ms: up[which], ...stretch })));
      });
    }
  }
  return lines.join("");
}
