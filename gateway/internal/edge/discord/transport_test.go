package discord

import (
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
