// SPDX-License-Identifier: Apache-2.0
// A ring in the table.
import { Details } from "./details.js";
import { NOTHING, bytes, count, hasFigures, percent, rate, time } from "./figures.js";
import { make, say } from "./nodes.js";
import { History, Plot } from "./plots.js";

function levelOf(ring) {
  if (ring.state === "live") return ring.findings.length + ring.dead > 0 ? "warn" : "good";
  return ["waiting for a consumer", "orphan", "retired"].includes(ring.state) ? "warn" : "bad";
}

export class Row {
  static made = 0;

  constructor(name) {
    this.ringName = name;
    this.detailsId = `details-${Row.made++}`;
    this.history = new History();
    this.details = null;
    this.button = make("button", { type: "button", className: "name", title: name,
                                   "aria-expanded": "false" }, name);
    this.button.addEventListener("click", () => this.toggle());
    this.state = make("span", { className: "state" });
    this.fill = make("div");
    this.bar = make("div", { className: "bar", "aria-hidden": "true" }, this.fill);
    this.percent = make("span");
    this.plot = new Plot("spark", ["in", "out"]);
    this.cells = Object.fromEntries(["queued", "in", "out", "bytes", "oldest", "participants",
      "size", "memory"].map((key) => [key, make("td", { className: `number ${key}` })]));
    const { queued, bytes: rateOfBytes, oldest, participants, size, memory } = this.cells;
    this.node = make("tr", {}, make("th", { scope: "row" }, this.button),
      make("td", {}, this.state),
      make("td", {}, make("div", { className: "depth" }, this.bar, this.percent)),
      queued, this.cells.in, this.cells.out,
      make("td", { className: "plots-of-row" }, this.plot.node),
      rateOfBytes, oldest, participants, size, memory);
  }

  /** As they stand in the table. */
  nodes() {
    return this.details === null ? [this.node] : [this.node, this.details.node];
  }

  toggle() {
    if (this.details === null) {
      this.details = new Details(this);
      this.node.after(this.details.node);
      this.details.show(this.ring, this.now);
      this.details.ask().catch(() => {});
      this.button.setAttribute("aria-controls", this.detailsId);
    } else {
      this.details.node.remove();
      this.details = null;
      this.button.removeAttribute("aria-controls");
    }
    this.button.setAttribute("aria-expanded", String(this.details !== null));
  }

  show(ring, now) {
    this.ring = ring;
    this.now = now;
    this.history.add(now, ring);
    const known = hasFigures(ring);
    say(this.state, ring.dead > 0 ? `${ring.state}, ${ring.dead} dead` : ring.state);
    this.state.className = `state ${levelOf(ring)}`;
    this.state.title = ring.problem;
    this.bar.hidden = !known;
    this.bar.className = `bar ${ring.depth < 0.7 ? "" : ring.depth < 0.9 ? "warn" : "bad"}`;
    this.fill.style.width = `${Math.min(100, ring.depth * 100).toFixed(1)}%`;
    say(this.percent, known ? percent(ring.depth) : "");
    const texts = { queued: count(ring.stats.messages), in: count(rate(ring, "messages_in")),
                    out: count(rate(ring, "messages_out")), bytes: bytes(rate(ring, "bytes_out")),
                    oldest: time(ring.oldest_seconds),
                    participants: `${ring.producers} / ${ring.workers} / ${ring.subscribers}`,
                    size: bytes(ring.stats.total_data_bytes) };
    for (const [key, text] of Object.entries(texts)) say(this.cells[key], known ? text : NOTHING);
    say(this.cells.memory, bytes(ring.backed_bytes));
    this.plot.show(this.history, now, this.history.most("in", "out"));
    if (this.details !== null) this.details.show(ring, now);
  }
}
