// Files that are made for tests and measurements, rather than kept: large ones, and a damaged state with its past.

import { closeSync, openSync, writeSync } from "node:fs";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * Writes a state of 92 MB: 200 workspaces with 2,600 samples each. `rest` is what stands in the rules of each beside its
 * label; nothing makes a valid state.
 *
 * @param {string} path
 */
export function large(path, rest = "") {
  const out = openSync(path, "w");
  writeSync(out, '{"version":5,"lineage":"01J9Z3NDEKTSV4RRFFQ69G5FA0","timestamp_ms":1760000000000,"workspaces":[');
  for (let at = 0; at < 200; at++) {
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
