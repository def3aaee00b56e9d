// The servers, the channels, and who one is.

import { h, $, fill, avatar, perFrame } from "./dom.js";
import { store, on, go, become, room, visible, say } from "./store.js";

const unreadOf = g => { let n = 0; for (const [c, k] of store.unread) { const r = room(c); if (r && visible(r) && (g ? r.guild === g : r.dm)) n += k; } return n; };
const bubble = n => n > 0 && h("span", { class: "count", "aria-label": n + " new" }, n > 99 ? "99+" : String(n));

function rail() {
  if (!store.me) return;
  const dm = room(store.me.dm);
  const items = [h("button", { type: "button", "aria-label": "Direct messages", title: "Direct messages", "aria-current": store.guild === "" ? "true" : null, onclick: () => go(dm.id) }, h("img", { src: "img/salamander.svg", alt: "" }), bubble(unreadOf(""))), h("hr")];
  for (const g of store.guilds) {
    if (!store.me.guilds.includes(g.id)) continue;
    items.push(h("button", { type: "button", "aria-label": g.name, title: g.name, "aria-current": store.guild === g.id ? "true" : null, onclick: () => go((g.channels.find(c => c.id === last.get(g.id)) || g.channels[0]).id) }, g.short, bubble(unreadOf(g.id))));
  }
  keepFocus($("rail"), items);
}

const last = new Map(); // guild -> channel

// keepFocus draws anew without taking the keyboard's place away.
function keepFocus(el, items) {
  const had = el.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") || document.activeElement.dataset.id : null;
  fill(el, items);
  if (had) for (const b of el.querySelectorAll("button")) if (b.getAttribute("aria-label") === had || b.dataset.id === had) b.focus();
}

function rooms() {
  if (!store.me) return;
  const g = store.guilds.find(x => x.id === store.guild);
  $("place").textContent = g ? g.name : "Direct messages";
  const items = [];
  const one = (r, cls) => h("button", { type: "button", dataset: { id: r.id }, class: (cls || "") + (store.unread.get(r.id) ? " unread" : ""), "aria-current": r.id === store.channel ? "true" : null, onclick: () => { go(r.id); $("app").classList.remove("drawer"); } },
    h("span", { "aria-hidden": "true" }, cls === "thread" ? "↳" : r.staff ? "🔒" : r.dm ? "@" : "#"), h("span", { class: "name" }, r.name),
    cls !== "thread" && r.chat && !r.dm && h("span", { class: "ear", title: "Every message here is for the bot" }, "🔥"), bubble(store.unread.get(r.id) || 0));
  if (!g) items.push(h("h3", null, "Direct messages"), one(room(store.me.dm)));
  else {
    items.push(h("h3", null, "Channels"));
    const threads = [...store.rooms.values()].filter(r => r.parent && r.guild === g.id);
    for (const c of g.channels) {
      const r = room(c.id);
      if (!visible(r)) continue;
      items.push(one(r));
      const under = threads.filter(t => t.parent === c.id);
      const shown = new Set(under.slice(-4));
      const here = under.find(t => t.id === store.channel);
      if (here) shown.add(here);
      for (const t of shown) items.push(one(t, "thread"));
    }
  }
  keepFocus($("rooms"), items);
}

function me() {
  const p = store.me;
  if (!p) return;
  const again = $("me").contains(document.activeElement);
  fill($("me"), h("button", { type: "button", "aria-haspopup": "listbox", "aria-label": `You are ${p.name}. Be somebody else`, onclick: () => say("who") },
    avatar(p.id, p.name, false, "small"), h("span", { class: "grow" }, h("b", null, p.name), h("small", null, p.about)), h("span", { "aria-hidden": "true", class: "muted" }, "⇅")));
  if (again) $("me").firstChild.focus();
  fill($("as"), avatar(p.id, p.name, false, "small"));
  $("as").setAttribute("aria-label", `You write as ${p.name}. Be somebody else`);
  $("as").title = `You write as ${p.name}`;
}

export function sides() {
  const draw = perFrame(() => { rail(); rooms(); }, 300);
  on("hello", () => { draw(); me(); });
  on("rooms", draw);
  on("become", () => { me(); draw(); });
  on("go", () => { const r = room(store.channel); if (r && r.guild) last.set(r.guild, r.parent || r.id); draw(); });
  $("rooms").addEventListener("keydown", e => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const all = [...$("rooms").querySelectorAll("button")];
    const i = all.indexOf(document.activeElement) + (e.key === "ArrowDown" ? 1 : -1);
    if (all[i]) { all[i].focus(); e.preventDefault(); }
  });
  const drawer = open => {
    $("app").classList.toggle("drawer", open);
    $("open-side").setAttribute("aria-expanded", String(open));
    if (open) { const b = $("rail").querySelector("button"); if (b) b.focus(); }
  };
  $("open-side").addEventListener("click", e => { e.stopPropagation(); drawer(!$("app").classList.contains("drawer")); });
  $("chat").addEventListener("click", e => { if (!e.target.closest("#open-side")) drawer(false); });
  document.addEventListener("keydown", e => { if (e.key === "Escape" && $("app").classList.contains("drawer")) { drawer(false); $("open-side").focus(); } });
}
