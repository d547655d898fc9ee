// What stands at present, as text, tables and bars.
import {bar, h, pairs, table} from "./dom.js";
import {bytes, count, number, span, time, when} from "./format.js";

const fact = (name, value, more, tone) => h("div", {}, h("dt", {}, name), h("dd", {class: tone}, value, more ? h("small", {}, more) : null));

function uplinkWords(uplink) {
  if (!uplink.configured) return ["none", "results stay here", null];
  if (uplink.state === "streaming") return ["connected", uplink.bridge, "good"];
  const next = uplink.next_try_seconds > 0 ? `next try in ${span(uplink.next_try_seconds)}` : "trying";
  return [uplink.state === "greeting" ? "greeting" : "away", next, "warn"];
}

export function facts(overview, open, rate) {
  const {memory, outbox, board, clock} = overview;
  const share = memory.used_bytes / memory.budget_bytes;
  const [uplink, why, tone] = uplinkWords(overview.uplink);
  const hottest = board.temperatures.reduce((most, one) => (most === null || one.celsius > most.celsius ? one : most), null);
  return [
    fact("Coming in", rate === null ? "–" : `${number(Math.round(rate * 10) / 10)}/s`, `${count(overview.sources.reduce((sum, s) => sum + s.events, 0))} events so far`),
    fact("Open alerts", count(open), open ? "see below" : "all quiet", open ? "bad" : "good"),
    fact("Uplink", uplink, why, tone),
    fact("Waiting", count(outbox.records), outbox.oldest === null ? "nothing to deliver" : `oldest ${span((clock.time - outbox.oldest) / 1000)}`, outbox.dropped > 0 ? "bad" : null),
    fact("Memory", `${Math.round(share * 100)} %`, `${bytes(memory.used_bytes)} of ${bytes(memory.budget_bytes)}`, share > 0.97 ? "bad" : null),
    fact("Clock", clock.trusted ? (clock.synchronized ? "in step" : "set") : "not set", clock.synchronized ? `within ${span(clock.error_seconds)}` : clock.trusted ? "by no time server now" : "times of arrival cannot be trusted", clock.trusted ? null : "bad"),
    fact("Board", hottest ? `${hottest.celsius.toFixed(1)} °C` : "–", hottest ? hottest.zone : "no thermometer found", hottest && hottest.celsius >= 80 ? "bad" : null),
  ];
}

export function incoming(overview, rates) {
  const links = overview.mqtt.map((one) => [
    one.url + (one.lane ? `, lane ${one.lane}` : ""),
    h("span", {class: one.connected ? "good" : "bad"}, one.connected ? "connected" : "not connected"),
    count(one.messages), count(one.lost_connections),
    one.refused_subscriptions ? h("span", {class: "bad"}, `${count(one.refused_subscriptions)} refused`) : "all taken",
  ]);
  const sources = overview.sources.map((one) => [
    one.name, rates.of(one.name) === null ? "–" : number(Math.round(rates.of(one.name) * 10) / 10), count(one.events), bytes(one.bytes),
    one.rejected_total ? h("span", {class: "bad"}, Object.entries(one.rejected).filter(([, n]) => n > 0).map(([why, n]) => `${count(n)} ${why.replaceAll("_", " ")}`).join(", ")) : "none",
  ]);
  const nothing = overview.sources.every((one) => one.messages === 0)
    ? h("p", {class: "card empty"}, overview.mqtt.some((one) => one.connected) ? "Nothing has come yet. The broker is connected: do the topics say what the senders publish to?" : "Nothing has come yet, and no broker is connected: see the agent's log.") : null;
  return [nothing,
    h("div", {class: "card"}, table("Sources", [{name: "source"}, {name: "events/s", numeric: true}, {name: "events", numeric: true}, {name: "payload", numeric: true}, {name: "not decoded"}], sources)),
    links.length ? h("div", {class: "card"}, table("Connections to brokers", [{name: "broker"}, {name: "state"}, {name: "messages", numeric: true}, {name: "lost", numeric: true}, {name: "subscriptions"}], links)) : null];
}

export function clock(overview) {
  const {clock} = overview;
  const words = !clock.trusted ? "not set: it stands before this program's release, so times of arrival cannot be trusted"
    : clock.synchronized ? `kept by a time server, wrong by ${span(clock.error_seconds)} at most` : "set, but no time server keeps it at present";
  return h("div", {class: "card"}, pairs([["Board's clock", h("span", {class: clock.trusted ? null : "bad"}, words)], ["It says", new Date(clock.time).toISOString().replace("T", " ").slice(0, 19) + " UTC"],
    ...overview.board.temperatures.map((one) => [`Temperature of ${one.zone || "the board"}`, `${one.celsius.toFixed(1)} °C`])]));
}

