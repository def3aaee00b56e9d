package budget

import (
	"fmt"
	"math"
	"strings"
)

// Price is what one token costs, in pico-dollars, for the prompt and for the answer. The zero value costs nothing.
//
// Money in this package is integer pico-dollars (10⁻¹² $). A price of "0.0375 dollars per million tokens" is 37,500
// pico-dollars per token, so sums are exact; an int64 holds 9.2 million dollars.
type Price struct {
	In  int64 `json:"in,omitempty"`
	Out int64 `json:"out,omitempty"`
}

// ParsePrice reads "<in>/<out>", both in dollars per million tokens, e.g. "1.69/3.38".
func ParsePrice(s string) (Price, error) {
	in, out, ok := strings.Cut(strings.TrimSpace(s), "/")
	if !ok {
		return Price{}, fmt.Errorf("price %q: want <in>/<out> in dollars per million tokens, e.g. 0.5/1.5", s)
	}
	// Dollars per million tokens equal micro-dollars per token: 6 decimal places of pico-dollars are kept.
	i, errIn := parseDecimal(in, 6)
	o, errOut := parseDecimal(out, 6)
	if errIn != nil || errOut != nil {
		return Price{}, fmt.Errorf("price %q: want <in>/<out> in dollars per million tokens, e.g. 0.5/1.5", s)
	}
	return Price{In: i, Out: o}, nil
}

// PricePerMillion turns dollars per million tokens, as GET /models lists them, into a Price, rounded up.
// Negative and absurd numbers (over a million dollars per million tokens) are refused.
func PricePerMillion(in, out float64) (Price, error) {
	for _, f := range []float64{in, out} {
		if math.IsNaN(f) || f < 0 || f > 1e6 {
			return Price{}, fmt.Errorf("price %v/%v: want dollars per million tokens between 0 and 1000000", in, out)
		}
	}
	// Round to a thousandth of a pico-dollar first, so that 0.1 (which no float holds exactly) does not become 100001.
	up := func(f float64) int64 { return int64(math.Ceil(math.Round(f*1e9) / 1e3)) }
	return Price{In: up(in), Out: up(out)}, nil
}

// IsZero says whether nothing has a price.
func (p Price) IsZero() bool { return p == Price{} }

// Cost returns what a call costs, in pico-dollars. It saturates instead of overflowing.
func (p Price) Cost(promptTokens, completionTokens int64) int64 {
	return addSat(mulSat(p.In, promptTokens), mulSat(p.Out, completionTokens))
}

// parseDecimal reads a decimal number without sign or exponent as an integer in units of 10^-places, rounded up:
// who can't be exact must not be cheap. It refuses what doesn't fit.
func parseDecimal(s string, places int) (int64, error) {
	whole, frac, _ := strings.Cut(strings.TrimSpace(s), ".")
	if whole == "" && frac == "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	var n int64
	more := false
	digits := whole + frac
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a number", s)
		}
		if i >= len(whole)+places {
			more = more || c != '0'
			continue
		}
		if n > (math.MaxInt64-9)/10 {
			return 0, fmt.Errorf("%q is too large", s)
		}
		n = n*10 + int64(c-'0')
	}
	for i := len(frac); i < places; i++ {
		if n > math.MaxInt64/10 {
			return 0, fmt.Errorf("%q is too large", s)
		}
		n *= 10
	}
	if more {
		n++
	}
	return n, nil
}

// formatDecimal prints n units of 10^-places without trailing zeros.
func formatDecimal(n int64, places int) string {
	s := fmt.Sprintf("%0*d", places+1, n)
	whole, frac := s[:len(s)-places], strings.TrimRight(s[len(s)-places:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

func mulSat(a, b int64) int64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	if a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

func addSat(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
