// SPDX-License-Identifier: Apache-2.0
// Under a ring whose name was pressed: plots, figures, participants.
import { NOTHING, bytes, count, counted, hasFigures, percent, time } from "./figures.js";
import { facts, make, say } from "./nodes.js";
import { Plot } from "./plots.js";

function detailsText(ring) {
  const options = [ring.options.redeliver && "redeliver", ring.options.reserved && "reserved"];
  return [
    ["size", bytes(ring.stats.total_data_bytes)],
    ["memory", bytes(ring.backed_bytes)],
    ["in use", bytes(ring.stats.used_bytes)],
    ["largest that fits now", bytes(ring.memory.largest_that_fits_bytes)],
    ["views out", `${ring.memory.views_out} of ${bytes(ring.memory.views_out_bytes)}`],
    ["pushed", count(ring.stats.pushed)],
    ["popped", count(ring.stats.popped)],
    ["dropped", count(ring.stats.dropped)],
    ["lost", count(ring.stats.lost)],
    ["overflowed", count(ring.stats.overflowed)],
    ["age", time(ring.age_seconds)],
    ["options", options.filter(Boolean).join(", ") || "none"],
  ];
}

function holdings(one) {
  const parts = [one.loans && `${counted(one.loans, "loan")} of ${bytes(one.loan_bytes)}`,
                 one.views && `${counted(one.views, "view")} of ${bytes(one.view_bytes)}`];
  return parts.filter(Boolean).join(", ") || NOTHING;
}

function peopleRows(ring) {
  return ring.participants.map((one) => [
    one.role,
    `${one.process_id} ${one.process_name}`,
    one.process_state,
    one.waits_for === "nothing" ? NOTHING : `${one.waits_for}, ${time(one.blocked_seconds)}`,
    holdings(one),
    one.role === "subscriber" ? count(one.unread) : NOTHING,
    count(one.messages),
    bytes(one.bytes),
    time(one.attached_seconds),
  ]);
}

export class Details {
  constructor(row) {
    this.row = row;
    this.plots = [
      ["Messages/s", ["in", "out"], count],
      ["Bytes/s out", ["bytes"], (value) => `${bytes(value)}/s`],
      ["Depth", ["depth"], percent],
    ].map(([title, keys, format]) => ({ plot: new Plot("plot", keys), most: make("span"), keys,
                                        format, title }));
    this.facts = make("dl", { className: "facts" });
    this.problem = make("p", { className: "bad" });
    this.people = make("tbody");
    const headings = ["Role", "Process", "State", "Waits for", "Holds", "Unread", "Messages",
                      "Bytes", "Here"];
    this.peopleTable = make("div", { className: "people" }, make("table", {},
      make("thead", {}, make("tr", {}, ...headings.map((text, index) =>
        make("th", { scope: "col", className: index > 4 ? "number" : "" }, text)))),
      this.people));
    const title = make("h2", { hidden: row.ringName.length < 25 }, row.ringName);
    const figures = this.plots.map((one) => make("figure", {},
      make("figcaption", {}, make("b", {}, one.title), one.most), one.plot.node,
      make("div", { className: "ends" }, make("span", {}, "2 min ago"), make("span", {}, "now"))));
    this.node = make("tr", { className: "details", id: row.detailsId },
      make("td", { colSpan: 12 }, make("div", {}, title, this.problem, this.facts,
        make("div", { className: "plots" }, ...figures),
        make("h3", {}, "Who takes part"), this.peopleTable)));
  }

  show(ring, now) {
    for (const one of this.plots) {
      const most = one.keys[0] === "depth" ? 1 : this.row.history.most(...one.keys);
      say(one.most, one.keys[0] === "depth" ? `now ${percent(ring.depth)}`
                                            : `most ${one.format(most)}`);
      one.plot.show(this.row.history, now, most);
    }
    say(this.problem, ring.problem);
    this.problem.hidden = ring.problem === "";
  }

  async ask() {
    const answer = await fetch(`api/rings/${encodeURIComponent(this.row.ringName)}`);
    if (!answer.ok) return; // It has gone; the next look at all rings says so.
    const ring = await answer.json();
    facts(this.facts, hasFigures(ring) ? detailsText(ring) : []);
    const rows = peopleRows(ring);
    while (this.people.children.length > rows.length) this.people.lastChild.remove();
    rows.forEach((cells, place) => {
      if (!this.people.children[place]) {
        this.people.append(make("tr", {}, ...cells.map((_, index) =>
          make("td", { className: index > 4 ? "number" : "" }))));
      }
      cells.forEach((text, index) => say(this.people.children[place].children[index], text));
    });
  }
}
