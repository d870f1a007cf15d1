"use strict";

// What the page shows, what it measures in, and how it says so.

const element = (name) => document.getElementById(name);
const drill = JSON.parse(element("drill").textContent);
const canvas = element("chart");
const pen = canvas.getContext("2d");
const tip = element("tip");

const OUTCOMES = ["ok", "failed", "unknown"];
const ACTIONS = ["write", "read"];
const FLOOR = 250; // µs: the lowest line of the scale
const NARROWEST = 2000; // µs that the closest look spans
const SIZE = { right: 24, row: 16, chart: 300, axis: 26, lane: 24, name: 16, near: 10, narrow: 640 };
const SCALES = [[1e3, "1 ms"], [1e4, "10 ms"], [1e5, "100 ms"], [1e6, "1 s"], [1e7, "10 s"]];

const sums = (steps) => {
  const found = new Float64Array(steps.length);
  let sum = 0;
  steps.forEach((step, row) => { found[row] = sum += step; });
  return found;
};
const rows = drill.operations;
const called = sums(rows.called_steps);
const revision = sums(rows.revision_steps);
const lasted = Float64Array.from(rows.lasted);
const longest = lasted.reduce((most, one) => Math.max(most, one), 0);
const end = Math.max(drill.end, 1);
const ceiling = Math.max(1e6, longest) * 1.3;
const tones = new Map();
for (const lane of drill.lanes) {
  for (const [, , text, tone] of lane.spans) {
    if (tone === "plain" && !tones.has(text)) tones.set(text, tones.size % 6);
  }
}

// The first row that was called at a moment or later.
const firstAt = (moment) => {
  let low = 0;
  let high = called.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (called[middle] < moment) low = middle + 1; else high = middle;
  }
  return low;
};

const time = (length) => {
  if (length >= 1e6) return `${(length / 1e6).toPrecision(3)} s`;
  if (length >= 1e3) return `${(length / 1e3).toPrecision(3)} ms`;
  return `${length} µs`;
};
const clock = (moment, digits = 3) => `${(moment / 1e6).toFixed(digits)} s`;
const began = Date.parse(drill.began); // NaN where the history says no time of day
const timeOfDay = (moment) =>
  Number.isNaN(began) ? "" : `, about ${new Date(began + moment / 1e3).toISOString().slice(11, 19)} UTC`;
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}`;
const story = (row) => {
  const outcome = OUTCOMES[rows.kind[row] >> 1];
  const error = rows.errors[rows.error[row]];
  return [
    `${drill.clients[rows.client[row]][0]}: ${ACTIONS[rows.kind[row] % 2]} ${rows.keys[rows.key[row]]}`,
    `${outcome}${error ? ` (${error})` : ""} after ${time(lasted[row])}`,
    `called at ${clock(called[row])}${timeOfDay(called[row])}`,
    revision[row] ? `revision ${revision[row]}` : "",
    rows.retried[row] ? `told to try again: ${rows.retried[row]}` : "",
  ].filter(Boolean).join("\n");
};
