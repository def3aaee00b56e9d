// Package discordsim is a Discord that fits into a test: a real HTTP and WebSocket
// server that speaks the REST API (v9 and v10) and the gateway protocol as Discord
// documents them, keeps exact books of what a bot did, and fails on request.
//
// The zero value of [Server] works. Start it, lay out a world (guilds, channels,
// users), point a bot at [Server.URL], speak as users with [Server.Say] or
// [Server.RunSlash], and read the books ([Server.Posts], [Server.Replies], ...). Another
// process drives it through the admin API under /_sim/ with a [Client].
//
// What it promises: error codes, permission arithmetic, intents, event order, resume
// with replay, rate-limit headers and nonces as the documentation describes them
// (https://docs.discord.com/developers), and, where the documentation is silent, as
// seen live; such places say so. What it does not do: voice, presences, reactions,
// polls, components, OAuth2, more than one application.
//
// It knows nothing of the code that it tests.
package discordsim
