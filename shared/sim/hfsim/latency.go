package hfsim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Fixed is a model that always thinks for the same time.
func Fixed(d time.Duration) func(Request) time.Duration {
	return func(Request) time.Duration { return d }
}

// Uniform is a model that thinks between least and most. The same call number gets the same time.
func Uniform(least, most time.Duration, seed uint64) func(Request) time.Duration {
	return func(r Request) time.Duration {
		return least + time.Duration(chance(seed, r.N)*float64(most-least))
	}
}

// LogNormal is a model whose times have the long tail that real ones have: half the calls take less than median,
// sigma 0.5 makes one in a hundred take more than three times as long. Bounded by most. The same call number gets the
// same time.
func LogNormal(median time.Duration, sigma float64, most time.Duration, seed uint64) func(Request) time.Duration {
	return func(r Request) time.Duration {
		rng := rand.New(rand.NewPCG(seed, uint64(r.N)))
		d := time.Duration(float64(median) * math.Exp(sigma*rng.NormFloat64()))
		if most > 0 {
			d = min(d, most)
		}
		return d
	}
}

// chance is a number in [0,1) that depends on seed and call number alone, whatever the order of arrival.
func chance(seed uint64, n int64) float64 {
	return rand.New(rand.NewPCG(seed, uint64(n)^0x9e3779b97f4a7c15)).Float64()
}
