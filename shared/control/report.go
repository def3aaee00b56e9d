package control

import (
	"time"

	"salamander.dev/shared/chat"
)

// Sync asks every process to reach a revision of the desired state and to say what that did.
type Sync struct {
	Order Order `json:"order"`
	// Revision is the bucket's revision that the order wrote.
	Revision uint64 `json:"revision"`
}

// Service tells the two programs apart.
type Service string

// The two services.
const (
	Gateway Service = "gateway"
	Worker  Service = "worker"
)

// Applied is one process's answer to Sync and to a status question.
type Applied struct {
	Instance string  `json:"instance"`
	Service  Service `json:"service"`
	// Revision is the newest revision of the desired state that the process obeys.
	Revision uint64 `json:"revision"`
	// Cancelled counts calls of the scope that the order ended, and answers that it kept from being posted.
	Cancelled int `json:"cancelled"`
	// Dropped counts waiting questions of the scope that this process held and let go.
	Dropped int `json:"dropped"`
	// Running counts a worker's model calls in flight, and the answers that a gateway is posting or has yet to post: in
	// the order's scope, and in all.
	Running      int `json:"running"`
	RunningTotal int `json:"running_total"`
	// Held counts taken questions that wait inside the process.
	Held int `json:"held"`
	// Agreed says that a worker holds the limits that stand in the budget's documents, whatever its settings were when it
	// started: nobody with others may start beside it.
	Agreed  bool      `json:"agreed,omitempty"`
	Started time.Time `json:"started"`
	// Epoch is the fleet's reboot epoch that a worker read at its start.
	Epoch chat.Snowflake `json:"epoch,string,omitempty"`
	// Error is a sentence for the operator when the process could not obey.
	Error string `json:"error,omitempty"`
	// Busy says that it has not obeyed yet, and will soon: whoever asks asks again.
	Busy bool `json:"busy,omitempty"`
}

// Live is a process's own entry in the book of the living, renewed while it lives.
type Live struct {
	Instance string    `json:"instance"`
	Service  Service   `json:"service"`
	Started  time.Time `json:"started"`
	// Epoch is the fleet's reboot epoch that the process read at its start.
	Epoch    chat.Snowflake `json:"epoch,string,omitempty"`
	Revision uint64         `json:"revision"`
	Inflight int            `json:"inflight"`
	// Limits are a worker's budget settings by key name, as text.
	Limits map[string]string `json:"limits,omitempty"`
}

// KeyBudget is one key as $budget shows it.
type KeyBudget struct {
	Key string `json:"key"`
	// State is active, resting, cooling or refused.
	State string `json:"state"`
	// Until ends resting and cooling.
	Until  time.Time     `json:"until,omitzero"`
	Limits []LimitBudget `json:"limits"`
}

// LimitBudget is one limit of one key.
type LimitBudget struct {
	// Limit is the setting's text, such as "300req/1h".
	Limit string `json:"limit"`
	// Unit is req, tok or usd; amounts are in it (dollars as a decimal fraction).
	Unit     string    `json:"unit"`
	Max      float64   `json:"max"`
	Used     float64   `json:"used"`
	Reserved float64   `json:"reserved"`
	ResetsAt time.Time `json:"resets_at"`
	// StartedAt is when the window began, for the forecast.
	StartedAt time.Time `json:"started_at"`
}

// BudgetReport answers Budget.
type BudgetReport struct {
	Keys []KeyBudget `json:"keys"`
	At   time.Time   `json:"at"`
}

// Forgotten answers Forget: what was deleted.
type Forgotten struct {
	Memories    int    `json:"memories"`
	Answers     int    `json:"answers"`
	DeadLetters int    `json:"dead_letters"`
	Error       string `json:"error,omitempty"`
}
