// Trouble to make: with processes, keys, the model, Discord, and a crowd.

import { h, $, fill, text, toast } from "./dom.js";
import { store, on } from "./store.js";
import { order } from "./feed.js";
import { spent } from "./road.js";

const does = (what, body) => () => order(what, body()).then(r => r.done && toast(r.done[0].toUpperCase() + r.done.slice(1) + ".")).catch(() => {});
const button = (words, body, props) => h("button", { type: "button", class: "button", onclick: does("trouble", body), ...props }, words);
const of = role => ((store.state && store.state.processes) || []).filter(p => p.role === role);

const AILMENTS = [
  ["429", "429, wait 5 s"], ["429-bare", "429 without a word"], ["402", "402, no credit"], ["401", "401, refused"], ["503", "503, loading"], ["500", "500"],
  ["html", "an HTML page"], ["garbage", "broken JSON"], ["truncated", "half a body"], ["empty", "no text"], ["reset", "connection reset"], ["hang", "never"], ["slow", "slowly"], ["400", "400, bad request"],
];
const DISCORD = [
  ["cut", "Cut it for 8 s"], ["reset", "Reset connections"], ["silent", "Fall silent"], ["reconnect", "Ask to reconnect"], ["invalid", "End the sessions"], ["500", "Fail 3 posts"], ["lost", "Lose 3 answers to posts"], ["limits", "Discord's own limits"],
];

function slider(id, words, min, max, value, step) {
  const out = h("output", { for: id }, String(value));
  const input = h("input", { type: "range", id, min, max, value, step, oninput: () => text(out, input.value) });
  return { el: h("div", { class: "field slide" }, h("label", { for: id }, words), input, out), get: () => Number(input.value) };
}

const section = (title, words, ...inside) => h("section", null, h("h3", null, title), words && h("p", null, words), inside);

