package spec_test

import (
	"errors"
	"testing"

	"salamander.dev/shared/sim/discordsim/spec"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	s, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	const (
		messages = "/channels/1/messages"
		callback = "/interactions/1/token/callback"
		original = "/webhooks/1/token/messages/@original"
		threads  = "/channels/1/messages/2/threads"
		commands = "/applications/1/commands"
	)
	tests := []struct {
		name, method, path, body string
		ok                       bool
	}{
		{"reply", "POST", messages, `{"content":"hi","nonce":"12-1","enforce_nonce":true,"tts":false,"flags":4,
			"allowed_mentions":{"parse":[],"replied_user":true},"message_reference":{"message_id":"12","fail_if_not_exists":false}}`, true},
		{"nonce of 26", "POST", messages, `{"content":"hi","nonce":"12345678901234567890123456"}`, false},
		{"content is no text", "POST", messages, `{"content":12}`, false},
		{"unknown parse", "POST", messages, `{"content":"hi","allowed_mentions":{"parse":["all"]}}`, false},
		{"misspelt field", "POST", messages, `{"content":"hi","enforced_nonce":true}`, false},
		{"misspelt inner field", "POST", messages, `{"content":"hi","message_reference":{"message_id":"12","fail_if_missing":false}}`, false},
		{"no JSON", "POST", messages, `{"content":`, false},
		{"thread", "POST", threads, `{"name":"a question","auto_archive_duration":1440}`, true},
		{"thread without name", "POST", threads, `{"auto_archive_duration":1440}`, false},
		{"thread with a strange duration", "POST", threads, `{"name":"x","auto_archive_duration":17}`, false},
		{"deferred", "POST", callback, `{"type":5,"data":{"flags":64}}`, true},
		{"message callback", "POST", callback, `{"type":4,"data":{"content":"done","flags":64,"allowed_mentions":{"parse":[]}}}`, true},
		{"unknown callback", "POST", callback, `{"type":77,"data":{"flags":64}}`, false},
		{"edit of the answer", "PATCH", original, `{"content":"done","allowed_mentions":{"parse":[]}}`, true},
		{"typing has no body", "POST", "/channels/1/typing", ``, true},
		{"typing with a body", "POST", "/channels/1/typing", `{}`, false},
		{"commands", "PUT", commands, `[{"name":"mute","description":"Ignore a user","options":[
			{"type":6,"name":"user","description":"whom","required":true},{"type":3,"name":"duration","description":"how long"}]}]`, true},
		{"command with a bad option type", "PUT", commands, `[{"name":"mute","description":"x","options":[{"type":99,"name":"u","description":"x"}]}]`, false},
		{"unknown operation", "POST", "/nowhere", `{}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := s.CheckRequest(tt.method, tt.path, []byte(tt.body)); (err == nil) != tt.ok {
				t.Fatalf("got %v, want ok %v", err, tt.ok)
			}
		})
	}
}

func TestUnknownField(t *testing.T) {
	t.Parallel()
	s, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	err = s.CheckRequest("POST", "/channels/1/messages/2/threads", []byte(`{"name":"x","invitable":false}`))
	if !errors.Is(err, spec.ErrUnknownField) {
		t.Fatalf("got %v", err)
	}
	err = s.CheckRequest("POST", "/channels/1/messages/2/threads", []byte(`{"name":5}`))
	if err == nil || errors.Is(err, spec.ErrUnknownField) {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkCheckRequest(b *testing.B) {
	s, err := spec.Load()
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"content":"hi","nonce":"12-1","enforce_nonce":true,"allowed_mentions":{"parse":[],"replied_user":true},"message_reference":{"message_id":"12"}}`)
	for b.Loop() {
		if err := s.CheckRequest("POST", "/channels/1/messages", body); err != nil {
			b.Fatal(err)
		}
	}
}
