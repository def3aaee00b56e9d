package discord

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

// frame builds a server's frame.
func frame(first byte, payload []byte) []byte {
	out := []byte{first}
	switch n := len(payload); {
	case n < 126:
		out = append(out, byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	return append(out, payload...)
}

func text(s string) []byte { return frame(0x81, []byte(s)) }

func zipped(s string) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return frame(0x82, b.Bytes())
}

func closing(code uint16, why string) []byte {
	return frame(0x88, append(binary.BigEndian.AppendUint16(nil, code), why...))
}

const (
	hello     = `{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["[\"gateway-prd\",{\"micros\":0.0}]"]}}`
	dispatch  = `{"t":"MESSAGE_CREATE","s":3,"op":0,"d":{"content":"{\"op\":7}"}}`
	reconnect = `{"op": 7, "d": null}`
)

func TestScannerReadsControlMessages(t *testing.T) {
	t.Parallel()
	big := text(`{"op":0,"d":"` + string(bytes.Repeat([]byte("x"), 5000)) + `"}`)
	huge := text(`{"op":0,"d":"` + string(bytes.Repeat([]byte("y"), 70000)) + `"}`)
	for name, tc := range map[string]struct {
		stream []byte
		want   []signal
		held   int // bytes at the end that don't pass
	}{
		"hello":               {text(hello), []signal{{kind: sigHello, interval: 41250 * time.Millisecond}}, 0},
		"zipped hello":        {zipped(hello), []signal{{kind: sigHello, interval: 41250 * time.Millisecond}}, 0},
		"absurd hello":        {text(`{"op":10,"d":{"heartbeat_interval":-1}}`), []signal{{kind: sigMessage}}, 0},
		"ack":                 {text(`{"op":11}`), []signal{{kind: sigAck}}, 0},
		"op 7":                {text(reconnect), []signal{{kind: sigReconnect}}, len(text(reconnect))},
		"zipped op 7":         {zipped(reconnect), []signal{{kind: sigReconnect}}, len(zipped(reconnect))},
		"op 9":                {text(`{"op":9,"d":false}`), []signal{{kind: sigInvalid}}, len(text(`{"op":9,"d":false}`))},
		"op 9 resumable":      {text(`{"d": true ,"op":9}`), []signal{{kind: sigInvalid, resumable: true}}, len(text(`{"d": true ,"op":9}`))},
		"close":               {closing(4014, "Disallowed intent(s)."), []signal{{kind: sigClose, code: 4014, text: "Disallowed intent(s)."}}, 0},
		"close without code":  {frame(0x88, nil), []signal{{kind: sigClose, code: 1005}}, 0},
		"dispatch":            {text(dispatch), []signal{{kind: sigMessage}}, 0},
		"big ones":            {slices.Concat(big, huge, text(`{"op":11}`)), []signal{{kind: sigMessage}, {kind: sigMessage}, {kind: sigAck}}, 0},
		"ping":                {slices.Concat(frame(0x89, []byte("p")), text(`{"op":11}`)), []signal{{kind: sigAck}}, 0},
		"no JSON":             {text(`nonsense`), []signal{{kind: sigMessage}}, 0},
		"no zlib":             {frame(0x82, []byte("nonsense")), []signal{{kind: sigMessage}}, 0},
		"fragments":           {slices.Concat(frame(0x01, []byte(`{"op":`)), frame(0x80, []byte(`7}`)), text(`{"op":11}`)), []signal{{kind: sigMessage}, {kind: sigAck}}, 0},
		"masked by a server":  {append([]byte{0x81, 0x82, 0, 0, 0, 0}, "{}"...), []signal{{kind: sigMessage}}, 0},
		"what follows an end": {slices.Concat(text(dispatch), text(reconnect), text(dispatch)), []signal{{kind: sigMessage}, {kind: sigReconnect}}, len(text(reconnect)) + len(text(dispatch))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 2, 7, 1 << 20} {
				var s scanner
				var signals []signal
				all := append([]byte(upgrade), tc.stream...)
				for portion := range slices.Chunk(all, size) {
					signals = append(signals, s.feed(portion)...)
				}
				// In small portions the bytes behind an end are fed to a scanner that nobody would feed any more.
				if size > len(all) || tc.held == 0 {
					if want := all[:len(all)-tc.held]; !same(s.out, want) {
						t.Errorf("size %d: %d bytes passed, want %d", size, len(s.out), len(want))
					}
				}
				if len(signals) < len(tc.want) || !slices.Equal(signals[:len(tc.want)], tc.want) {
					t.Errorf("size %d: %+v, want %+v", size, signals, tc.want)
				}
			}
		})
	}
}

