package control

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// tokenFlush is how often the use of tokens is stored.
const tokenFlush = time.Minute

// Run does the background work until ctx is done, and returns when all of it has ended.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	var maintenance error
	wg.Go(func() { s.runTokenUses(ctx) })
	wg.Go(func() { s.runDomains(ctx) })
	wg.Go(func() { s.encodings.run(ctx) })
	wg.Go(func() { maintenance = s.runMaintenance(ctx) })
	wg.Wait()
	if errors.Is(maintenance, context.Canceled) {
		return nil
	}
	return maintenance
}

func (s *Service) runTokenUses(ctx context.Context) {
	every(ctx, tokenFlush, func() {
		if err := s.flushTokenUses(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.Error("token uses not stored", slog.Any("error", err))
		}
	})
	// The last uses, of the minute before the end. The store is closed only after Run has returned.
	if err := s.flushTokenUses(context.WithoutCancel(ctx)); err != nil {
		s.deps.Log.Error("token uses not stored", slog.Any("error", err))
	}
}

func (s *Service) runDomains(ctx context.Context) {
	if err := s.findPending(ctx); err != nil && ctx.Err() == nil {
		s.deps.Log.Error("pending domains not listed", slog.Any("error", err))
	}
	every(ctx, domainTick, func() { s.checkDueDomains(ctx) })
}

// every calls f after each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}
