// Numbers, times and sizes as people read them.

const plain = new Intl.NumberFormat(undefined, {maximumFractionDigits: 0});
const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});

export const count = (n) => plain.format(n);

export function number(n) {
  if (n === null || n === undefined) return "–";
  const size = Math.abs(n);
  if (size >= 1000 || Number.isInteger(n)) return plain.format(n);
  return n.toLocaleString(undefined, {maximumSignificantDigits: 4});
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${(n / 1024).toFixed(n < 10240 ? 1 : 0)} KiB`;
  return `${(n / 1048576).toFixed(n < 104857600 ? 1 : 0)} MiB`;
}

export function span(seconds) {
  if (seconds < 0) return `${span(-seconds)} ahead`;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const time = (ms) => (ms === null ? "none yet" : clock.format(ms));
export const when = (ms) => (ms === null ? "none yet" : Math.abs(Date.now() - ms) < 43200000 ? clock.format(ms) : day.format(ms));

export function key(object) {
  const parts = Object.entries(object).map(([name, value]) => `${name} ${value === null ? "none" : value}`);
  return parts.length ? parts.join(", ") : "all";
}

// A value of a result as one number; null where it is not one.
export function scalar(value) {
  if (typeof value === "number") return value;
  if (value && typeof value === "object" && typeof value.estimate === "number") return value.estimate;
  return null;
}

export function value(v) {
  if (v === null || v === undefined) return "–";
  if (typeof v === "number") return number(v);
  if (typeof v !== "object") return String(v);
  if (typeof v.estimate === "number")
    return v.lower === v.upper ? number(v.estimate) : `${number(v.estimate)} (${number(v.lower)} to ${number(v.upper)})`;
  if (v.items) return v.items.slice(0, 5).map((item) => `${item.item} ${number(item.estimate)}`).join(", ") || "none";
  if (v.counts) return v.counts.map(number).join(" | ");
  return JSON.stringify(v);
}
