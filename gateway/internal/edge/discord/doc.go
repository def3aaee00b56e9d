// Package discord is the first and the last step of the road: it hears what is typed in Discord and posts what is
// answered. Nothing else in the system talks to Discord.
//
// In: [Client.Run] keeps one session per shard alive and hands over neutral events ([inbound.Event]) in the order in
// which the shard saw them. discordgo carries the WebSocket; its known hangs are cured below it, in the connection
// itself (link.go, frames.go), and above it, by a supervisor of our own (shard.go).
//
// Out: posts, threads, typing, slash answers and look-ups go over REST behind a rate limiter of our own (limiter.go,
// bucket.go, global.go), in which no channel waits for another. Failures are [*APIError] values that never hold the
// request, and so never the token.
//
// The package remembers of each server only what answers need (cache.go): who owns it, what roles may, where threads
// stand, and the newest message of each channel. It decides nothing: whom to answer, and how, is the core's.
package discord
