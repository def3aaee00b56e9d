// What the sanitizer took out of the last message, and what it rewrote.

import { h, $, fill, perFrame } from "./dom.js";
import { store, on, name } from "./store.js";

const LONGEST = 300; // characters that are compared
const MINE = 8000;   // ms in which one's own message is not driven away by others
const OTHERS = 1500;

let last = null, shownAt = 0;

// words are letters, so that a family of emoji joined by zero-width joiners is one.
const cut = s => "Segmenter" in Intl ? [...new Intl.Segmenter().segment(s)].map(x => x.segment) : [...s];

// compare returns pieces [kind, text] with kind "same", "out" or "in".
export function compare(a, b) {
  const x = cut(a.slice(0, LONGEST)), y = cut(b.slice(0, LONGEST));
  const n = x.length, m = y.length, t = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--) for (let j = m - 1; j >= 0; j--) t[i][j] = x[i] === y[j] ? t[i + 1][j + 1] + 1 : Math.max(t[i + 1][j], t[i][j + 1]);
  const out = [];
  const put = (kind, s) => { const p = out[out.length - 1]; if (p && p[0] === kind) p[1] += s; else out.push([kind, s]); };
  let i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && x[i] === y[j]) { put("same", x[i]); i++; j++; }
    else if (i < n && (j >= m || t[i + 1][j] >= t[i][j + 1])) put("out", x[i++]);
    else put("in", y[j++]);
  }
  return out;
}

// visible makes characters that can't be seen readable.
const visible = s => s.replace(/\p{Cf}|\p{Cc}/gu, c => c === "\n" ? "⏎" : c === "\u200d" ? c : "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));

function draw() {
  const el = $("wash");
  if (!last) return;
  const same = last.typed === last.asked;
  fill(el, h("div", { class: "wash" }, h("h3", null, "What the sanitizer took out"),
    h("p", { class: "muted" }, same ? `Nothing: the model is asked what ${name(last.user)} typed.` : `Of what ${name(last.user)} typed:`),
    same ? h("p", null, last.asked.slice(0, LONGEST)) : h("p", null, compare(last.typed, last.asked).map(([k, s]) => k === "same" ? s : k === "out" ? h("del", null, visible(s)) : h("ins", null, s)))));
}

export function wash() {
  const nothing = () => fill($("wash"), h("div", { class: "wash" }, h("h3", null, "What the sanitizer took out"), h("p", { class: "muted" }, "Of the last message. Try one with emoji, a GIF or 𝓯𝓪𝓷𝓬𝔂 letters.")));
  nothing();
  const later = perFrame(draw);
  on("step", s => {
    if (s.stage !== "queued" || !s.asked) return;
    const now = Date.now(), mine = store.me && s.user === store.me.id;
    const age = now - shownAt;
    if (last && !mine && age < (last.mine ? MINE : OTHERS)) return;
    last = { typed: s.typed || s.asked, asked: s.asked, user: s.user, mine };
    shownAt = now;
    later();
  });
  // What is silently left out never becomes a question: the gateway's own counter tells.
  let before = null;
  on("state", () => {
    const empty = ((store.state && store.state.questions) || {}).empty || 0;
    if (before !== null && empty > before) {
      shownAt = Date.now();
      last = null;
      fill($("wash"), h("div", { class: "wash" }, h("h3", null, "What the sanitizer took out"), h("p", null, "Everything: no word was left of the last message, so the bot stays silent and no budget is spent.")));
    }
    before = empty;
  });
  on("hello", () => { last = null; nothing(); });
}
