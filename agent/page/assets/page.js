// The page: asks once for what stands, and then listens. Each second the agent says how it is; results come as they close.
import {alerts, openAlerts} from "./alerts.js";
import {h, morph} from "./dom.js";
import {count, time} from "./format.js";
import {clock, delivery, facts, incoming, memory, times} from "./sections.js";
import {Rates} from "./rates.js";
import {Windows} from "./windows.js";

const $ = (id) => document.getElementById(id);
const patient = 4000;  // ms without a word until the page says so

const state = {overview: null, transitions: new Map(), heard: 0};
const rates = new Rates($("rate-chart"));
const windows = new Windows($("windows-body"));

async function ask(path) {
  const answer = await fetch(path, {headers: {Accept: "application/json"}});
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function transition(record) {
  state.transitions.set(record.alert + "\n" + JSON.stringify(record.key), record);
}

function show(overview) {
  state.overview = overview;
  state.heard = performance.now();
  rates.add(overview);
  const listed = openAlerts(overview, state.transitions);
  const open = listed.filter((one) => one.state !== "pending" && one.state !== "acknowledged");
  $("agent").textContent = overview.agent.id;
  $("version").textContent = `weir ${overview.agent.version}, epoch ${count(overview.agent.epoch)}, ${time(overview.clock.time)}`;
  document.title = open.length ? `(${open.length}) ${overview.agent.id} – Weir` : `${overview.agent.id} – Weir`;
  morph($("facts"), facts(overview, open.length, rates.now()));
  morph($("alerts-body"), alerts(overview, listed));
  morph($("incoming-body"), incoming(overview, rates));
  morph($("clock-body"), clock(overview));
  morph($("time-body"), times(overview));
  morph($("delivery-body"), delivery(overview));
  morph($("memory-body"), memory(overview));
  windows.update(overview);
  link();
}

function link() {
  const silent = performance.now() - state.heard;
  const lost = state.overview !== null && silent > patient;
  const never = state.overview === null && silent > patient;
  const dot = document.querySelector("#link .dot");
  const stuck = state.overview && state.overview.agent.since_progress_seconds > 10;
  dot.className = `dot ${lost || never || stuck ? "bad" : state.overview ? "good" : ""}`;
  const text = lost || never ? "no connection" : stuck ? "engine stands" : state.overview ? "live" : "connecting";
  if ($("link-text").textContent !== text) $("link-text").textContent = text;
  const words = never ? "The agent does not answer. This page tries again by itself."
    : lost ? `The agent has said nothing for ${Math.round(silent / 1000)} s. What you see is from ${time(state.overview.clock.time)}; this page tries again by itself.`
    : stuck ? "The agent answers, but its engine has not gone on for more than 10 s: look at its log." : "";
  if ($("lost").textContent !== words) $("lost").textContent = words;
  $("lost").hidden = words === "";
}

async function begin() {
  try {
    const overview = await ask("/api/v1/overview");
    const {recent} = await ask("/api/v1/alerts");
    recent.forEach(transition);
    show(overview);
    for (const window of overview.windows) {
      const {results} = await ask(`/api/v1/windows/${encodeURIComponent(window.name)}`);
      results.forEach((result) => windows.add(result));
    }
    windows.update(overview);
    return true;
  } catch {
    link();
    return false;
  }
}

// A stream that the agent ends (a restart, a slow line) begins anew, with what stands.
function listen() {
  const stream = new EventSource("/api/v1/events");
  stream.addEventListener("results", (event) => JSON.parse(event.data).forEach((result) => windows.add(result)));
  stream.addEventListener("alerts", (event) => JSON.parse(event.data).forEach(transition));
  stream.addEventListener("overview", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    stream.close();
    setTimeout(start, 2000);
  });
}

async function start() {
  if (await begin()) listen();
  else setTimeout(start, 2000);
}

// The section that is being read is marked.
const links = new Map([...document.querySelectorAll(".top nav a")].map((a) => [a.hash.slice(1), a]));
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((a, id) => (id === entry.target.id ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current")));
  }
}, {rootMargin: "-20% 0px -70% 0px"});
links.forEach((_, id) => watch.observe($(id)));

morph($("alerts-body"), h("p", {class: "empty"}, "Asking the agent …"));
setInterval(link, 1000);
start();
