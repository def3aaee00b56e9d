package main

import (
	"fmt"
	"html"
	"strings"
	"time"

	"salamander.dev/worker/internal/core/budget"
)

// The picture: one row for each way, one bar for each quarter of an hour.
const (
	bars      = 96
	barWidth  = 9
	rowHeight = 120
	left      = 56
	top       = 64
	gap       = 56
)

var colours = [3]string{atOnce: "#2a9d8f", waited: "#e9c46a", unanswered: "#c8553d"}
var words = [3]string{atOnce: "answered at once", waited: "answered after waiting", unanswered: "not answered"}

// draw returns the day as SVG.
func draw(results []result, limits budget.Limits) string {
	var b strings.Builder
	width, height := left+bars*barWidth+24, top+len(results)*(rowHeight+gap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	text := func(x, y int, style, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, style, html.EscapeString(s))
	}
	text(left, 22, `font-size="16" font-weight="600" fill="#222"`, fmt.Sprintf("The original day: %d questions, keys of %s", len(results[0].fates), limits))
	for i, w := range words {
		x := left + i*190
		fmt.Fprintf(&b, `<rect x="%d" y="33" width="12" height="12" fill="%s"/>`+"\n", x, colours[i])
		text(x+18, 44, `fill="#444"`, w)
	}
	most := 1
	counts := make([][bars][3]int, len(results))
	for i, r := range results {
		for j, f := range r.fates {
			counts[i][min(int(r.at[j].Sub(begin)/(15*time.Minute)), bars-1)][f]++
		}
		for _, c := range counts[i] {
			most = max(most, c[0]+c[1]+c[2])
		}
	}
	for i, r := range results {
		y0 := top + i*(rowHeight+gap) + 24
		base := y0 + rowHeight - 24
		text(left, y0-8, `font-weight="600" fill="#222"`, fmt.Sprintf("%s: %d at once, %d after waiting, %d not at all", r.name, r.count(atOnce), r.count(waited), r.count(unanswered)))
		for j, c := range counts[i] {
			y := base
			for f := range c {
				h := c[f] * (rowHeight - 24) / most
				if c[f] > 0 {
					h = max(h, 1)
					y -= h
					fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left+j*barWidth, y, barWidth-2, h, colours[f])
				}
			}
		}
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#999"/>`+"\n", left, base, left+bars*barWidth, base)
		for hour := 0; hour <= 24; hour += 3 {
			x := left + hour*4*barWidth
			text(x, base+16, `fill="#666" text-anchor="middle" font-size="11"`, fmt.Sprintf("%02d:00", hour))
		}
		text(left-8, y0+8, `fill="#666" text-anchor="end" font-size="11"`, fmt.Sprint(most))
		text(left-8, base, `fill="#666" text-anchor="end" font-size="11"`, "0")
	}
	b.WriteString("</svg>\n")
	return b.String()
}
