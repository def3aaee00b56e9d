// The message box: sending, replying, editing, mentions, slash commands, emoji and GIFs.

import { h, $, fill, avatar, toast } from "./dom.js";
import { store, on, name, room, visible, become, say, isBot } from "./store.js";
import { order } from "./feed.js";
import { plain } from "./markdown.js";
import { EMOJI, GIFS, gifURL } from "./data.js";
import { lastOwn, tabRow } from "./channel.js";

let replyTo = null, editing = null, commands = [], options = [], picked = -1, token = null, slashing = null;
const box = () => $("box");

// ---- what stands above the box

function context() {
  const c = $("context");
  if (!replyTo && !editing) { c.hidden = true; return; }
  c.hidden = false;
  fill(c, h("span", null, editing ? "Editing your message" : "Replying to ", !editing && h("b", null, name(replyTo.author)), !editing && ": " + plain(replyTo.text).slice(0, 80)),
    h("button", { type: "button", "aria-label": editing ? "Stop editing" : "Don't reply", onclick: () => { stopContext(); box().focus(); } }, "✕"));
}

function stopContext() {
  if (editing) { box().value = ""; grow(); }
  replyTo = editing = null;
  context();
}

// ---- text <-> Discord's form

const escapeRE = s => s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
function people() {
  const g = store.guild;
  const list = store.people.filter(p => !g || p.guilds.includes(g)).map(p => ({ id: p.id, name: p.name, about: p.about }));
  return [{ id: store.bot, name: "Salamander", about: "the bot" }, ...list];
}
function outgoing(s) {
  for (const p of people()) s = s.replace(new RegExp("(^|[^\\w<])@" + escapeRE(p.name) + "\\b", "g"), (_, b) => b + `<@${p.id}>`);
  for (const g of store.guilds) if (g.id === store.guild) for (const c of g.channels) s = s.replace(new RegExp("(^|\\s)#" + escapeRE(c.name) + "(?![\\w-])", "g"), (_, b) => b + `<#${c.id}>`);
  return s;
}
const incoming = s => s.replace(/<@!?(\d+)>/g, (_, id) => "@" + name(id)).replace(/<#(\d+)>/g, (all, id) => room(id) ? "#" + room(id).name : all);

// ---- sending

async function send() {
  const raw = box().value.trim();
  if (!raw || !store.me) return;
  const value = outgoing(raw);
  const was = { replyTo, editing };
  box().value = ""; grow(); closeSuggest();
  replyTo = editing = null; context();
  try {
    if (was.editing) await order("edit", { user: store.me.id, message: was.editing.id, text: value });
    else { await order("say", { channel: store.channel, user: store.me.id, text: value, reply_to: was.replyTo ? was.replyTo.id : "" }); say("typed", { text: raw, reply: !!was.replyTo }); }
  } catch {
    if (!box().value) { box().value = raw; grow(); ({ replyTo, editing } = was); context(); }
  }
}

function grow() {
  const b = box();
  b.style.height = "auto";
  b.style.height = Math.min(b.scrollHeight, 180) + "px";
}

// ---- suggestions: one listbox for mentions, slash commands and who one is

function openSuggest(list, choose, empty) {
  options = list; picked = list.length ? 0 : -1;
  const el = $("suggest");
  fill(el, list.length ? list.map((o, i) => h("div", { role: "option", id: "opt-" + i, "aria-selected": i === picked ? "true" : "false", onmousedown: e => { e.preventDefault(); closeSuggest(); choose(o); } }, o.icon, h("span", { class: "what grow" }, h("b", null, o.label), h("small", null, o.about)), o.badge && h("span", { class: "badge" }, o.badge))) : h("div", { class: "none" }, empty));
  el.hidden = false; el.onchoose = choose; el.scrollTop = 0;
  box().setAttribute("aria-expanded", "true");
  mark();
}
function mark() {
  const el = $("suggest");
  [...el.children].forEach((c, i) => c.setAttribute && c.getAttribute("role") && c.setAttribute("aria-selected", i === picked ? "true" : "false"));
  if (picked >= 0) { box().setAttribute("aria-activedescendant", "opt-" + picked); el.children[picked].scrollIntoView({ block: "nearest" }); } else box().removeAttribute("aria-activedescendant");
}
function closeSuggest() {
  $("suggest").hidden = true; options = []; picked = -1; token = null;
  box().setAttribute("aria-expanded", "false"); box().removeAttribute("aria-activedescendant"); $("as").setAttribute("aria-expanded", "false");
}

function look() {
  const b = box(), before = b.value.slice(0, b.selectionStart);
  let m;
  if (/^\/[\w-]*$/.test(b.value)) {
    const word = b.value.slice(1).toLowerCase();
    const r = room(store.channel), place = r && r.dm ? 1 : 0; // a command's contexts: 0 servers, 1 direct messages
    const list = commands.filter(c => c.name.startsWith(word) && (!c.contexts || c.contexts.includes(place)));
    openSuggest(list.map(c => ({ label: "/" + c.name, about: c.description, command: c, icon: avatar("", "", true, "small"), badge: c.default_member_permissions ? "moderators" : "" })), pickCommand, commands.length ? "No such command" : "The bot has not registered its commands yet");
  } else if ((m = /(^|\s)@(\w*)$/.exec(before))) {
    token = { from: before.length - m[2].length - 1, to: before.length };
    const list = people().filter(p => p.name.toLowerCase().startsWith(m[2].toLowerCase()));
    if (list.length) openSuggest(list.map(p => ({ label: p.name, about: p.about, icon: avatar(p.id, p.name, isBot(p.id), "small") })), o => insertAt(token, "@" + o.label + " ")); else closeSuggest();
  } else if ((m = /(^|\s):(\w{2,})$/.exec(before))) {
    token = { from: before.length - m[2].length - 1, to: before.length };
    const list = allEmoji().filter(e => e[1].replace(/ /g, "_").includes(m[2].toLowerCase())).slice(0, 8);
    if (list.length) openSuggest(list.map(e => ({ label: e[0] + "  " + e[1], about: "", emoji: e[0] })), o => insertAt(token, o.emoji + " ")); else closeSuggest();
  } else closeSuggest();
}

function insertAt(t, s) {
  const b = box(), at = t || { from: b.selectionStart, to: b.selectionEnd };
  b.value = b.value.slice(0, at.from) + s + b.value.slice(at.to);
  const end = at.from + s.length;
  b.setSelectionRange(end, end);
  b.focus(); grow();
}

function whoami() {
  if (!$("suggest").hidden && $("as").getAttribute("aria-expanded") === "true") { closeSuggest(); return; }
  closePopover();
  openSuggest(store.people.map(p => ({ label: p.name + (p === store.me ? " (you)" : ""), about: p.about, id: p.id, badge: p.badge, icon: avatar(p.id, p.name, false, "small") })), o => { become(o.id); box().focus(); });
  $("as").setAttribute("aria-expanded", "true");
  picked = store.people.indexOf(store.me); mark();
  box().focus();
}

// ---- slash commands

async function loadCommands() {
  if (store.real.discord) return;
  try {
    const r = await fetch("api/commands?guild=" + encodeURIComponent(store.guild || "0"));
    if (r.ok) commands = (await r.json() || []).filter(c => c.type === 1 || !c.type).sort((a, b) => a.name.localeCompare(b.name));
    if (/^\/[\w-]*$/.test(box().value)) look(); // it was asked for before it was there
  } catch { /* the connection lamp tells */ }
}

function pickCommand(o) {
  const c = o.command;
  box().value = ""; grow();
  if (!c.options || !c.options.length) { run(c, {}); return; }
  slashing = c;
  const fields = c.options.map(op => {
    const id = "slash-" + op.name;
    const input = op.type === 5 ? h("input", { type: "checkbox", id }) : op.type === 6 ? h("select", { id }, !op.required && h("option", { value: "" }, "nobody"), people().filter(p => !isBot(p.id)).map(p => h("option", { value: p.id }, p.name))) :
      op.choices && op.choices.length ? h("select", { id }, !op.required && h("option", { value: "" }, ""), op.choices.map(x => h("option", { value: x.value }, x.name))) : h("input", { type: "text", id, maxlength: op.max_length || 200, placeholder: op.required ? "" : "optional" });
    return h("label", { for: id, title: op.description }, op.name + (op.required ? "" : " (optional)"), input);
  });
  fill($("slash"), h("b", null, "/" + c.name, h("small", null, c.description)), fields, h("button", { type: "button", class: "button main", onclick: runForm }, "Run"), h("button", { type: "button", class: "button", onclick: closeSlash }, "Cancel"));
  $("slash").hidden = false;
  const first = $("slash").querySelector("input, select");
  if (first) first.focus();
}
function closeSlash() { slashing = null; $("slash").hidden = true; box().focus(); }
function runForm() {
  const c = slashing, opts = {};
  for (const op of c.options) {
    const el = $("slash-" + op.name);
    if (op.type === 5) { if (el.checked) opts[op.name] = true; } else if (el.value.trim()) opts[op.name] = op.type === 4 || op.type === 10 ? Number(el.value) : el.value.trim();
  }
  closeSlash();
  run(c, opts);
}
function run(c, opts) {
  order("slash", { channel: store.channel, user: store.me.id, command: c.name, options: opts }).then(() => say("typed", { text: "/" + c.name })).catch(() => {});
  box().focus();
}

// ---- emoji and GIFs

const allEmoji = () => Object.values(EMOJI).flatMap(s => s.split(",").map(x => { const i = x.indexOf(" "); return [x.slice(0, i), x.slice(i + 1)]; }));
function closePopover() { $("popover").hidden = true; for (const id of ["emoji", "gif"]) $(id).setAttribute("aria-expanded", "false"); }
function popover(id, label, ...inside) {
  const was = $(id).getAttribute("aria-expanded") === "true";
  closePopover(); closeSuggest();
  if (was) return;
  const p = $("popover");
  p.setAttribute("aria-label", label);
  fill(p, inside);
  p.hidden = false;
  $(id).setAttribute("aria-expanded", "true");
  p.querySelector("button").focus();
}
function emojiPicker() {
  popover("emoji", "Emoji", Object.entries(EMOJI).map(([k, s]) => [h("h3", null, k), h("div", { class: "emoji-grid" }, s.split(",").map(x => { const i = x.indexOf(" "); return h("button", { type: "button", "aria-label": x.slice(i + 1), title: x.slice(i + 1), onclick: () => { closePopover(); insertAt(null, x.slice(0, i)); } }, x.slice(0, i)); }))]));
}
function gifPicker() {
  popover("gif", "GIFs", h("h3", null, "A GIF is a link to the bot: it reads none"), h("div", { class: "gif-grid" }, GIFS.map(([e, w]) => h("button", { type: "button", onclick: () => { closePopover(); const had = box().value.trim(); insertAt(null, (had ? " " : "") + gifURL(w)); send(); } }, h("span", { "aria-hidden": "true" }, e), w))));
}

// ---- keys

function keys(e) {
  if (!$("suggest").hidden && options.length) {
    if (e.key === "ArrowDown" || e.key === "ArrowUp") { picked = (picked + (e.key === "ArrowDown" ? 1 : options.length - 1)) % options.length; mark(); e.preventDefault(); return; }
    if ((e.key === "Enter" && !e.shiftKey) || e.key === "Tab") { const o = options[picked], f = $("suggest").onchoose; const t = token; closeSuggest(); token = t; f(o); e.preventDefault(); return; }
  }
  if (e.key === "Escape") { if (!$("suggest").hidden) closeSuggest(); else stopContext(); return; }
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); return; }
  if (e.key === "ArrowUp" && !box().value && !e.altKey) {
    const m = lastOwn();
    if (m) say("editing", m); else if (tabRow()) tabRow().focus();
    e.preventDefault();
  }
}

