// The road: the stations that a question passes, with their processes, the keys' budgets and the figures.

import { h, $, fill, text } from "./dom.js";
import { store, on } from "./store.js";
import { order } from "./feed.js";

const SLOTS = 8; // calls in flight that one worker takes: WORKER_CONCURRENCY's default
const stations = {};
const procs = new Map(), keys = new Map();

function station(id, title) {
  const small = h("small"), body = h("div");
  const el = h("div", { class: "station", role: "group", "aria-label": title, dataset: { station: id } }, h("span", { class: "knob", "aria-hidden": "true" }), h("h3", null, title, small), body);
  stations[id] = { el, small, body };
  return el;
}

const set = (id, state, words) => { const s = stations[id]; const cls = "station " + state; if (s.el.className !== cls) s.el.className = cls; text(s.small, words); };
const mb = n => n > 0 ? Math.round(n / 1048576) + " MB" : "";
const age = ms => ms < 90e3 ? Math.round(ms / 1000) + " s" : ms < 5400e3 ? Math.round(ms / 60e3) + " min" : Math.round(ms / 3600e3) + " h";
export const seconds = ms => ms < 90e3 ? Math.max(0, Math.ceil(ms / 1000)) + " s" : ms < 5400e3 ? Math.ceil(ms / 60e3) + " min" : ms < 48 * 3600e3 ? Math.ceil(ms / 3600e3) + " h" : Math.ceil(ms / 86400e3) + " days";

// process is one row: its name, what it does, and a button that kills it.
function process(p) {
  let row = procs.get(p.name);
  if (!row) {
    const what = h("span", { class: "what" }), slots = h("span", { class: "slots", role: "img" }), note = h("span");
    if (p.role === "worker") { for (let i = 0; i < SLOTS; i++) slots.append(h("i")); what.append(slots); }
    what.append(note);
    const kill = h("button", { type: "button", "aria-label": "Kill " + p.name, title: "SIGKILL, as a crash would", onclick: () => order("trouble", { what: p.role === "nats" ? "nats" : "kill", name: p.name }).catch(() => {}) }, "Kill");
    row = { el: h("div", { class: "proc", dataset: { process: p.name } }, h("span", { class: "who" }, p.name), what, kill), slots, note, kill, role: p.role };
    procs.set(p.name, row);
    stations[{ gateway: "gateway", nats: "queue", worker: "worker" }[p.role]].body.append(row.el);
  }
  const cls = "proc " + (p.ready ? "" : p.pid ? "wait" : "off");
  if (row.el.className !== cls) row.el.className = cls;
  row.kill.hidden = !!store.real.discord;
  row.kill.disabled = !p.pid;
  const bits = p.ready ? [mb(p.rss), "up " + age(p.age_ms)] : p.pid ? ["starting"] : ["dead, back in " + seconds(p.back - store.state.now)];
  if (p.restarts) bits.push(p.restarts + (p.restarts === 1 ? " restart" : " restarts"));
  text(row.note, bits.filter(Boolean).join(" · "));
  if (p.role === "worker") {
    [...row.slots.children].forEach((s, i) => s.classList.toggle("on", i < p.inflight));
    row.slots.setAttribute("aria-label", `${p.inflight} of ${SLOTS} calls in flight`);
    row.slots.title = row.slots.getAttribute("aria-label");
  }
}

