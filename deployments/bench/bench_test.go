package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"salamander.dev/deployments/stack"
)

func TestMain(m *testing.M) {
	stack.MainWith(roles())
	os.Exit(m.Run())
}

// TestLoad measures both roads for a moment: every question is answered once, by the processes that are meant, and costs
// them time.
func TestLoad(t *testing.T) {
	t.Parallel()
	b := bench{quick: true, dir: t.TempDir()}
	floor, real, err := b.floorAndOurs(t.Context(), 40, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(floor.close)
	t.Cleanup(real.close)
	for town, roles := range map[*town][]stack.Role{
		floor: {stack.NATS, bareGatewayRole, bareWorkerRole}, real: {stack.NATS, stack.Gateway, stack.Worker},
	} {
		r, err := town.offer(t.Context(), 100, time.Second, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if r.asked != 100 || r.answered != 100 || len(r.waits) != 100 || r.at(0.5) <= 0 || r.at(0.5) > r.at(0.99) {
			t.Errorf("%s: asked %d, answered %d, p50 %s, p99 %s", town.name, r.asked, r.answered, r.at(0.5), r.at(0.99))
		}
		if town.Discord.Counts().Posts != 100 || town.Hugging.Books().Calls != 100 {
			t.Errorf("%s: %d posts, %d calls", town.name, town.Discord.Counts().Posts, town.Hugging.Books().Calls)
		}
		for _, role := range roles {
			if len(town.Running(role)) != 1 {
				t.Errorf("%s: %d processes are %s", town.name, len(town.Running(role)), role)
			}
		}
	}
}

// TestSingleProcessBot: what we are compared with answers too.
func TestSingleProcessBot(t *testing.T) {
	t.Parallel()
	b := bench{quick: true, dir: t.TempDir(), programs: map[stack.Role]string{}}
	single, err := b.newTown(t.Context(), "one process", 40, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(single.close)
	if err := single.up(t.Context(), single.single()...); err != nil {
		t.Fatal(err)
	}
	r, err := single.offer(t.Context(), 50, time.Second, time.Minute)
	if err != nil || r.answered != 50 {
		t.Errorf("%d of 50 answered: %v", r.answered, err)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	waits := make([]time.Duration, 1000)
	for i := range waits {
		waits[i] = time.Duration(i + 1)
	}
	for p, want := range map[float64]time.Duration{0.5: 500, 0.99: 990, 0.999: 999, 1: 1000, 0: 1} {
		if got := percentile(waits, p); got != want {
			t.Errorf("percentile %v of 1..1000 is %d, want %d", p, got, want)
		}
	}
	if percentile(waits[:1], 0.99) != 1 || percentile(nil, 0.5) != 0 {
		t.Error("percentiles of one value and of none")
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := table([]string{"", "µs"}, [][]string{{"gateway", "7"}, {"nats", "1234"}})
	want := "|         |   µs |\n|---------|-----:|\n| gateway |    7 |\n| nats    | 1234 |\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPlot: plots are well-formed, and every point lies within the picture.
func TestPlot(t *testing.T) {
	t.Parallel()
	for _, p := range []plot{
		{title: "a <b> & c", x: "x", y: "y", logX: true, logY: true, lines: []line{{"one", true, [][2]float64{{10, 0.7}, {1000, 42}}}}},
		{title: "linear", lines: []line{{"one", false, [][2]float64{{1, 26.7}, {16, 420}}}, {"two", true, [][2]float64{{1, 3}}}}},
		{title: "empty"},
	} {
		d := xml.NewDecoder(strings.NewReader(p.svg()))
		circles := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", p.title, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "circle" {
				circles++
			}
		}
		points := 0
		xs, ys := p.axes()
		for _, l := range p.lines {
			points += len(l.points)
			for _, q := range l.points {
				if x, y := xs.at(q[0]), ys.at(q[1]); x < plotLeft || x > plotWidth-plotRight || y < plotTop || y > plotHeight-plotBottom {
					t.Errorf("%s: %v lies at %.0f, %.0f", p.title, q, x, y)
				}
			}
		}
		if circles != points {
			t.Errorf("%s: %d circles for %d points", p.title, circles, points)
		}
	}
}
