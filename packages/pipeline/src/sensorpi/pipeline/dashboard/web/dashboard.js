// The page: the user's choices, the address that contains them, and the refresh.

import {dateTime, inputValue} from "./format.js";
import {PanelView} from "./panel.js";

const RANGES = {
  "5m": "5 minutes", "15m": "15 minutes", "30m": "30 minutes", "1h": "1 hour", "3h": "3 hours", "6h": "6 hours",
  "12h": "12 hours", "24h": "24 hours", "2d": "2 days", "7d": "7 days", "30d": "30 days", "90d": "90 days",
  "1y": "1 year", "2y": "2 years",
};
const REFRESHES = {0: "off", 5: "5 s", 10: "10 s", 30: "30 s", 60: "1 min", 300: "5 min"};
const LONGEST_PAUSE_S = 30;  // the maximum wait between retries

const $ = (id) => document.getElementById(id);
const state = {dashboards: [], dashboard: null, from: "", to: "", host: "", refresh: 5, views: [], shown: null};
let timer, asked = new AbortController(), failures = 0;

class Failed extends Error {}

async function get(path, parameters, signal) {
  let answer;
  try {
    answer = await fetch(`${path}?${new URLSearchParams(parameters)}`, {signal});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed("The dashboard's server does not answer.");
  }
  let body = {};
  try { body = await answer.json(); } catch { /* not our JSON: the status is reported */ }
  if (!answer.ok) throw new Failed(body.error ?? `The server answered ${answer.status}.`);
  return body;
}

// The choices

function readAddress() {
  const address = new URLSearchParams(location.search);
  state.dashboard = state.dashboards.find(({uid}) => uid === address.get("dashboard")) ?? state.dashboards[0];
  const [from, to] = state.dashboard.range;
  state.from = address.get("from") || from;
  state.to = address.get("to") || (address.get("from") ? "now" : to);
  state.host = address.get("host") ?? "";
}

function permalink(changes) {
  const {uid} = state.dashboard;
  const {from, to, host} = state;
  return `?${new URLSearchParams({dashboard: uid, from, to, ...(host && {host}), ...changes})}`;
}

function choose(changes) {
  Object.assign(state, changes);
  history.pushState(null, "", permalink());
  showChoice();
  refresh();
}

// The bar

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

function showChoice() {
  document.title = `${state.dashboard.title} – sensorpi`;
  $("dashboards").replaceChildren(...state.dashboards.map(({uid, title, description}) => {
    const link = Object.assign(document.createElement("a"), {textContent: title, title: description});
    link.href = `?${new URLSearchParams({dashboard: uid, from: state.from, to: state.to})}`;
    if (uid === state.dashboard.uid) link.setAttribute("aria-current", "page");
    return link;
  }));
  const preset = state.to === "now" && state.from.replace(/^now-/, "");
  const options = Object.entries(RANGES).map(([length, text]) => [length, `Last ${text}`]);
  if (!(preset in RANGES)) options.unshift(["shown", "This range"]);
  fill($("range"), [...options, ["custom", "From … to …"]], preset in RANGES ? preset : "shown");
  fill($("refresh"), Object.entries(REFRESHES), String(state.refresh));
}

async function showHosts(signal) {
  const {hosts} = await get("api/hosts", {dashboard: state.dashboard.uid}, signal);
  if (state.host && !hosts.includes(state.host)) hosts.push(state.host);
  const known = [...$("host").options].map(({value}) => value).slice(1);
  if (known.join("\n") !== hosts.join("\n") || $("host").value !== state.host || !$("host").options.length) {
    fill($("host"), [["", "All"], ...hosts.map((host) => [host, host])], state.host);
  }
}

function openCustomRange() {
  const [from, to] = state.shown ?? [Date.now() - 3_600_000, Date.now()];
  $("custom-from").value = inputValue(from);
  $("custom-to").value = inputValue(to);
  $("custom-error").textContent = "";
  $("custom-range").hidden = false;
  $("custom-from").focus();
}

function closeCustomRange() {
  $("custom-range").hidden = true;
  showChoice();
  $("range").focus();
}

