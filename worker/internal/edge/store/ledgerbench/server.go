package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
)

// serve runs a NATS server with JetStream until its standard input ends. args: store folder, port (-1: any).
func serve(args []string) error {
	if len(args) != 2 {
		return errors.New("serve: want folder and port")
	}
	port, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: args[0], NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("serve: not ready")
	}
	fmt.Println(s.ClientURL())
	_, _ = os.Stdin.Read(make([]byte, 1))
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// natsServer is a NATS server in a process of its own, that can be killed and started again on its port and folder.
type natsServer struct {
	dir string
	url string
	cmd *exec.Cmd
	in  interface{ Close() error }
}

func startNATS(dir string) (*natsServer, error) {
	s := &natsServer{dir: dir}
	return s, s.Start()
}

// Start starts the server again.
func (s *natsServer) Start() error {
	port := "-1"
	if s.url != "" {
		port = s.url[strings.LastIndex(s.url, ":")+1:]
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "serve", s.dir, port)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("NATS did not start: %w", err)
	}
	s.cmd, s.in, s.url = cmd, in, strings.TrimSpace(line)
	return nil
}

// Kill is SIGKILL.
func (s *natsServer) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = s.in.Close()
}

func connectNATS(url string) (*nats.Conn, error) {
	return nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.RetryOnFailedConnect(true))
}

// provision creates the ledger's two buckets as shared/bus does.
func provision(ctx context.Context, nc *nats.Conn, replicas int) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for _, name := range []string{"BUDGET", "CONTROL"} {
		c := jetstream.StreamConfig{
			Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Storage: jetstream.FileStorage, Replicas: replicas,
			MaxMsgsPerSubject: 10, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, MaxMsgSize: 256 << 10,
			MaxBytes: -1, MaxMsgs: -1, MaxConsumers: -1,
		}
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// startRedis starts redis-server on a free port; args choose its persistence.
func startRedis(dir string, args ...string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--loglevel", "warning"}, args...)...)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	addr = "127.0.0.1:" + port
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	for range 200 {
		if c.Ping(context.Background()).Err() == nil {
			return addr, stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("redis-server did not start")
}
