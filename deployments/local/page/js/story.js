// The story's banner: which chapter is told, what the judge counted, how it ended.

import { h, $, fill, text } from "./dom.js";
import { store, on, say } from "./store.js";
import { order } from "./feed.js";
import { kept } from "./frame.js";

export function story() {
  const el = $("story");
  const bars = h("div", { class: "chapters", "aria-hidden": "true" });
  const title = h("b"), words = h("span");
  const figure = name => { const b = h("b", null, "0"); return [b, h("div", null, b, name)]; };
  const [asked, askedBox] = figure("asked"), [answered, answeredBox] = figure("answered"), [twice, twiceBox] = figure("twice"), [over, overBox] = figure("over a limit");
  const again = h("button", { type: "button", onclick: () => order("story", { on: true }).catch(() => {}) }, "Tell it again");
  const stop = h("button", { type: "button" });
  let closed = kept.get("verdict"), ended = false; // the verdict that was closed stays closed
  stop.addEventListener("click", () => {
    if (store.state && store.state.story.on) order("story", { on: false }).catch(() => {});
    else { closed = String(store.state.story.ended); kept.set("verdict", closed); el.hidden = true; $("box").focus(); }
  });
  fill(el, bars, h("div", { class: "words", role: "status" }, title, words), h("div", { class: "facts" }, askedBox, answeredBox, twiceBox, overBox), again, stop);
  on("state", () => {
    const s = store.state && store.state.story;
    if (!s || !(s.on || s.verdict)) { el.hidden = true; return; }
    if (ended === s.on) { ended = !s.on; say("story", s); }
    el.hidden = !s.on && closed === String(s.ended);
    el.classList.toggle("good", !s.on && !!s.good);
    el.classList.toggle("bad", !s.on && !s.good);
    const chapters = s.chapters || [];
    if (bars.children.length !== chapters.length) fill(bars, chapters.map(c => h("i", { title: c })));
    [...bars.children].forEach((b, i) => { b.className = !s.on && s.good || i + 1 < s.chapter ? "done" : i + 1 === s.chapter ? "now" : ""; });
    text(title, s.on ? (s.chapter ? `${s.chapter}. ${chapters[s.chapter - 1]}` : "Once upon a time …") : s.good ? "Nobody noticed." : "The story did not end well.");
    text(words, s.on ? s.caption || "" : s.verdict);
    const f = s.facts || {};
    text(asked, String(f.asked || 0)); text(answered, String(f.answered || 0)); text(twice, String(f.twice || 0)); text(over, String(f.over || 0));
    again.hidden = s.on;
    text(stop, s.on ? "End it" : "Close");
  });
}
