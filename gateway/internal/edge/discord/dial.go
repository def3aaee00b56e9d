package discord

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// dialGateway connects to host:port, over TLS if asked, through the proxy of the environment if there is one. TLS is
// done here and not by the WebSocket library, because links have to see frames. No roots: the system's.
func dialGateway(ctx context.Context, addr string, secure bool, roots *x509.CertPool) (net.Conn, error) {
	proxy, err := proxyFor(addr, secure)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: 30 * time.Second}
	target := addr
	if proxy != nil {
		target = withPort(proxy)
	}
	conn, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if proxy != nil {
		if err := connectThrough(conn, proxy, addr); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if secure {
		host, _, _ := net.SplitHostPort(addr)
		t := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("TLS with %s: %w", host, err)
		}
		conn = t
	}
	if !stop() { // cancelled just now; the deadline is spoilt
		conn.Close()
		return nil, context.Cause(ctx)
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}

func proxyFor(addr string, secure bool) (*url.URL, error) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: addr}})
}

func withPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// connectThrough opens a tunnel (RFC 9110, 9.3.6). Only plain HTTP proxies are spoken to.
func connectThrough(conn net.Conn, proxy *url.URL, addr string) error {
	if proxy.Scheme != "http" {
		return fmt.Errorf("proxy scheme %q: only http proxies are supported for the gateway's WebSocket", proxy.Scheme)
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return fmt.Errorf("ask the proxy: %s", plain(err))
	}
	// The tunnel is silent until we speak, so nothing of it is lost in the reader's buffer.
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return fmt.Errorf("ask the proxy: %s", plain(err))
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy refuses a tunnel: HTTP %d", resp.StatusCode)
	}
	return nil
}

// withoutURL takes off the wrapping that holds the URL, and in it maybe an interaction's token.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return withoutURL(u.Err)
	}
	return err
}

// plain is an error's text without the URL.
func plain(err error) string { return clip(withoutURL(err).Error(), maxDetailBytes) }
