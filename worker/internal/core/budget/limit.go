package budget

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Unit is what a limit counts.
type Unit string

// The units. Money is counted in pico-dollars.
const (
	Requests Unit = "req"
	Tokens   Unit = "tok"
	Dollars  Unit = "usd"
)

var units = []Unit{Requests, Tokens, Dollars}

// maxAmount bounds the number in a limit, so that no sum of estimates overflows.
const maxAmount = 1_000_000_000_000_000_000

// Limit is what one key may use in one window.
type Limit struct {
	Unit   Unit
	Amount int64 // requests, tokens, or pico-dollars
	Window Window
}

// String returns the limit as BUDGET_LIMITS spells it, e.g. "300req/1h" or "0.1usd/month".
func (l Limit) String() string {
	return FormatAmount(l.Unit, l.Amount) + string(l.Unit) + "/" + l.Window.String()
}

// FormatAmount prints an amount of a unit for people and for labels: dollars as a decimal, the rest as an integer.
func FormatAmount(u Unit, amount int64) string {
	if u == Dollars {
		if amount < 0 {
			return "-" + formatDecimal(-amount, 12)
		}
		return formatDecimal(amount, 12)
	}
	return strconv.FormatInt(amount, 10)
}

// Limits are all limits of one key, in canonical order (unit, then window). Empty means no limit.
type Limits []Limit

// ParseLimits reads comma separated "<n>(req|tok|usd)/<window>", or "none". Two limits of the same unit and window are
// refused, since only the lower could ever matter. The error names the piece that is wrong and says what is expected.
func ParseLimits(s string) (Limits, error) {
	if strings.TrimSpace(s) == "none" {
		return Limits{}, nil
	}
	var out Limits
	for piece := range strings.SplitSeq(s, ",") {
		l, err := parseLimit(strings.TrimSpace(piece))
		if err != nil {
			return nil, err
		}
		for _, have := range out {
			if have.Unit == l.Unit && have.Window == l.Window {
				return nil, fmt.Errorf("limit %q: a second limit in %s for the window %s", piece, l.Unit, l.Window)
			}
		}
		out = append(out, l)
	}
	out.sort()
	return out, nil
}

func (ls Limits) sort() {
	slices.SortFunc(ls, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(slices.Index(units, a.Unit), slices.Index(units, b.Unit)),
			cmp.Compare(a.Window.Length(), b.Window.Length()), cmp.Compare(a.Window.String(), b.Window.String()))
	})
}

func parseLimit(s string) (Limit, error) {
	bad := func() (Limit, error) {
		return Limit{}, fmt.Errorf("limit %q: want <n>(req|tok|usd)/<window>, e.g. 300req/1h or 0.10usd/month, or none", s)
	}
	amount, window, ok := strings.Cut(s, "/")
	if !ok || len(amount) < 4 {
		return bad()
	}
	number, unit := strings.TrimSpace(amount[:len(amount)-3]), Unit(amount[len(amount)-3:])
	places := 0
	switch unit {
	case Dollars:
		places = 12
	case Requests, Tokens:
		if strings.Contains(number, ".") {
			return bad()
		}
	default:
		return bad()
	}
	n, err := parseDecimal(number, places)
	if err != nil || n < 1 || n > maxAmount {
		return bad()
	}
	w, err := ParseWindow(window)
	if err != nil {
		return Limit{}, fmt.Errorf("limit %q: %w", s, err)
	}
	return Limit{Unit: unit, Amount: n, Window: w}, nil
}

// String returns the limits as BUDGET_LIMITS spells them; equal limits have equal texts.
func (ls Limits) String() string {
	if len(ls) == 0 {
		return "none"
	}
	parts := make([]string, len(ls))
	for i, l := range ls {
		parts[i] = l.String()
	}
	return strings.Join(parts, ",")
}

// Equal says whether both are the same limits.
func (ls Limits) Equal(other Limits) bool { return ls.String() == other.String() }

// Needs says whether a limit counts that unit: limits in dollars need a price.
func (ls Limits) Needs(u Unit) bool {
	return slices.ContainsFunc(ls, func(l Limit) bool { return l.Unit == u })
}

// MarshalJSON writes the limits as text.
func (ls Limits) MarshalJSON() ([]byte, error) { return json.Marshal(ls.String()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (ls *Limits) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	parsed, err := ParseLimits(s)
	if err != nil {
		return err
	}
	*ls = parsed
	return nil
}

// windows returns the distinct windows of the limits, smallest first.
func (ls Limits) windows() []Window {
	var out []Window
	for _, l := range ls {
		if !slices.Contains(out, l.Window) {
			out = append(out, l.Window)
		}
	}
	slices.SortFunc(out, func(a, b Window) int { return cmp.Compare(a.Length(), b.Length()) })
	return out
}
