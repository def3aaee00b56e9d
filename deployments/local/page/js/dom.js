// Small helpers to build the page. Text always enters as text nodes, never as HTML.

export function h(tag, props, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k === "class") el.className = v;
    else if (k.startsWith("on")) el.addEventListener(k.slice(2), v);
    else if (k === "dataset") Object.assign(el.dataset, v);
    else if (v === true) el.setAttribute(k, "");
    else el.setAttribute(k, v);
  }
  add(el, children);
  return el;
}

function add(el, children) {
  for (const c of children) {
    if (c === undefined || c === null || c === false) continue;
    if (Array.isArray(c)) add(el, c);
    else el.append(c);
  }
}

export const $ = id => document.getElementById(id);

export function fill(el, ...children) {
  el.replaceChildren();
  add(el, children);
}

// text sets an element's text only when it differs, so that nothing is drawn in vain.
export function text(el, s) {
  if (el.textContent !== s) el.textContent = s;
}

// perFrame runs f once in the next frame, however often it is asked for, and not again before rest ms have passed.
export function perFrame(f, rest = 0) {
  let asked = false, last = -Infinity;
  const run = () => { asked = false; last = performance.now(); f(); };
  return () => {
    if (asked) return;
    asked = true;
    const wait = last + rest - performance.now();
    if (document.hidden) setTimeout(run, Math.max(200, wait));
    else if (wait > 16) setTimeout(() => requestAnimationFrame(run), wait);
    else requestAnimationFrame(run);
  };
}

export function toast(words, bad) {
  const t = h("div", { class: bad ? "toast bad" : "toast" }, words);
  const box = $("toasts");
  box.append(t);
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => t.remove(), 5000);
}

// hue is a stable colour of a person: dark text stands on it.
const hues = ["#f2a65a", "#7cc6fe", "#a5e887", "#f7aef8", "#ffd166", "#9bf6e0", "#c5b3ff", "#ff9a9a", "#b8e986", "#8ecae6"];
export function hue(id) {
  let n = 0;
  for (const c of String(id)) n = (n * 31 + c.charCodeAt(0)) >>> 0;
  return hues[n % hues.length];
}

export function avatar(id, name, bot, size) {
  if (bot) return h("img", { class: "avatar " + (size || ""), src: "img/salamander.svg", alt: "" });
  const el = h("span", { class: "avatar " + (size || ""), "aria-hidden": "true" }, (name || "?").slice(0, 1));
  el.style.background = hue(id);
  return el;
}

// clocks are made once: a locale's rules are costly to look up.
const minutes = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const moments = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
export const clock = ms => minutes.format(ms);
export const moment = ms => moments.format(ms);
