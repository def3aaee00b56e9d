package hfsim_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"salamander.dev/shared/sim/hfsim"
)

// A key that may make one request an hour makes two: the books know.
func ExampleServer() {
	sim := hfsim.Server{Reply: hfsim.Echo, Keys: []hfsim.Key{
		{Name: "primary", Token: "hf_simulated", Limits: hfsim.MustLimits("1req/month")},
	}}
	if err := sim.Start("127.0.0.1:0"); err != nil {
		panic(err)
	}
	defer sim.Close()
	defer http.DefaultClient.CloseIdleConnections()

	for range 2 {
		req, _ := http.NewRequest(http.MethodPost, sim.URL()+"/chat/completions",
			strings.NewReader(`{"model":"openai/gpt-oss-120b","messages":[{"role":"user","content":"what burns?"}]}`))
		req.Header.Set("Authorization", "Bearer hf_simulated")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	fmt.Println(sim.Over(), "call over the limit")
	// Output:
	// 200
	// 429
	// 1 call over the limit
}
