package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

type counters struct{ commits, groups, failed atomic.Uint64 }

// Stats are counts since Open.
type Stats struct {
	Commits  uint64 // successful Updates that wrote something
	Groups   uint64 // batches that they shared
	Failed   uint64 // Updates whose function failed, panicked or was cancelled
	LogSyncs uint64 // fsyncs of the write-ahead log
	Corrupt  uint64 // corrupt records and files met
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	return Stats{
		Commits: s.stats.commits.Load(), Groups: s.stats.groups.Load(), Failed: s.stats.failed.Load(),
		LogSyncs: s.guard.logSyncs.Load(), Corrupt: s.corrupt.Load(),
	}
}

// Metrics are a few figures of the database.
type Metrics struct {
	DiskBytes     uint64 // all files
	TableFiles    int64
	LevelZero     int64 // tables that have not been compacted yet
	MemTableBytes uint64
	CacheBytes    int64
	CacheHits     int64
	CacheMisses   int64
	// Looks into a table that its own filter spared, and those that it did not.
	TableFilterHits, TableFilterMisses int64
	// The filter of host keys in memory; zero until it is in use.
	KeyFilterBytes, KeyFilterKeys int64
	KeyFilterFilling              bool  // another is being filled, or is about to be
	Compactions                   int64 // under way
}

// Metrics returns the figures; ErrClosed after Close, ErrBroken after a disk error.
func (s *Store) Metrics() (Metrics, error) {
	out, err := beside(s, func() (Metrics, error) {
		m := s.db.Metrics()
		out := Metrics{
			DiskBytes: m.DiskSpaceUsage(), LevelZero: m.Levels[0].TablesCount, MemTableBytes: m.MemTable.Size,
			CacheBytes: m.BlockCache.Size, CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
			TableFilterHits: m.Filter.Hits, TableFilterMisses: m.Filter.Misses,
			Compactions: m.Compact.NumInProgress,
		}
		if f := s.filters.live.Load(); f != nil {
			out.KeyFilterBytes, out.KeyFilterKeys = f.bytes(), f.n.Load()
		}
		out.KeyFilterFilling = s.filters.filling()
		for _, l := range m.Levels {
			out.TableFiles += l.TablesCount
		}
		return out, nil
	})
	if err != nil {
		return Metrics{}, fmt.Errorf("store: metrics: %w", err)
	}
	return out, nil
}

// DiskUsage is how much of the disk the database takes.
type DiskUsage struct {
	Total  uint64 // all files, the write-ahead log included
	Routes uint64 // tables with route records, estimated to the block; what is not flushed yet is not counted
	Log    uint64 // likewise the commit log
	// Tables of the old design, the index of the hosts in them, and that of imported hosts by deployment, likewise.
	Tables, TableIndex, Imported uint64
}

// DiskUsage estimates it; ErrClosed after Close, ErrBroken after a disk error.
func (s *Store) DiskUsage() (DiskUsage, error) {
	out, err := beside(s, func() (du DiskUsage, err error) {
		du.Total = s.db.Metrics().DiskSpaceUsage()
		for _, part := range []struct {
			table byte
			bytes *uint64
		}{{tableRoute, &du.Routes}, {tableCommit, &du.Log}, {tableLegacy, &du.Tables}, {tableLegacyHost, &du.TableIndex}, {tableImported, &du.Imported}} {
			if *part.bytes, err = s.db.EstimateDiskUsage([]byte{part.table}, []byte{part.table + 1}); err != nil {
				return du, err
			}
		}
		return du, nil
	})
	if err != nil {
		return DiskUsage{}, fmt.Errorf("store: disk usage: %w", err)
	}
	return out, nil
}

// Compact writes the memtable out and merges all levels into the last, for after a bulk load. Reads and Updates go on.
// It ends early with ctx, with Close and with a failing disk.
func (s *Store) Compact(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := beside(s, func() (struct{}, error) { return struct{}{}, s.db.Compact(ctx, []byte{0}, []byte{0xff}, false) })
	if err != nil {
		return fmt.Errorf("store: compact: %w", err)
	}
	return nil
}

// beside runs fn, which may need Pebble's log or manifest, unless and until the disk fails: then fn is left behind. Close
// waits for it.
func beside[T any](s *Store, fn func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	var none T
	v, err := s.acquire()
	if err != nil {
		return none, err
	}
	if err := s.guard.broken(); err != nil {
		v.unref()
		return none, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	done := make(chan result, 1)
	go func() {
		defer v.unref()
		defer func() {
			if p := recover(); p != nil {
				err := panicked(p)
				s.opts.Log.Error("database failed", "err", err, "stack", string(debug.Stack()))
				s.guard.seal(err)
				done <- result{err: err}
			}
		}()
		v, err := fn()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-s.guard.frozen:
		return none, fmt.Errorf("%w: %w", ErrBroken, s.guard.broken())
	}
}
