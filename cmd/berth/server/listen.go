package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/net/netutil"
)

// listeners are both sockets. They are bound before anything on disk is looked at, so that a server that cannot serve
// changes nothing.
type listeners struct {
	http, api net.Listener
}

func (c *checked) listen(ctx context.Context) (*listeners, error) {
	l := &listeners{}
	var faults []error
	for _, b := range []struct {
		flag, addr string
		into       *net.Listener
	}{{"--http", c.HTTP, &l.http}, {"--api", c.API, &l.api}} {
		ln, err := bind(ctx, b.flag, b.addr)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		*b.into = ln
	}
	if err := errors.Join(faults...); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func bind(ctx context.Context, flag, addr string) (net.Listener, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s: the port is in use: stop what listens there, or choose another port with %[1]s HOST:PORT", flag, addr)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s %s: not permitted: ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)", flag, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s %s: this machine has no such address", flag, addr)
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", flag, addr, err)
	}
	return ln, nil
}

// close closes what is open.
func (l *listeners) close() {
	for _, ln := range []net.Listener{l.http, l.api} {
		if ln != nil {
			_ = ln.Close() // nobody was served
		}
	}
}

// boundedAPI limits the API's connections.
func (l *listeners) boundedAPI(n int) net.Listener { return netutil.LimitListener(l.api, n) }

// publicURL is what URLs of sites begin and end with, where the operator did not say.
func (c *checked) publicURL(ln net.Listener) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	if addr, ok := ln.Addr().(*net.TCPAddr); ok && addr.Port != 80 {
		return "http:" + strconv.Itoa(addr.Port)
	}
	return "http"
}
