package cold

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"

	"berth/bench"
	"berth/bench/server"
)

// byHTTP asks a server for the second half of the sites, over one connection.
func (c Config) byHTTP(ctx context.Context, dir string, sites []site, k *Kind) error {
	own, err := os.MkdirTemp(dir, "server-")
	if err != nil {
		return err
	}
	s, err := server.Start(ctx, c.Berth, own, c.Data, "--site-cache", strconv.Itoa(siteCache))
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := s.Filled(ctx); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	ask := func(host string) error {
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
			return err
		}
		return skipResponse(r)
	}
	for n, site := range sites[filled+c.Rounds:] {
		if err := dropPages(c.Data); err != nil {
			return err
		}
		into := &k.HTTP
		if n < filled {
			into = new(bench.Sample)
		}
		if err := timed(into, func() error { return ask(string(site.host)) }); err != nil {
			return fmt.Errorf("ask for %s: %w", site.host, err)
		}
	}
	return nil
}

// skipResponse reads an answer to its end; it must be a 200 with a body.
func skipResponse(r *bufio.Reader) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || n == 0 {
		return fmt.Errorf("status %d with %d bytes", resp.StatusCode, n)
	}
	return nil
}
