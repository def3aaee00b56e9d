// The frame: light and dark, the connection lamp, the views of a small screen, the panel's tabs, and keys that hold everywhere.

import { $, text, toast } from "./dom.js";
import { store, on, go, room, visible } from "./store.js";

const VIEWS = ["road", "trouble", "log"];
const kept = { // a browser that keeps nothing (private windows) is fine
  get(k) { try { return localStorage.getItem("salamander." + k); } catch { return null; } },
  set(k, v) { try { localStorage.setItem("salamander." + k, v); } catch { /* not kept */ } },
};
export { kept };

function theme(to) {
  document.documentElement.dataset.theme = to;
  $("theme").setAttribute("aria-label", to === "dark" ? "Change to light" : "Change to dark");
  $("theme").title = $("theme").getAttribute("aria-label");
}

// show opens one of the views; on a wide screen the chat is always there.
export function show(view) {
  const app = $("app");
  app.dataset.view = view;
  for (const b of $("tabs").children) { if (b.dataset.view === view) b.setAttribute("aria-current", "true"); else b.removeAttribute("aria-current"); }
  if (view === "chat") return;
  for (const v of VIEWS) {
    const tab = $("tab-" + v), mine = v === view;
    tab.setAttribute("aria-selected", String(mine));
    tab.tabIndex = mine ? 0 : -1;
    $("pane-" + v).hidden = !mine;
  }
  store.view = view;
  for (const f of shown) f(view);
}
const shown = [];
export const onView = f => shown.push(f);

// lamp says how things stand in a word.
let online = false;
function lamp() {
  const s = store.state, el = $("lamp");
  let state = "good", words = "live";
  if (!online) [state, words] = ["off", store.ready ? "connection lost, trying again" : "connecting"];
  else if (!s || !s.up) [state, words] = ["wait", "waking up"];
  else {
    const down = (s.processes || []).filter(p => !p.ready);
    if (!s.discord.real && !s.discord.connected) [state, words] = ["off", "Discord is cut"];
    else if (down.some(p => p.role !== "worker")) [state, words] = ["wait", down.find(p => p.role !== "worker").name + " is coming back"];
    else if (!s.processes.some(p => p.role === "worker")) [state, words] = ["off", "no worker is left"];
    else if (down.length) [state, words] = ["wait", down[0].name + " is starting"];
  }
  el.dataset.state = state;
  text(el, words);
}

// order of the channels that can be seen, for the keys.
function neighbours() {
  const g = store.guilds.find(x => x.id === store.guild);
  return g ? g.channels.map(c => room(c.id)).filter(r => visible(r)) : [];
}

function keys(e) {
  if (e.altKey && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
    const list = neighbours(), r = room(store.channel), at = list.findIndex(x => x.id === (r && (r.parent || r.id)));
    const to = list[(at + (e.key === "ArrowDown" ? 1 : list.length - 1)) % Math.max(1, list.length)];
    if (to) { e.preventDefault(); go(to.id); }
    return;
  }
  if (e.altKey && VIEWS[Number(e.key) - 1]) { e.preventDefault(); show(VIEWS[Number(e.key) - 1]); if (matchMedia("(min-width: 981px)").matches) $("tab-" + VIEWS[Number(e.key) - 1]).focus(); return; }
  // What is typed goes into the message box, wherever the focus is, as long as nothing else wants it.
  const at = document.activeElement;
  const free = !at || at === document.body || at.closest("#messages, #scroll") && !/^(BUTTON|A|PRE)$/.test(at.tagName);
  if (free && !e.ctrlKey && !e.metaKey && !e.altKey && e.key.length === 1 && e.key !== " " && !(at && at.closest(".message") && /^[re]$/.test(e.key))) $("box").focus();
}

export function frame() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  theme(kept.get("theme") || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => { if (!kept.get("theme")) theme(dark.matches ? "dark" : "light"); });
  $("theme").addEventListener("click", () => { const to = document.documentElement.dataset.theme === "dark" ? "light" : "dark"; theme(to); kept.set("theme", to); for (const f of shown) f(store.view); });
  for (const v of VIEWS) $("tab-" + v).addEventListener("click", () => show(v));
  $("panel-tabs").addEventListener("keydown", e => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const to = VIEWS[(VIEWS.indexOf(store.view) + step + VIEWS.length) % VIEWS.length];
    show(to);
    $("tab-" + to).focus();
    e.preventDefault();
  });
  for (const b of $("tabs").children) b.addEventListener("click", () => show(b.dataset.view));
  store.view = "road";
  document.addEventListener("keydown", keys);
  let was = true;
  on("online", up => {
    if (!up && was && store.ready) toast("The connection was lost. It comes back by itself.", true);
    online = was = up;
    lamp();
  });
  on("state", lamp);
  lamp();
}
