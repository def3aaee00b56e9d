// Package strange holds the programs against a Discord that was written from the documentation alone, by somebody who
// never saw package discordsim: it tells only what Discord promises to tell, counts ids from 1001, knows no rate limits,
// and refuses, fails or never answers whatever a bot can do without. All of it is in the tests.
package strange