function useCustomRange(event) {
  event.preventDefault();
  const [from, to] = ["custom-from", "custom-to"].map((id) => new Date($(id).value).getTime());
  if (!(from < to)) {
    $("custom-error").textContent = "The range must end after its start.";
    return;
  }
  $("custom-range").hidden = true;
  choose({from: String(from), to: String(to)});
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const theme = localStorage.getItem("theme") ?? (systemDark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "☀ Light" : "☾ Dark";
  $("theme").setAttribute("aria-label", theme === "dark" ? "Switch to light colours" : "Switch to dark colours");
  for (const view of state.views) view.repaint();
}

function switchTheme() {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  // The system's theme is not stored, so that the page follows the system again.
  if (other === (systemDark.matches ? "dark" : "light")) localStorage.removeItem("theme");
  else localStorage.setItem("theme", other);
  showTheme();
}

// The panels

/** Widths that fill each line of 24 columns, for panels that want `wish(panel)` of them. */
function pack(panels, wish) {
  const widths = panels.map((panel) => Math.min(24, wish(panel)));
  let used = 0;
  widths.forEach((width, index) => {
    used += width;
    if (used + (widths[index + 1] ?? 24) > 24) {
      widths[index] += 24 - used;
      used = 0;
    }
  });
  return widths;
}

function layOut() {
  for (const view of state.views) view.destroy();
  const {panels} = state.dashboard;
  const medium = pack(panels, (panel) => panel.grid[2] * 2);
  const narrow = pack(panels, (panel) => (panel.kind === "stat" ? 12 : 24));
  state.views = panels.map((panel, index) => {
    const view = new PanelView(panel);
    const [x, y, width, height] = panel.grid;
    const places = {
      "--column": x + 1, "--row": y + 1, "--width": width, "--height": height,
      "--medium-width": medium[index], "--narrow-width": narrow[index],
      "--narrow-height": panel.kind === "stat" ? 4 : 7,
    };
    for (const [name, value] of Object.entries(places)) view.section.style.setProperty(name, value);
    view.section.setAttribute("aria-busy", "true");
    return view;
  });
  $("panels").dataset.dashboard = state.dashboard.uid;
  $("panels").replaceChildren(...state.views.map((view) => view.section));
}

async function refresh() {
  clearTimeout(timer);
  asked.abort();
  asked = new AbortController();
  const {signal} = asked;
  if ($("panels").dataset.dashboard !== state.dashboard.uid) layOut();
  const range = {dashboard: state.dashboard.uid, from: state.from, to: state.to};
  try {
    const events = get("api/events", range, signal).then((answer) => answer.events);
    const panels = state.views.map(async (view) => {
      const choice = {...range, panel: view.panel.id, host: state.host, width: view.width};
      const data = await get("api/panel", choice, signal);
      view.show(data, await events);
      return data;
    });
    const [, ...answers] = await Promise.all([showHosts(signal), ...panels]);
    const {from, to} = answers[0];
    state.shown = [from, to];
    const means = answers.every(({resolution}) => resolution === "rollup");
    $("shown").textContent = `${dateTime(from)} – ${dateTime(to)}${means ? ", one-minute means" : ""}`;
    $("updated").textContent = `Updated ${new Date().toLocaleTimeString()}`;
    $("problem").hidden = true;
    failures = 0;
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (!(error instanceof Failed)) console.error(error);
    asked.abort();  // the other panels' requests would fail in the same way
    failures += 1;
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
  const again = failures ? Math.min(LONGEST_PAUSE_S, 2 ** failures) : state.refresh;
  if (again) timer = setTimeout(refreshWhenSeen, again * 1000);
}

function refreshWhenSeen() {
  if (!document.hidden) refresh();
}

async function start() {
  showTheme();
  try {
    ({dashboards: state.dashboards} = await get("api/dashboards", {}));
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    setTimeout(start, 2000);
    return;
  }
  const remembered = localStorage.getItem("refresh");
  if (remembered in REFRESHES) state.refresh = Number(remembered);
  readAddress();
  showChoice();
  refresh();
}

$("range").addEventListener("change", ({target: {value}}) => {
  if (value === "custom") openCustomRange();
  else if (value !== "shown") choose({from: `now-${value}`, to: "now"});
});
$("host").addEventListener("change", ({target: {value}}) => choose({host: value}));
$("refresh").addEventListener("change", ({target: {value}}) => {
  state.refresh = Number(value);
  localStorage.setItem("refresh", value);
  refresh();
});
$("dashboards").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const uid = new URLSearchParams(link.search).get("dashboard");
  choose({dashboard: state.dashboards.find((dashboard) => dashboard.uid === uid), host: ""});
});
$("custom-range").addEventListener("submit", useCustomRange);
$("custom-cancel").addEventListener("click", closeCustomRange);
$("custom-range").addEventListener("keydown", ({key}) => { if (key === "Escape") closeCustomRange(); });
$("theme").addEventListener("click", switchTheme);
systemDark.addEventListener("change", showTheme);
document.addEventListener("visibilitychange", refreshWhenSeen);
addEventListener("popstate", () => { readAddress(); showChoice(); refresh(); });
start();
