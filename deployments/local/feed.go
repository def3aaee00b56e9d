package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A page is a subscriber of the feed: small JSON objects {"k": kind, "v": value}, sent as server-sent events that carry
// a list of them. What happens while the page is being written to travels together in the next event.
const (
	feedBuffer = 4096             // objects a page may lag behind before it must load everything anew
	feedBatch  = 512              // objects in one event
	feedPing   = 15 * time.Second // so that a dead connection is noticed
	maxPages   = 32
)

type feed struct {
	mu    sync.Mutex
	pages map[*page]struct{}
}

type page struct {
	c    chan []byte
	lost atomic.Bool
}

// send hands an object to every page.
func (f *feed) send(kind string, v any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pages) == 0 {
		return
	}
	b, err := json.Marshal(struct {
		K string `json:"k"`
		V any    `json:"v"`
	}{kind, v})
	if err != nil {
		return // values are ours: only a NaN could fail, and the next one comes
	}
	for p := range f.pages {
		select {
		case p.c <- b:
		default:
			p.lost.Store(true)
		}
	}
}

func (f *feed) join() (*page, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pages == nil {
		f.pages = map[*page]struct{}{}
	}
	if len(f.pages) >= maxPages {
		return nil, false
	}
	p := &page{c: make(chan []byte, feedBuffer)}
	f.pages[p] = struct{}{}
	return p, true
}

func (f *feed) leave(p *page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pages, p)
}

// serve writes the feed to one page until it goes. hello is sent first; it is asked for after joining, so that nothing
// falls between.
func (f *feed) serve(w http.ResponseWriter, r *http.Request, hello func() any) {
	p, ok := f.join()
	if !ok {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer f.leave(p)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	write := func(list [][]byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := w.Write(join(list)); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	first, err := json.Marshal(map[string]any{"k": "hello", "v": hello()})
	if err != nil || !write([][]byte{first}) {
		return
	}
	ping := time.NewTicker(feedPing)
	defer ping.Stop()
	for {
		var list [][]byte
		select {
		case <-r.Context().Done():
			return
		case <-ping.C:
			list = append(list, []byte(`{"k":"ping"}`))
		case b := <-p.c:
			list = append(list, b)
			for len(list) < feedBatch && len(p.c) > 0 {
				list = append(list, <-p.c)
			}
		}
		if p.lost.Swap(false) {
			for len(p.c) > 0 {
				<-p.c
			}
			if first, err = json.Marshal(map[string]any{"k": "hello", "v": hello()}); err != nil {
				return
			}
			list = [][]byte{first}
		}
		if !write(list) {
			return
		}
	}
}

// join makes one server-sent event of a list of objects.
func join(list [][]byte) []byte {
	out := []byte("data: [")
	for i, b := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, b...)
	}
	return append(out, "]\n\n"...)
}
