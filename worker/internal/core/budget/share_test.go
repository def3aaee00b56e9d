package budget

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a window's demand: everybody's questions wait from the start, and workers take them at random, as a queue
// that hands questions back would deliver them.
type crowd struct {
	left map[string]int
	got  map[string]int
}

func newCrowd(heavy, light int) *crowd {
	c := &crowd{left: map[string]int{}, got: map[string]int{}}
	for i := range heavy {
		c.left[fmt.Sprint("heavy", i)] = 100
	}
	for i := range light {
		c.left[fmt.Sprint("light", i)] = 5
	}
	return c
}

func (c *crowd) pick(r *rand.Rand) string {
	var users []string // as often as they have questions: a fair queue of unfair users
	for u, n := range c.left {
		for range n {
			users = append(users, u)
		}
	}
	if len(users) == 0 {
		return ""
	}
	slices.Sort(users)
	return users[r.IntN(len(users))]
}

func mean(got map[string]int, kind string) float64 {
	sum, n := 0, 0
	for u := range got {
		if u[:5] == kind {
			sum += got[u]
			n++
		}
	}
	return float64(sum) / float64(max(n, 1))
}

// At ten times overload, who asks a hundred times gets at most twice what who asks five times gets, and the window is
// used up.
func TestHeavyUsersDoNotCrowdOutLightOnes(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{100, 300} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(limit/20, limit) // demand: 5 × limit by heavy users, 5 × limit by light ones
				d := NewDocument(mustLimits(t, fmt.Sprintf("%dreq/1h", limit)), time.Now())
				r := rand.New(rand.NewPCG(1, uint64(limit)))
				time.Sleep(time.Minute)
				granted := 0
				for i := 0; time.Now().Before(Hour.End(Hour.ID(time.Now())).Add(-time.Minute)) && granted < limit; i++ {
					user := c.pick(r)
					c.got[user] += 0
					v := d.Reserve(time.Now(), Ask{Lease: fmt.Sprint(i), User: HashUser(user), Max: 1, Hold: time.Second, Crowd: NewCrowd(c.left)})
					if v.Granted {
						granted++
						c.left[user]--
						c.got[user]++
						d.Settle(time.Now(), Settlement{Lease: fmt.Sprint(i), Outcome: Outcome{Kind: Success}})
					}
					time.Sleep(2 * time.Millisecond)
				}
				for u := range c.left {
					c.got[u] += 0
				}
				heavy, light := mean(c.got, "heavy"), mean(c.got, "light")
				if float64(granted) < 0.99*float64(limit) || heavy > 2*light {
					t.Fatalf("%d of %d used; heavy users got %.2f, light ones %.2f", granted, limit, heavy, light)
				}
			})
		})
	}
}

// Where those who were served less don't come, nothing is left over.
func TestSharesWasteNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDocument(mustLimits(t, "300req/1h"), time.Now())
		time.Sleep(time.Minute)
		// One asks; a hundred others are said to wait, and never ask.
		waiting := map[string]int{"me": 1000}
		for i := range 100 {
			waiting[fmt.Sprint("other", i)] = 5
		}
		granted := 0
		for i := 0; granted < 300; i++ {
			v := d.Reserve(time.Now(), Ask{Lease: fmt.Sprint(i), User: HashUser("me"), Max: 1, Hold: time.Second, Crowd: NewCrowd(waiting)})
			switch {
			case v.Granted:
				granted++
			case v.Why != OverShare || !v.Until.After(time.Now()):
				t.Fatalf("%d granted: %+v", granted, v)
			default:
				time.Sleep(time.Until(v.Until))
			}
		}
		if took := time.Since(Hour.Start(Hour.ID(time.Now()))); took > 30*time.Minute {
			t.Fatalf("took %s of the hour", took)
		}
	})
}

// Without overload nobody stands back.
func TestNoSharesWithoutOverload(t *testing.T) {
	t.Parallel()
	d := NewDocument(mustLimits(t, "300req/1h"), noon)
	crowd := NewCrowd(map[string]int{"me": 100, "you": 100})
	for i := range 100 {
		if v := d.Reserve(noon, Ask{Lease: fmt.Sprint(i), User: HashUser("me"), Max: 1, Hold: time.Hour, Crowd: crowd}); !v.Granted {
			t.Fatalf("call %d: %+v", i, v)
		}
	}
}

func TestSharesStaySmall(t *testing.T) {
	t.Parallel()
	d := NewDocument(mustLimits(t, "20000req/1h"), noon)
	for i := range 5000 {
		id := fmt.Sprint(i)
		d.Reserve(noon, Ask{Lease: id, User: HashUser(id), Max: 1, Hold: time.Second, Crowd: &Crowd{}})
		d.Settle(noon, Settlement{Lease: id, Outcome: Outcome{Kind: Success}})
	}
	b, err := d.Encode()
	if err != nil || len(d.Shares.Count) > maxShares || len(b) > 32<<10 {
		t.Fatalf("%d users, %d bytes, %v", len(d.Shares.Count), len(b), err)
	}
	if n := d.Shares.of("forgotten"); n < 1 { // else those who had to be forgotten would be served anew
		t.Fatalf("a forgotten user counts %d", n)
	}
}

// While a window has room for more than can ever wait, shares can't matter and are not counted; from then on they are.
func TestSharesAreCountedWhenRoomGetsScarce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDocument(mustLimits(t, fmt.Sprintf("%dreq/1h", muchRoom+3)), time.Now())
		time.Sleep(time.Minute)
		for i := range 6 {
			a := Ask{Lease: fmt.Sprint(i), User: HashUser("me"), Max: 1, Hold: time.Second, Crowd: NewCrowd(map[string]int{"me": 1})}
			if v := d.Reserve(time.Now(), a); !v.Granted {
				t.Fatalf("grant %d: %+v", i, v)
			}
			if got, want := d.Shares.of(HashUser("me")), max(i-1, 0); got != want {
				t.Errorf("after %d grants a share of %d, want %d", i+1, got, want)
			}
		}
	})
}
