// Command trace asks one question of the whole system, receives the spans that gateway and worker export, and draws
// them. Its test holds that they are one trace from the Discord event to the post.
//
//	go run ./deployments/e2e/trace > docs/img/trace.svg
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"salamander.dev/deployments/stack"
	"salamander.dev/shared/sim/discordsim"
	"salamander.dev/shared/sim/hfsim"
)

func main() {
	stack.Main()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, spans, err := follow(ctx, 300*time.Millisecond)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(draw(spans))
}

// whole is how many spans a question leaves that is answered at the first try.
const whole = 6

// follow asks a question and returns its trace, with everything else that was received. The processes drain at the end,
// which exports what they still hold.
func follow(ctx context.Context, latency time.Duration) (*receiver, []span, error) {
	r := newReceiver()
	defer r.Close()
	w, err := stack.NewWorld(stack.Config{Env: map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": r.URL, "OTEL_BSP_SCHEDULE_DELAY": "100",
	}}, &discordsim.Server{}, &hfsim.Server{Reply: hfsim.Echo, Latency: hfsim.Fixed(latency)})
	if err != nil {
		return nil, nil, err
	}
	defer w.Close(ctx)
	place := w.Discord.DefaultWorld()
	if err := w.Up(ctx, 1, 1); err != nil {
		return nil, nil, err
	}
	m, err := w.Discord.Say(place.Channel, place.User, fmt.Sprintf("<@%s> what is fire?", w.Discord.BotID()))
	if err != nil {
		return nil, nil, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(r.of(m.ID.String())) < whole || w.Discord.ReplyCount(m.ID) == 0 {
		select {
		case <-ctx.Done():
			return r, r.of(m.ID.String()), fmt.Errorf("the trace is not whole: %d of %d spans", len(r.of(m.ID.String())), whole)
		case <-tick.C:
		}
	}
	spans := r.of(m.ID.String())
	slices.SortFunc(spans, func(a, b span) int { return a.start.Compare(b.start) })
	return r, spans, nil
}

// Sizes of the picture, in pixels.
const (
	width, left, right, bar, line, top = 960, 250, 110, 18, 30, 64
)

// draw makes a picture of a trace: time runs to the right, each span is a bar.
func draw(spans []span) string {
	first, last := spans[0].start, spans[0].end
	for _, s := range spans {
		if s.start.Before(first) {
			first = s.start
		}
		if s.end.After(last) {
			last = s.end
		}
	}
	total := last.Sub(first)
	x := func(t time.Time) float64 {
		return left + float64(width-left-right)*float64(t.Sub(first))/float64(total)
	}
	height := top + line*len(spans) + 34
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="One question's trace">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="16" y="26" font-size="16" font-weight="600" fill="#1f2328">One question, from the Discord event to the post: %s</text>`+"\n", ms(total))
	colour := map[string]string{"gateway": "#2563a8", "worker": "#c2410c"}
	for i, name := range []string{"gateway", "worker"} {
		fmt.Fprintf(&b, `<rect x="%d" y="38" width="12" height="12" fill="%s"/><text x="%d" y="49" fill="#1f2328">%s</text>`+"\n", 16+i*100, colour[name], 34+i*100, name)
	}
	for i := range 5 {
		at := first.Add(total * time.Duration(i) / 4)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#d0d7de"/><text x="%.1f" y="%d" text-anchor="middle" fill="#57606a">%s</text>`+"\n",
			x(at), top-6, x(at), height-28, x(at), height-10, ms(at.Sub(first)))
	}
	for i, s := range spans {
		y := top + i*line
		depth := 0
		for p := s.parent; p != ""; depth++ {
			next := ""
			for _, o := range spans {
				if o.id == p {
					next = o.parent
				}
			}
			p = next
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#1f2328">%s</text>`, 16+14*depth, y+bar-4, s.name)
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`, x(s.start), y, max(x(s.end)-x(s.start), 2), bar, colour[s.service])
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#1f2328">%s</text>`+"\n", max(x(s.end), x(s.start)+2)+6, y+bar-4, ms(s.end.Sub(s.start)))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
