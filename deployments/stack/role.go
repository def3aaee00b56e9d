// Package stack runs the whole system as real processes on one machine: NATS, gateways and workers, each the same
// program re-executed in another role, so that killing one is SIGKILL. The simulators live in the parent, which judges
// by their books. The playground, the crash suite and the benchmarks are built on it.
package stack

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	gateway "salamander.dev/gateway/app"
	worker "salamander.dev/worker/app"

	"salamander.dev/shared/process"
	"salamander.dev/shared/setting"
)

// roleVariable tells a re-executed program which process it is to be.
const roleVariable = "SALAMANDER_ROLE"

// Role is one kind of process.
type Role string

// The roles.
const (
	NATS    Role = "nats"
	Gateway Role = "gateway"
	Worker  Role = "worker"
)

// Main plays the role that the environment names and never returns then; without one it returns at once. Call it
// first in main.
func Main() { MainWith(nil) }

// MainWith is Main for a program that knows roles of its own, which return their exit code.
func MainWith(others map[Role]func() int) {
	role := Role(os.Getenv(roleVariable))
	if play := others[role]; play != nil {
		os.Exit(profiled(play))
	}
	if role == Gateway || role == Worker || role == NATS { // as the services' own main and the compose file do
		process.OneProcessor(setting.Environ())
	}
	switch role {
	case "":
	case Gateway:
		os.Exit(profiled(func() int {
			return gateway.Main(context.Background(), os.Args[1:], setting.Environ(), os.Stdout, os.Stderr)
		}))
	case Worker:
		os.Exit(profiled(func() int { return worker.Main(os.Args[1:], setting.Environ()) }))
	case NATS:
		os.Exit(profiled(serveNATS))
	default:
		fmt.Fprintf(os.Stderr, "%s=%s: expected gateway, worker or nats\n", roleVariable, role)
		os.Exit(setting.ExitCode)
	}
}

// profileVariable names a folder that gets a CPU profile of every process, when it ends.
const profileVariable = "SALAMANDER_PROFILE"

func profiled(play func() int) int {
	dir := os.Getenv(profileVariable)
	if dir == "" {
		return play()
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", os.Getenv(roleVariable), os.Getpid())))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return 1
	}
	defer func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}()
	return play()
}

// serveNATS runs a JetStream server until it is told to end.
func serveNATS() int {
	port, err := strconv.Atoi(os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "PORT: expected a number")
		return setting.ExitCode
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv("STORE_DIR"), NoSigs: true, NoLog: true,
		SyncAlways: os.Getenv("SYNC_ALWAYS") != "", ServerName: "salamander-local",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "nats-server:", err)
		return 1
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		fmt.Fprintln(os.Stderr, "nats-server did not become ready")
		return 1
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	s.Shutdown()
	s.WaitForShutdown()
	return 0
}
