// SPDX-License-Identifier: Apache-2.0
// Figures as people read them, as `ipc0cp top` has them.

export const NOTHING = "\u2013";

function digits(value) {
  return value >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

export function count(value) {
  if (value === null || value === undefined) return NOTHING;
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (value >= size * 0.9995) return digits(value / size) + unit;
  }
  return digits(value);
}

export function bytes(value) {
  if (value === null || value === undefined) return NOTHING;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (value >= 999.5 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return `${place === 0 ? value.toFixed(0) : digits(value)} ${units[place]}`;
}

export function time(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${digits(seconds / size)} ${unit}`;
  }
  return `${digits(seconds)} s`;
}

export function percent(part) {
  return `${part > 0 && part < 0.0995 ? (part * 100).toFixed(1) : Math.round(part * 100)}%`;
}

export const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
export const rate = (ring, key) => (ring.rates === null ? null : ring.rates[key]);
export const hasFigures = (ring) => ring.stats.total_data_bytes > 0;
