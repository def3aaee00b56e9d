// Package inbound is the first decision on the road: is a message meant for the bot, may its author ask, and what is
// the question? [Desk] takes what the Discord edge saw and publishes questions.
//
// It promises that commands never become questions, that questions of one user in one channel are published in the
// order in which they were asked, that nothing which was said is lost while NATS is away (up to a bound), and that
// what was missed in a downtime is found again. It posts no answers and carries no commands out.
package inbound
