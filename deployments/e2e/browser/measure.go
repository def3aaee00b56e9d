package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
)

// watchFrames counts frames and long tasks until stopFrames.
const watchFrames = `(() => {
  const f = window.frames0 = {gaps: [], tasks: [], on: true, began: performance.now()};
  f.seen = new PerformanceObserver(l => { for (const e of l.getEntries()) f.tasks.push(e.duration); });
  f.seen.observe({type: "longtask"});
  let last = performance.now();
  const tick = now => { f.gaps.push(now - last); last = now; if (f.on) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
})()`

const stopFrames = `(() => {
  const f = window.frames0, g = f.gaps.slice(1).sort((a, b) => a - b), at = p => g[Math.min(g.length - 1, Math.floor(g.length * p))] || 0;
  f.on = false; f.seen.disconnect();
  const s = (performance.now() - f.began) / 1000;
  return JSON.stringify({seconds: s, rate: g.length / s, p50: at(.5), p95: at(.95), p99: at(.99), slow: g.filter(x => x > 50).length,
    tasks: f.tasks.length, longest: Math.max(0, ...f.tasks), busy: f.tasks.reduce((a, b) => a + b, 0) / s / 10,
    nodes: document.querySelectorAll("*").length, rows: document.querySelectorAll("#messages .message").length,
    heap: performance.memory ? performance.memory.usedJSHeapSize / 1048576 : 0});
})()`

// smoothness is what stopFrames counted; times in ms.
type smoothness struct {
	Seconds, Rate, P50, P95, P99, Longest, Busy, Heap float64
	Slow, Tasks, Nodes, Rows                          int
}

// Bounds that hold on any machine: what is shown must not grow with what was said.
const (
	maxRows  = 160
	maxNodes = 6000
)

// many lets 200 people say 50 messages a second and measures how smooth the page stays.
func (s *suite) many() (string, error) {
	if err := s.pane("trouble"); err != nil {
		return "", err
	}
	set := `for (const [id, v] of [["crowd-people", 200], ["crowd-rate", 50], ["crowd-share", 5]]) { const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event("input")); }`
	if err := s.do(5*time.Second, chromedp.Evaluate[chromedp.Void](set)); err != nil {
		return "", err
	}
	if err := s.click("#crowd"); err != nil {
		return "", err
	}
	if err := errors.Join(s.pane("road"), s.open("general")); err != nil {
		return "", err
	}
	if err := s.until(30*time.Second, "the crowd fills the channel", `document.querySelectorAll("#messages .message").length >= 150`); err != nil {
		return "", err
	}
	before, err := figure[int](s, "crowd.said + "+state("crowd.asked"))
	if err != nil {
		return "", err
	}
	if err := s.do(5*time.Second, chromedp.Evaluate[chromedp.Void](watchFrames)); err != nil {
		return "", err
	}
	select {
	case <-s.ctx.Done():
		return "", s.ctx.Err()
	case <-time.After(s.config.crowd):
	}
	raw, err := eval[string](s.tab, stopFrames)
	if err != nil {
		return "", err
	}
	var m smoothness
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		return "", fmt.Errorf("read the frames: %w", err)
	}
	after, err := figure[int](s, "crowd.said + "+state("crowd.asked"))
	if err != nil {
		return "", err
	}
	if err := s.shot("crowd"); err != nil {
		return "", err
	}
	own, err := figure[float64](s, "own_us")
	if err != nil {
		return "", err
	}
	ownN, err := figure[int](s, "own_n")
	if err != nil {
		return "", err
	}
	if err := errors.Join(s.press("#crowd"), s.open("ask-salamander"), s.pane("road")); err != nil {
		return "", err
	}
	told := fmt.Sprintf("%.0f messages/s for %.0f s: %.0f frames/s, gaps p50 %.0f, p95 %.0f, p99 %.0f ms, %d over 50 ms; %d long tasks, longest %.0f ms, %.1f %% of the time; %d rows, %d nodes, heap %.0f MB; typed → answered without the model: median %.1f ms of %d",
		float64(after-before)/m.Seconds, m.Seconds, m.Rate, m.P50, m.P95, m.P99, m.Slow, m.Tasks, m.Longest, m.Busy, m.Rows, m.Nodes, m.Heap, own/1000, ownN)
	if m.Rows > maxRows || m.Nodes > maxNodes {
		return "", fmt.Errorf("the page grows: %s", told)
	}
	return told, nil
}
