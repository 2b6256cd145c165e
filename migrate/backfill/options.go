package backfill

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth/migrate/pace"
	"berth/migrate/tables"
	"berth/store"
)

// Deps are what a Job works on.
type Deps struct {
	Store  *store.Store
	Tables *tables.Reader
	Clock  pace.Clock           // nil: the machine's
	P99    func() time.Duration // of the edge, now; nil: not known
	Log    *slog.Logger         // nil: discarded
}

// Options of a Job. The zero value of each field means its default.
type Options struct {
	// Rate is how many entries a second are copied, until an operator says otherwise; 0: as fast as the server bears.
	Rate float64
	// ChunkEntries is how many entries share an Update, unless one piece has more; default 2,048. Other writers wait for as
	// long as writing them takes.
	ChunkEntries int
	// MaxCommit and MaxP99 are above what the job gives way, until an operator says otherwise; defaults 250 ms and 100 ms; negative: never.
	MaxCommit, MaxP99 time.Duration
	// MaxFailures bounds the queue of what failed; default 10,000. What is beyond is counted, and found again by Restart.
	MaxFailures int
	// FirstRetry and MaxRetry bound the time between two attempts, which doubles; defaults 30 s and 6 h.
	FirstRetry, MaxRetry time.Duration
}

func (o Options) withDefaults() (Options, error) {
	var faults []error
	if o.Rate < 0 {
		faults = append(faults, fmt.Errorf("backfill: Rate is %v; want entries a second, or 0 for no limit", o.Rate))
	}
	for _, n := range []struct {
		name string
		at   *int
		def  int
	}{{"ChunkEntries", &o.ChunkEntries, 2048}, {"MaxFailures", &o.MaxFailures, 10_000}} {
		if *n.at < 0 {
			faults = append(faults, fmt.Errorf("backfill: %s is %d; want 1 or more, or 0 for %d", n.name, *n.at, n.def))
		}
		if *n.at == 0 {
			*n.at = n.def
		}
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&o.MaxCommit, 250 * time.Millisecond}, {&o.MaxP99, 100 * time.Millisecond}, {&o.FirstRetry, 30 * time.Second}, {&o.MaxRetry, 6 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	if o.FirstRetry < 0 || o.MaxRetry < o.FirstRetry {
		faults = append(faults, fmt.Errorf("backfill: FirstRetry is %v and MaxRetry %v; want the first positive and not above the second", o.FirstRetry, o.MaxRetry))
	}
	return o, errors.Join(faults...)
}

func (d Deps) withDefaults() (Deps, error) {
	var faults []error
	if d.Store == nil {
		faults = append(faults, errors.New("backfill: no store"))
	}
	if d.Tables == nil {
		faults = append(faults, errors.New("backfill: no reader of tables"))
	}
	if d.Clock == nil {
		d.Clock = pace.System{}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d, errors.Join(faults...)
}
