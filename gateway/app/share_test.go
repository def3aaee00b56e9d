package app

import "testing"

func TestTheGlobalLimitIsDividedByNeed(t *testing.T) {
	t.Parallel()
	for gateways, want := range map[int][2]int{0: {50, 50}, 1: {50, 50}, 2: {40, 10}, 3: {40, 5}, 40: {40, 1}} {
		if posts, not := rateOf(gateways, true), rateOf(gateways, false); posts != want[0] || not != want[1] {
			t.Errorf("%d gateways: %d and %d a second, want %v", gateways, posts, not, want)
		}
	}
}
