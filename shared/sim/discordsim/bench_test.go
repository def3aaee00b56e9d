package discordsim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"salamander.dev/shared/sim/discordsim"
)

// BenchmarkRoad measures the simulator's own cost of one question and its answer: a
// user's message, its dispatch over a WebSocket, the bot's POST and the dispatch of that.
// It reports the heap that is still in use per question afterwards.
func BenchmarkRoad(b *testing.B) {
	for name, s := range map[string]*discordsim.Server{
		"books=all":      {},
		"books=counters": {KeepPosts: -1, KeepBodies: -1, KeepMessages: 1000, ReplayLimit: 1000},
	} {
		b.Run(name, func(b *testing.B) { benchRoad(b, s) })
	}
}

func benchRoad(b *testing.B, s *discordsim.Server) {
	if err := s.Start(""); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := s.DefaultWorld()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/?v=10&encoding=json", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer ws.Close()
	if err := ws.WriteJSON(object{"op": 2, "d": object{"token": discordsim.DefaultToken, "intents": allIntents}}); err != nil {
		b.Fatal(err)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	asked := make(chan struct{}, 64) // questions in flight
	go func() {
		for i := range b.N {
			asked <- struct{}{}
			if _, err := s.Say(w.Channel, w.User, fmt.Sprint("question ", i)); err != nil {
				panic(err)
			}
		}
	}()
	for range b.N {
		if err := reply(client, s.URL(), w.Channel, nextQuestion(b, ws, w.User)); err != nil {
			b.Fatal(err)
		}
		<-asked
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "questions/s")
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(b.N), "heapB/question")
}

func nextQuestion(b *testing.B, ws *websocket.Conn, user discordsim.ID) string {
	for {
		_, raw, err := ws.ReadMessage()
		if err != nil {
			b.Fatal(err)
		}
		var f struct {
			T string
			D struct {
				ID     string
				Author struct{ ID string }
			}
		}
		if err := json.Unmarshal(raw, &f); err != nil {
			b.Fatal(err)
		}
		if f.T == "MESSAGE_CREATE" && f.D.Author.ID == user.String() {
			return f.D.ID
		}
	}
}

func reply(client *http.Client, url string, channel discordsim.ID, question string) error {
	body := fmt.Sprintf(`{"content":"answer","nonce":"%s","enforce_nonce":true,"message_reference":{"message_id":"%s"}}`, question, question)
	req, err := http.NewRequest("POST", url+"/api/v10/channels/"+channel.String()+"/messages", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bot "+discordsim.DefaultToken)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