// same compares what passed with what came: the types that are hidden from discordgo are in small letters.
func same(passed, came []byte) bool {
	for _, head := range hidden {
		small := slices.Concat(head[:6], bytes.ToLower(head[6:]))
		passed, came = bytes.ReplaceAll(passed, small, head), bytes.ReplaceAll(came, small, head)
	}
	return bytes.Equal(passed, came)
}

// TestHide: a message's type is hidden at its usual place only, whatever the size of the frame, and nothing else changes.
func TestHide(t *testing.T) {
	t.Parallel()
	long := `{"t":"MESSAGE_UPDATE","s":3,"op":0,"d":{"content":"` + strings.Repeat("x", 5000) + `"}}`
	for _, tc := range []struct{ in, want string }{
		{dispatch, strings.Replace(dispatch, "MESSAGE_CREATE", "message_create", 1)},
		{long, strings.Replace(long, "MESSAGE_UPDATE", "message_update", 1)},
		{`{"t":"READY","s":1,"op":0}`, `{"t":"READY","s":1,"op":0}`},
		{`{"s":3,"t":"MESSAGE_CREATE","op":0}`, `{"s":3,"t":"MESSAGE_CREATE","op":0}`},
		{`{"t":"MESSAGE_CREATED","op":0}`, `{"t":"MESSAGE_CREATED","op":0}`},
		{`{"t":"MESSAGE_CRE`, `{"t":"MESSAGE_CRE`},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			var s scanner
			for portion := range slices.Chunk(append([]byte(upgrade), text(tc.in)...), size) {
				s.feed(portion)
			}
			if want := append([]byte(upgrade), text(tc.want)...); !bytes.Equal(s.out, want) {
				t.Errorf("size %d: %.80q passed as %.200q", size, tc.in, s.out[len(upgrade):])
			}
		}
	}
}

// Whatever comes, in whatever portions: nothing is changed, added or lost but a held control message and what follows,
// and the scanner's memory is bounded.
func FuzzScanner(f *testing.F) {
	for _, seed := range [][]byte{text(hello), zipped(hello), text(reconnect), closing(4004, "x"), frame(0x82, []byte{0x78, 0x9c}), {0x81, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}} {
		f.Add(seed, uint8(1))
		f.Add(slices.Concat(text(dispatch), seed, text(`{"op":11}`)), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, portion uint8) {
		all := append([]byte(upgrade), stream...)
		var s scanner
		var told []string
		for p := range slices.Chunk(all, int(portion)+1) {
			ended := false
			for _, sig := range s.feed(p) {
				told = append(told, fmt.Sprint(sig))
				ended = ended || sig.kind == sigReconnect || sig.kind == sigInvalid
				if sig.kind == sigHello && (sig.interval < time.Millisecond || sig.interval > time.Hour) {
					t.Errorf("interval %s", sig.interval)
				}
			}
			if len(s.raw) > maxControlBytes+8+256 && s.upgraded {
				t.Fatalf("%d bytes are held back", len(s.raw))
			}
			if ended {
				if len(s.out) > len(all) || !same(s.out, all[:len(s.out)]) {
					t.Fatal("bytes were changed")
				}
				return
			}
		}
		if !same(append(slices.Clone(s.out), s.raw...), all) {
			t.Fatal("bytes were changed or lost")
		}
		var whole scanner
		var again []string
		for _, sig := range whole.feed(all) {
			again = append(again, fmt.Sprint(sig))
		}
		if !slices.Equal(told, again) {
			t.Errorf("portions change what is heard: %v, whole %v", told, again)
		}
	})
}