const UNITS = { req: "requests", tok: "tokens", usd: "dollars" };
const round = n => n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(n < 1 ? 4 : 1);
export const span = limit => limit.replace(/^[\d.]+(req|tok|usd)\//, "");
export const spent = k => (k.limits || []).some(l => l.max > 0 && l.used >= l.max);

// stateOf is one word for a key.
export function stateOf(k) {
  return k.state === "active" ? (spent(k) ? "spent" : "active") : k.state;
}

function key(k) {
  let row = keys.get(k.name);
  if (!row) {
    const state = h("span", { class: "state" }), turn = h("span", { class: "turn" }), gauges = h("div");
    row = { el: h("div", { class: "key", dataset: { key: k.name } }, h("div", { class: "row" }, h("b", null, k.name), state, turn), gauges), state, turn, gauges, limits: new Map() };
    keys.set(k.name, row);
    stations.key.body.append(row.el);
  }
  const word = stateOf(k);
  text(row.state, word);
  row.state.className = "state " + word;
  for (const l of k.limits || []) {
    let g = row.limits.get(l.limit);
    if (!g) {
      const bar = h("i"), left = h("span"), right = h("span");
      const meter = h("div", { class: "gauge", role: "meter", "aria-label": `${k.name}: ${l.limit}`, "aria-valuemin": "0" }, bar);
      g = { bar, left, right, meter };
      row.limits.set(l.limit, g);
      row.gauges.append(meter, h("div", { class: "gauge-text" }, left, right));
    }
    const part = l.max > 0 ? Math.min(1, l.used / l.max) : 0;
    g.bar.style.transform = `scaleX(${part.toFixed(3)})`;
    g.meter.classList.toggle("spent", part >= 1);
    g.meter.setAttribute("aria-valuemax", l.max);
    g.meter.setAttribute("aria-valuenow", l.used);
    text(g.left, `${round(l.used)} of ${round(l.max)} ${UNITS[l.unit] || l.unit} / ${span(l.limit)}`);
    text(g.right, l.book >= 0 ? `Hugging Face: ${round(l.book)}` : "");
  }
}

// turns are counted down between the figures.
function turns() {
  const s = store.state;
  if (!s) return;
  const now = Date.now() + store.skew;
  for (const k of s.keys || []) {
    const row = keys.get(k.name), next = Math.min(...(k.limits || []).filter(l => l.resets > 0).map(l => l.resets));
    if (row) text(row.turn, isFinite(next) ? (next > now ? "turns in " + seconds(next - now) : "turns now") : "");
  }
}

const figures = {};
function figure(id, words) {
  const b = h("b", null, "–"), small = h("small", null, words);
  figures[id] = { b, small, el: h("div", { class: "figure", dataset: { figure: id } }, b, small) };
  return figures[id].el;
}
function show(id, value, cls, words) {
  const f = figures[id];
  text(f.b, value);
  if (words) text(f.small, words);
  f.el.className = "figure " + (cls || "");
}
const sum = (o, ...names) => names.reduce((n, k) => n + ((o || {})[k] || 0), 0);
const ms = us => us >= 10000 ? Math.round(us / 1000) + " ms" : (us / 1000).toFixed(1) + " ms";

function draw() {
  const s = store.state;
  if (!s) return;
  store.skew = s.now - Date.now();
  const list = s.processes || [];
  for (const p of list) process(p);
  for (const [name, row] of procs) if (!list.some(p => p.name === name)) { row.el.remove(); procs.delete(name); }
  for (const k of s.keys || []) key(k);
  for (const [name, row] of keys) if (!(s.keys || []).some(k => k.name === name)) { row.el.remove(); keys.delete(name); }
  const of = role => list.filter(p => p.role === role), ready = role => of(role).filter(p => p.ready).length;
  const health = role => ready(role) === 0 ? "off" : ready(role) < of(role).length ? "wait" : "good";
  const cut = s.trouble.cut > s.now;
  set("gateway", cut || (!s.discord.real && !s.discord.connected) ? "off" : health("gateway"), cut ? "Discord refuses everything" : s.discord.real || s.discord.connected ? "hears Discord, cleans the text" : "not connected to Discord");
  set("queue", health("nats"), s.waiting ? `${s.waiting} open · oldest ${seconds(s.oldest_ms)}` : "nothing waits");
  const calls = of("worker").reduce((n, p) => n + p.inflight, 0);
  set("worker", health("worker"), `${ready("worker")} ready · ${calls} ${calls === 1 ? "call" : "calls"} in flight`);
  const usable = (s.keys || []).filter(k => stateOf(k) === "active");
  set("key", !(s.keys || []).length ? "" : usable.length ? (s.trouble.model ? "wait" : "good") : "off", s.trouble.model ? "ails: " + s.trouble.model : usable.length ? usable[0].name + " is used" : (s.keys || []).length ? "no key has budget: questions wait" : "");
  set("reply", "good", `${sum(s.replies, "posted")} posted`);
  stations.worker.add.hidden = !!store.real.discord;
  stations.worker.add.disabled = of("worker").length >= 8;
  figures.own.el.hidden = store.real.discord || store.real.model;
  show("own", s.own_n ? ms(s.own_us) : "–", "", "typed → answered, model left out" + (s.own_n ? ` (median of ${s.own_n})` : ""));
  show("answers", String(sum(s.replies, "posted")), "", `answers, ${sum(s.replies, "notice")} notices`);
  show("over", String(s.over), s.over ? "bad" : "good", `of ${s.calls} calls over a limit`);
  figures.over.el.hidden = store.real.model;
  show("dead", String(s.dead), s.dead ? "bad" : "good");
  turns();
}

export function road() {
  const pane = $("pane-road");
  const line = h("div", { class: "road", id: "road" }, h("canvas", { id: "dots", "aria-hidden": "true" }),
    station("gateway", "Gateway"), station("queue", "Queue"), station("worker", "Workers"), station("key", "Keys"), station("reply", "Reply"));
  const add = h("button", { type: "button", class: "add", onclick: () => order("trouble", { what: "add", kind: "worker" }).catch(() => {}) }, "+ Add a worker");
  stations.worker.add = add;
  stations.worker.el.append(add);
  stations.queue.body.append(h("div", { class: "lane", id: "lane" }));
  store.skew = 0;
  fill(pane, line, h("div", { id: "wash" }), h("div", { class: "figures" }, figure("own", ""), figure("answers", ""), figure("over", ""), figure("dead", "dead letters")));
  on("state", draw);
  setInterval(turns, 500);
}
