package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"salamander.dev/worker/internal/core/budget"
	"salamander.dev/worker/internal/edge/store"
)

// path is one way to reserve and settle; each worker has one of its own, with its own connection.
type path struct {
	reserve func(ctx context.Context, id string) error
	settle  func(ctx context.Context, id string) error // nil: there is none
	close   func()
}

// way opens paths for so many workers.
type way struct {
	name string
	open func(worker int) (*path, error)
}

const benchLimits = "100000000req/1h,1000000000000tok/1h,1000000000000req/month"

func bench(args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	seconds := fs.Float64("seconds", 4, "of each measurement")
	callers := fs.Int("callers", 1, "concurrent callers in one worker")
	only := fs.String("only", "", "measure only this way: nats, cas, redis")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ledgerbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ns, err := startNATS(dir)
	if err != nil {
		return err
	}
	defer ns.Kill()
	var ways []way
	if *only == "" || *only == "nats" {
		ways = append(ways, natsWay("this ledger", ns.url, false))
	}
	if *only == "" || *only == "cas" {
		ways = append(ways, natsWay("this ledger, each process writes itself", ns.url, true))
	}
	if *only == "" || *only == "redis" {
		for name, opts := range map[string][]string{
			"in memory": {"--save", "", "--appendonly", "no"}, "AOF every second": {"--save", "", "--appendonly", "yes", "--appendfsync", "everysec"},
		} {
			sub, err := os.MkdirTemp(dir, "redis")
			if err != nil {
				return err
			}
			addr, stop, err := startRedis(sub, opts...)
			if err != nil {
				return fmt.Errorf("redis-server (apt-get install redis-server): %w", err)
			}
			defer stop()
			ways = append(ways, redisLua("Redis Lua window, "+name, addr))
			if name == "in memory" {
				ways = append(ways, redisRate("redis_rate (GCRA), "+name, addr))
			}
		}
	}
	fmt.Println("| way | workers | reservations/s | reserve p50 / p99 | reserve + settle p50 / p99 |")
	fmt.Println("|---|---|---|---|---|")
	for _, w := range ways {
		for _, n := range []int{1, 8, 32} {
			if err := measure(w, n, *callers, time.Duration(*seconds*float64(time.Second)), 0); err != nil {
				return err
			}
		}
		if err := measure(w, 32, *callers, time.Duration(*seconds*float64(time.Second)), 1000); err != nil {
			return err
		}
	}
	return nil
}

