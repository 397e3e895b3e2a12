// SPDX-License-Identifier: Apache-2.0
// Asks /api/rings once a second and shows what comes.
import { bytes, count, rate, time } from "./figures.js";
import { $, facts, make, say } from "./nodes.js";
import { Row } from "./row.js";

const LOOK_MS = 1000;

const ORDERS = {
  name: (ring) => ring.name,
  state: (ring) => ring.state,
  depth: (ring) => ring.depth,
  queued: (ring) => ring.stats.messages,
  in: (ring) => rate(ring, "messages_in") ?? -1,
  out: (ring) => rate(ring, "messages_out") ?? -1,
  bytes: (ring) => rate(ring, "bytes_out") ?? -1,
  oldest: (ring) => ring.oldest_seconds ?? -1,
  participants: (ring) => ring.producers + ring.workers + ring.subscribers,
  size: (ring) => ring.stats.total_data_bytes,
  memory: (ring) => ring.backed_bytes,
};

class Page {
  constructor() {
    this.rows = new Map();
    this.order = "name";
    this.ascending = true;
    this.now = 0;
    this.answered = performance.now();
    this.paused = false;
    for (const heading of document.querySelectorAll("th[data-order]")) this.addOrder(heading);
    this.markOrder();
    $("#pause").addEventListener("click", () => this.pause(!this.paused));
  }

  addOrder(heading) {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const order = heading.dataset.order;
      const texts = order === "name" || order === "state";
      this.ascending = order === this.order ? !this.ascending : texts;
      this.order = order;
      this.markOrder();
      this.arrange();
    });
  }

  markOrder() {
    for (const heading of document.querySelectorAll("th[data-order]")) {
      if (heading.dataset.order !== this.order) heading.removeAttribute("aria-sort");
      else heading.setAttribute("aria-sort", this.ascending ? "ascending" : "descending");
    }
  }

  pause(wanted) {
    this.paused = wanted;
    $("#pause").setAttribute("aria-pressed", String(wanted));
    say($("#pause"), wanted ? "Go on" : "Pause");
    if (wanted) this.tell("", "paused");
    else this.look();
  }

  tell(kind, text) {
    $("#connection").className = kind;
    say($("#connection"), text);
    document.body.classList.toggle("lost", kind === "lost");
  }

  /** Moves only rows that stand at another place, so that the focus stays. */
  arrange() {
    const figure = ORDERS[this.order];
    const sign = this.ascending ? 1 : -1;
    const sorted = [...this.rows.values()].sort((left, right) => {
      const [one, other] = [figure(left.ring), figure(right.ring)];
      if (one !== other) return one < other ? -sign : sign;
      return left.ring.name < right.ring.name ? -1 : 1;
    });
    const wanted = sorted.flatMap((row) => row.nodes());
    const body = $("#rings tbody");
    wanted.forEach((node, index) => {
      if (body.children[index] !== node) body.insertBefore(node, body.children[index] ?? null);
    });
    while (body.children.length > wanted.length) body.lastChild.remove();
  }

  showTotals(answer) {
    const { rings, directory } = answer;
    const sum = (key) => rings.reduce((total, ring) => total + (rate(ring, key) ?? 0), 0);
    const pairs = [[rings.length === 1 ? "ring" : "rings", String(rings.length)],
                   ["messages/s", count(sum("messages_out"))],
                   ["out", `${bytes(sum("bytes_out"))}/s`]];
    if (directory.free_bytes !== null) {
      pairs.push([`free in ${directory.path}`, bytes(directory.free_bytes)]);
    }
    facts($("#totals"), pairs);
    $("#rings").hidden = rings.length === 0;
    $("#none").hidden = rings.length > 0;
    say($("#none"), `There are no rings in ${directory.path}. One that comes is shown here.`);
  }

  /** Sentences, each with the command that helps, of the rings that have some. */
  async showTroubles(rings) {
    const troubled = rings.filter((ring) => ring.findings.length > 0).slice(0, 20);
    const found = (await Promise.all(troubled.map(async ({ name }) => {
      const answer = await fetch(`api/rings/${encodeURIComponent(name)}`);
      const ring = answer.ok ? await answer.json() : { findings: [] };
      return ring.findings.map((finding) => ({ name, ...finding }));
    }))).flat();
    const list = $("#troubles ul");
    while (list.children.length > found.length) list.lastChild.remove();
    found.forEach((finding, index) => {
      if (!list.children[index]) {
        list.append(make("li", {}, make("b"), make("span"), make("span", { className: "evidence" }),
                         make("span", { className: "command" })));
      }
      const [name, sentence, evidence, command] = list.children[index].children;
      say(name, `${finding.name}: `);
      say(sentence, finding.sentence);
      say(evidence, ` (${finding.evidence})`);
      say(command, finding.command);
      command.hidden = finding.command === "";
      list.children[index].title = finding.advice;
    });
    $("#troubles").hidden = found.length === 0;
  }

  async show(answer) {
    this.now = performance.now() / 1000;
    const seen = new Set();
    for (const ring of answer.rings) {
      // Names that cannot be shown as they are may look the same.
      let key = ring.name;
      while (seen.has(key)) key += "\n";
      seen.add(key);
      if (!this.rows.has(key)) this.rows.set(key, new Row(ring.name));
      this.rows.get(key).show(ring, this.now);
    }
    for (const key of this.rows.keys()) {
      if (!seen.has(key)) this.rows.delete(key);
    }
    this.showTotals(answer);
    this.arrange();
    const open = [...this.rows.values()].filter((row) => row.details !== null);
    await Promise.all([this.showTroubles(answer.rings), ...open.map((row) => row.details.ask())]);
  }

  async look() {
    if (this.paused || this.looking || document.hidden) return;
    this.looking = true;
    try {
      const response = await fetch("api/rings");
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      await this.show(answer);
      this.answered = performance.now();
      if (!this.paused) this.tell("live", "live");
    } catch (error) {
      const silent = time((performance.now() - this.answered) / 1000);
      const isGone = error instanceof TypeError;
      this.tell("lost", isGone ? `no answer from ipc0cp serve for ${silent}` : error.message);
    } finally {
      this.looking = false;
    }
  }
}

const page = new Page();
page.look();
setInterval(() => page.look(), LOOK_MS);
document.addEventListener("visibilitychange", () => page.look());
