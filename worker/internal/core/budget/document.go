package budget

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// documentVersion is raised when an older reader could misread a document.
const documentVersion = 1

// Document is everything that the workers know together about one key. It is replaced as a whole by compare-and-set.
// It holds the key's name nowhere and its token never. Times are Unix milliseconds by the server's clock.
type Document struct {
	Version int `json:"v"`
	// Serial grows by one with every write. A document with a lower serial than one that was seen is a restored backup.
	Serial int64 `json:"n"`
	// Clock is the time of the latest write. Time in a document never runs backwards: a slower clock adopts it.
	Clock  int64  `json:"t"`
	Limits Limits `json:"l"`
	// Uses count what was used or is reserved, one for every limit and for the windows hour, day, month of every unit.
	Uses   []Use            `json:"u"`
	Leases map[string]Lease `json:"r,omitempty"` // by lease id
	Health Health           `json:"h,omitzero"`
	Shares Shares           `json:"s,omitzero"`
	// Mark is when the serial was last written to the genesis record, which tells a restored backup.
	Mark int64 `json:"m,omitempty"`
	// Lost is when the document was found missing or older than its genesis record; its windows of that time count as
	// spent. 0: never.
	Lost int64 `json:"x,omitempty"`
	// Owner is the process that combines the writes of all for a while; a hint for speed, never for correctness.
	Owner      string `json:"o,omitempty"`
	OwnerUntil int64  `json:"p,omitempty"`
}

// Use is what was used or is reserved of one unit in the current window of one kind.
type Use struct {
	Unit   Unit
	Window Window
	ID     int64 // number of the window that Used belongs to
	Used   int64
}

// Lease is the reservation of one call.
type Lease struct {
	At      int64  `json:"a"` // when it was granted; tells the windows that it counts in
	Expires int64  `json:"e"`
	Prompt  int64  `json:"i"` // tokens, upper bound
	Max     int64  `json:"m"` // max_tokens granted
	USD     int64  `json:"d,omitempty"`
	User    string `json:"u,omitempty"`
	Probe   bool   `json:"p,omitempty"`
}

