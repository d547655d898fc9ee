// Open alerts, and acknowledging them with the token.
import {h} from "./dom.js";
import {key, value, when} from "./format.js";

const open = new Set(["raised", "acknowledged", "flapping"]);
const order = {critical: 0, warning: 1, info: 2};
const told = new Set(["state", "severity", "message", "id", "sequence", "test"]);

// What stands: as the agent says, or, of an earlier agent, as the last transitions do.
export function openAlerts(overview, transitions) {
  const list = overview.open_alerts ? overview.open_alerts.map((one) => ({...one, severity: one.severity})) : [...transitions.values()]
    .filter((record) => open.has(record.values.state))
    .map((record) => ({alert: record.alert, key: record.key, state: record.values.state, severity: record.values.severity, since: record.end, message: record.values.message ?? "", values: record.values}));
  return list.sort((a, b) => order[a.severity] - order[b.severity] || b.since - a.since);
}

function card(alert, may) {
  const values = Object.entries(alert.values ?? {}).filter(([name]) => !told.has(name)).map(([name, one]) => `${name} ${value(one)}`).join(", ");
  const seen = alert.state === "acknowledged";
  const name = `${alert.alert}, ${key(alert.key)}`;
  return h("div", {class: `alert ${alert.severity} ${seen ? "seen" : ""}`, "data-key": `${alert.alert}/${JSON.stringify(alert.key)}/${alert.state}`},
    h("div", {}, h("p", {}, h("span", {class: "tag"}, alert.state === "flapping" ? `${alert.severity}, flapping` : alert.severity), " ", h("strong", {}, alert.alert), ` – ${key(alert.key)}`),
      alert.message ? h("p", {}, alert.message) : null,
      h("p", {class: "quiet"}, `since ${when(alert.since)}${values ? `: ${values}` : ""}`)),
    seen ? h("p", {class: "quiet"}, "acknowledged") : may ? h("button", {type: "button", "aria-label": `Acknowledge ${name}`, onclick: () => acknowledge(alert)}, "Acknowledge") : null);
}

export function alerts(overview, list) {
  const standing = overview.alerts.reduce((sum, one) => sum + one.raised, 0);
  const cards = list.map((alert) => card(alert, overview.agent.can_acknowledge === true));
  if (overview.alerts.length === 0) return h("p", {class: "card empty"}, "This configuration has no alert.");
  const more = standing > list.length ? h("p", {class: "quiet"}, `${standing - list.length} more stand that were raised longer ago than this list reaches: ${overview.alerts.filter((one) => one.raised).map((one) => `${one.name} ${one.raised}`).join(", ")}`) : null;
  if (cards.length === 0 && !more) return h("p", {class: "card empty"}, `None of ${overview.alerts.length === 1 ? "one alert" : `${overview.alerts.length} alerts`} stands.`);
  return [...cards, more];
}

const $ = (id) => document.getElementById(id);
let asked = null;
let token = sessionStorage.getItem("weir-token") ?? "";

async function send(alert) {
  const headers = {"Content-Type": "application/json"};
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(`/api/v1/alerts/${encodeURIComponent(alert.alert)}/ack`, {method: "POST", headers, body: JSON.stringify({key: alert.key_text ?? ""})});
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
  $("token-what").textContent = `${alert.alert}, ${key(alert.key)}`;
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
