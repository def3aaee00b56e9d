// A safe subset of Discord's Markdown, built as nodes: nothing that is typed can become HTML.

import { h } from "./dom.js";
import { store, name, room } from "./store.js";

const GIF = /^https:\/\/(?:\S*tenor\.com|\S*giphy\.com|\S*klipy\.com|cdn\.discordapp\.com)\/\S+$/;
// Order matters: what comes first wins.
const RULES = [
  [/^`([^`\n]+)`/, m => h("code", null, m[1])],
  [/^\\([\\*_~`|>#<@])/, m => m[1]],
  [/^\*\*(?=\S)([\s\S]+?\S?)\*\*/, (m, d) => h("strong", null, inline(m[1], d))],
  [/^__(?=\S)([\s\S]+?\S?)__/, (m, d) => h("u", null, inline(m[1], d))],
  [/^~~(?=\S)([\s\S]+?\S?)~~/, (m, d) => h("s", null, inline(m[1], d))],
  [/^\|\|([\s\S]+?)\|\|/, (m, d) => spoiler(inline(m[1], d))],
  [/^\*(?=[^\s*])([^*\n]+?)\*/, (m, d) => h("em", null, inline(m[1], d))],
  [/^_(?=[^\s_])([^_\n]+?)_(?![A-Za-z0-9])/, (m, d) => h("em", null, inline(m[1], d))],
  [/^<@!?(\d+)>/, m => h("span", { class: "mention" }, "@" + name(m[1]))],
  [/^<@&(\d+)>/, () => h("span", { class: "mention" }, "@role")],
  [/^<#(\d+)>/, m => h("span", { class: "mention" }, "#" + ((room(m[1]) || {}).name || "channel"))],
  [/^<\/([\w -]+):\d+>/, m => h("span", { class: "mention" }, "/" + m[1])],
  [/^<a?:(\w+):\d+>/, m => h("span", null, ":" + m[1] + ":")],
  [/^<t:(-?\d+)(?::([tTdDfFR]))?>/, m => when(Number(m[1]), m[2] || "f")],
  [/^https?:\/\/[^\s<>]+[^\s<>.,:;"')\]!?]/, m => link(m[0])],
];

function spoiler(inside) {
  const b = h("span", { class: "spoiler", role: "button", tabindex: "0", "aria-pressed": "false", "aria-label": "Spoiler" }, inside);
  const flip = e => { if (e.type === "click" || e.key === "Enter" || e.key === " ") { e.preventDefault(); b.setAttribute("aria-pressed", "true"); b.removeAttribute("aria-label"); } };
  b.addEventListener("click", flip); b.addEventListener("keydown", flip);
  return b;
}

function link(url) {
  if (GIF.test(url)) {
    const word = (url.split("/").pop() || "").replace(/-?gif.*$/i, "").replace(/[-_]/g, " ").trim().slice(0, 28);
    return h("span", { class: "gif-card", role: "img", "aria-label": "GIF " + word, title: url }, "🦎", h("small", null, word || "a GIF"));
  }
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, url);
}

function when(unix, style) {
  const el = h("time", { class: "mention", datetime: isFinite(unix) && Math.abs(unix) < 8e12 ? new Date(unix * 1000).toISOString() : null });
  if (style === "R") { el.dataset.unix = unix; el.textContent = relative(unix); } else {
    const d = new Date(unix * 1000);
    el.textContent = style === "t" || style === "T" ? d.toLocaleTimeString() : style === "d" || style === "D" ? d.toLocaleDateString() : d.toLocaleString();
  }
  return el;
}

function relative(unix) {
  const s = Math.round(unix - Date.now() / 1000), a = Math.abs(s);
  const [n, u] = a < 60 ? [a, "second"] : a < 3600 ? [Math.round(a / 60), "minute"] : a < 86400 ? [Math.round(a / 3600), "hour"] : [Math.round(a / 86400), "day"];
  const words = `${n} ${u}${n === 1 ? "" : "s"}`;
  return s >= 0 ? "in " + words : words + " ago";
}

setInterval(() => { for (const el of document.querySelectorAll("time[data-unix]")) { const t = relative(Number(el.dataset.unix)); if (el.textContent !== t) el.textContent = t; } }, 1000);

const SPECIAL = /[`\\*_~|<]|https?:\/\//;

export function inline(src, depth = 0) {
  const out = [];
  let plain = "";
  const flush = () => { if (plain) { out.push(plain); plain = ""; } };
  while (src) {
    const at = src.search(SPECIAL);
    if (at < 0 || depth > 6) { plain += src; break; }
    plain += src.slice(0, at);
    src = src.slice(at);
    let hit = false;
    if (!(src[0] === "_" && /[A-Za-z0-9]$/.test(plain))) {
      for (const [re, make] of RULES) {
        const m = re.exec(src);
        if (!m) continue;
        flush();
        out.push(make(m, depth + 1));
        src = src.slice(m[0].length);
        hit = true;
        break;
      }
    }
    if (!hit) { plain += src[0]; src = src.slice(1); }
  }
  flush();
  return out;
}

// markdown renders a whole message.
export function markdown(src) {
  const out = [];
  const parts = src.split(/```(?:([\w+#.-]{1,20})\n)?([\s\S]*?)```/);
  for (let i = 0; i < parts.length; i += 3) {
    if (parts[i]) out.push(...lines(i > 0 ? parts[i].replace(/^\n/, "") : parts[i]));
    if (i + 2 < parts.length) out.push(h("pre", { tabindex: "0" }, parts[i + 1] && h("span", { class: "lang" }, parts[i + 1]), h("code", null, (parts[i + 2] || "").replace(/^\n|\n$/g, ""))));
  }
  return out;
}

function lines(src) {
  const out = [];
  const all = src.split("\n");
  all.forEach((l, i) => {
    let m;
    const end = i < all.length - 1 ? "\n" : "";
    if ((m = /^> (.*)$/.exec(l))) { out.push(h("blockquote", null, inline(m[1]))); return; }
    if ((m = /^#{1,3} (.+)$/.exec(l))) { out.push(h("h4", null, inline(m[1]))); return; }
    if ((m = /^\s*[-*] (.+)$/.exec(l))) { out.push(h("span", { class: "li" }, "• ", inline(m[1]))); return; }
    out.push(...inline(l), end);
  });
  return out;
}

// plain is one line of a message for a quote.
export function plain(src) {
  return src.replace(/<@!?(\d+)>/g, (_, id) => "@" + name(id)).replace(/<t:\d+(:\w)?>/g, "…").replace(/```\w*/g, "").replace(/(\*\*|__|~~|\|\||[*_`])(?=\S)(.+?)\1/g, "$2").replace(/\s+/g, " ").trim();
}

export const jumbo = s => s.length <= 40 && /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s)+$/u.test(s) && /\p{Extended_Pictographic}/u.test(s);
export { store };
