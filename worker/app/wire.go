package app

import (
	"context"

	"salamander.dev/shared/bus"
	"salamander.dev/shared/control"
	"salamander.dev/shared/logging"
	"salamander.dev/shared/secret"
	"salamander.dev/shared/setting"
	"salamander.dev/worker/internal/config"
	"salamander.dev/worker/internal/edge/huggingface"
	"salamander.dev/worker/internal/edge/store"
)

func contentOf(cfg Config) logging.Content { return logging.Content(cfg.LogContent) }

func busConfig(c setting.Common) bus.Config {
	return bus.Config{
		URLs: c.NATSURLs, User: c.NATSUser, Password: c.NATSPassword, CredsFile: c.NATSCredsFile, CAFile: c.NATSCAFile,
		Service: control.Worker, Replicas: c.NATSReplicas,
	}
}

// newModel makes the client of the model, with a transport that has room for every call in flight.
func newModel(cfg Config) (*huggingface.Client, error) {
	keys := map[string]secret.String{}
	for _, k := range cfg.Keys {
		keys[k.Name] = k.Token
	}
	transport := huggingface.NewTransport()
	transport.MaxIdleConnsPerHost = max(transport.MaxIdleConnsPerHost, cfg.Concurrency)
	task := huggingface.Chat
	if cfg.HFTask == config.TextGeneration {
		task = huggingface.TextGeneration
	}
	return huggingface.New(keys, transport, huggingface.Config{
		BaseURL: cfg.HFBaseURL, Model: cfg.HFModel, Task: task, Temperature: cfg.HFTemperature, Timeout: cfg.HFTimeout,
	})
}

func (l *instance) ledgerConfig() store.LedgerConfig {
	c := store.LedgerConfig{
		Instance: l.name, Budget: bus.BudgetBucket, Control: bus.ControlBucket, Log: l.log,
		Waiting: func(ctx context.Context) (map[string]int, error) {
			users, err := l.bus.WaitingUsers(ctx)
			waiting := make(map[string]int, len(users))
			for u, n := range users {
				waiting[string(u)] = n
			}
			return waiting, err
		},
	}
	if l.cfg.HFPrice != "" && !l.cfg.Price.Auto {
		c.Price = &l.cfg.Price.Fixed
	}
	if l.cfg.NATSProvision == "auto" {
		c.Provision = l.bus.Provision
	}
	for _, k := range l.cfg.Keys {
		c.Keys = append(c.Keys, store.LedgerKey{Name: k.Name, Limits: k.Limits})
	}
	return c
}

func keyNames(cfg Config) []string {
	var names []string
	for _, k := range cfg.Keys {
		names = append(names, k.Name)
	}
	return names
}
