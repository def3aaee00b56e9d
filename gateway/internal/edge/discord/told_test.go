package discord

import (
	"testing"
	"time"
)

// Before Discord told of a server, a message there can't be told from one that was missed.
func TestASessionIsReadyOnceDiscordToldOfItsServers(t *testing.T) {
	t.Parallel()
	sh := &shard{client: &Client{cache: newCache(), guard: newGuard()}, since: time.Now(), untold: map[id]bool{1: true}}
	if sh.down() == "" {
		t.Error("ready before the server was told of")
	}
	sh.since = time.Now().Add(-toldWithin)
	if why := sh.down(); why != "" {
		t.Errorf("not ready although Discord had its time: %s", why)
	}
	sh.untold[2] = true
	sh.onPermissions(2)
	if sh.down() == "" {
		t.Error("ready although Discord tells of its servers, one after another")
	}
	sh.onPermissions(1)
	if why := sh.down(); why != "" {
		t.Errorf("not ready although the server was told of: %s", why)
	}
}