// amount returns what the lease reserved of a unit.
func (l Lease) amount(u Unit) int64 {
	switch u {
	case Requests:
		return 1
	case Tokens:
		return l.Prompt + l.Max
	default:
		return l.USD
	}
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// NewDocument returns the document of a key that was never used.
func NewDocument(limits Limits, now time.Time) *Document {
	d := &Document{Version: documentVersion, Clock: now.UnixMilli()}
	d.setLimits(limits)
	return d
}

// LostDocument returns the document of a key whose document was lost: its current windows count as spent, until they
// turn or until Reset. Nothing is known about calls that run.
func LostDocument(limits Limits, now time.Time, serial int64) *Document {
	d := NewDocument(limits, now)
	d.Serial = serial
	d.spend(now)
	return d
}

// spend counts the current windows of all limits as spent.
func (d *Document) spend(now time.Time) {
	d.Advance(now)
	d.Lost = d.Clock
	for _, l := range d.Limits {
		u := d.use(l.Unit, l.Window)
		u.Used = max(u.Used, l.Amount)
	}
}

// Distrust marks a document that was found older than its genesis record: what was used since is unknown, so its
// current windows count as spent, and leases from that older time are forgotten without a refund.
func (d *Document) Distrust(now time.Time, serial int64) {
	d.Leases = nil
	d.Serial = max(d.Serial, serial)
	d.spend(now)
}

// Reset forgets what was used in the current windows, on an operator's word. Leases of running calls stay counted.
func (d *Document) Reset(now time.Time) {
	d.Clock = now.UnixMilli() // also heals a clock that once ran ahead
	d.Lost = 0
	d.Health = Health{}
	d.Shares = Shares{}
	for i := range d.Uses {
		u := &d.Uses[i]
		u.ID, u.Used = u.Window.ID(now), 0
	}
	for id, l := range d.Leases {
		if l.Expires <= d.Clock || l.At > d.Clock {
			delete(d.Leases, id)
			continue
		}
		for i := range d.Uses {
			if u := &d.Uses[i]; u.counts(l) {
				u.Used += l.amount(u.Unit)
			}
		}
	}
}

// use returns the counter of a unit and window; nil if the document has none.
func (d *Document) use(u Unit, w Window) *Use {
	for i := range d.Uses {
		if d.Uses[i].Unit == u && d.Uses[i].Window == w {
			return &d.Uses[i]
		}
	}
	return nil
}

// spans says whether the window of the counter holds all of another's.
func (u *Use) spans(o *Use) bool {
	return !u.Window.Start(u.ID).After(o.Window.Start(o.ID)) && !u.Window.End(u.ID).Before(o.Window.End(o.ID))
}

// holds says whether the lease was granted in the current window of the counter.
func (u *Use) holds(l Lease) bool { return u.Window.ID(at(l.At)) == u.ID }

// carries says whether the lease was granted in the last stretch of the window before and lived at the turn: its call
// may have reached the provider in this window.
func (u *Use) carries(l Lease) bool {
	t := at(l.At)
	return u.Window.ID(t)+1 == u.ID && u.Window.inLateZone(t) && at(l.Expires).After(u.Window.Start(u.ID))
}

// counts says whether the lease's reservation is part of Used.
func (u *Use) counts(l Lease) bool { return u.holds(l) || u.carries(l) }

// Advance brings the document to a time: turned windows begin anew, leases that ended are dropped (what they reserved
// stays used: the call may have been sent). It returns the document's time, which is never before its last write.
func (d *Document) Advance(now time.Time) time.Time {
	d.Clock = max(d.Clock, now.UnixMilli())
	t := at(d.Clock)
	for i := range d.Uses {
		u := &d.Uses[i]
		id := u.Window.ID(t)
		if id <= u.ID {
			continue
		}
		u.ID, u.Used = id, 0
		for _, l := range d.Leases {
			if u.carries(l) {
				u.Used += l.amount(u.Unit)
			}
		}
	}
	for id, l := range d.Leases {
		if l.Expires <= d.Clock {
			delete(d.Leases, id)
		}
	}
	d.Health.advance(d.Clock)
	d.advanceShares(t)
	return t
}

// SetLimits changes the limits. What was used stays counted: exactly for windows that the document has counted
// (hour, day and month always). Another window counts as used what the smallest counted one that contains it has used,
// which is too much until it turns, but never too little; where none contains it, since it began before the month did,
// what is known to have been used inside it.
func (d *Document) SetLimits(limits Limits, now time.Time) {
	d.Advance(now)
	d.setLimits(limits)
}

func (d *Document) setLimits(limits Limits) {
	t := at(d.Clock)
	old := d.Uses
	d.Limits, d.Uses = limits, nil
	add := func(u Unit, w Window) {
		if d.use(u, w) != nil {
			return
		}
		n := Use{Unit: u, Window: w, ID: w.ID(t)}
		var leased int64
		for _, l := range d.Leases {
			if n.counts(l) {
				leased = addSat(leased, l.amount(u))
			}
		}
		var around *Use
		for i := range old {
			o := &old[i]
			if o.Unit != u {
				continue
			}
			if n.spans(o) {
				n.Used = max(n.Used, o.Used)
			}
			if o.spans(&n) && (around == nil || around.spans(o)) {
				around = o
			}
		}
		n.Used = max(n.Used, leased)
		if around != nil {
			n.Used = max(n.Used, around.Used)
		}
		d.Uses = append(d.Uses, n)
	}
	for _, l := range limits {
		add(l.Unit, l.Window)
	}
	for _, u := range units {
		for _, w := range []Window{Hour, Day, Month} {
			add(u, w)
		}
	}
}

// Encode returns the document as it is stored, with the serial raised by one.
func (d *Document) Encode() ([]byte, error) {
	d.Serial++
	return json.Marshal(d)
}

// Decode reads a stored document. A document of a newer version is an error: this worker must not touch it.
func Decode(b []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("decode budget document: %w", err)
	}
	if d.Version != documentVersion {
		return nil, fmt.Errorf("decode budget document: version %d, this worker knows %d", d.Version, documentVersion)
	}
	for _, l := range d.Limits {
		if d.use(l.Unit, l.Window) == nil {
			return nil, fmt.Errorf("decode budget document: limit %s has no counter", l)
		}
	}
	return &d, nil
}

// MarshalJSON writes a counter as "req/1h 493456 12".
func (u Use) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 40)
	b = append(b, '"')
	b = append(b, u.Unit...)
	b = append(b, '/')
	b = append(b, u.Window.String()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, u.ID, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, u.Used, 10)
	return append(b, '"'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (u *Use) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	bad := func() error { return fmt.Errorf("counter %q: want \"<unit>/<window> <id> <used>\"", s) }
	f := strings.Fields(s)
	if len(f) != 3 {
		return bad()
	}
	unit, window, ok := strings.Cut(f[0], "/")
	w, err := ParseWindow(window)
	id, errID := strconv.ParseInt(f[1], 10, 64)
	used, errUsed := strconv.ParseInt(f[2], 10, 64)
	if !ok || err != nil || errID != nil || errUsed != nil || used < 0 || (Unit(unit) != Requests && Unit(unit) != Tokens && Unit(unit) != Dollars) {
		return bad()
	}
	*u = Use{Unit: Unit(unit), Window: w, ID: id, Used: used}
	return nil
}
