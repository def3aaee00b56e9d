package discordsim

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// epochMillis is the first millisecond of 2015, from which Discord counts
// (docs: reference, "Snowflakes").
const epochMillis = 1420070400000

// ID is a snowflake: milliseconds since 2015 in the upper 42 bits, a counter below.
// Zero means "none". In JSON it is a string, as with Discord.
type ID uint64

// ParseID reads the decimal form of a snowflake.
func ParseID(text string) (ID, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("parse snowflake %q: want a positive decimal number", text)
	}
	return ID(n), nil
}

// IDAt is the smallest snowflake of an instant, for "after" and "before" queries.
func IDAt(at time.Time) ID { return ID(uint64(at.UnixMilli()-epochMillis) << 22) }

// String is the decimal form.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// Time is the instant that the snowflake carries, to the millisecond.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id>>22) + epochMillis) }

// MarshalText makes JSON strings and JSON object keys of ids.
func (id ID) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(id), 10), nil }

// UnmarshalText reads the decimal form; the empty string is zero (object keys).
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = 0
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("snowflake %q: want a decimal number", text)
	}
	*id = ID(n)
	return nil
}

// UnmarshalJSON reads a string, a bare number (Discord accepts both) or null.
func (id *ID) UnmarshalJSON(raw []byte) error {
	if bytes.Equal(raw, []byte("null")) {
		*id = 0
		return nil
	}
	return id.UnmarshalText(bytes.Trim(raw, `"`))
}

// mint makes snowflakes that carry real time and strictly increase.
type mint struct {
	last   ID
	guilds int64
}

func (m *mint) next(now time.Time) ID {
	id := max(IDAt(now), m.last+1)
	m.last = id
	return id
}

// guild spreads guilds over milliseconds of yesterday: shards are chosen by the time
// part alone ((id>>22) % n), so guilds of one millisecond would share a shard.
func (m *mint) guild(now time.Time) ID {
	m.guilds++
	return IDAt(now.Add(-24*time.Hour)) + ID(m.guilds<<22)
}
