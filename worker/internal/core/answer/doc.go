// Package answer is the step of the road where a question becomes an answer: memory, persona, budget, model, reply.
//
// It promises that every question that it is given ends in exactly one answer on the bus, whoever runs it how often,
// and that nothing is paid twice that need not be: the answer is looked for first and published create-only, attempts
// are counted before a call, and a call is made only under a grant of the budget. Every step may be the last one before
// a crash; docs/reliability.md tells for each what follows.
//
// It holds the one retry loop of the system. It knows no NATS and no HTTP: see port.go for what it asks of its edges.
package answer
