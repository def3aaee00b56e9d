// The last lines that the processes wrote, newest below.

import { h, $, fill, moment, perFrame } from "./dom.js";
import { store, on } from "./store.js";
import { onView } from "./frame.js";

const SHOWN = 120;
const LEVELS = { debug: 0, info: 1, warn: 2, error: 3, fatal: 3, panic: 3 };
const parsed = new WeakMap(); // a line is read once

function read(l) {
  let p = parsed.get(l);
  if (p) return p;
  p = { level: "info", message: l.text, rest: "" };
  if (l.text.startsWith("{")) {
    try {
      const { level, message, time, service, instance, ...rest } = JSON.parse(l.text);
      p = { level: level || "info", message: message || "", rest: Object.entries(rest).map(([k, v]) => `${k}=${typeof v === "string" ? v : JSON.stringify(v)}`).join("  ") };
    } catch { /* a line that was cut: shown as it is */ }
  }
  parsed.set(l, p);
  return p;
}

export function log() {
  const pane = $("pane-log");
  const least = h("select", { id: "log-level" }, h("option", { value: "0" }, "everything"), h("option", { value: "2" }, "warnings and errors"), h("option", { value: "3" }, "errors"));
  const who = h("select", { id: "log-who" }, h("option", { value: "" }, "all processes"), h("option", { value: "gateway" }, "gateways"), h("option", { value: "worker" }, "workers"), h("option", { value: "nats" }, "NATS"));
  const file = h("p", { class: "muted log-file" });
  const list = h("ol", { class: "log", role: "log", "aria-live": "off", "aria-label": "Log lines" });
  const none = h("p", { class: "muted", hidden: true }, "No such line yet.");
  fill(pane, h("div", { class: "field" }, h("label", { for: "log-level", class: "sr" }, "Level"), least, h("label", { for: "log-who", class: "sr" }, "Process"), who), file, list, none);

  const rows = new Map(); // line number -> element
  const visible = () => !pane.hidden && pane.offsetParent !== null;
  const draw = perFrame(() => {
    if (!visible()) return;
    const end = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 60;
    const wanted = store.logs.filter(l => (LEVELS[read(l).level] ?? 1) >= Number(least.value) && l.who.startsWith(who.value)).slice(-SHOWN);
    const keep = new Set(wanted.map(l => l.n));
    for (const [n, el] of rows) if (!keep.has(n)) { el.remove(); rows.delete(n); }
    for (const l of wanted) {
      if (rows.has(l.n)) continue;
      const p = read(l), bad = LEVELS[p.level] ?? 1;
      const el = h("li", null, h("span", { class: "at" }, moment(l.at)), " ", h("span", { class: "who" }, l.who), " ",
        h("span", { class: bad > 2 ? "error" : bad > 1 ? "warn" : "" }, (bad > 1 ? p.level + ": " : "") + p.message), p.rest && h("span", { class: "rest" }, "  " + p.rest.slice(0, 600)));
      rows.set(l.n, el);
      list.append(el);
    }
    none.hidden = rows.size > 0;
    if (end) pane.scrollTop = pane.scrollHeight;
  });
  const anew = () => { rows.clear(); fill(list); draw(); };
  least.addEventListener("change", anew);
  who.addEventListener("change", anew);
  on("logs", draw);
  on("hello", () => { file.textContent = "All of it: " + store.logFile; anew(); });
  onView(v => { if (v === "log") { draw(); requestAnimationFrame(() => { pane.scrollTop = pane.scrollHeight; }); } });
}
