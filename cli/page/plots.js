// SPDX-License-Identifier: Apache-2.0
// What was seen of a ring in the last two minutes, as lines.
import { draw } from "./nodes.js";

const HISTORY_S = 120;
const GAP_S = 4; // No line is drawn over a longer time without a look.

/** Looks at one ring: {at, in, out, bytes, depth}; `at` in seconds of the browser's clock. */
export class History {
  constructor() {
    this.samples = [];
    this.age = -1;
  }

  add(at, ring) {
    // Another ring has got the name.
    if (ring.age_seconds < this.age) this.samples = [];
    this.age = ring.age_seconds;
    if (ring.rates !== null) {
      this.samples.push({ at, in: ring.rates.messages_in, out: ring.rates.messages_out,
                          bytes: ring.rates.bytes_out, depth: ring.depth });
    }
    this.samples = this.samples.filter((sample) => sample.at > at - HISTORY_S);
  }

  most(...keys) {
    return Math.max(0, ...this.samples.flatMap((sample) => keys.map((key) => sample[key])));
  }

  /** A line over a box of 120 x 30, broken where nobody looked. */
  path(key, now, most) {
    let line = "";
    let before = -Infinity;
    for (const sample of this.samples) {
      const x = (120 * (1 - (now - sample.at) / HISTORY_S)).toFixed(2);
      const y = (29 - (28 * sample[key]) / (most || 1)).toFixed(2);
      // A single point is a line of its own, or it would not be seen.
      line += sample.at - before > GAP_S ? `M${x} ${y}h0.4L${x} ${y}` : `L${x} ${y}`;
      before = sample.at;
    }
    return line;
  }
}

/** A box with a line for each key, all to one scale. */
export class Plot {
  constructor(name, keys) {
    this.lines = keys.map((key) => [key, draw("path", { class: key === "in" ? "in" : "out" })]);
    if (keys.length === 1) this.lines[0][1].setAttribute("class", "one");
    this.node = draw("svg", { class: name, viewBox: "0 0 120 30", preserveAspectRatio: "none",
                              "aria-hidden": "true" },
                     draw("path", { class: "ground", d: "M0 29.5H120" }),
                     ...this.lines.map(([, line]) => line));
  }

  show(history, now, most) {
    for (const [key, line] of this.lines) line.setAttribute("d", history.path(key, now, most));
  }
}
