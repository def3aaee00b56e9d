package budget

import (
	"encoding/base64"
	"hash/fnv"
	"time"
)

// Shares counts the grants of each user in the smallest window of the key, so that a user who asks a hundred times
// does not crowd out one who asks five times. Half of a count is carried into the next window: who was served there
// comes after who was not.
type Shares struct {
	ID    int64          `json:"i,omitempty"` // number of the window
	Count map[string]int `json:"c,omitempty"` // by hashed user, at most maxShares
	Base  int            `json:"b,omitempty"` // what users count as who had to be forgotten, or were never seen
	Last  int64          `json:"l,omitempty"` // time of the latest grant
}

// maxShares bounds the document: about 12 bytes for each user. A window of a thousand requests is counted exactly.
const maxShares = 1000

// of returns how often a user was granted, as far as is known.
func (s Shares) of(user string) int {
	if n, ok := s.Count[user]; ok {
		return n
	}
	return s.Base
}

// Bounds of the bypass, see overShare.
const (
	minIdle = 5 * time.Millisecond
	maxIdle = 250 * time.Millisecond
)

// HashUser returns six characters that stand for a user: the document is kept small and holds no ids. Two users with
// the same hash share their share; nothing else comes of it.
func HashUser(user string) string {
	if user == "" {
		return ""
	}
	h := fnv.New64a()
	h.Write([]byte(user))
	s := h.Sum64()
	s ^= s >> 32
	return base64.RawURLEncoding.EncodeToString([]byte{byte(s), byte(s >> 8), byte(s >> 16), byte(s >> 24)})
}

// Crowd is who waits: the hashed users with unanswered questions. It is read-only once it is used.
type Crowd struct {
	Questions int            // unanswered questions of all users
	Users     map[string]int // hashed user → unanswered questions
}

// NewCrowd counts the questions that wait, by user id.
func NewCrowd(waiting map[string]int) *Crowd {
	c := &Crowd{Users: make(map[string]int, len(waiting))}
	for user, n := range waiting {
		c.Users[HashUser(user)] += n
		c.Questions += n
	}
	return c
}

// shareWindow returns the window that shares are counted in; false if the key has no limit.
func (d *Document) shareWindow() (Window, bool) {
	ws := d.Limits.windows()
	if len(ws) == 0 {
		return Window{}, false
	}
	return ws[0], true
}

func (d *Document) advanceShares(t time.Time) {
	w, ok := d.shareWindow()
	if !ok {
		d.Shares = Shares{}
		return
	}
	id := w.ID(t)
	if id <= d.Shares.ID {
		return
	}
	d.Shares.Base /= 2
	if id > d.Shares.ID+1 { // nobody was served in a whole window: everything is forgotten
		d.Shares.Base, d.Shares.Count = 0, nil
	}
	d.Shares.ID = id
	for u, n := range d.Shares.Count {
		if n /= 2; n <= d.Shares.Base {
			delete(d.Shares.Count, u)
		} else {
			d.Shares.Count[u] = n
		}
	}
}

// muchRoom is more than can ever wait (the queue's bound): while a window has room for that many calls, nobody stands back.
const muchRoom = 20_000

// countShare counts a grant. Without a crowd, or while there is room for more than can wait, nothing reads the counts, so
// none are kept: a thousand of them in the document would be most of what a write costs.
func (d *Document) countShare(l Lease, a Ask) {
	if a.Crowd == nil || l.User == "" || len(d.Limits) == 0 || d.room(a) > muchRoom {
		return
	}
	d.Shares.Last = l.At
	if d.Shares.Count == nil {
		d.Shares.Count = map[string]int{}
	}
	n := d.Shares.of(l.User) + 1
	if _, known := d.Shares.Count[l.User]; !known && len(d.Shares.Count) >= maxShares {
		d.forgetShare()
	}
	d.Shares.Count[l.User] = n
}

// forgetShare drops the user with the least, who loses least by it. Ties go to the smallest hash, so that every worker
// computes the same document.
func (d *Document) forgetShare() {
	least, who := -1, ""
	for u, n := range d.Shares.Count {
		if least < 0 || n < least || (n == least && u < who) {
			least, who = n, u
		}
	}
	delete(d.Shares.Count, who)
	d.Shares.Base = max(d.Shares.Base, least)
}

func (d *Document) uncountShare(l Lease) {
	if n := d.Shares.Count[l.User]; n > 1 {
		d.Shares.Count[l.User] = n - 1
	} else if n == 1 {
		delete(d.Shares.Count, l.User)
	}
}

// overShare says whether the asker must stand back because somebody who was served less waits, and until when.
// It fills levels: nobody gets a second answer while one waits for a first. It applies only while more questions wait
// than the window has room for, and only while those with less do come: when nothing was granted for a while that is
// short beside the time and budget left, anybody may, so that no budget is left over at the turn.
func (d *Document) overShare(t time.Time, a Ask) (bool, time.Time) {
	if a.Crowd == nil || a.User == "" || len(d.Limits) == 0 {
		return false, time.Time{}
	}
	room := d.room(a)
	if int64(a.Crowd.Questions) <= room {
		return false, time.Time{}
	}
	mine := d.Shares.of(a.User)
	if mine == 0 {
		return false, time.Time{}
	}
	w, _ := d.shareWindow()
	idle := w.End(w.ID(t)).Sub(t) / time.Duration(4*max(room, 1))
	idle = min(max(idle, minIdle), maxIdle)
	bypass := at(d.Shares.Last).Add(idle)
	if !t.Before(bypass) {
		return false, time.Time{}
	}
	running := make(map[string]int, len(d.Leases))
	for _, l := range d.Leases {
		running[l.User]++
	}
	for u, questions := range a.Crowd.Users {
		if u != a.User && d.Shares.of(u) < mine && questions > running[u] {
			return true, bypass
		}
	}
	return false, time.Time{}
}

// room returns how many calls like this one the limits still have room for.
func (d *Document) room(a Ask) int64 {
	room := int64(1) << 40
	for _, l := range d.Limits {
		if need := a.need(l.Unit, a.Max); need > 0 {
			room = min(room, max(l.Amount-d.use(l.Unit, l.Window).Used, 0)/need)
		}
	}
	return room
}