export function trouble() {
  const pane = $("pane-trouble");
  const now = h("div", { class: "trouble-now", role: "status", hidden: true });
  const nowWords = h("span"), well = button("Make it well", () => ({ what: "well" }));
  fill(now, nowWords, well);

  const tell = h("button", { type: "button", class: "button main", id: "tell" }, "▶ Play the story");
  tell.addEventListener("click", () => order("story", { on: !(store.state && store.state.story.on) }).catch(() => {}));

  const people = slider("crowd-people", "People", 10, 200, 60, 10), rate = slider("crowd-rate", "Messages a second", 1, 50, 10, 1), share = slider("crowd-share", "% for the bot", 0, 100, 5, 5);
  const crowd = h("button", { type: "button", class: "button", id: "crowd" }, "Let them in");
  crowd.addEventListener("click", does("crowd", () => ({ on: !store.state.crowd.on, people: people.get(), rate: rate.get(), share: share.get() / 100 })));
  const said = h("p", { class: "muted" });

  const busiest = () => of("worker").filter(p => p.pid).sort((a, b) => b.inflight - a.inflight)[0];
  const kill = button("Kill the busiest worker", () => ({ what: "kill", name: busiest() ? busiest().name : "" }), { id: "kill-worker" });
  const add = button("Add a worker", () => ({ what: "add", kind: "worker" }), { id: "add-worker" });
  const gateway = button("Kill the gateway", () => ({ what: "kill", name: (of("gateway").find(p => p.pid) || {}).name || "" }), { id: "kill-gateway" });
  const second = button("Add a gateway", () => ({ what: "add", kind: "gateway" }), { id: "add-gateway" });
  const nats = button("Restart NATS", () => ({ what: "nats" }), { id: "restart-nats" });
  const drain = button("Drain a worker", () => ({ what: "drain", name: (of("worker").find(p => p.ready) || {}).name || "" }));

  const exhaust = h("div", { class: "buttons" });
  const whose = h("select", { id: "ail-key" }, h("option", { value: "" }, "all keys"));
  const ails = AILMENTS.map(([kind, words]) => button(words, () => store.state.trouble.model === kind ? { what: "well" } : { what: "model", kind, key: whose.value }, { dataset: { ail: kind }, "aria-pressed": "false" }));
  const discord = DISCORD.map(([kind, words]) => button(words, () => ({ what: "discord", kind }), { dataset: { discord: kind } }));
  const style = ["reply", "thread"].map(kind => button(kind === "reply" ? "Replies" : "Threads", () => ({ what: "style", kind }), { dataset: { style: kind }, "aria-pressed": "false" }));

  const off = h("p", { class: "off-note", id: "off-note", hidden: true });
  const processes = section("Processes", "Real ones, killed with SIGKILL. The gateway and NATS are started again, as a supervisor would; a worker comes when you add one.", h("div", { class: "buttons" }, kill, add, drain, gateway, second, nats));
  const keys = section("Budget", "Uses up what is left of a key's window by asking as many questions.", exhaust);
  const model = section("Hugging Face answers with", null, h("div", { class: "field" }, h("label", { for: "ail-key" }, "for"), whose), h("div", { class: "buttons" }, ails));
  const net = section("Discord", null, h("div", { class: "buttons" }, discord));
  const answers = section("Answers come as", "A question asked in a thread is answered there either way. The gateway starts anew.", h("div", { class: "buttons" }, style));
  const told = section("The story of the original bot", "A crowd comes, the first key is spent, the second takes over, a worker dies, the window turns. About half a minute; the simulators' books judge it.", h("div", { class: "buttons" }, tell));
  const many = section("A crowd", "Simulated people in Ember Café. Most talk among themselves.", people.el, rate.el, share.el, h("div", { class: "buttons" }, crowd), said);
  fill(pane, now, off, told, many, processes, keys, model, net, answers);

  on("hello", () => {
    const r = store.real;
    told.hidden = many.hidden = keys.hidden = !!(r.discord || r.model);
    processes.hidden = net.hidden = answers.hidden = !!r.discord;
    model.hidden = !!r.model;
    off.hidden = !r.discord && !r.model;
    text(off, r.discord && r.model ? "Discord and Hugging Face are real: trouble is switched off." : r.discord ? "Discord is real: only the simulated model can be troubled." : r.model ? "Hugging Face is real: no budget is burnt on purpose, and the model is left alone." : "");
  });
  let names = "";
  on("state", () => {
    const s = store.state;
    if (!s) return;
    const t = s.trouble, cut = t.cut > s.now;
    const closed = store.real.model ? [] : (s.keys || []).filter(k => k.state === "resting" || k.state === "refused");
    now.hidden = !t.model && !cut && !t.limit && !closed.length;
    text(nowWords, [t.model && `Hugging Face answers with “${(AILMENTS.find(a => a[0] === t.model) || [0, t.model])[1]}”${t.key ? " for " + t.key : ""}.`, cut && "Discord is cut.", t.limit && "Discord's own limits hold.", ...closed.map(k => `The workers leave ${k.name} alone: it is ${k.state}.`)].filter(Boolean).join(" "));
    well.hidden = !t.model && !closed.length;
    text(tell, s.story.on ? "■ End the story" : "▶ Play the story");
    tell.classList.toggle("main", !s.story.on);
    text(crowd, s.crowd.on ? "Send them home" : "Let them in");
    crowd.classList.toggle("on", s.crowd.on);
    crowd.disabled = s.story.on;
    text(said, s.crowd.said + s.crowd.asked ? `${(s.crowd.said + s.crowd.asked).toLocaleString("en")} messages, ${s.crowd.asked.toLocaleString("en")} of them questions` : "");
    const workers = of("worker"), gateways = of("gateway");
    kill.disabled = !workers.some(p => p.pid); drain.disabled = !workers.some(p => p.ready);
    add.disabled = workers.length >= 8; second.disabled = gateways.length >= 2;
    gateway.disabled = !gateways.some(p => p.pid); nats.disabled = !of("nats").some(p => p.pid);
    const list = (s.keys || []).map(k => k.name);
    if (list.join() !== names) {
      names = list.join();
      fill(exhaust, list.map((k, i) => button(i === list.length - 1 && i > 0 ? "Exhaust all keys" : "Exhaust " + k, () => ({ what: "exhaust", key: k }), { dataset: { exhaust: k } })));
      fill(whose, h("option", { value: "" }, "all keys"), list.map(k => h("option", { value: k }, k)));
    }
    [...exhaust.children].forEach((b, i) => { b.disabled = (s.keys || []).slice(0, i + 1).every(spent); });
    for (const b of ails) { const is = b.dataset.ail === t.model; b.classList.toggle("on", is); b.setAttribute("aria-pressed", String(is)); }
    for (const b of discord) { const is = b.dataset.discord === "limits" ? !!t.limit : b.dataset.discord === "cut" && cut; b.classList.toggle("on", is); b.disabled = b.dataset.discord === "cut" && cut; }
    for (const b of style) { const is = b.dataset.style === s.style; b.classList.toggle("on", is); b.setAttribute("aria-pressed", String(is)); b.disabled = is; }
  });
}
