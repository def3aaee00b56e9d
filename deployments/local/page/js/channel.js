// The messages of the channel that is open.

import { h, $, fill, text, avatar, clock } from "./dom.js";
import { store, on, name, room, isBot, go, say, drop, KEEP } from "./store.js";
import { markdown, plain, jumbo } from "./markdown.js";
import { order } from "./feed.js";

const rows = new Map(); // message id -> element, of the open channel
let atEnd = true, missed = 0, height = 0; // height: of the area, as it was last seen
let stop = null; // the row that Tab reaches: the one that had the focus last; the newest once another message comes
const GROUP = 5 * 60 * 1000; // messages of one author within this stand together

const shown = m => !m.only || (store.me && m.only === store.me.id);

function together(m, before) {
  return before && before.author === m.author && !m.ref && !m.by && !before.only && !m.only && m.at - before.at < GROUP && !m.command && !before.command;
}

function quote(m) {
  if (m.by) return h("div", { class: "quote" }, avatar(m.by, name(m.by), false, "tiny"), h("b", null, name(m.by)), h("span", null, "used /" + m.name));
  if (!m.ref) return null;
  const q = store.byId.get(m.ref);
  return h("div", { class: "quote" }, q && avatar(q.author, name(q.author), isBot(q.author), "tiny"), q ? h("b", null, name(q.author)) : null,
    h("button", { type: "button", tabindex: "-1", title: "Show the message", onclick: () => jump(m.ref) }, q ? plain(q.text).slice(0, 160) || "…" : "The message was deleted"));
}

function chip(m) {
  const t = m.thread && room(m.thread);
  if (!t) return null;
  const list = (store.messages.get(m.thread) || []).filter(x => !x.system && x.text);
  const lastOnes = list.slice(-2);
  return h("button", { type: "button", class: "thread-chip", dataset: { thread: t.id }, onclick: () => go(t.id), "aria-label": `Open the thread ${t.name}, ${list.length} messages` },
    h("span", { class: "t-head" }, h("span", null, "🧵 " + t.name), h("span", null, `${list.length} ${list.length === 1 ? "message" : "messages"} ›`)),
    lastOnes.map(x => h("span", { class: "t-line" }, avatar(x.author, name(x.author), isBot(x.author), "tiny"), h("span", null, plain(x.text).slice(0, 300)))));
}

function tools(m) {
  if (m.only || m.loading || m.system) return null;
  const mine = store.me && m.author === store.me.id;
  return h("div", { class: "tools" },
    h("button", { type: "button", "aria-label": "Reply to " + name(m.author), onclick: () => say("replyto", m) }, "↩ Reply"),
    mine && h("button", { type: "button", "aria-label": "Edit your message", onclick: () => say("editing", m) }, "✎ Edit"),
    mine && h("button", { type: "button", "aria-label": "Delete your message", onclick: () => order("delete", { user: store.me.id, message: m.id }).catch(() => {}) }, "🗑"));
}

function build(m, more) {
  const bot = isBot(m.author);
  const pinged = bot === false ? false : store.me && (m.text || "").includes(`<@${store.me.id}>`) && !m.only;
  const body = m.loading && !m.text ? h("span", { class: "muted" }, "Salamander is thinking …") : markdown(m.text || "");
  return h("li", { class: ["message", bot && "bot", more && "more", m.only && "secret", pinged && "pinged", jumbo(m.text || "") && "jumbo"].filter(Boolean).join(" "), tabindex: "-1", dataset: { id: m.id, author: m.author, ref: m.ref || "", command: m.loading ? "" : m.command || "" } },
    quote(m), avatar(m.author, name(m.author), bot), more && h("span", { class: "side-time", "aria-hidden": "true" }, clock(m.at)),
    h("div", { class: "body" },
      !more && h("div", { class: "head" }, h("b", null, name(m.author)), bot && h("span", { class: "badge" }, store.real.model ? "APP" : "APP · simulated"), badge(m.author), h("time", { datetime: new Date(m.at).toISOString() }, clock(m.at))),
      h("div", { class: "text" }, body, m.edited && h("span", { class: "edited" }, " (edited)")),
      m.only && h("div", { class: "secret-note" }, "👁 Only you can see this.", h("button", { type: "button", onclick: () => { const d = drop(m.id); if (d) change({ messages: new Map(), gone: new Set([d]) }); } }, "Dismiss")),
      chip(m)));
}

