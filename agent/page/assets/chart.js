// A line chart with axes: uPlot, in the page's colours, as wide as its box, again when either changes.
import {number} from "./format.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = new Set();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.remake()));

export class Chart {
  // label: of the value's axis. name: for those who do not see it.
  constructor(box, name, label) {
    this.box = box;
    this.name = name;
    this.label = label;
    this.names = [];
    this.data = [[]];
    this.plot = null;
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", name);
    new ResizeObserver(() => this.resize()).observe(box);
    charts.add(this);
  }

  // times in seconds; a series is {name, values} with nulls where there is none.
  show(times, series) {
    const names = series.map((one) => one.name);
    this.data = [times, ...series.map((one) => one.values)];
    this.box.setAttribute("aria-label", `${this.name}. ${series.map((one) => `${one.name}: ${number(one.values.findLast((v) => v !== null) ?? null)}`).join("; ")}`);
    if (!this.plot || names.join("\n") !== this.names.join("\n")) {
      this.names = names;
      this.remake();
    } else {
      this.plot.setData(this.data);
    }
  }

  remake() {
    this.plot?.destroy();
    this.plot = null;
    if (this.box.clientWidth === 0 || this.data[0].length === 0) return;
    const soft = colour("--soft"), line = colour("--line");
    const font = "12px system-ui, sans-serif";
    const axis = {stroke: soft, font, labelFont: font, labelSize: 20, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1, size: 4}};
    this.plot = new uPlot({
      width: this.box.clientWidth, height: 220, padding: [12, 28, 0, 0],
      cursor: {y: false, points: {size: 6}},
      legend: {show: false},
      scales: {y: {range: (_, low, high) => padded(low, high)}},
      axes: [{...axis, label: "time of day", space: 70, size: 28, labelSize: 22, labelGap: 0, values: [[86400, "{D} {MMM}"], [3600, "{HH}:{mm}"], [60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"], [0.001, "{HH}:{mm}:{ss}"]]
          .map(([step, form]) => [step, form, null, null, null, null, null, null, 1])},
        {...axis, label: this.label, size: 56, values: (_, all) => all.map(number)}],
      series: [{}, ...this.names.map((name, i) => ({label: name, stroke: colour(`--c${i % 8}`), width: 2, spanGaps: true, points: {size: 5, show: this.data[0].length < 40}}))],
    }, this.data, this.box);
  }

  resize() {
    if (!this.plot) this.remake();
    else if (this.plot.width !== this.box.clientWidth && this.box.clientWidth > 0) this.plot.setSize({width: this.box.clientWidth, height: 220});
  }
}

// From zero where that loses little; a flat line lies in the middle.
function padded(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.1;
  const from = low >= 0 && low < (high - low) * 2 ? 0 : low - room;
  return [low === 0 && high === 0 ? 0 : from, high + room];
}

export function legend(names) {
  return names.map((name, i) => {
    const item = document.createElement("li");
    const mark = document.createElement("i");
    mark.style.background = `var(--c${i % 8})`;
    item.append(mark, name);
    return item;
  });
}
