package bus_test

import (
	"testing"

	"salamander.dev/shared/control"
)

// A claim is taken over once, and only from an owner who has neither kept it since nor is done.
func TestAClaimThatNobodyKeepsIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	ctx, s, _ := setup(t)
	one, two := s.Connect(control.Gateway), s.Connect(control.Gateway)
	hold := func(name string, since uint64, want bool) {
		t.Helper()
		if won, err := two.Hold(ctx, name, since, false); err != nil || won != want {
			t.Errorf("%s since %d: %t, %v", name, since, won, err)
		}
	}
	look := func(name string, want bool) uint64 {
		t.Helper()
		mark, done, err := two.Held(ctx, name)
		if err != nil || done != want {
			t.Errorf("%s: done %t, %v", name, done, err)
		}
		return mark
	}
	if won, err := one.Hold(ctx, "command.1", 0, false); err != nil || !won {
		t.Fatal(won, err)
	}
	hold("command.1", 0, false)
	mark := look("command.1", false)
	if err := one.Keep(ctx, "command.1", false); err != nil {
		t.Fatal(err)
	}
	hold("command.1", mark, false)
	mark = look("command.1", false)
	hold("command.1", mark, true)
	hold("command.1", mark, false)
	if err := one.Keep(ctx, "command.1", true); err != nil {
		t.Fatal(err)
	}
	look("command.1", true)
	look("command.2", true) // nobody's
	if won, err := one.Claim(ctx, "command.3", 0); err != nil || !won {
		t.Fatal(won, err)
	}
	look("command.3", true)
	hold("command.3", 0, false)
}
