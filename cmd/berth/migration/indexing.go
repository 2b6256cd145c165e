package migration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"berth/migrate/load"
	"berth/store"
)

const indexRetry = 30 * time.Second

// runIndex notes which hosts lead to which deployment, on a server whose tables an older berth loaded. Until it is through, deployments
// cannot be deleted.
func (s *Service) runIndex(ctx context.Context) {
	x := load.Indexer{Store: s.deps.Store, Tables: s.tables, Rules: s.writer.Rules(), P99: s.p99}
	for {
		n, err := x.Run(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrBroken):
			return
		case err == nil && n > 0:
			s.deps.Log.Info("the hosts of the imported tables are noted by deployment", "hosts", n)
			return
		case err == nil:
			return
		}
		s.deps.Log.Error("the hosts of the imported tables are not noted; trying again", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(indexRetry):
		}
	}
}
