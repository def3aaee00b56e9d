package discord

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"io"
	"time"
)

// discordgo hides the gateway's control messages (op 7, 9, 10, 11) and close codes, and two of them hang it. So they
// are read off the wire before it sees them: the scanner follows the frames of one connection (RFC 6455, 5.2) and holds
// back only small ones until it knows what they are. Big frames are always dispatches and pass unread.

// maxControlBytes is the largest payload that is looked at; HELLO with its _trace is about 150 bytes.
const maxControlBytes = 1024

// maxUpgradeBytes bounds the HTTP answer in front of the frames.
const maxUpgradeBytes = 64 << 10

type signalKind uint8

const (
	sigHello     signalKind = iota // interval is set
	sigMessage                     // any message after HELLO that is none of the others
	sigAck                         // op 11
	sigReconnect                   // op 7; held back
	sigInvalid                     // op 9; held back; resumable is set
	sigClose                       // a close frame; code and text are set
)

type signal struct {
	kind      signalKind
	interval  time.Duration
	resumable bool
	code      int
	text      string
}

// scanner is fed the bytes of a connection in any portions. It is not safe for concurrent use.
type scanner struct {
	raw      []byte // received, not yet understood; at most one small frame and one portion
	out      []byte // understood, may go on
	upgraded bool
	skip     uint64 // payload bytes of a big frame still to pass
	blind    bool   // op 7 and op 9 pass like any message
}

// feed takes a portion and returns what it told, in order. After op 7 and op 9 the rest is not looked at: the
// connection ends there.
func (s *scanner) feed(portion []byte) (signals []signal) {
	s.raw = append(s.raw, portion...)
	for {
		sig, more := s.step()
		if sig != nil {
			signals = append(signals, *sig)
			if sig.kind == sigReconnect || sig.kind == sigInvalid {
				s.raw = nil
				return signals
			}
		}
		if !more {
			return signals
		}
	}
}

// pass moves n bytes on to the reader.
func (s *scanner) pass(n int) {
	s.out = append(s.out, s.raw[:n]...)
	s.raw = append(s.raw[:0], s.raw[n:]...)
}

// step looks at the head of raw; more says that it got further and may be called again.
func (s *scanner) step() (sig *signal, more bool) {
	switch {
	case len(s.raw) == 0:
		return nil, false
	case !s.upgraded:
		end := bytes.Index(s.raw, []byte("\r\n\r\n"))
		if end < 0 {
			if len(s.raw) > maxUpgradeBytes { // no upgrade answer; the reader may judge it
				s.pass(len(s.raw))
			}
			return nil, false
		}
		s.upgraded = true
		s.pass(end + 4)
		return nil, true
	case s.skip > 0:
		n := int(min(s.skip, uint64(len(s.raw))))
		s.skip -= uint64(n)
		s.pass(n)
		return nil, true
	}
	head, payload, ok := frameHeader(s.raw)
	if !ok {
		return nil, false
	}
	final, opcode := s.raw[0]&0xF0 == 0x80, s.raw[0]&0x0F // final and no reserved bits
	data := opcode == 1 || opcode == 2
	small := final && payload <= maxControlBytes && head <= 4 && (data || opcode == 8)
	if !small {
		if data && len(s.raw) < head+int(min(payload, hiddenBytes)) {
			return nil, false
		}
		s.skip = payload
		if data {
			hide(s.raw[head:])
		}
		s.pass(head)
		if data {
			return &signal{kind: sigMessage}, true
		}
		return nil, true
	}
	whole := head + int(payload)
	if len(s.raw) < whole {
		return nil, false
	}
	body := s.raw[head:whole]
	switch {
	case opcode == 8:
		sig = readClose(body)
	case hide(body):
		sig = &signal{kind: sigMessage}
	default:
		sig = readControl(opcode, body)
	}
	if sig.kind == sigReconnect || sig.kind == sigInvalid {
		if !s.blind {
			return sig, true
		}
		sig = &signal{kind: sigMessage}
	}
	s.pass(whole)
	return sig, true
}

// hidden are the dispatches that discordgo need not understand: it would read the most frequent and the largest into
// structs of its own, a message twice over, for handlers that nobody has.
var hidden = [][]byte{[]byte(`{"t":"MESSAGE_CREATE",`), []byte(`{"t":"MESSAGE_UPDATE",`), []byte(`{"t":"GUILD_CREATE",`)}

// hiddenBytes is the length of the longest of them.
const hiddenBytes = 22

// hide spells the type of such a dispatch in small letters, in place: discordgo then hands it on unread. It says whether
// it was one. Elsewhere than at its usual place, or compressed, the type stays, and costs what it costs.
func hide(payload []byte) bool {
	for _, head := range hidden {
		if bytes.HasPrefix(payload, head) {
			kind := payload[len(`{"t":"`):len(head)]
			copy(kind, bytes.ToLower(kind))
			return true
		}
	}
	return false
}

// frameHeader returns the lengths of the header at the head of raw (with a mask, which servers never send, counted as
// header) and of its payload; not ok while the header is incomplete.
func frameHeader(raw []byte) (head int, payload uint64, ok bool) {
	if len(raw) < 2 {
		return 0, 0, false
	}
	head, payload = 2, uint64(raw[1]&0x7F)
	switch payload {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	if len(raw) < head {
		return 0, 0, false
	}
	switch head {
	case 4:
		payload = uint64(binary.BigEndian.Uint16(raw[2:]))
	case 10:
		payload = binary.BigEndian.Uint64(raw[2:])
	}
	if raw[1]&0x80 != 0 {
		head += 4
	}
	return head, payload, len(raw) >= head
}

func readClose(body []byte) *signal {
	sig := &signal{kind: sigClose, code: 1005} // no status received
	if len(body) >= 2 {
		sig.code, sig.text = int(binary.BigEndian.Uint16(body)), clip(string(body[2:]), 123)
	}
	return sig
}

// readControl reads a small message; what can't be read is the reader's to judge.
func readControl(opcode byte, body []byte) *signal {
	sig := &signal{kind: sigMessage}
	if opcode == 2 { // payload compression: each message is a zlib stream of its own
		z, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return sig
		}
		defer z.Close()
		if body, err = io.ReadAll(io.LimitReader(z, 8*maxControlBytes)); err != nil {
			return sig
		}
	}
	if bytes.Contains(body, []byte(`"op":0`)) { // a dispatch; quotes inside strings are escaped, so this is no text
		return sig
	}
	var m struct {
		Op int             `json:"op"`
		D  json.RawMessage `json:"d"`
	}
	if json.Unmarshal(body, &m) != nil {
		return sig
	}
	switch m.Op {
	case 7:
		sig.kind = sigReconnect
	case 9:
		sig.kind, sig.resumable = sigInvalid, string(bytes.TrimSpace(m.D)) == "true"
	case 10:
		var hello struct {
			Millis float64 `json:"heartbeat_interval"`
		}
		if json.Unmarshal(m.D, &hello) == nil && hello.Millis >= 1 && hello.Millis < float64(time.Hour/time.Millisecond) {
			sig.kind, sig.interval = sigHello, time.Duration(hello.Millis*float64(time.Millisecond))
		}
	case 11:
		sig.kind = sigAck
	}
	return sig
}