// equip gives a row its tools when it is pointed at, has the focus or was tapped; most rows never need any.
function equip(row) {
  if (!row || row.querySelector(":scope > .tools")) return;
  const m = store.byId.get(row.dataset.id), t = m && tools(m);
  if (t) row.append(t);
}

function badge(id) {
  const p = store.people.find(x => x.id === id);
  return p && p.badge ? h("span", { class: "badge" }, p.badge) : null;
}

function beginning() {
  const r = room(store.channel);
  return h("li", { class: "begin" }, h("div", { class: "big", "aria-hidden": "true" }, r.dm ? "🔥" : r.parent ? "🧵" : "#"), h("b", null, r.dm ? "Salamander" : r.parent ? r.name : "Welcome to #" + r.name),
    h("p", null, r.parent ? "What is written in this thread is for Salamander." : r.topic + "."));
}

function rove(row) {
  if (stop) stop.tabIndex = -1;
  stop = row;
  if (row) row.tabIndex = 0;
}

// newest has Tab reach the newest message, unless one walks among them.
function newest() {
  const list = $("messages");
  if (!stop || !list.contains(document.activeElement)) rove(list.lastElementChild && list.lastElementChild.classList.contains("message") ? list.lastElementChild : null);
}

// swap puts a row in the place of an older one.
function swap(old, el, id) {
  const focus = old.contains(document.activeElement);
  old.replaceWith(el);
  rows.set(id, el);
  if (old === stop) rove(el);
  if (focus) el.focus();
}

// redraw shows the open channel from its list.
function redraw() {
  rows.clear();
  const r = room(store.channel);
  if (!r) return;
  const list = (store.messages.get(store.channel) || []).filter(shown);
  const items = list.length < KEEP ? [beginning()] : [];
  let before = null;
  for (const m of list) {
    if (m.system && !m.text) continue;
    const el = build(m, together(m, before));
    rows.set(m.id, el);
    items.push(el);
    before = m;
  }
  fill($("messages"), items);
  rove(null);
  newest();
  missed = 0;
  bottom();
}

function bottom() {
  const s = $("scroll");
  s.scrollTop = s.scrollHeight;
  atEnd = true; missed = 0;
  $("newer").hidden = true;
}

// change draws what came, changed or went, once per frame.
function change(c) {
  const here = store.channel;
  const list = store.messages.get(here) || [];
  for (const m of c.gone) {
    if (!m) continue;
    const el = rows.get(m.id);
    if (!el) continue;
    if (el.contains(document.activeElement)) { const next = el.nextElementSibling || el.previousElementSibling; (next && next.classList.contains("message") ? next : $("box")).focus(); }
    if (el === stop) rove(null);
    el.remove(); rows.delete(m.id);
  }
  let added = 0, touched = new Set();
  for (const { m } of c.messages.values()) {
    const r = room(m.channel);
    if (r && r.parent === here && m.channel !== here) touched.add(m.channel); // a thread's chip
    if (m.channel !== here || !shown(m) || (m.system && !m.text)) continue;
    const old = rows.get(m.id);
    if (old) { swap(old, build(m, old.classList.contains("more")), m.id); continue; }
    const at = list.lastIndexOf(m);
    if (at < 0) continue; // trimmed already in this batch
    let before = null;
    for (let i = at - 1; i >= 0 && !before; i--) if (rows.has(list[i].id)) before = list[i];
    const el = build(m, together(m, before));
    if (before) rows.get(before.id).after(el); else $("messages").append(el);
    rows.set(m.id, el);
    added++;
    if (store.me && [m.author, m.by, m.only].includes(store.me.id)) atEnd = true; // who says something wants to see it
  }
  for (const id of touched) {
    const m = store.byId.get(id), el = m && rows.get(id);
    if (!el) continue;
    swap(el, build(m, el.classList.contains("more")), id);
  }
  if (added) trim();
  newest();
  if (atEnd) bottom();
  else if (added) { missed += added; const b = $("newer"); b.hidden = false; text(b, `${missed} new ${missed === 1 ? "message" : "messages"} ↓`); }
}

