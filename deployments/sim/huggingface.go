package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"salamander.dev/shared/sim/hfsim"
)

// huggingface serves a model until ctx ends.
func huggingface(flags *flag.FlagSet) func(context.Context, string) error {
	keys := flags.String("keys", env("SIM_HF_KEYS", "primary=hf_simulated_primary,second=hf_simulated_second"),
		"keys as name=token pairs, comma separated (SIM_HF_KEYS)")
	limit := flags.String("limit", env("SIM_HF_LIMIT", ""), "what each key may use, such as 300req/1h; empty: no limit (SIM_HF_LIMIT)")
	latency := flags.String("latency", env("SIM_HF_LATENCY", "700ms"), "how long the model thinks (SIM_HF_LATENCY)")
	reply := flags.String("reply", env("SIM_HF_REPLY", "salamander"), "what it answers: salamander or echo (SIM_HF_REPLY)")
	return func(ctx context.Context, addr string) error {
		think, err := time.ParseDuration(*latency)
		if err != nil {
			return fmt.Errorf("%w; latency a duration: %w", errUsage, err)
		}
		h := &hfsim.Server{Latency: hfsim.Fixed(think), Seed: uint64(time.Now().UnixNano())}
		switch *reply {
		case "salamander":
		case "echo":
			h.Reply = hfsim.Echo
		default:
			return fmt.Errorf("%w; reply salamander or echo", errUsage)
		}
		for pair := range strings.SplitSeq(*keys, ",") {
			name, token, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok {
				return fmt.Errorf("%w; keys name=token pairs", errUsage)
			}
			h.Keys = append(h.Keys, hfsim.Key{Name: name, Token: token})
		}
		if *limit != "" {
			l, err := hfsim.ParseLimit(*limit)
			if err != nil {
				return err
			}
			h.Limits = []hfsim.Limit{l}
		}
		if err := h.Start(addr); err != nil {
			return err
		}
		defer h.Close()
		fmt.Printf("a simulated Hugging Face is at %s, its admin API under /_sim/\n", h.URL())
		<-ctx.Done()
		return nil
	}
}
