package migration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"berth/assets"
	"berth/assets/blob"
	"berth/assets/catalog"
	"berth/assets/manifest"
	"berth/router"
	"berth/router/edge"
	"berth/store"
)

const pageBytes = 1 << 10

// onePage is what every host of a corpus serves.
type onePage struct {
	site *assets.Site
	body []byte
}

func newOnePage() (*onePage, error) {
	p := &onePage{body: bytes.Repeat([]byte("a"), pageBytes)}
	listing, err := manifest.Encode([]manifest.Entry{{Path: "/index.html", Digest: manifest.Digest{1}, Size: int64(len(p.body))}})
	if err != nil {
		return nil, err
	}
	p.site, err = assets.Compile(assets.Input{Manifest: listing})
	return p, err
}

func (p *onePage) Deployment(_ context.Context, no store.DeploymentNo) (*catalog.Deployment, error) {
	return &catalog.Deployment{Site: p.site, No: no, Content: catalog.Content{No: no}}, nil
}

func (p *onePage) Settings(context.Context, store.ProjectNo) (*store.SiteSettings, error) {
	return &store.SiteSettings{}, nil
}

func (p *onePage) Target(context.Context, store.DeploymentNo, bool) (*catalog.Target, error) {
	return &catalog.Target{}, nil
}

func (p *onePage) ReadAll(manifest.Digest, int64) ([]byte, error) { return p.body, nil }

func (p *onePage) Open(manifest.Digest, int64) (blob.File, error) { return nil, blob.ErrNotFound }

// served is an edge in front of a resolver, and one keep-alive connection to it.
type served struct {
	edge  *edge.Server
	conn  net.Conn
	in    *bufio.Reader
	ended chan error
}

func serve(r router.Resolver) (s *served, err error) {
	page, err := newOnePage()
	if err != nil {
		return nil, err
	}
	s = &served{ended: make(chan error, 1)}
	s.edge, err = edge.New(edge.Deps{Resolver: r, Sites: page, Blobs: page, CookieSecret: [32]byte{1}, Log: slog.New(slog.DiscardHandler)}, edge.Options{})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { s.ended <- s.edge.Serve(ln) }()
	if s.conn, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.in = bufio.NewReader(s.conn)
	return s, nil
}

func (s *served) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	return errors.Join(err, s.edge.Shutdown(ctx), <-s.ended)
}

// ask sends one request and reads its answer to the end.
func (s *served) ask(_ context.Context, q *router.Query) error {
	if _, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", q.Path, q.Host); err != nil {
		return err
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK || n != pageBytes {
		return errors.Join(err, fmt.Errorf("%s answered %s with %d bytes", q.Host, answer.Status, n))
	}
	return err
}
