// Five steps for a first visit. It stands above the messages and blocks nothing; what is done counts, however it was done.

import { h, $, fill } from "./dom.js";
import { store, on, go, become, say, room } from "./store.js";
import { kept, show } from "./frame.js";
import { stateOf } from "./road.js";

let at = 0, open = false, stopped = false, done = false;
const chatRoom = () => { const g = store.guilds.find(x => store.me.guilds.includes(x.id)); return g && g.channels.find(c => c.chat); };
const inChat = () => { const r = room(store.channel); if (!r || !r.chat) { const c = chatRoom(); if (c) go(c.id); } };
const put = words => { inChat(); const b = $("box"); b.value = words; b.dispatchEvent(new Event("input")); b.focus(); };
const moderator = () => store.people.find(p => (p.staff || []).includes(store.guild || (store.guilds[0] || {}).id));

const STEPS = [
  { title: "Ask something", words: "Every message in this channel is a question. Watch the dot travel along the road, and the answer come back.", does: "Write one for me", act: () => put("What do salamanders eat? 🦎") },
  { title: "Reply to the answer", words: "A reply goes on with the conversation: the bot remembers your last turns here, and only yours.", does: "Reply for me", act: () => { inChat(); const m = (store.messages.get(store.channel) || []).findLast(x => x.author === store.bot && !x.only && !x.system); if (m) say("replyto", m); put("And do you like it there?"); } },
  { title: "Be ignored", words: "What begins with $ignore gets no reaction of any kind: talk beside the bot.", does: "Write it for me", act: () => put("$ignore just talking among ourselves") },
  { title: "Silence it, as the moderator", words: "Become Mia and run /stop: the bot falls silent in this server at once, everywhere. Then /start it again.", does: "Become Mia and type it", act: () => { const m = moderator(); if (m) become(m.id); put(stopped ? "/start" : "/stop"); } },
  { title: "Exhaust a key", words: "Use up the first key's hour (here it is half a minute). The next question takes the second key; when the window turns, traffic goes back.", does: "Show me the button", act: () => { show("trouble"); const b = document.querySelector("[data-exhaust]"); if (b) { b.scrollIntoView({ block: "center" }); b.focus(); } } },
];

function draw() {
  const el = $("tour");
  el.hidden = !open || store.real.discord || !store.me;
  if (el.hidden) return;
  const s = STEPS[at], had = el.contains(document.activeElement);
  const close = h("button", { type: "button", "aria-label": "Close the tour", onclick: () => { open = false; kept.set("tour", "seen"); draw(); $("box").focus(); } }, "✕");
  const marks = h("span", { class: "tour-steps", role: "img", "aria-label": done ? "all five steps done" : `step ${at + 1} of ${STEPS.length}` }, STEPS.map((_, i) => h("i", { class: done || i < at ? "done" : i === at ? "now" : "" })));
  if (done) fill(el, h("div", { class: "tour-top" }, marks, h("b", null, "That was the tour"), close), h("p", null, "Now let it burn: under Trouble, play the story."), h("div", { class: "row" }, h("button", { type: "button", class: "button main", onclick: () => { show("trouble"); $("tell").focus(); } }, "Show me"), h("button", { type: "button", class: "button", onclick: () => { at = 0; done = false; draw(); } }, "Once more")));
  else fill(el, h("div", { class: "tour-top" }, marks, h("b", null, `${at + 1}. ${s.title}`), close), h("p", null, at === 3 && stopped ? "It is silent now: ask something and see. Then run /start." : s.words),
    h("div", { class: "row" }, h("button", { type: "button", class: "button main", onclick: () => s.act() }, at === 3 && stopped ? "Type /start" : s.does), h("button", { type: "button", class: "button", onclick: () => next(at) }, "Skip")));
  if (had) el.querySelector("button.main").focus();
}

// next leaves a step that was done; others are left alone.
function next(step) {
  if (!open || done || step !== at) return;
  if (at === STEPS.length - 1) { done = true; kept.set("tour", "seen"); } else at++;
  draw();
}

export function tour() {
  open = kept.get("tour") !== "seen";
  $("help").addEventListener("click", () => { open = !open || done; if (done) { done = false; at = 0; } show("chat"); draw(); if (open) $("tour").querySelector("button.main").focus(); });
  on("hello", draw);
  on("become", draw);
  on("said", m => { const q = m.author === store.bot && m.ref && store.byId.get(m.ref); if (q && store.people.some(p => p.id === q.author)) next(0); });
  on("typed", t => {
    if (t.reply) next(1);
    if (/^\$ignore\b/.test(t.text)) next(2);
    if (/^[$/]stop\b/.test(t.text) && at === 3) { stopped = true; draw(); }
    if (/^[$/]start\b/.test(t.text) && stopped) { stopped = false; next(3); }
  });
  on("state", () => { const k = store.state && (store.state.keys || [])[0]; if (k && at === 4 && stateOf(k) === "spent") next(4); });
}
