package control_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"salamander.dev/shared/chat"
	"salamander.dev/shared/control"
)

var update = flag.Bool("update", false, "write the golden files; read the diff before committing it")

// at is the moment of every golden value.
var at = time.Date(2026, time.November, 22, 18, 30, 0, 0, time.UTC)

func order(verb control.Verb) control.Order {
	return control.Order{
		Command: 1300000000000000001, Verb: verb, Scope: "200", Origin: "200", Channel: "300",
		By: "100", ByName: "Ada", Ground: control.Permission, At: at,
	}
}

func muteOrder() control.Order {
	o := order(control.Mute)
	o.Target, o.Until, o.Reason = "101", at.Add(10*time.Minute), "shouts"
	return o
}

// TestGolden pins the JSON that gateways and workers of different versions exchange: what was written once is written
// the same for ever and read back as the same value.
func TestGolden(t *testing.T) {
	t.Parallel()
	fleet := order(control.Reboot)
	fleet.Scope, fleet.Ground = control.Fleet, control.Operator
	for name, value := range map[string]any{
		"order":           order(control.Stop),
		"order_mute":      muteOrder(),
		"desired_stopped": control.Desired{State: control.Stopped, DropBefore: 1300000000000000001, ForgetBefore: 12, Order: order(control.Stop)},
		"desired_fleet":   control.Desired{State: control.Running, Epoch: 1300000000000000001, Order: fleet},
		"muted":           control.Muted{Order: muteOrder()},
		"sync":            control.Sync{Order: order(control.Stop), Revision: 7},
		"applied": control.Applied{
			Instance: "worker-1", Service: control.Worker, Revision: 7, Cancelled: 1, Dropped: 2, Running: 3, RunningTotal: 4,
			Held: 5, Agreed: true, Started: at, Epoch: 1300000000000000001, Error: "bucket is gone",
		},
		"live": control.Live{
			Instance: "worker-1", Service: control.Worker, Started: at, Epoch: 1300000000000000001, Revision: 7, Inflight: 3,
			Limits: map[string]string{"primary": "300req/1h"},
		},
		"budget": control.BudgetReport{At: at, Keys: []control.KeyBudget{
			{Key: "primary", State: "active", Limits: []control.LimitBudget{{
				Limit: "0.10usd/month", Unit: "usd", Max: 0.1, Used: 0.04, Reserved: 0.001,
				StartedAt: at.Truncate(time.Hour), ResetsAt: at.Truncate(time.Hour).Add(time.Hour),
			}}},
			{Key: "spare", State: "cooling", Until: at.Add(time.Minute), Limits: []control.LimitBudget{}},
		}},
		"forgotten": control.Forgotten{Memories: 1, Answers: 2, DeadLetters: 3, Error: "store is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s changed:\n%s\nwas:\n%s", file, got, want)
			}
			back := reflect.New(reflect.TypeOf(value))
			if err := json.Unmarshal(want, back.Interface()); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back.Elem().Interface(), value) {
				t.Errorf("read back as %+v, want %+v", back.Elem(), value)
			}
		})
	}
}

// TestGoldenStatesAreRead shows that the pinned states pass their own doors.
func TestGoldenStatesAreRead(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func([]byte) error{
		"desired_stopped": func(b []byte) error { _, err := control.DecodeDesired("200", b); return err },
		"desired_fleet":   func(b []byte) error { _, err := control.DecodeDesired(control.Fleet, b); return err },
		"muted":           func(b []byte) error { _, err := control.DecodeMuted(chat.GuildID("200"), "101", b); return err },
	} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := read(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
