// A card a window: its values over time, a line a key, and the latest as a table.
import {Chart, legend} from "./chart.js";
import {h, morph, table} from "./dom.js";
import {count, key, scalar, span, value, when} from "./format.js";

const kept = 240;  // results of a key
const lines = 8;   // in a chart

class Card {
  constructor(window) {
    this.name = window.name;
    this.keys = new Map();  // text: {key, results by end}
    this.choice = null;
    this.filter = "";
    this.dirty = true;
    this.box = h("div", {class: "chart"});
    this.pick = h("select", {"aria-label": `Value of ${window.name}`, onchange: () => { this.choice = this.pick.value; this.dirty = true; this.draw(); }});
    this.search = h("input", {type: "search", placeholder: "Filter keys", "aria-label": `Keys of ${window.name}`, oninput: () => { this.filter = this.search.value.toLowerCase(); this.dirty = true; this.draw(); }});
    this.search.hidden = true;
    this.note = h("p", {class: "quiet"});
    this.legend = h("ul", {class: "legend"});
    this.empty = h("p", {class: "empty"});
    this.latest = h("div");
    this.details = h("details", {}, h("summary", {}, "Latest values"), this.latest);
    this.details.addEventListener("toggle", () => { this.dirty = true; this.draw(); });
    this.element = h("article", {class: "card", "aria-label": `Window ${window.name}`},
      h("div", {class: "card-head"}, h("h3", {}, window.name), h("div", {}, this.pick, " ", this.search)),
      this.note, this.empty, this.box, this.legend, this.details);
    this.chart = new Chart(this.box, `Values of window ${window.name}`, "");
  }

  add(result) {
    const text = key(result.key);
    if (!this.keys.has(text)) this.keys.set(text, {results: new Map()});
    const {results} = this.keys.get(text);
    results.delete(result.end);
    results.set(result.end, result);
    while (results.size > kept) results.delete(results.keys().next().value);
    this.dirty = true;
  }

  describe(window) {
    const every = window.size_seconds > 0 ? `, every ${span(window.size_seconds)}` : "";
    const by = window.by?.length ? `, by ${window.by.join(" and ")}` : "";
    const late = window.late > 0 ? `, ${count(window.late)} events too late` : "";
    this.note.textContent = `from ${window.from ?? "?"}${by}${every}: ${count(window.emitted)} results, ${count(window.groups)} of ${count(window.groups_max)} groups open${late}`;
    this.select = window.select || [];
    this.draw();
  }

  choices() {
    const last = [...this.keys.values()].at(-1)?.results;
    const result = last ? [...last.values()].at(-1) : null;
    return result ? Object.keys(result.values).filter((name) => [...last.values()].some((one) => scalar(one.values[name]) !== null)) : [];
  }

  draw() {
    if (!this.dirty) return;
    this.dirty = false;
    const choices = this.choices();
    const none = this.keys.size === 0;
    this.empty.textContent = none ? "No result yet. The first one comes when the watermark passes the end of a window." : "";
    this.box.hidden = none || choices.length === 0;
    this.pick.hidden = choices.length === 0;
    this.details.hidden = none;
    this.search.hidden = this.keys.size <= lines;
    if (none) return;
    if (!choices.includes(this.choice)) this.choice = choices[0];
    morph(this.pick, choices.map((name) => h("option", {value: name, selected: name === this.choice}, name)));
    this.pick.value = this.choice ?? "";
    const all = [...this.keys].filter(([text]) => text.toLowerCase().includes(this.filter)).sort(([a], [b]) => a.localeCompare(b, undefined, {numeric: true}));
    const shown = all.slice(0, lines);
    this.chart.label = this.select.find((one) => one.name === this.choice)?.expression ?? this.choice ?? "";
    this.chart.name = `${this.choice} of window ${this.name}`;
    const ends = [...new Set(shown.flatMap(([, {results}]) => [...results.keys()]))].sort((a, b) => a - b).slice(-kept);
    this.chart.show(ends.map((end) => end / 1000),
      shown.map(([name, {results}]) => ({name, values: ends.map((end) => (results.has(end) ? scalar(results.get(end).values[this.choice]) : null))})));
    this.legend.replaceChildren(...(shown.length > 1 ? legend(shown.map(([name]) => name)) : []),
      ...(all.length > shown.length ? [h("li", {class: "quiet"}, `${shown.length} of ${all.length} keys: filter to see others`)] : []));
    if (this.details.open) this.fill(all);
  }

  fill(all) {
    const latest = all.slice(0, 100).map(([name, {results}]) => [name, [...results.values()].at(-1)]);
    const names = [...new Set(latest.flatMap(([, result]) => Object.keys(result.values)))];
    const mark = (result) => (result.provisional ? " (so far)" : result.partial ? " (partial)" : "");
    morph(this.latest, table(`The last result of each key of ${this.name}; bounds at 95 % where there are some`,
      [{name: "key"}, {name: "until"}, ...names.map((name) => ({name, numeric: true}))],
      latest.map(([name, result]) => [name, when(result.end) + mark(result), ...names.map((one) => value(result.values[one]))])));
  }
}

export class Windows {
  constructor(box) {
    this.box = box;
    this.cards = new Map();
  }

  add(result) {
    this.card(result.window, {name: result.window}).add(result);
  }

  card(name, window) {
    if (!this.cards.has(name)) {
      const card = new Card(window);
      this.cards.set(name, card);
      this.box.append(card.element);
    }
    return this.cards.get(name);
  }

  update(overview) {
    overview.windows.forEach((window) => this.card(window.name, window).describe(window));
    this.cards.forEach((card) => card.draw());
    if (overview.windows.length === 0 && this.cards.size === 0)
      morph(this.box, h("p", {class: "empty"}, "This configuration has no window."));
  }
}
