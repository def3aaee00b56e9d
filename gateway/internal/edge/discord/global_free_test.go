package discord

import (
	"testing"
	"testing/synctest"
	"time"
)

// took counts how many slots are free at once.
func took(g *global) int {
	n := 0
	for ; n < 10*GlobalPerSecond; n++ {
		if wait, _ := g.try(time.Now()); wait != 0 {
			break
		}
		g.answered()
	}
	return n
}

func TestAServerThatTellsNoLimitsHasNoneUntilItRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGlobal()
		if n := took(g); n != GlobalPerSecond {
			t.Errorf("before the first answer %d at once, want %d", n, GlobalPerSecond)
		}
		g.told(false)
		if n := took(g); n != 10*GlobalPerSecond {
			t.Errorf("a server without limits is sent %d at once", n)
		}
		g.told(true)
		time.Sleep(2 * time.Second)
		if n := took(g); n != GlobalPerSecond {
			t.Errorf("a server with limits is sent %d at once, want %d", n, GlobalPerSecond)
		}
		g.pauseFor(time.Second)
		g.told(false)
		time.Sleep(2 * time.Second)
		if n := took(g); n != GlobalPerSecond {
			t.Errorf("a server that refused once is sent %d at once, want %d", n, GlobalPerSecond)
		}
	})
}
