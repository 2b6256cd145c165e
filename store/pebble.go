package store

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// pebbleFormat is what this berth writes: columnar blocks, without which a route takes 8 bytes more, and logs in which
// damage before the last sync is told from the torn end that a crash leaves. Raising it is one way, like FormatVersion.
const pebbleFormat = pebble.FormatTableFormatV6

// filterBits per key make one look-up of an unknown host in about a hundred read a data block.
const filterBits = 10

// maxTableBytes bounds tables, for the sake of their filters, each of which is one block: that of 32 MiB of routes takes 1.4 MiB. What
// memtables leave of the cache is divided by shards, eight for two processors, and a filter that is larger than what a shard has left is
// read anew by every look-up, in a tenth of a millisecond and more.
const maxTableBytes = 32 << 20

func tableBytes() (sizes [7]int64) {
	for i := range sizes {
		sizes[i] = min(int64(2<<20)<<i, maxTableBytes)
	}
	return sizes
}

func (s *Store) pebbleOptions() *pebble.Options {
	logger := &dbLogger{log: s.opts.Log, guard: s.guard}
	o := &pebble.Options{
		FS:                 s.guard,
		Lock:               s.lock,
		CacheSize:          s.opts.CacheBytes,
		MemTableSize:       uint64(s.opts.MemTableBytes),
		FormatMajorVersion: pebbleFormat,
		// Keys in level 0 cost every look-up a seek: compact them early.
		L0CompactionThreshold: 2,
		TargetFileSizes:       tableBytes(),
		Logger:                logger,
		EventListener:         s.events(),
	}
	for i := range o.Levels {
		l := &o.Levels[i]
		l.BlockSize = 4 << 10 // a point read on a cold host costs one
		l.IndexBlockSize = 256 << 10
		l.FilterPolicy = courteousFilter{bloom.FilterPolicy(filterBits)}
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return o
}

// courteousFilter is its policy, and what writes a filter lets others have the processor now and then: it is told each key that a
// flush or a compaction writes, and Pebble has no other place for it.
type courteousFilter struct{ pebble.FilterPolicy }

func (f courteousFilter) NewWriter(t pebble.FilterType) pebble.FilterWriter {
	return &courteousWriter{FilterWriter: f.FilterPolicy.NewWriter(t)}
}

type courteousWriter struct {
	pebble.FilterWriter
	courtesy courtesy
}

func (w *courteousWriter) AddKey(key []byte) {
	w.courtesy.one()
	w.FilterWriter.AddKey(key)
}

// events passes on what an operator should know. Pebble's default answer to a corrupt table is to end the process; here
// the read that met it returns the error.
func (s *Store) events() *pebble.EventListener {
	log := s.opts.Log
	return &pebble.EventListener{
		BackgroundError: s.backgroundFailed,
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.corrupt.Add(1)
			log.Error("corrupt database file", "file", i.Path, "err", i.Details)
		},
		FlushEnd: func(i pebble.FlushInfo) {
			if i.Err == nil {
				s.guard.tableWritten()
				s.warmTables(i.Output)
			}
		},
		CompactionEnd: func(i pebble.CompactionInfo) {
			if i.Err == nil {
				s.guard.tableWritten()
				s.warmTables(i.Output.Tables)
			}
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { log.Warn("writes stall", "reason", i.Reason) },
		WriteStallEnd:   func() { log.Info("writes go on") },
	}
}

// dbLogger takes what Pebble logs.
type dbLogger struct {
	log   *slog.Logger
	guard *guard
}

func (l *dbLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", "msg", fmt.Sprintf(format, args...))
}

func (l *dbLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble", "msg", fmt.Sprintf(format, args...))
}

// Fatalf must not return into Pebble as if nothing were, except from Close, which returns the error itself.
// A failing disk never comes here while the store runs (see guard); what does is an invariant of Pebble's own that is
// broken. Nothing more must reach the disk then, and the process ends: the next start replays the log.
func (l *dbLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	l.log.Error("database failed", "err", err)
	switch l.guard.phase.Load() {
	case phaseOpening:
		l.guard.freeze("", err)
		select {} // Open goes on without this goroutine
	case phaseClosing:
		return
	}
	l.guard.seal(err)
	panic(err)
}

// backgroundFailed is told of each failed flush or compaction. Pebble tries again at once, and Open waits for it: what
// fails there for other reasons than those that the guard sees may do so a few times. A corrupt table must not keep the
// rest from being served.
func (s *Store) backgroundFailed(err error) {
	s.opts.Log.Error("database background work failed", "err", err)
	if s.guard.phase.Load() != phaseOpening || errors.Is(err, pebble.ErrCorruption) {
		return
	}
	if s.guard.failures.Add(1) >= maxOpenFailures {
		s.guard.freeze("", err)
	}
}

// panicked makes an error of what Pebble panicked with, which is often one.
func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("pebble panicked: %w", err)
	}
	return fmt.Errorf("pebble panicked: %v", p)
}
