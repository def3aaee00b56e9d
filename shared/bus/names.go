// Package bus is the only place that knows NATS: the names of streams, consumers, buckets and subjects, how they are
// provisioned, how a process connects, and both ends of every kind of message.
//
// It promises at-least-once delivery with what makes the effect exactly-once: create-only answers, create-only claims,
// leader reads (no stream or bucket allows direct gets by followers), and verdicts instead of acks. It does not decide
// anything about questions. Facts about NATS that the choices rest on stand in docs/adr/0004-the-bus.md.
package bus

import (
	"strings"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

// Streams.
const (
	streamQuestions   = "QUESTIONS"
	streamAnswers     = "ANSWERS"
	streamDeadLetters = "DEADLETTERS"
)

// Durable consumers.
const (
	consumerWorkers  = "workers"  // of QUESTIONS
	consumerGateways = "gateways" // of ANSWERS
)

// priorityGroup is the one group of consumerGateways; one gateway at a time is pinned to it.
const priorityGroup = "post"

// Buckets. The comment says what is under a key, and who writes.
const (
	bucketControl = "CONTROL" // desired state, mutes (gateway); genesis records of the ledger (worker)
	bucketBudget  = "BUDGET"  // one document per key (worker)
	bucketLive    = "LIVE"    // one entry per process, gone LiveTTL after its last renewal
	bucketPosted  = "POSTED"  // per question: the parts that stand on Discord (gateway)
	bucketMemory  = "MEMORY"  // per channel and user: the last turns (worker)
	bucketSeen    = "SEEN"    // what catch-up starts from (gateway)
	bucketOnce    = "ONCE"    // create-only claims (both)
	bucketRate    = "RATE"    // per user and window: the message ids counted (gateway)
	bucketChanged = "CHANGED" // per question: edited or deleted before it was answered (gateway)
	bucketAttempt = "ATTEMPT" // per question: model calls begun (worker)
	bucketLease   = "LEASE"   // shard and reboot leases, renewed while held (both)
)

// LiveTTL is how long a process counts as alive after its last renewal; it renews every third of it.
const LiveTTL = 15 * time.Second

// Subjects.
const (
	prefixQuestion = "chat.v1.question."
	prefixAnswer   = "chat.v1.answer."
	prefixNotice   = "chat.v1.notice."
	prefixEvent    = "chat.v1.event."
	prefixDead     = "chat.v1.dead."
	prefixControl  = "control.v1."
)

// questionSubject is the subject of one user's questions in one channel: the oldest message on it is the one to answer.
func questionSubject(g chat.GuildID, c chat.ChannelID, u chat.UserID) string {
	return prefixQuestion + string(g) + "." + string(c) + "." + string(u)
}

// answerSubject is the subject of the one answer to one question; the user is in it so that $forget finds it.
func answerSubject(g chat.GuildID, c chat.ChannelID, u chat.UserID, q chat.QuestionID) string {
	return prefixAnswer + string(g) + "." + string(c) + "." + string(u) + "." + string(q)
}

// settledSubject carries the nudge that a user's question in a channel was settled.
func settledSubject(g chat.GuildID, c chat.ChannelID, u chat.UserID) string {
	return prefixEvent + string(g) + "." + string(c) + ".settled." + string(u)
}

// deadSubject is unique per letter, so that a letter can be replaced by nothing without a right to delete others.
func deadSubject(l chat.DeadLetter) string {
	q := l.Question
	return prefixDead + Token(l.Stage) + "." + Token(l.Reason) + "." + Token(string(q.Guild)) + "." +
		Token(string(q.Channel)) + "." + Token(string(q.User)) + "." + Token(string(q.ID))
}

// guildFilter matches the questions of a scope: one server, or all.
func guildFilter(s control.Scope) string {
	if s == control.Fleet {
		return prefixQuestion + ">"
	}
	return prefixQuestion + string(s) + ".>"
}

// Token makes any text one subject token: what can't stand in a subject or a KV key becomes "-", nothing becomes "none".
func Token(s string) string {
	if s == "" {
		return "none"
	}
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, s)
}
