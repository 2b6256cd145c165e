package store

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options of Open. The zero value of each field means its default.
type Options struct {
	// CacheBytes bounds the block cache; default 64 MiB, at least 1 MiB.
	CacheBytes int64
	// MemTableBytes is the size of a memtable; default 8 MiB, 64 KiB to 1 GiB. Up to two are in memory while one is
	// flushed.
	MemTableBytes int64
	// KeyFilterBytes bounds the filter of host keys in memory; default 64 MiB, at least 64 KiB, negative for none. It is as large
	// as it needs to be: 15 bits a host, 26 MB for 14 million. Beyond the bound, from 45 million hosts on, more of those that do not
	// exist cost a read of the database: 3 in 100 at half as many again. From twice as many on tables are asked for their filters too,
	// and then it is those that exist that cost more.
	KeyFilterBytes int64
	// CommitLogMax and CommitLogAge bound the commit log that RouteAt reads: default the last 100,000 commits, and
	// none older than 7 days. Both are enforced as commits are made, a few records each.
	CommitLogMax int
	CommitLogAge time.Duration
	// MaxGroup bounds how many Updates share one batch and one fsync; default 256.
	MaxGroup int
	// MinFreeBytes is how much room the disk must have left for an Update to be tried; default 64 MiB. UpdateFreeing
	// needs an eighth of it. Negative: do not ask. Refusing early is what keeps a full disk from breaking the log,
	// which only a restart mends.
	MinFreeBytes int64
	// Log takes what the database has to say; default: discarded.
	Log *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time

	// For tests: how long a failed table write is held back, and how long they may go on failing (see guard).
	tableRetry, tableGrace time.Duration
}

const (
	defaultCacheBytes = 64 << 20
	// Memtables take their memory from the block cache: with four of 16 MiB, which is what a bulk load comes to, nothing is left of it,
	// and look-ups read every filter anew.
	defaultMemTableBytes = 8 << 20
	defaultKeyFilter     = 64 << 20
	defaultCommitLogMax  = 100_000
	defaultCommitLogAge  = 7 * 24 * time.Hour
	defaultMaxGroup      = 256
	defaultMinFreeBytes  = 64 << 20
	defaultTableRetry    = 200 * time.Millisecond
	defaultTableGrace    = 30 * time.Second

	// minOpenBytes is what Open asks for: a manifest, a log, and a table of a few records. More is not asked, because
	// what the log holds takes an unknown part of its size; Open says so if it then does not fit.
	minOpenBytes = 2 << 20
	// maxOpenFailures is how often background work may fail in Open.
	maxOpenFailures = 3
	// freeingShare of MinFreeBytes is what UpdateFreeing leaves alone, for the log and for tables being merged.
	freeingShare = 8
	// freeingGroupBytes ends a group that uses the reserve.
	freeingGroupBytes = 64 << 10

	// maxGroupBytes ends a group whose batch has grown this large; the Update that crossed it stays in.
	maxGroupBytes = 4 << 20
	// maxBatchBytes bounds the batch of one group, and so of one Update: far below where Pebble panics (4 GiB).
	maxBatchBytes = 512 << 20
	// maxLookupAge is for how long an iterator of the lookup pool may keep its tables.
	maxLookupAge = 5 * time.Second
	// closeWait is how long Close waits for reads that somebody still has open.
	closeWait = 10 * time.Second
	// slowCommit is when a commit is worth a warning.
	slowCommit = 5 * time.Second
)

// check fills in defaults and reports every fault.
func (o Options) check() (Options, error) {
	var faults []error
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("store options: "+format, args...))
		}
	}
	setDefault(&o.CacheBytes, defaultCacheBytes)
	setDefault(&o.MemTableBytes, defaultMemTableBytes)
	setDefault(&o.KeyFilterBytes, defaultKeyFilter)
	setDefault(&o.CommitLogMax, defaultCommitLogMax)
	setDefault(&o.CommitLogAge, defaultCommitLogAge)
	setDefault(&o.MaxGroup, defaultMaxGroup)
	setDefault(&o.MinFreeBytes, defaultMinFreeBytes)
	setDefault(&o.tableRetry, defaultTableRetry)
	setDefault(&o.tableGrace, defaultTableGrace)
	fault(o.CacheBytes >= 1<<20, "CacheBytes is %d, must be at least %d", o.CacheBytes, 1<<20)
	fault(o.MemTableBytes >= 64<<10 && o.MemTableBytes <= 1<<30, "MemTableBytes is %d, must be %d to %d", o.MemTableBytes, 64<<10, 1<<30)
	fault(o.KeyFilterBytes < 0 || o.KeyFilterBytes >= 64<<10, "KeyFilterBytes is %d, must be at least %d, or negative for none", o.KeyFilterBytes, 64<<10)
	fault(o.CommitLogMax > 0, "CommitLogMax is %d, must be positive", o.CommitLogMax)
	fault(o.CommitLogAge > 0, "CommitLogAge is %v, must be positive", o.CommitLogAge)
	fault(o.MaxGroup > 0 && o.MaxGroup <= 1<<16, "MaxGroup is %d, must be 1 to %d", o.MaxGroup, 1<<16)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, errors.Join(faults...)
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
