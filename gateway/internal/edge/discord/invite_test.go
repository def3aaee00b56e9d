package discord

import (
	"fmt"
	"testing"
)

func ExampleInviteURL() {
	fmt.Println(InviteURL("123", StyleReply))
	// Output: https://discord.com/oauth2/authorize?client_id=123&scope=bot%20applications.commands&permissions=274877975552
}

func TestInvitePermissions(t *testing.T) {
	t.Parallel()
	// The numbers are Discord's documented bits added up by hand.
	for style, want := range map[ReplyStyle]uint64{
		StyleReply:  1<<10 | 1<<11 | 1<<16 | 1<<38,
		StyleThread: 309237713920,
	} {
		if got := InvitePermissions(style); got != want {
			t.Errorf("%s: %d, want %d", style, got, want)
		}
	}
}