// fits says whether the box has room for words on one line.
const ruler = document.createElement("canvas").getContext("2d");
function fits(words) {
  const s = getComputedStyle(box());
  ruler.font = s.font;
  return ruler.measureText(words).width <= box().clientWidth - parseFloat(s.paddingLeft) - parseFloat(s.paddingRight);
}

function placeholder() {
  const r = room(store.channel);
  if (!r) return;
  const words = !(store.state && store.state.up) ? ["Waking up … you can type already", "Waking up …"] :
    r.chat ? [`Ask Salamander in ${r.dm ? "private" : r.parent ? "this thread" : "#" + r.name}`, "Ask Salamander", "Ask it"] :
      [`Message #${r.name} (@Salamander to ask)`, `Message #${r.name}`, "Message"];
  box().placeholder = words.find(fits) || words.at(-1);
}

export function composer() {
  $("composer").addEventListener("submit", e => { e.preventDefault(); send(); });
  box().addEventListener("input", () => { grow(); look(); });
  box().addEventListener("keydown", keys);
  let width = 0;
  new ResizeObserver(() => { if (width !== (width = box().clientWidth)) { grow(); placeholder(); } }).observe(box());
  box().addEventListener("blur", () => setTimeout(() => { if (document.activeElement !== box()) closeSuggest(); }, 150));
  $("emoji").addEventListener("click", emojiPicker);
  $("gif").addEventListener("click", gifPicker);
  $("as").addEventListener("mousedown", e => e.preventDefault());
  $("as").addEventListener("click", whoami);
  on("who", () => { $("app").classList.remove("drawer"); whoami(); });
  $("popover").addEventListener("keydown", e => {
    if (e.key === "Escape") { closePopover(); box().focus(); return; }
    const all = [...$("popover").querySelectorAll("button")], i = all.indexOf(document.activeElement);
    const per = Math.max(1, Math.floor(($("popover").clientWidth - 12) / 46));
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: per, ArrowUp: -per }[e.key];
    if (step && all[i + step]) { all[i + step].focus(); e.preventDefault(); }
  });
  $("slash").addEventListener("keydown", e => { if (e.key === "Escape") closeSlash(); else if (e.key === "Enter" && e.target.tagName !== "BUTTON") { e.preventDefault(); runForm(); } });
  document.addEventListener("click", e => { if (!e.target.closest("#popover, #emoji, #gif")) closePopover(); });
  on("replyto", m => { editing = null; replyTo = m; context(); box().focus(); });
  on("editing", m => { replyTo = null; editing = m; box().value = incoming(m.text); grow(); context(); box().focus(); });
  const fresh = () => { stopContext(); slashing = null; $("slash").hidden = true; closeSuggest(); placeholder(); loadCommands(); if (matchMedia("(min-width: 981px)").matches) box().focus(); };
  on("go", fresh);
  on("hello", fresh);
  let wasUp = false;
  on("state", () => { placeholder(); const up = store.state && store.state.up; if (up && !wasUp) loadCommands(); wasUp = up; });
  // Commands come a moment after a gateway is ready.
  setInterval(() => { if (store.ready && !commands.length && store.state && store.state.up) loadCommands(); }, 2000);
}
export { visible, toast };
