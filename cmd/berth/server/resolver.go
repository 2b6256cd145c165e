package server

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// resolverAddress adds DNS's port to an address without one.
func resolverAddress(s string) (string, error) {
	if _, port, err := net.SplitHostPort(s); err == nil && port != "" {
		return s, nil
	}
	if s == "" || strings.Count(s, ":") == 1 {
		return "", fmt.Errorf("--resolver %q: want HOST or HOST:PORT of a DNS server", s)
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), "53"), nil
}

// newResolver asks one DNS server, whatever the system is set to.
func newResolver(address string) *net.Resolver {
	if address == "" {
		return net.DefaultResolver
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}
}
