// Events a second by source, from what two overviews differ in.
import {Chart, legend} from "./chart.js";

const kept = 300;  // seconds

export class Rates {
  constructor(box) {
    this.chart = new Chart(box, "Events a second by source, the last five minutes", "events/s");
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    box.after(this.legend);
    this.before = null;
    this.times = [];
    this.values = new Map();
  }

  add(overview) {
    const at = overview.clock.time / 1000;
    const before = this.before;
    this.before = overview;
    if (!before || overview.clock.time <= before.clock.time) return;
    const passed = at - before.clock.time / 1000;
    this.times.push(at);
    overview.sources.forEach((source, i) => {
      const rate = Math.max(0, (source.events - (before.sources[i]?.events ?? source.events)) / passed);
      if (!this.values.has(source.name)) this.values.set(source.name, Array(this.times.length - 1).fill(null));
      this.values.get(source.name).push(rate);
    });
    while (this.times.length > 1 && this.times[0] < at - kept) {
      this.times.shift();
      this.values.forEach((values) => values.shift());
    }
    const shown = [...this.values].slice(0, 8);
    if (this.legend.childElementCount !== shown.length && shown.length > 1) this.legend.replaceChildren(...legend(shown.map(([name]) => name)));
    this.chart.show(this.times, shown.map(([name, values]) => ({name, values})));
  }

  // Over the last five seconds.
  of(name) {
    const last = (this.values.get(name) || []).slice(-5).filter((v) => v !== null);
    return last.length ? last.reduce((a, b) => a + b, 0) / last.length : null;
  }
  now() {
    if (this.values.size === 0) return null;
    return [...this.values.keys()].reduce((sum, name) => sum + (this.of(name) ?? 0), 0);
  }
}