// trim takes rows away whose messages the store let go; what one reads stays where it is.
function trim() {
  const s = $("scroll"), gone = [];
  for (const [id, el] of rows) {
    if (store.byId.has(id)) break;
    gone.push(el);
    rows.delete(id);
  }
  if (!gone.length) return;
  const before = atEnd ? 0 : s.scrollHeight;
  for (const el of gone) el.remove();
  const b = $("messages").querySelector(".begin");
  if (b) b.remove();
  if (!atEnd) s.scrollTop -= before - s.scrollHeight;
}

function jump(id) {
  const el = rows.get(id);
  if (!el) return;
  el.scrollIntoView({ block: "center" });
  el.focus();
}

function typing() {
  const t = store.typing.get(store.channel);
  const who = t ? [...t.keys()].filter(u => !store.me || u !== store.me.id) : [];
  const el = $("typing");
  if (!who.length) { if (el.firstChild) fill(el); el.dataset.who = ""; return; }
  const key = who.join();
  if (el.dataset.who === key) return;
  el.dataset.who = key;
  fill(el, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), who.length > 2 ? "Several people are typing …" : who.map(name).join(" and ") + (who.length > 1 ? " are typing …" : " is typing …"));
}

function head() {
  const r = room(store.channel);
  if (!r) return;
  const hash = $("room").querySelector(".hash");
  if (r.parent) { hash.textContent = "↳"; fill($("room-name"), h("button", { type: "button", class: "crumb", onclick: () => go(r.parent), "aria-label": "Back to " + room(r.parent).name }, "‹ " + room(r.parent).name), " / " + r.name); } else { hash.textContent = r.dm ? "@" : "#"; $("room-name").textContent = r.name; }
  $("topic").textContent = r.topic;
  document.title = (r.dm ? "@" : "#") + r.name + " · Salamander playground";
}

export function channel() {
  const open = () => { head(); redraw(); $("typing").dataset.who = ""; fill($("typing")); typing(); };
  on("hello", open);
  on("go", open);
  on("messages", change);
  on("typing", typing);
  on("roomgone", id => { if (id === store.channel) { const g = store.guilds.find(x => x.id === store.guild); if (g) go(g.channels[0].id); } });
  $("scroll").addEventListener("scroll", () => {
    const s = $("scroll");
    if (s.clientHeight !== height) return; // the tour, the banner or the window moved it: nobody scrolled
    atEnd = s.scrollHeight - s.scrollTop - s.clientHeight < 80;
    if (atEnd) { missed = 0; $("newer").hidden = true; }
  }, { passive: true });
  $("newer").addEventListener("click", () => { bottom(); $("box").focus(); });
  new ResizeObserver(() => { height = $("scroll").clientHeight; if (atEnd) bottom(); }).observe($("scroll"));
  for (const what of ["pointerover", "focusin"]) $("messages").addEventListener(what, e => equip(e.target.closest(".message")), { passive: true });
  $("messages").addEventListener("focusin", e => { const row = e.target.closest(".message"); if (row) rove(row); });
  // By keyboard: Tab comes to one of the messages, arrows walk through the messages, R replies, E edits, Delete deletes.
  $("messages").addEventListener("keydown", e => {
    const row = e.target.closest(".message");
    if (!row) return;
    const m = store.byId.get(row.dataset.id);
    const next = e.key === "ArrowDown" ? row.nextElementSibling : e.key === "ArrowUp" ? row.previousElementSibling : null;
    if (next && next.classList.contains("message")) { next.focus(); e.preventDefault(); }
    else if (e.key === "ArrowDown" || e.key === "Escape") $("box").focus();
    else if (e.target === row && e.key === "r") { say("replyto", m); e.preventDefault(); }
    else if (e.target === row && e.key === "e" && m.author === store.me.id) { say("editing", m); e.preventDefault(); }
    else if (e.target === row && e.key === "Delete" && m.author === store.me.id) order("delete", { user: store.me.id, message: m.id }).catch(() => {});
  });
  // By touch: a tap shows the tools.
  $("messages").addEventListener("click", e => {
    const row = e.target.closest(".message");
    for (const x of document.querySelectorAll(".message.open")) if (x !== row) x.classList.remove("open");
    if (row && matchMedia("(hover: none)").matches && !e.target.closest("button, a, .spoiler")) { equip(row); row.classList.toggle("open"); }
  });
  setInterval(() => { if (store.ready) typing(); }, 1000);
}

export const tabRow = () => stop;
export const lastOwn = () => (store.messages.get(store.channel) || []).findLast(m => store.me && m.author === store.me.id);
