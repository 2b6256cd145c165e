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
}

// Metrics returns the figures; ErrClosed after Close.
func (s *Store) Metrics() (Metrics, error) {
	v, err := s.acquire()
	if err != nil {
		return Metrics{}, err
	}
	defer v.unref()
	m := s.db.Metrics()
	out := Metrics{
		DiskBytes: m.DiskSpaceUsage(), LevelZero: m.Levels[0].TablesCount, MemTableBytes: m.MemTable.Size,
		CacheBytes: m.BlockCache.Size, CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
	}
	for _, l := range m.Levels {
		out.TableFiles += l.TablesCount
	}
	return out, nil
}

// DiskUsage is how much of the disk the database takes.
type DiskUsage struct {
	Total  uint64 // all files, the write-ahead log included
	Routes uint64 // tables with route records, estimated to the block; what is not flushed yet is not counted
	Log    uint64 // likewise the commit log
}

// DiskUsage estimates it; ErrClosed after Close.
func (s *Store) DiskUsage() (DiskUsage, error) {
	v, err := s.acquire()
	if err != nil {
		return DiskUsage{}, err
	}
	defer v.unref()
	du := DiskUsage{Total: s.db.Metrics().DiskSpaceUsage()}
	if du.Routes, err = s.db.EstimateDiskUsage([]byte{tableRoute}, []byte{tableRoute + 1}); err != nil {
		return DiskUsage{}, fmt.Errorf("store: disk usage: %w", err)
	}
	if du.Log, err = s.db.EstimateDiskUsage([]byte{tableCommit}, []byte{tableCommit + 1}); err != nil {
		return DiskUsage{}, fmt.Errorf("store: disk usage: %w", err)
	}
	return du, nil
}

// Compact writes the memtable out and merges all levels into the last, for after a bulk load. Reads and Updates go on.
// It ends early with ctx, with Close and with a failing disk.
func (s *Store) Compact(ctx context.Context) error {
	v, err := s.acquire()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		defer v.unref() // Close waits for it
		defer func() {
			if p := recover(); p != nil {
				err := panicked(p)
				s.opts.Log.Error("database failed", "err", err, "stack", string(debug.Stack()))
				s.guard.seal(err)
				done <- err
			}
		}()
		done <- s.db.Compact(ctx, []byte{0}, []byte{0xff}, false)
	}()
	defer cancel()
	select {
	case err = <-done:
	case <-s.stop:
		cancel()
		err = <-done
	case <-s.guard.frozen:
		err = fmt.Errorf("%w: %w", ErrBroken, s.guard.broken())
	}
	if err != nil {
		return fmt.Errorf("store: compact: %w", err)
	}
	return nil
}
