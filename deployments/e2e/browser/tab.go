package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is one page of the browser, and what it complained of.
type tab struct {
	ctx   context.Context
	shots string // folder of the pictures; empty: take none

	mu     sync.Mutex
	errors []string
}

func newTab(ctx context.Context, shots string) *tab {
	t := &tab{ctx: ctx, shots: shots}
	messages := chromedp.Console(ctx)
	go func() { // ends with the tab
		for m, err := range messages {
			if err != nil {
				return
			}
			// A refused order is a 409 that the page shows; Chromium writes it down as an error of the network.
			if (m.IsException() || m.Type == "error") && m.Source != "network" {
				t.mu.Lock()
				t.errors = append(t.errors, fmt.Sprintf("%s (%s:%d)", m.Text, m.URL, m.Line))
				t.mu.Unlock()
			}
		}
	}()
	return t
}

// complaints are the exceptions and errors that the page wrote, content security policy included.
func (t *tab) complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errors
}

// do runs actions within a time.
func (t *tab) do(within time.Duration, steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, within)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// answerWithin is how long a page on a busy machine may take to evaluate an expression.
const answerWithin = 30 * time.Second

// eval is the value of an expression.
func eval[T any](t *tab, js string) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, answerWithin)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		return v, fmt.Errorf("%s: %w", js, err)
	}
	return v, nil
}

// until waits for an expression to hold.
func (t *tab) until(within time.Duration, what, js string) error {
	end := time.Now().Add(within)
	for {
		ok, err := eval[bool](t, "!!("+js+")")
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %s: %s", within, what)
		}
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// click presses what a CSS selector finds with the mouse, once it is there and nothing lies over it.
func (t *tab) click(selector string) error {
	var x, y float64
	end := time.Now().Add(15 * time.Second)
	for {
		at, err := eval[[]float64](t, `(() => {
			const e = document.querySelector(`+quote(selector)+`);
			if (!e) return [];
			const shown = e.getBoundingClientRect();
			if (shown.top < 0 || shown.bottom > innerHeight) e.scrollIntoView({block: "center"});
			const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2, top = document.elementFromPoint(x, y);
			return r.width && !e.disabled && (e === top || e.contains(top)) ? [x, y] : [];
		})()`)
		if err != nil {
			return fmt.Errorf("click %s: %w", selector, err)
		}
		if len(at) == 2 {
			x, y = at[0], at[1]
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("nothing to click at %s: it is not there, disabled, or something lies over it", selector)
		}
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := t.do(answerWithin, chromedp.MouseClickXY(x, y)); err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	return nil
}

// focus gives an element the keyboard.
func (t *tab) focus(selector string) error {
	return t.until(10*time.Second, selector+" has the focus", `(e => e && (e.focus(), document.activeElement === e))(document.querySelector(`+quote(selector)+`))`)
}

// keys types, whatever has the focus.
func (t *tab) keys(text string, options ...chromedp.KeyOption) error {
	return t.do(answerWithin, keys(text, options...))
}

// keys presses one key after the other as a keyboard does: the text belongs to the key that goes down, so that a page
// which handles the key prevents the text (chromedp.KeyEvent sends it apart).
func keys(text string, options ...chromedp.KeyOption) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, r := range text {
			list := kb.Encode(r)
			down, up := *list[0], *list[len(list)-1]
			if len(list) == 3 {
				down.Text, down.UnmodifiedText = list[1].Text, list[1].UnmodifiedText
			}
			for _, k := range []*input.DispatchKeyEventParams{&down, &up} {
				for _, o := range options {
					o(k)
				}
				if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// write types a message into the box and sends it by Enter; it returns the message's id.
func (t *tab) write(text string) (id string, err error) {
	if err := t.focus("#box"); err != nil {
		return "", err
	}
	if err := t.keys(text); err != nil {
		return "", fmt.Errorf("type %q: %w", text, err)
	}
	before, err := eval[string](t, lastMine)
	if err != nil {
		return "", err
	}
	if err := t.keys("\r"); err != nil {
		return "", fmt.Errorf("send %q: %w", text, err)
	}
	if err := t.until(10*time.Second, "the message "+text+" stands in the channel", lastMine+" !== "+quote(before)); err != nil {
		return "", err
	}
	return eval[string](t, lastMine)
}

// lastMine is the id of the newest message of whom one is, in the open channel.
const lastMine = `([...document.querySelectorAll("#messages .message:not(.bot)")].at(-1) || {dataset:{id:""}}).dataset.id`

// quote makes a JavaScript string of text.
func quote(s string) string { return fmt.Sprintf("%q", s) }

// answered is an expression: a message of the bot refers to this one.
func answered(id string) string {
	return `document.querySelector('.message.bot[data-ref="` + id + `"]')`
}

// shot takes a picture where pictures were asked for.
func (t *tab) shot(name string) error {
	if t.shots == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, 20*time.Second)
	defer cancel()
	b, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return fmt.Errorf("take the picture %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(t.shots, "playground-"+name+".png"), b, 0o644)
}

// viewport sets the size of the page, in CSS pixels.
func (t *tab) viewport(width, height int64, mobile bool) error {
	options := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	if mobile {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	return t.do(answerWithin, chromedp.EmulateViewport(width, height, options...))
}

// become changes who one is, by the picker beside the box.
func (t *tab) become(name string) error {
	if err := t.click("#as"); err != nil {
		return err
	}
	js := `(() => { const o = [...document.querySelectorAll("#suggest [role=option]")].find(o => o.querySelector("b").textContent.startsWith(` + quote(name) + `)); if (o) o.dispatchEvent(new MouseEvent("mousedown", {bubbles: true, cancelable: true})); return !!o; })()`
	if err := t.until(5*time.Second, "one can be "+name, js); err != nil {
		return err
	}
	return t.until(5*time.Second, "one is "+name, `document.querySelector("#me b").textContent === `+quote(name))
}

// open goes to a channel of the server that is open.
func (t *tab) open(room string) error {
	js := `(() => { const b = [...document.querySelectorAll("#rooms button")].find(b => b.querySelector(".name").textContent === ` + quote(room) + `); if (b) b.click(); return !!b; })()`
	if err := t.until(5*time.Second, "there is a channel "+room, js); err != nil {
		return err
	}
	return t.until(5*time.Second, "#"+room+" is open", `document.querySelector("#room-name").textContent.endsWith(`+quote(strings.TrimPrefix(room, "#"))+`)`)
}
