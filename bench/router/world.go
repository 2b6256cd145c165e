package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/bench"
	"berth/bench/corpus"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
)

// world is the routing part of a server over a corpus, in this process.
type world struct {
	*corpus.Corpus
	data     *store.DataDir
	hasher   *hostkey.Hasher
	resolver *hashed.Resolver
}

func openWorld(c *corpus.Corpus, so store.Options, ro hashed.Options) (*world, error) {
	w := &world{Corpus: c}
	var err error
	if w.data, err = store.OpenDataDir(c.Dir, so); err != nil {
		return nil, err
	}
	w.hasher = hostkey.NewHasher(w.data.Secrets.HostnameHash)
	if w.resolver, err = hashed.New(w.data.Store, w.hasher, ro); err != nil {
		return nil, errors.Join(err, w.data.Close())
	}
	return w, nil
}

func (w *world) close() error {
	w.resolver.Close()
	return w.data.Close()
}

// settle waits until the store knows unknown hosts by its memory, and has ended what it does of itself after writes.
func (w *world) settle(ctx context.Context) error {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		if m, err := w.data.Store.Metrics(); err != nil || m.KeyFilterBytes > 0 && !m.KeyFilterFilling && m.Compactions == 0 {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// asker asks a resolver as the edge does: from the text of a Host header on.
type asker struct {
	resolver router.Resolver
	query    router.Query
}

func (a *asker) ask(ctx context.Context, authority string) error {
	host, err := hostkey.Canonical(authority)
	if err != nil {
		return err
	}
	a.query.Host = host
	_, err = a.resolver.Resolve(ctx, &a.query)
	return err
}

// known is ask for a host that must be there, unknown for one that must not.
func (a *asker) known(ctx context.Context, authority string) error {
	if err := a.ask(ctx, authority); err != nil {
		return fmt.Errorf("%s: %w", authority, err)
	}
	return nil
}

func (a *asker) unknown(ctx context.Context, authority string) error {
	if err := a.ask(ctx, authority); !errors.Is(err, router.ErrNoRoute) {
		return fmt.Errorf("%s, which nobody has: %w", authority, err)
	}
	return nil
}

// authority is a host as browsers send it to another port than the default.
func authority(h hostkey.Host) string { return string(h) + ":8080" }

// timed measures fn, which does n operations, again and again: nanoseconds of the processor for one operation.
func timed(rounds, n int, fn func() error) (ns bench.Sample, err error) {
	clock, err := bench.StartClock()
	if err != nil {
		return nil, err
	}
	defer clock.Stop()
	for range rounds {
		before, err := clock.Read()
		if err != nil {
			return nil, err
		}
		if err := fn(); err != nil {
			return nil, err
		}
		after, err := clock.Read()
		if err != nil {
			return nil, err
		}
		ns = append(ns, float64((after-before).Nanoseconds())/float64(n))
	}
	return ns, nil
}
