// Open alerts, and acknowledging them with the token.
import {h} from "./dom.js";
import {key, value, when} from "./format.js";

const order = {critical: 0, warning: 1, info: 2};
const told = new Set(["state", "severity", "message", "id", "sequence", "test", "reason"]);

// What stands, as the agent says; what led to it, where a transition tells.
export function openAlerts(overview, transitions) {
  const byId = new Map([...transitions.values()].map((record) => [record.values.id, record]));
  return overview.open_alerts.map((one) => {
    const record = one.id ? byId.get(one.id) : undefined;
    return {...one, label: record ? key(record.key) : one.key || "all", message: record?.values.message ?? "", values: record?.values ?? {}};
  }).sort((a, b) => (a.state === "pending") - (b.state === "pending") || order[a.severity] - order[b.severity] || b.since - a.since);
}

function card(alert, may) {
  const values = Object.entries(alert.values ?? {}).filter(([name]) => !told.has(name)).map(([name, one]) => `${name} ${value(one)}`).join(", ");
  const seen = alert.state === "acknowledged";
  const pending = alert.state === "pending";
  const name = `${alert.alert}, ${alert.label}`;
  const tag = pending ? "pending" : alert.state === "flapping" ? `${alert.severity}, flapping` : alert.severity;
  return h("div", {class: `alert ${alert.severity} ${seen || pending ? "seen" : ""}`, "data-key": `${alert.alert}/${alert.key}/${alert.state}`},
    h("div", {}, h("p", {}, h("span", {class: "tag"}, tag), " ", h("strong", {}, alert.alert), ` – ${alert.label}`),
      alert.message ? h("p", {}, alert.message) : null,
      h("p", {class: "quiet"}, `since ${when(alert.since)}${values ? `: ${values}` : ""}`)),
    seen ? h("p", {class: "quiet"}, "acknowledged") : may && !pending ? h("button", {type: "button", "aria-label": `Acknowledge ${name}`, onclick: () => acknowledge(alert)}, "Acknowledge") : null);
}

export function alerts(overview, list) {
  const standing = overview.alerts.reduce((sum, one) => sum + one.raised, 0) - list.filter((one) => one.state !== "pending").length;
  const cards = list.map((alert) => card(alert, overview.agent.can_acknowledge === true));
  if (overview.alerts.length === 0) return h("p", {class: "card empty"}, "This configuration has no alert.");
  const more = standing > 0 ? h("p", {class: "quiet"}, `${standing} more stand than this list holds.`) : null;
  if (cards.length === 0 && !more) return h("p", {class: "card empty"}, `None of ${overview.alerts.length === 1 ? "one alert" : `${overview.alerts.length} alerts`} stands.`);
  return [...cards, more];
}

const $ = (id) => document.getElementById(id);
let asked = null;
let token = sessionStorage.getItem("weir-token") ?? "";

async function send(alert) {
  const headers = token ? {Authorization: `Bearer ${token}`} : {};
  return fetch(`/api/v1/alerts/${encodeURIComponent(alert.alert)}/ack?key=${encodeURIComponent(alert.key)}`, {method: "POST", headers});
}

async function acknowledge(alert) {
  asked = alert;
  if (token) {
    const answer = await send(alert);
    if (answer.ok) return;
    $("token-wrong").textContent = answer.status === 401 ? "The agent did not take the token." : (await answer.json()).error;
  } else {
    $("token-wrong").textContent = "";
  }
  $("token-what").textContent = `${alert.alert}, ${alert.label}`;
  $("token-dialog").showModal();
}

$("token-cancel").addEventListener("click", () => $("token-dialog").close());
$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  try {
    const answer = await send(asked);
    if (answer.ok) {
      sessionStorage.setItem("weir-token", token);
      $("token-dialog").close();
      $("token").value = "";
      return;
    }
    if (answer.status === 401) token = "";
    $("token-wrong").textContent = answer.status === 401 ? "The agent did not take this token." : (await answer.json()).error;
  } catch {
    $("token-wrong").textContent = "The agent does not answer.";
  }
});