// measure lets workers reserve and settle in a closed loop, or at a rate summed over all, and prints one line.
func measure(w way, workers, callers int, d time.Duration, rate float64) error {
	paths := make([]*path, workers)
	for i := range paths {
		p, err := w.open(i)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		defer p.close()
		paths[i] = p
	}
	var mu sync.Mutex
	var reserves, cycles []time.Duration
	var failed error
	ctx, cancel := context.WithTimeout(context.Background(), d+30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	begin := time.Now()
	warm := begin.Add(d / 5)
	end := begin.Add(d)
	for i, p := range paths {
		for c := range callers {
			wg.Go(func() {
				var rs, cs []time.Duration
				due := time.Now()
				every := time.Duration(0)
				if rate > 0 {
					every = time.Duration(float64(workers*callers) / rate * float64(time.Second))
					due = due.Add(every * time.Duration(i*callers+c) / time.Duration(workers*callers))
				}
				for n := 0; time.Now().Before(end); n++ {
					if rate > 0 {
						time.Sleep(time.Until(due))
						due = due.Add(every)
					}
					id := strconv.Itoa(i) + "." + strconv.Itoa(c) + "." + strconv.FormatInt(begin.UnixNano(), 36) + "." + strconv.Itoa(n)
					t0 := time.Now()
					err := p.reserve(ctx, id)
					t1 := time.Now()
					if err == nil && p.settle != nil {
						err = p.settle(ctx, id)
					}
					t2 := time.Now()
					if err != nil {
						mu.Lock()
						failed = err
						mu.Unlock()
						return
					}
					if t0.After(warm) {
						rs, cs = append(rs, t1.Sub(t0)), append(cs, t2.Sub(t0))
					}
				}
				mu.Lock()
				reserves, cycles = append(reserves, rs...), append(cycles, cs...)
				mu.Unlock()
			})
		}
	}
	wg.Wait()
	if failed != nil {
		return fmt.Errorf("%s: %w", w.name, failed)
	}
	took := end.Sub(warm).Seconds()
	pace := ""
	if rate > 0 {
		pace = fmt.Sprintf(" at %.0f/s", rate)
	}
	cycle := "–"
	if paths[0].settle != nil {
		cycle = ms(cycles, 50) + " / " + ms(cycles, 99)
	}
	fmt.Printf("| %s | %d%s | %.0f | %s / %s | %s |\n", w.name, workers, pace, float64(len(reserves))/took, ms(reserves, 50), ms(reserves, 99), cycle)
	return nil
}

func ms(ds []time.Duration, percent int) string {
	if len(ds) == 0 {
		return "?"
	}
	slices.Sort(ds)
	return fmt.Sprintf("%.2f ms", float64(ds[min(len(ds)*percent/100, len(ds)-1)].Microseconds())/1000)
}

func natsWay(name, url string, alone bool) way {
	round := 0
	return way{name: name, open: func(worker int) (*path, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		nc, err := connectNATS(url)
		if err != nil {
			return nil, err
		}
		if err := provision(ctx, nc, 1); err != nil {
			return nil, err
		}
		if worker == 0 {
			round++
		}
		limits, err := budget.ParseLimits(benchLimits)
		if err != nil {
			return nil, err
		}
		l, err := store.OpenLedger(ctx, nc, store.LedgerConfig{
			Keys: []store.LedgerKey{{Name: fmt.Sprintf("k%d-%v", round, alone), Limits: limits}}, Instance: fmt.Sprintf("w%d-%d", round, worker),
			NoForward: alone, Log: zerolog.Nop(),
		})
		if err != nil {
			return nil, err
		}
		if err := l.EnsureLimits(ctx, func(context.Context) ([]store.LiveWorker, error) { return nil, nil }); err != nil {
			return nil, err
		}
		var grants sync.Map
		return &path{
			reserve: func(ctx context.Context, id string) error {
				g, err := l.Reserve(ctx, budget.Request{ID: id, PromptTokens: 300, MaxTokens: 256, Hold: time.Minute})
				grants.Store(id, g)
				return err
			},
			settle: func(ctx context.Context, id string) error {
				g, _ := grants.LoadAndDelete(id)
				return l.Settle(ctx, g.(budget.Grant), budget.Outcome{Kind: budget.Success, UsageKnown: true, Prompt: 200, Completion: 100})
			},
			close: func() { _ = l.Close(ctx); nc.Close() },
		}, nil
	}}
}

// luaReserve is the fixed window as it is usually written, for the same three limits: check all, then take all.
var luaReserve = redis.NewScript(`
for i = 1, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or '0') + tonumber(ARGV[2*i-1]) > tonumber(ARGV[2*i]) then return 0 end
end
for i = 1, #KEYS do
  redis.call('INCRBY', KEYS[i], ARGV[2*i-1])
  redis.call('EXPIRE', KEYS[i], 7200)
end
return 1`)

var luaSettle = redis.NewScript(`return redis.call('INCRBY', KEYS[1], ARGV[1])`)

func redisLua(name, addr string) way {
	return way{name: name, open: func(int) (*path, error) {
		c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 64})
		return &path{
			reserve: func(ctx context.Context, _ string) error {
				hour := time.Now().Unix() / 3600
				keys := []string{fmt.Sprint("req:", hour), fmt.Sprint("tok:", hour), "month"}
				ok, err := luaReserve.Run(ctx, c, keys, 1, 100000000, 556, 1000000000000, 1, 1000000000000).Int()
				if err == nil && ok != 1 {
					err = fmt.Errorf("refused")
				}
				return err
			},
			settle: func(ctx context.Context, _ string) error {
				return luaSettle.Run(ctx, c, []string{fmt.Sprint("tok:", time.Now().Unix()/3600)}, -256).Err()
			},
			close: func() { c.Close() },
		}, nil
	}}
}

func redisRate(name, addr string) way {
	return way{name: name, open: func(int) (*path, error) {
		c := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 64})
		l := redis_rate.NewLimiter(c)
		return &path{
			reserve: func(ctx context.Context, _ string) error {
				_, err := l.Allow(ctx, "k", redis_rate.PerHour(100000000))
				return err
			},
			close: func() { c.Close() },
		}, nil
	}}
}
