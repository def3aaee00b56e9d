package chat

import (
	"errors"
	"strconv"
	"time"
)

// Ids are types of their own, so that the compiler catches a swap. All but [QuestionID] are Discord snowflakes in
// decimal; a question's id is the snowflake of the asked message, with "-r<n>" appended for the n-th replay of it.
type (
	// GuildID names a Discord server, or is [DM].
	GuildID string
	// ChannelID names a channel, a thread or a direct-message channel.
	ChannelID string
	// UserID names a Discord user.
	UserID string
	// MessageID names a Discord message.
	MessageID string
	// QuestionID names one taken question.
	QuestionID string
)

// DM is the guild of questions that were asked in a direct message.
const DM GuildID = "dm"

// discordEpochMillis is the first millisecond of 2015 in Unix time, from which snowflakes count
// (Discord, Reference, "Snowflake Format").
const discordEpochMillis = 1420070400000

// Snowflake is a Discord id as a number: it orders events by the time at which Discord saw them, so that no two
// machines' clocks are compared.
type Snowflake uint64

// ErrSnowflake says that a text is not a snowflake.
var ErrSnowflake = errors.New("not a Discord id (a snowflake is a decimal number)")

// ParseSnowflake reads a decimal id.
func ParseSnowflake(s string) (Snowflake, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, ErrSnowflake
	}
	return Snowflake(n), nil
}

// SnowflakeAt returns the smallest snowflake of a moment.
func SnowflakeAt(t time.Time) Snowflake {
	ms := t.UnixMilli() - discordEpochMillis
	if ms < 0 {
		return 0
	}
	return Snowflake(ms) << 22
}

// Time returns the moment at which Discord made the id, to the millisecond.
func (s Snowflake) Time() time.Time {
	return time.UnixMilli(int64(s>>22) + discordEpochMillis).UTC()
}

// String returns the id as Discord writes it.
func (s Snowflake) String() string { return strconv.FormatUint(uint64(s), 10) }

// Snowflake returns the id as a number, 0 when it is none.
func (id MessageID) Snowflake() Snowflake { s, _ := ParseSnowflake(string(id)); return s }
