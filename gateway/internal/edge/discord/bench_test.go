package discord

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"salamander.dev/gateway/internal/core/inbound"
)

// bigGuild is a GUILD_CREATE with twenty channels, about 12 KB.
func bigGuild(n int) json.RawMessage {
	base := 1_000_000_000_000_000_000 + n*1_000_000
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":"%d","name":"server %d","owner_id":"%d","roles":[`, base, n, base+1)
	for i := range 6 {
		fmt.Fprintf(&b, `%s{"id":"%d","name":"role","permissions":"1071698660929","color":0,"hoist":false,"position":%d}`, comma(i), base+i, i)
	}
	b.WriteString(`],"members":[{"user":{"id":"9","username":"bot"},"roles":[]}],"threads":[],"channels":[`)
	for i := range 20 {
		fmt.Fprintf(&b, `%s{"id":"%d","type":0,"name":"channel-%d","topic":"%s","parent_id":"%d","last_message_id":"%d","position":%d,"permission_overwrites":[{"id":"%d","type":0,"allow":"0","deny":"1048576"}]}`,
			comma(i), base+100+i, i, strings.Repeat("topic ", 40), base+90, base+5000+i, i, base)
	}
	b.WriteString(`]}`)
	return json.RawMessage(b.String())
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// BenchmarkCache tells what one of 50,000 channels costs in memory.
func BenchmarkCache(b *testing.B) {
	for b.Loop() {
		r := &reader{cache: newCache(), push: func(inbound.Event) {}, ready: func(*wireReady) {}, freed: func(id) {}}
		_ = r.dispatch("READY", json.RawMessage(readyEvent))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range 2500 {
			if err := r.dispatch("GUILD_CREATE", bigGuild(i)); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(r.cache.channels)), "B/channel")
		runtime.KeepAlive(r)
	}
}

// BenchmarkMessage tells what our reading of a message costs beside discordgo's.
func BenchmarkMessage(b *testing.B) {
	r := &reader{cache: newCache(), push: func(inbound.Event) {}, ready: func(*wireReady) {}, freed: func(id) {}}
	_ = r.dispatch("READY", json.RawMessage(readyEvent))
	_ = r.dispatch("GUILD_CREATE", json.RawMessage(guildEvent))
	raw := json.RawMessage(`{"type":0,"tts":false,"timestamp":"2026-08-01T12:00:00.000000+00:00","pinned":false,"nonce":"1","mentions":[{"id":"9","username":"bot"}],
		"mention_roles":[],"mention_everyone":false,"member":{"roles":["8"],"nick":null},"id":"101","flags":0,"embeds":[],"edited_timestamp":null,
		"content":"what is fire made of, and why is it hot?","components":[],"channel_id":"2","author":{"username":"u","id":"7","global_name":"U"},"attachments":[],"guild_id":"1"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.dispatch("MESSAGE_CREATE", raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanner tells what the look into frames costs.
func BenchmarkScanner(b *testing.B) {
	var s scanner
	s.feed([]byte(upgrade))
	stream := text(dispatch)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		s.feed(stream)
		s.out = s.out[:0]
	}
}
