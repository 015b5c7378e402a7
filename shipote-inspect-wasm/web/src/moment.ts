// Moments, as the reader's clock or as UTC.

import { h } from "./element";

/** The last millisecond that has a date. */
export const LAST = 8.64e15;

let utc = false;

export function inUtc(): boolean {
  return utc;
}

export function setUtc(on: boolean): void {
  utc = on;
}

function parts(at: number): { date: string; time: string } {
  const moment = new Date(at);
  if (utc) {
    const iso = moment.toISOString();
    return { date: iso.slice(0, 10), time: iso.slice(11, 19) };
  }
  const two = (number: number) => String(number).padStart(2, "0");
  return {
    date: `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`,
    time: `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`,
  };
}

/** Returns the text of a moment: `2025-10-09 10:53:20`. */
export function moment(at: number): string {
  const { date, time } = parts(at);
  return `${date} ${time}${utc ? " UTC" : ""}`;
}

/** Returns the day of the week of a moment. */
export function weekday(at: number): string {
  return new Date(at).toLocaleDateString("en", { weekday: "short", ...(utc ? { timeZone: "UTC" } : {}) });
}

/** Returns the element of a moment; a dash where there is none. */
export function momentElement(at: number | null | undefined, short = false): HTMLElement {
  if (at === null || at === undefined) return h("span", { class: "none" }, "–");
  const text = short ? parts(at).date : moment(at);
  return h("time", { datetime: new Date(at).toISOString(), title: `${new Date(at).toISOString()} (${at} ms)` }, text);
}
