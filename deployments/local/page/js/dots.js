// Questions as dots that travel gateway → queue → worker → key → reply, on one canvas over the road. It draws only while
// something moves.

import { $, perFrame } from "./dom.js";
import { store, on } from "./store.js";

const MOST = 240;   // dots drawn at once; the figures count all
const TRAVEL = 380; // ms from station to station
const PAUSE = 24;   // ms between two drawings: 30 in a second look smooth and leave the processor to the rest
const FADE = 500;   // ms at the end of the road
const STALE = 10 * 60 * 1000; // a question whose end was missed
const still = matchMedia("(prefers-reduced-motion: reduce)");

const dots = new Map(); // question id -> {at, key, worker, x, y, from, began, end, mine, bad}
let places = new Map(), canvas, g, ratio = 1, drawn = 0, running = false, colours = {};

// measure reads where the stations, workers, keys and the queue's lane are. It runs once after a change, not per frame.
const measure = () => {
  const road = $("road");
  if (!road || !road.offsetParent) return;
  const top = road.getBoundingClientRect();
  places = new Map([["width", top.width], ["height", top.height]]);
  const put = (name, el, x, y) => { const r = el.getBoundingClientRect(); places.set(name, { x: x === undefined ? r.left - top.left : x, y: r.top - top.top + (y === undefined ? r.height / 2 : y), w: r.width }); };
  for (const el of road.querySelectorAll(".station")) put("station " + el.dataset.station, el.querySelector(".knob"), 18);
  for (const el of road.querySelectorAll("[data-process]")) put("process " + el.dataset.process, el, 18);
  for (const el of road.querySelectorAll("[data-key]")) put("key " + el.dataset.key, el.querySelector(".gauge") || el, 18, 8);
  put("lane", $("lane"));
  ratio = Math.min(2, devicePixelRatio || 1);
  if (canvas.width !== Math.round(top.width * ratio) || canvas.height !== Math.round(top.height * ratio)) { canvas.width = Math.round(top.width * ratio); canvas.height = Math.round(top.height * ratio); }
  const css = getComputedStyle(document.documentElement), of = n => css.getPropertyValue(n).trim();
  colours = { dot: of("--dot"), mine: of("--accent"), good: of("--good"), bad: of("--bad"), ring: of("--text") };
  start();
};

// goal is where a dot stands now; those that wait stand in the lane, in rows.
function goal(d, i) {
  if (d.at === "queue") {
    const l = places.get("lane");
    if (!l) return places.get("station queue");
    const per = Math.max(1, Math.floor(l.w / 9));
    return { x: l.x + 4 + (i % per) * 9, y: l.y - 6 + Math.min(2, Math.floor(i / per)) * 7 };
  }
  if (d.at === "key") {
    const k = places.get("key " + d.key);
    if (k) return { x: k.x + 14 + d.lane * 9, y: k.y };
  }
  if (d.at === "worker") return places.get("process " + d.worker) || places.get("station worker");
  return places.get("station " + d.at) || places.get("station key");
}

function move(d, to, now) {
  if (d.at === to) return;
  d.fromX = d.x; d.fromY = d.y;
  d.at = to;
  d.began = now;
}

const ease = t => t < .5 ? 2 * t * t : 1 - (2 - 2 * t) * (2 - 2 * t) / 2;

function frame(now) {
  if (now - drawn < PAUSE) { requestAnimationFrame(frame); return; }
  drawn = now;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, places.get("width") || 0, places.get("height") || 0);
  let moving = false, waiting = 0;
  for (const [id, d] of dots) {
    if (d.next.length && now - d.began >= TRAVEL) move(d, d.next.shift(), now);
    if (d.done && !d.next.length && now - d.began > TRAVEL + FADE) { dots.delete(id); continue; }
    const to = goal(d, d.at === "queue" ? waiting++ : 0);
    if (!to) continue;
    const t = still.matches ? 1 : Math.min(1, (now - d.began) / TRAVEL), k = ease(t);
    if (d.x === undefined) { const s = places.get("station gateway") || to; d.x = d.fromX = s.x; d.y = d.fromY = s.y; }
    d.x = d.fromX + (to.x - d.fromX) * k;
    d.y = d.fromY + (to.y - d.fromY) * k;
    if (t < 1 || d.next.length || d.done) moving = true; else { d.fromX = d.x; d.fromY = d.y; }
    g.globalAlpha = d.done && !d.next.length ? Math.max(0, 1 - Math.max(0, now - d.began - TRAVEL) / FADE) : 1;
    g.fillStyle = d.bad ? colours.bad : d.done ? colours.good : d.mine ? colours.mine : colours.dot;
    g.beginPath();
    g.arc(d.x, d.y, d.mine ? 5 : 3.5, 0, 7);
    g.fill();
    if (d.mine) { g.strokeStyle = colours.ring; g.lineWidth = 1.5; g.stroke(); }
  }
  g.globalAlpha = 1;
  running = moving && !document.hidden && places.size > 0;
  if (running) requestAnimationFrame(frame);
}

function start() {
  if (running || !places.size || document.hidden) return;
  running = true;
  requestAnimationFrame(frame);
}

function step(s) {
  const now = performance.now();
  let d = dots.get(s.id);
  if (!d) {
    if (s.stage !== "queued" || dots.size >= MOST) return;
    d = { at: "gateway", next: ["queue"], began: now, lane: 0, mine: store.me && s.user === store.me.id, seen: now };
    dots.set(s.id, d);
  }
  d.seen = now;
  switch (s.stage) {
    case "calling":
      d.worker = s.worker; d.key = s.key; d.bad = false;
      d.lane = lane(s.key, d);
      d.next.push("worker", "key");
      break;
    case "called":
      if (s.status !== 200) { d.bad = true; d.next.push("worker"); }
      break;
    case "answered":
      if (s.kind === "dropped") { d.next.push("reply"); d.bad = d.done = true; } else d.next.push("worker");
      break;
    case "posted": d.next.push("reply"); d.done = true; break;
    case "dead": d.bad = true; break;
  }
  if (d.next.length > 4) d.next.splice(0, d.next.length - 4); // it is far behind: it takes a short cut
  start();
}

// lane is a free place beside a key.
function lane(key, me) {
  const taken = new Set();
  for (const d of dots.values()) if (d !== me && d.key === key && !d.done) taken.add(d.lane);
  let i = 0;
  while (taken.has(i) && i < 28) i++;
  return i;
}

export function travel() {
  canvas = $("dots");
  g = canvas.getContext("2d");
  const later = perFrame(measure);
  new ResizeObserver(later).observe($("road"));
  new MutationObserver(later).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  let shape = "";
  on("state", () => { // a row that came or went moves those below it without a new size at times
    const s = store.state, now = (s && (s.processes || []).map(p => p.name).join() + (s.keys || []).length) || "";
    if (now !== shape) { shape = now; later(); }
  });
  on("hello", () => dots.clear());
  on("step", step);
  document.addEventListener("visibilitychange", () => { running = false; start(); });
  setInterval(() => { const now = performance.now(); for (const [id, d] of dots) if (now - d.seen > STALE) dots.delete(id); }, 30000);
}
