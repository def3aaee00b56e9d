// What the page knows. Others read it, and hear by name what changed; changes come in batches, once per frame.

// Messages of one channel that are kept. Over KEEP + SLACK the oldest go together, so that in a crowd the rows below them
// move once a second and not with every message.
export const KEEP = 120;
const SLACK = 40;

export const store = {
  ready: false, real: {}, kind: "", guilds: [], people: [], bot: "", names: {},
  me: null, guild: "", channel: "",
  rooms: new Map(),    // channel id -> {id, name, topic, guild, chat, staff, parent}
  messages: new Map(), // channel id -> [message], oldest first
  byId: new Map(),     // message id -> message
  unread: new Map(),   // channel id -> number
  typing: new Map(),   // channel id -> Map(user -> until)
  state: null, logs: [],
};

const ears = new Map();
export function on(what, f) {
  if (!ears.has(what)) ears.set(what, []);
  ears.get(what).push(f);
}
export function say(what, v) {
  for (const f of ears.get(what) || []) f(v);
}

export const name = id => store.names[id] || "somebody";
export const room = id => store.rooms.get(id);
export const isBot = id => id === store.bot;

// parent is the channel that a thread stands under, or the channel itself.
export const home = id => { const r = room(id); return r && r.parent ? r.parent : id; };

// visible says whether the one we are may see a channel.
export function visible(r, me = store.me) {
  if (!r || !me) return false;
  if (r.dm) return r.dm === me.id;
  if (!me.guilds.includes(r.guild)) return false;
  return !r.staff || (me.staff || []).includes(r.guild);
}

export function hello(v) {
  const first = !store.ready;
  Object.assign(store, { ready: true, real: v.real, kind: v.kind, guilds: v.guilds || [], people: v.people || [], bot: v.bot, names: v.names || {}, logs: v.logs || [], logFile: v.log_file });
  store.rooms.clear(); store.messages.clear(); store.byId.clear(); store.typing.clear();
  for (const g of store.guilds) for (const c of g.channels) store.rooms.set(c.id, { ...c, guild: g.id });
  for (const p of store.people) store.rooms.set(p.dm, { id: p.dm, name: "Salamander", topic: "Direct messages: every message is a question", guild: "", dm: p.id, chat: true });
  for (const t of v.threads || []) thread(t);
  for (const m of v.messages || []) upsert(m, true);
  if (first || !store.people.some(p => store.me && p.id === store.me.id)) store.me = store.people[0] || null;
  else store.me = store.people.find(p => p.id === store.me.id);
  if (!store.rooms.has(store.channel) && store.guilds.length) { store.guild = store.guilds[0].id; store.channel = store.guilds[0].channels[0].id; }
  store.state = v.state;
  say("hello"); say("state"); say("logs", store.logs);
}

export function thread(t) {
  store.rooms.set(t.id, { id: t.id, name: t.name, guild: t.guild, parent: t.parent, chat: true, topic: "A thread" });
}

// upsert puts a message in, or changes it; the oldest may go. It returns what happened.
export function upsert(m, quiet) {
  const old = store.byId.get(m.id);
  if (old) {
    Object.assign(old, m);
    return { m: old, fresh: false };
  }
  let list = store.messages.get(m.channel);
  if (!list) store.messages.set(m.channel, list = []);
  let i = list.length;
  while (i > 0 && list[i - 1].at > m.at) i--;
  list.splice(i, 0, m);
  store.byId.set(m.id, m);
  const cut = list.length > KEEP + SLACK ? list.splice(0, list.length - KEEP) : [];
  for (const x of cut) store.byId.delete(x.id);
  if (!quiet && !m.system && m.channel !== store.channel && visible(room(m.channel))) store.unread.set(m.channel, (store.unread.get(m.channel) || 0) + 1);
  return { m, fresh: true, cut };
}

export function drop(id) {
  const m = store.byId.get(id);
  if (!m) return null;
  store.byId.delete(id);
  const list = store.messages.get(m.channel);
  const i = list.indexOf(m);
  if (i >= 0) list.splice(i, 1);
  return m;
}

export function forgetRoom(id) {
  for (const m of store.messages.get(id) || []) store.byId.delete(m.id);
  store.messages.delete(id); store.rooms.delete(id); store.unread.delete(id); store.typing.delete(id);
}

export function go(channel) {
  const r = room(channel);
  if (!r) return;
  store.channel = channel;
  store.guild = r.dm ? "" : r.guild;
  store.unread.delete(channel);
  say("go");
}

export function become(id) {
  const p = store.people.find(x => x.id === id);
  if (!p || p === store.me) return;
  store.me = p;
  const here = room(store.channel);
  if (!visible(here)) {
    if (here && here.dm) store.channel = p.dm;
    else { const g = store.guilds.find(x => p.guilds.includes(x.id)); store.channel = g.channels[0].id; store.guild = g.id; }
  }
  say("become");
  say("go");
}
