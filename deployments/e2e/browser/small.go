package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// unfit lists what is wider than the page, cut, unnamed, doubled or too pale, as far as a program can see it: for each
// visible text the contrast of its colour on the nearest ground (WCAG 2.2, 1.4.3: 4.5, large text 3).
const unfit = `(() => {
  const bad = [];
  const parse = c => { const m = /rgba?\(([\d.]+)[, ]+([\d.]+)[, ]+([\d.]+)(?:[,/ ]+([\d.]+))?\)/.exec(c); return m ? [+m[1], +m[2], +m[3], m[4] === undefined ? 1 : +m[4]] : null; };
  const lum = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const ground = el => { const stack = []; for (let e = el; e; e = e.parentElement) { const s = getComputedStyle(e); if (s.backgroundImage !== "none") return null; const c = parse(s.backgroundColor); if (c && c[3] > 0) { stack.push(c); if (c[3] === 1) break; } } let out = [255, 255, 255, 1]; for (const c of stack.reverse()) out = over(c, out); return out; };
  const shown = el => { const r = el.getBoundingClientRect(); return r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth && getComputedStyle(el).visibility === "visible"; };
  if (document.documentElement.scrollWidth > innerWidth) bad.push("the page is wider than the screen: " + document.documentElement.scrollWidth);
  const ids = new Map();
  for (const e of document.querySelectorAll("[id]")) ids.set(e.id, (ids.get(e.id) || 0) + 1);
  for (const [id, n] of ids) if (n > 1) bad.push("id " + id + " stands " + n + " times");
  for (const e of document.querySelectorAll("button, a[href], input, select, textarea, [role=tab], [role=option]")) {
    if (!shown(e)) continue;
    const label = e.getAttribute("aria-label") || e.textContent.trim() || e.title || (e.labels && [...e.labels].map(l => l.textContent).join("").trim());
    if (!label) bad.push("no name: " + e.outerHTML.slice(0, 90));
    const r = e.getBoundingClientRect();
    if (r.left < -1 || r.right > innerWidth + 1) bad.push("out of the screen: " + (label || e.tagName).slice(0, 40));
  }
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  for (let n; (n = walk.nextNode());) {
    const e = n.parentElement;
    if (!/[\p{L}\p{N}]/u.test(n.data) || !e || seen.has(e) || !shown(e) || e.closest("[aria-hidden=true], .spoiler, :disabled, script, style, noscript, .sr, .skip")) continue;
    seen.add(e);
    const s = getComputedStyle(e), c = parse(s.color), g = ground(e);
    if (!c || !g) continue;
    let k = 1; for (let x = e; x; x = x.parentElement) k *= +getComputedStyle(x).opacity;
    if (k === 0) continue;
    const a = lum(over([c[0], c[1], c[2], c[3] * k], g)), b = lum(g), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const size = parseFloat(s.fontSize), least = size >= 24 || (size >= 18.66 && +s.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < least) bad.push("pale, " + ratio.toFixed(2) + ": " + n.data.trim().slice(0, 40) + " (" + e.className + ")");
    const r = e.getBoundingClientRect();
    if (s.overflow === "hidden" && s.textOverflow !== "ellipsis" && e.scrollWidth > e.clientWidth + 1) bad.push("cut: " + n.data.trim().slice(0, 40));
    if (r.right > innerWidth + 1 && !e.closest("pre, .tabs")) bad.push("text out of the screen: " + n.data.trim().slice(0, 40));
  }
  return bad.slice(0, 20).join("\n");
})()`

// fit fails with what is unfit once nothing slides any more.
func (s *suite) fit(where string) error {
	_ = s.until(3*time.Second, "it fits", "!"+unfit) // what is wrong is told below
	bad, err := eval[string](s.tab, unfit)
	if err != nil {
		return err
	}
	if bad != "" {
		return fmt.Errorf("%s:\n    %s", where, strings.ReplaceAll(bad, "\n", "\n    "))
	}
	return nil
}

// theme changes to dark or light.
func (s *suite) theme(to string) error {
	return s.until(5*time.Second, "the page is "+to, `(document.documentElement.dataset.theme === "`+to+`" || (document.querySelector("#theme").click(), false))`)
}

// kept are the views of which the docs show a picture.
var kept = map[string]bool{"dark-trouble": true, "light-road": true, "light-log": true, "phone-dark-road": true, "phone-drawer": true, "phone-answer": true}

// small looks at every view in both themes, wide and at the width of a phone, and asks on the phone.
func (s *suite) small() (string, error) {
	var errs []error
	look := func(name string) {
		errs = append(errs, s.fit(name))
		if kept[name] {
			errs = append(errs, s.shot(name))
		}
	}
	for _, theme := range []string{"dark", "light"} {
		if err := s.theme(theme); err != nil {
			return "", err
		}
		for _, view := range []string{"road", "trouble", "log"} {
			if err := s.pane(view); err != nil {
				return "", err
			}
			look(theme + "-" + view)
		}
	}
	if err := s.viewport(390, 844, true); err != nil {
		return "", err
	}
	for _, theme := range []string{"dark", "light"} {
		for _, view := range []string{"chat", "road", "trouble", "log"} {
			if err := s.click(`#tabs [data-view="` + view + `"]`); err != nil {
				return "", err
			}
			if view == "chat" {
				if err := s.theme(theme); err != nil {
					return "", err
				}
			}
			look("phone-" + theme + "-" + view)
		}
	}
	if err := errors.Join(s.click(`#tabs [data-view="chat"]`), s.click("#open-side")); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "the drawer is open", `document.querySelector("#rooms button").getBoundingClientRect().left >= 0`); err != nil {
		return "", err
	}
	look("phone-drawer")
	if err := s.click(`#rooms button[aria-current="true"]`); err != nil {
		return "", err
	}
	if err := s.until(5*time.Second, "the drawer is closed", `document.querySelector("#rooms button").getBoundingClientRect().right <= 0`); err != nil {
		return "", err
	}
	id, err := s.write("do you fit on a phone?")
	if err != nil {
		return "", err
	}
	if err := s.until(60*time.Second, "it answers on a phone", answered(id)); err != nil {
		return "", err
	}
	look("phone-answer")
	errs = append(errs, s.viewport(1440, 900, false), s.theme("dark"))
	return "every view in both themes, wide and on a phone: names, contrast, nothing cut", errors.Join(errs...)
}
