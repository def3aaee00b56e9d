package discord

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"salamander.dev/gateway/internal/core/outbound"
	"salamander.dev/shared/secret"
)

// The token goes to the configured Discord only, whatever it answers.
func TestTokenStaysAtHome(t *testing.T) {
	t.Parallel()
	var strayed atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer thief.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bot secret-token" || !strings.HasPrefix(r.URL.Path, "/base/api/v9/") {
			t.Errorf("%s %s", r.URL, r.Header)
		}
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	defer home.Close()
	c, err := New(Config{Token: secret.New("secret-token"), BaseURL: home.URL + "/base/"}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.rest.Client.CloseIdleConnections()
	_, err = c.Post(t.Context(), PostRequest{Channel: "1", Content: "x", Nonce: "n"})
	if outbound.ClassOf(err) != outbound.ClassBadRequest || strayed.Load() != 0 {
		t.Errorf("%d requests strayed: %v", strayed.Load(), err)
	}
	if _, err := c.rest.Request("GET", thief.URL+"/api/v9/users/@me", nil); !errors.Is(err, errElsewhere) {
		t.Errorf("another host: %v", err)
	}
	if _, err := c.rest.Request("GET", "https://discord.com.evil.example/api/v9/users/@me", nil); !errors.Is(err, errElsewhere) {
		t.Errorf("another host: %v", err)
	}
}

// A proxy that repeats what it refuses puts no token into an error, and so into no log.
func TestNoTokenInWhatIsRefused(t *testing.T) {
	t.Parallel()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/users/@me") || strings.HasSuffix(r.URL.Path, "/applications/@me") {
			_, _ = w.Write([]byte(`{"id":"7","flags":0}`))
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"code": 50035, "message": strings.Repeat("x", 580) + r.Header.Get("Authorization"), "errors": map[string]string{"path": r.URL.Path},
		})
	}))
	defer home.Close()
	c, err := New(Config{Token: secret.New("secret-bot-token"), BaseURL: home.URL}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.rest.Client.CloseIdleConnections()
	_, post := c.Post(t.Context(), PostRequest{Channel: "1", Content: "x", Nonce: "n"})
	edit := c.EditSlash(t.Context(), "secret-interaction", "x")
	_, follow := c.FollowupSlash(t.Context(), "secret-interaction", "x", true)
	for name, err := range map[string]error{"post": post, "edit": edit, "follow up": follow} {
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
