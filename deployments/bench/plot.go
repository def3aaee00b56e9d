package main

import (
	"fmt"
	"math"
	"strings"
)

// plot is a line chart.
type plot struct {
	title, x, y string
	logX, logY  bool
	lines       []line
}

// line is one series; dashed ones are what others are compared with.
type line struct {
	name   string
	dashed bool
	points [][2]float64
}

const (
	plotWidth, plotHeight             = 640, 360
	plotLeft, plotRight               = 64, 150
	plotTop, plotBottom               = 40, 48
	plotInk, plotFaint, plotBackround = "#24292f", "#d0d7de", "#ffffff"
)

var plotColors = []string{"#c2410c", "#57606a", "#0969da", "#1a7f37", "#8250df"}

// svg draws the plot.
func (p plot) svg() string {
	xs, ys := p.axes()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12" fill="%s">`+"\n",
		plotWidth, plotHeight, plotInk)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="%s"/><text x="%d" y="22" font-size="14" font-weight="600">%s</text>`+"\n",
		plotWidth, plotHeight, plotBackround, plotLeft, escape(p.title))
	for _, v := range ys.ticks() {
		y := ys.at(v)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			plotLeft, plotWidth-plotRight, y, y, plotFaint, plotLeft-6, y+4, number(v))
	}
	for _, v := range xs.ticks() {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", xs.at(v), plotHeight-plotBottom+16, number(v))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-10, escape(p.x))
	fmt.Fprintf(&b, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (plotTop+plotHeight-plotBottom)/2, escape(p.y))
	for i, l := range p.lines {
		color, dash := plotColors[i%len(plotColors)], ""
		if l.dashed {
			dash = ` stroke-dasharray="5 4"`
		}
		var path strings.Builder
		for j, q := range l.points {
			fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[j == 0], xs.at(q[0]), ys.at(q[1]))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, xs.at(q[0]), ys.at(q[1]), color)
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", path.String(), color, dash)
		y := plotTop + 8 + 18*i
		fmt.Fprintf(&b, `<path d="M%d %dh18" stroke="%s" stroke-width="2"%s/><text x="%d" y="%d">%s</text>`+"\n",
			plotWidth-plotRight+10, y, color, dash, plotWidth-plotRight+33, y+4, escape(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p plot) axes() (x, y axis) {
	x = axis{log: p.logX, from: plotLeft, to: plotWidth - plotRight, min: math.Inf(1), max: math.Inf(-1)}
	y = axis{log: p.logY, from: plotHeight - plotBottom, to: plotTop, min: math.Inf(1), max: math.Inf(-1)}
	for _, l := range p.lines {
		for _, q := range l.points {
			x.min, x.max = min(x.min, q[0]), max(x.max, q[0])
			y.min, y.max = min(y.min, q[1]), max(y.max, q[1])
		}
	}
	for _, a := range []*axis{&x, &y} {
		if !a.log {
			a.min = 0
		}
		if a.max <= a.min {
			a.max = a.min + 1
		}
	}
	return x, y
}

// axis maps values to pixels.
type axis struct {
	log      bool
	min, max float64
	from, to float64
}

func (a axis) at(v float64) float64 {
	scale := func(v float64) float64 {
		if a.log {
			return math.Log10(v)
		}
		return v
	}
	return a.from + (a.to-a.from)*(scale(v)-scale(a.min))/(scale(a.max)-scale(a.min))
}

// ticks are round values within the axis.
func (a axis) ticks() []float64 {
	var all []float64
	if a.log {
		for e := math.Floor(math.Log10(a.min)); e <= math.Log10(a.max); e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= a.min*0.999 && v <= a.max*1.001 {
					all = append(all, v)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.max-a.min)/2)))
	for _, m := range []float64{5, 2, 1} {
		if (a.max-a.min)/(step*m) >= 3 {
			step *= m
			break
		}
	}
	for v := math.Ceil(a.min/step) * step; v <= a.max*1.001; v += step {
		all = append(all, v)
	}
	return all
}

func number(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	}
	return fmt.Sprintf("%.3g", v)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
