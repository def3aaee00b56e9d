package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"salamander.dev/deployments/stack"
)

// The floor is the road with nothing on it: the same two JetStream hops (publish, consume, acknowledge; file storage) and
// the same two HTTP calls, by two programs that do nothing else. No order, no budget, no memory, no limits, nothing that
// survives a crash in the wrong moment.
const (
	bareGatewayRole stack.Role = "bare-gateway"
	bareWorkerRole  stack.Role = "bare-worker"
)

// bareMessage is what goes over both hops.
type bareMessage struct {
	Channel string `json:"channel"`
	Message string `json:"message"`
	Text    string `json:"text"`
}

// play runs a role of the benchmark until SIGTERM.
func play(run func(ctx context.Context, ready func()) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var ready atomic.Bool
	go func() {
		_ = http.ListenAndServe(os.Getenv("HTTP_ADDR"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
	}()
	if err := run(ctx, func() { ready.Store(true) }); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// bareBus connects and makes a stream with a consumer for every hop.
func bareBus(ctx context.Context) (jetstream.JetStream, error) {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	for _, s := range []jetstream.StreamConfig{
		{Name: "ASK", Subjects: []string{"ask"}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage},
		{Name: "TELL", Subjects: []string{"tell"}, MaxAge: time.Hour, Storage: jetstream.FileStorage},
	} {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return nil, err
		}
		_, err := js.CreateOrUpdateConsumer(ctx, s.Name, jetstream.ConsumerConfig{Durable: "all", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
		if err != nil {
			return nil, err
		}
	}
	return js, nil
}

// each calls f for every message of a stream, each in a goroutine of its own, and acknowledges it.
func each(ctx context.Context, js jetstream.JetStream, stream string, f func(bareMessage) error) error {
	c, err := js.Consumer(ctx, stream, "all")
	if err != nil {
		return err
	}
	_, err = c.Consume(func(m jetstream.Msg) {
		go func() {
			var q bareMessage
			err := json.Unmarshal(m.Data(), &q)
			if err == nil {
				err = f(q)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			_ = m.Ack()
		}()
	})
	return err
}

// pass publishes one message and waits until it is stored.
func pass(ctx context.Context, js jetstream.JetStream, subject string, m bareMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, subject, body)
	return err
}

// caller posts JSON over kept connections.
func caller() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}, Timeout: 30 * time.Second}
}

func call(c *http.Client, url, authorization string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		return errors.Join(err, fmt.Errorf("%s: status %d", url, res.StatusCode))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// complete asks the model.
func complete(c *http.Client, text string) (string, error) {
	var out struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	err := call(c, os.Getenv("HF_URL")+"/chat/completions", "Bearer hf_simulated_primary", map[string]any{
		"model": "salamander/simulated", "max_tokens": 256, "messages": []any{map[string]string{"role": "user", "content": text}},
	}, &out)
	if err == nil && len(out.Choices) == 0 {
		err = errors.New("no choices")
	}
	if err != nil {
		return "", err
	}
	return out.Choices[0].Message.Content, nil
}

// bareWorker asks the model for every question.
func bareWorker(ctx context.Context, ready func()) error {
	js, err := bareBus(ctx)
	if err != nil {
		return err
	}
	c := caller()
	err = each(ctx, js, "ASK", func(q bareMessage) error {
		text, err := complete(c, q.Text)
		if err != nil {
			return err
		}
		return pass(ctx, js, "tell", bareMessage{q.Channel, q.Message, text})
	})
	if err != nil {
		return err
	}
	ready()
	<-ctx.Done()
	return nil
}

// bareGateway publishes every message of a user and posts every answer.
func bareGateway(ctx context.Context, ready func()) error {
	js, err := bareBus(ctx)
	if err != nil {
		return err
	}
	c, token := caller(), "Bot "+os.Getenv("DISCORD_TOKEN")
	err = each(ctx, js, "TELL", func(a bareMessage) error {
		return call(c, os.Getenv("DISCORD_URL")+"/api/v9/channels/"+a.Channel+"/messages", token, map[string]any{
			"content": a.Text, "message_reference": map[string]string{"message_id": a.Message},
			"allowed_mentions": map[string]any{"parse": []string{}},
		}, nil)
	})
	if err != nil {
		return err
	}
	return listen(ctx, ready, func(m bareMessage) {
		go func() {
			if err := pass(ctx, js, "ask", m); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	})
}

// listen is the least that a bot must do to hear messages: IDENTIFY and heartbeats.
func listen(ctx context.Context, ready func(), hear func(bareMessage)) error {
	ws, _, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(os.Getenv("DISCORD_URL"), "http")+"/?v=9&encoding=json", nil)
	if err != nil {
		return err
	}
	defer func() { _ = ws.Close() }()
	const guildsMessagesContent = 1<<0 | 1<<9 | 1<<15
	err = ws.WriteJSON(map[string]any{"op": 2, "d": map[string]any{
		"token": os.Getenv("DISCORD_TOKEN"), "intents": guildsMessagesContent, "properties": map[string]string{},
	}})
	if err != nil {
		return err
	}
	go func() { // heartbeats are sent from here only, and nothing else is ever sent again
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for range tick.C {
			if ws.WriteJSON(map[string]any{"op": 1, "d": nil}) != nil {
				return
			}
		}
	}()
	go func() {
		<-ctx.Done()
		_ = ws.Close()
	}()
	for {
		_, raw, err := ws.ReadMessage()
		if err != nil {
			return err
		}
		var f struct {
			T string
			D struct {
				ID, Content string
				ChannelID   string `json:"channel_id"`
				Author      struct{ Bot bool }
			}
		}
		if err := json.Unmarshal(raw, &f); err != nil {
			return err
		}
		switch {
		case f.T == "READY":
			ready()
		case f.T == "MESSAGE_CREATE" && !f.D.Author.Bot:
			hear(bareMessage{f.D.ChannelID, f.D.ID, f.D.Content})
		}
	}
}