export function times(overview) {
  const now = overview.clock.time;
  const behind = (t) => (t === null ? "–" : span((now - t) / 1000));
  return overview.sources.map((source) => h("div", {class: "card"},
    h("div", {class: "card-head"}, h("h3", {}, source.name), h("p", {class: "quiet"}, `watermark ${when(source.watermark)}, ${behind(source.watermark)} behind; waits ${span(source.lateness_seconds)} for late events`)),
    source.partitions.length === 0 ? h("p", {class: "empty"}, "No event yet, so there is no watermark.")
      : table(source.partition_count > source.partitions.length ? `The ${source.partitions.length} of ${count(source.partition_count)} partitions that are furthest behind` : "Watermarks by partition",
        [{name: "partition"}, {name: "watermark"}, {name: "behind", numeric: true}, {name: "newest event"}, {name: "state"}],
        source.partitions.map((one) => [one.name || "all", when(one.watermark), behind(one.watermark), when(one.newest),
          one.active ? (one.name === source.holder && source.partition_count > 1 ? "holds the others" : "active") : "idle, waited for no more"]))));
}

export function delivery(overview) {
  const {outbox, uplink, clock} = overview;
  const share = outbox.limit_bytes ? outbox.used_bytes / outbox.limit_bytes : 0;
  const lost = outbox.dropped + outbox.refused;
  const [state, , tone] = uplinkWords(uplink);
  return [
    h("div", {class: "card"}, h("div", {class: "card-head"}, h("h3", {}, "Outbox")),
      outbox.limit_bytes ? bar(share, `${Math.round(share * 100)} % of the outbox in use`, 0.8, true) : null,
      pairs([["Waiting", outbox.records ? `${count(outbox.records)} records` : "nothing"], ["Oldest", outbox.oldest === null ? "–" : `${when(outbox.oldest)}, ${span((clock.time - outbox.oldest) / 1000)} ago`],
        ["On flash", outbox.limit_bytes ? `${bytes(outbox.used_bytes)} of ${bytes(outbox.limit_bytes)}; the mark is where it is coarsened` : bytes(outbox.used_bytes)], ["Written so far", bytes(outbox.flash_written_bytes)],
        ["Merged", `${count(outbox.merged)} results, for want of room`], ["Lost", h("span", {class: lost ? "bad" : null}, lost ? `${count(lost)} records` : "none")],
        ...(outbox.medium_errors ? [["Medium", h("span", {class: "bad"}, `${count(outbox.medium_errors)} errors`)]] : [])])),
    h("div", {class: "card"}, h("div", {class: "card-head"}, h("h3", {}, "Uplink"), h("p", {class: tone}, state)),
      uplink.configured ? pairs([["Bridge", uplink.url], ["Delivered", `${count(uplink.acknowledged)} of ${count(uplink.numbered)} numbered`], ["Last", when(uplink.last_acknowledged)], ["Sent", bytes(uplink.sent_bytes)],
        ["Sessions", `${count(uplink.sessions)}, ${count(uplink.failures)} failures`], ...(uplink.state !== "streaming" && uplink.reason ? [["Why not", h("span", {class: "warn"}, uplink.reason)]] : [])])
        : h("p", {class: "empty"}, "No uplink is configured: results stay on this board.")),
  ];
}

export function memory(overview) {
  const {memory} = overview;
  const parts = [...memory.parts].sort((a, b) => b.bytes - a.bytes);
  const most = parts[0]?.bytes || 1;
  return h("div", {class: "card"},
    bar(memory.used_bytes / memory.budget_bytes, `${bytes(memory.used_bytes)} of ${bytes(memory.budget_bytes)} in use, ${bytes(memory.planned_bytes)} planned`, memory.planned_bytes / memory.budget_bytes, true),
    h("p", {class: "quiet"}, `${bytes(memory.used_bytes)} in use, ${bytes(memory.planned_bytes)} planned (the mark), ${bytes(memory.budget_bytes)} allowed; ${bytes(memory.resident_bytes)} resident with its code`),
    h("details", {"data-key": "parts"}, h("summary", {}, `All ${parts.length} parts`),
      table("Parts of the plan, largest first; in use where something counts it",
        [{name: "part"}, {name: "planned", numeric: true}, {name: "share"}, {name: "in use", numeric: true}],
        parts.map((part) => [part.name, bytes(part.bytes), bar(part.bytes / most, `${bytes(part.bytes)}`), part.used_bytes === undefined ? (part.mapped ? "shared mapping" : "–") : bytes(part.used_bytes)]))));
}
