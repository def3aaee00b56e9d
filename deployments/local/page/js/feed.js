// The live connection: server-sent events in, orders out. What arrives is applied at once and drawn in batches.

import { store, hello, thread, upsert, drop, forgetRoom, say, isBot } from "./store.js";
import { perFrame, toast } from "./dom.js";

const PACE = 80; // ms between two drawings in a crowd: a message that comes alone is drawn in the next frame
let changed = { messages: new Map(), gone: new Set(), rooms: false, typing: false };
const draw = perFrame(() => {
  const c = changed;
  changed = { messages: new Map(), gone: new Set(), rooms: false, typing: false };
  if (c.messages.size || c.gone.size) say("messages", c);
  if (c.rooms || c.messages.size) say("rooms");
  if (c.typing) say("typing");
}, PACE);

const TYPING_FOR = 10000; // Discord's own
const KEEP_LINES = 300;

const take = {
  hello(v) { hello(v); say("online", true); },
  message(m) {
    const r = upsert(m);
    changed.messages.set(m.id, r);
    const t = store.typing.get(m.channel);
    if (t && r.fresh && t.delete(m.author)) changed.typing = true;
    if (r.fresh) say("said", r.m);
  },
  response(m) {
    if (m.only && m.only === store.bot) return;
    const waiting = "i" + m.command;
    if (m.id !== waiting && store.byId.has(waiting)) { changed.gone.add(drop(waiting)); }
    if (m.gone) { const d = drop(m.id); if (d) changed.gone.add(d); return; }
    if (!m.author || m.author === "0") m.author = store.bot;
    if (!m.text && m.id === waiting) m.loading = true;
    changed.messages.set(m.id, upsert(m));
    say("answered", m);
  },
  delete(v) { const m = drop(v.id); if (m) changed.gone.add(m); },
  typing(v) {
    let t = store.typing.get(v.channel);
    if (!t) store.typing.set(v.channel, t = new Map());
    t.set(v.user, Date.now() + TYPING_FOR);
    changed.typing = true;
  },
  thread(t) { thread(t); changed.rooms = true; const m = store.byId.get(t.id); if (m) { m.thread = t.id; changed.messages.set(m.id, { m, fresh: false }); } },
  gone(v) { forgetRoom(v.id); changed.rooms = true; say("roomgone", v.id); },
  names(v) { store.names = v; },
  step(s) { say("step", s); },
  state(v) {
    store.state = v;
    const last = store.logs.length ? store.logs[store.logs.length - 1].n : 0;
    const fresh = (v.logs || []).filter(l => l.n > last); // a page that has just joined knows some already
    if (fresh.length) { store.logs.push(...fresh); if (store.logs.length > KEEP_LINES) store.logs.splice(0, store.logs.length - KEEP_LINES); say("logs", fresh); }
    say("state");
  },
  ping() {},
};

export function connect() {
  const es = new EventSource("api/events");
  es.onmessage = e => {
    for (const x of JSON.parse(e.data)) (take[x.k] || take.ping)(x.v);
    draw();
  };
  es.onerror = () => say("online", false);
}

// typing fades by itself.
setInterval(() => {
  const now = Date.now();
  let any = false;
  for (const t of store.typing.values()) for (const [u, until] of t) if (until < now) { t.delete(u); any = true; }
  if (any) say("typing");
}, 1000);

// order sends a command to the playground; a refusal is shown and thrown.
export async function order(what, body) {
  let res, out;
  try {
    res = await fetch("api/" + what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    out = await res.json();
  } catch {
    toast("The playground does not answer. Is it still running?", true);
    throw new Error("offline");
  }
  if (!res.ok) { toast(out.error || "That did not work.", true); throw new Error(out.error); }
  return out;
}

export { isBot };
